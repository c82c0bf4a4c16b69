"""The `petrichor` command."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from petrichor import __version__
from petrichor.config import ServeOptions
from petrichor.errors import OptionError, PetrichorError
from petrichor.folders import default_voices, find_voice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Without the program's name; None takes those of the process.

    Returns:
        Exit status: 0, 1 for an error that was reported, 130 after Ctrl-C.
    """
    parser = _parser({})
    options, rest = parser.parse_known_args(arguments)
    if rest and ("address" not in options or any(word.startswith("--") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest  # of `send`: what stands behind an option, and numbers such as -1e3
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("watchdog").setLevel(logging.WARNING)  # it tells of every look at the folder
    if options.verbose < 2:  # the wire is traced only when asked for twice
        logging.getLogger("petrichor.osc").setLevel(logging.INFO)
    try:
        if getattr(options, "live_set", None):
            options = _with_live_set(options.live_set, arguments)
        status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads what is printed, `head` perhaps, has read enough
        logging.debug("nobody reads what is printed", exc_info=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        return 1
    except PetrichorError as error:
        print(f"petrichor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _with_live_set(path: Path, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options anew: those of a live set go before the usual ones, and those that are given before both."""
    from petrichor.live_set import read_live_set  # noqa: PLC0415  # each command loads only what it needs

    live_set = read_live_set(path)
    try:
        ServeOptions(**live_set.serve)
    except OptionError as error:  # it names the option: the key is called alike
        key, _, reason = str(error).removeprefix("--").partition(": ")
        raise OptionError(f"{path.name}: serve.{key.replace('-', '_')}: {reason}") from error
    options = _parser(live_set.serve).parse_args(arguments)
    options.live_set = live_set
    return options


def _parser(serve: Mapping[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="petrichor", description="Neural birds and rain, played live over OSC from Pure Data and SuperCollider."
    )
    parser.add_argument("--version", action="version", version=f"petrichor {__version__}")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more; twice: trace every datagram")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="host the voices of a folder and play them"), serve)
    _add_send(commands.add_parser("send", help="send one OSC message to a server, and print what it answers"))
    _add_render(commands.add_parser("render", help="render one voice into a file, offline and repeatably"))
    _add_play(commands.add_parser("play", help="a 20-s demonstration, driven by real OSC"))
    _add_bench(commands.add_parser("bench", help="measure the server from outside, by its sound"))
    voices = commands.add_parser("voices", help="list the voices of a folder")
    voices.add_argument("folder", nargs="?", type=Path, default=default_voices(), help="where (default: %(default)s)")
    voices.add_argument("--figures", action="store_true", help="print what was measured when they were exported too")
    voices.add_argument("--credits", action="store_true", help="print the credits of their recordings too")
    voices.set_defaults(run=_voices)
    return parser


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--voices", type=Path, default=default_voices(), help="folder of voice files (%(default)s)")
    parser.add_argument(
        "--device", default="default", help="sound device by name, 'default' where there is one, or 'none'"
    )
    parser.add_argument("--rate", type=int, default=48000, help="sample rate in Hz (default: %(default)s)")
    parser.add_argument("--ahead", type=int, default=256, help="frames each voice keeps ready (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first latent vectors (default: %(default)s)")
    parser.add_argument(
        "--realtime",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make and mix sound at real-time priority where the system allows it (default: yes)",
    )


def _add_serve(parser: argparse.ArgumentParser, defaults: Mapping[str, Any]) -> None:
    parser.add_argument(
        "live_set", nargs="?", type=Path, metavar="SET", help="a live set (.toml): options, voices, scenes, mappings"
    )
    _add_server_options(parser)
    parser.add_argument("--port", type=int, default=9000, help="UDP port of OSC control (default: %(default)s)")
    parser.add_argument("--stream-port", type=int, help="UDP port of sound streams (default: the next one)")
    parser.add_argument(
        "--query",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="describe everything by OSCQuery, over HTTP and WebSocket (default: yes)",
    )
    parser.add_argument("--query-port", type=int, help="TCP port of OSCQuery (default: the control port + 2)")
    parser.add_argument(
        "--recordings", type=Path, default=Path("recordings"), help="folder /record writes into (default: %(default)s)"
    )
    parser.add_argument(
        "--presets", type=Path, default=Path("presets"), help="folder of presets (default: %(default)s)"
    )
    parser.add_argument(
        "--max-rate",
        type=int,
        default=5000,
        help="datagrams a second read of one sender; 0: all (%(default)s)",
    )
    parser.add_argument(
        "--plain", action="store_true", help="plain log lines in a terminal too, in place of the console"
    )
    parser.set_defaults(run=_serve, **defaults)


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", help="OSC address, such as /rain/intensity")
    parser.add_argument(
        "arguments", nargs="*", metavar="ARG", help="whole numbers, numbers, else texts; '\"5\"' is a text; ? asks"
    )
    parser.add_argument("--host", default="127.0.0.1", help="of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="of its OSC control (default: %(default)s)")
    parser.add_argument("-s", "--string", action="store_true", help="take every ARG as a text")
    parser.add_argument(
        "--wait", type=float, default=0.5, help="seconds at most to wait for an answer (default: %(default)s)"
    )
    parser.set_defaults(run=_send)


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("voice", help="a voice file, or the name of one in the voice folder")
    parser.add_argument("--voices", type=Path, default=default_voices(), help="the voice folder (%(default)s)")
    parser.add_argument("output", type=Path, help=".wav (32-bit float) or .flac (24-bit)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same samples (default: %(default)s)")
    parser.add_argument("--latent", type=Path, help=".npy, or text with one number a line, as many as the voice wants")
    parser.add_argument("--truncation", type=float, help="0…3 (default: the voice's own)")
    parser.add_argument("--intensity", type=float, default=0.5, help="0…1 (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=48000, help="sample rate in Hz (default: %(default)s)")
    parser.add_argument("--script", type=Path, help="timed messages: .toml, or .osc in scsynth's score format")
    parser.set_defaults(run=_render)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    from petrichor.bench.command import add_bench  # noqa: PLC0415  # each command loads only what it needs

    add_bench(parser)


def _add_play(parser: argparse.ArgumentParser) -> None:
    _add_server_options(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("petrichor-demo.wav"), help="where the sound goes without a sound card"
    )
    parser.set_defaults(run=_play)


def _serve(options: argparse.Namespace) -> None:
    from petrichor.console_host import console  # noqa: PLC0415  # each command loads only what it needs
    from petrichor.server import Server  # noqa: PLC0415

    _end_in_peace()
    settings = dataclasses.replace(
        _server_options(options),
        port=options.port,
        stream_port=options.stream_port,
        query=options.query,
        query_port=options.query_port,
        recordings=options.recordings,
        presets=options.presets,
        max_rate=options.max_rate,
        live_set=options.live_set,
    )
    if settings.live_set is not None:
        from petrichor.live_set_check import check_live_set  # noqa: PLC0415

        check_live_set(settings.live_set, settings.voices)
    with console(options.plain) as view, Server(settings, view) as server:
        print(f"petrichor: OSC on {settings.host}:{server.port}, streams on {server.stream_port}", flush=True)
        server.run()


def _end_in_peace() -> None:
    """Let SIGTERM end what has begun as Ctrl-C does, until the server listens for both itself."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _server_options(options: argparse.Namespace) -> ServeOptions:
    return ServeOptions(
        host=options.host,
        voices=options.voices,
        device=options.device,
        rate=options.rate,
        ahead=options.ahead,
        seed=options.seed,
        realtime=options.realtime,
    )


def _send(options: argparse.Namespace) -> int:
    from petrichor.send import read_arguments, send  # noqa: PLC0415

    args = read_arguments([*options.arguments, *options.rest], options.string)
    fault = ""
    for line, failed in send(options.host, options.port, options.wait, options.address, *args):
        print(line, file=sys.stderr if failed else sys.stdout, flush=True)
        fault = fault or (line if failed else "")
    return 1 if fault else 0


def _render(options: argparse.Namespace) -> int:
    from petrichor.render import RenderOptions, render_to_file  # noqa: PLC0415

    report = render_to_file(
        RenderOptions(
            find_voice(options.voice, options.voices),
            options.output,
            options.seconds,
            options.seed,
            options.latent,
            options.truncation,
            options.intensity,
            options.rate,
            options.script,
        )
    )
    print(
        f"{options.output}: {report.seconds:g} s, {report.times_real_time:.1f} times real time, "
        f"peak {report.peak:.1f} dBFS, RMS {report.rms:.1f} dBFS"
    )
    if report.refused:
        print(f"messages of the score that were refused: {report.refused}", file=sys.stderr)
    return 1 if report.refused else 0


def _play(options: argparse.Namespace) -> None:
    from petrichor.play import play_demonstration  # noqa: PLC0415

    _end_in_peace()
    print(f"petrichor: {play_demonstration(_server_options(options), options.output)}")


def _voices(options: argparse.Namespace) -> int:
    from petrichor.voice_list import describe_folder  # noqa: PLC0415

    lines, sound = describe_folder(options.folder, options.figures, options.credits)
    print("\n".join(lines))
    return 0 if sound else 1
