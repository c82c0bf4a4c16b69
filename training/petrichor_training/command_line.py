"""The command ``petrichor-train``: prepare, fit, export, evaluate, ablate, compare."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from petrichor.errors import VoiceFileError
from petrichor_training.errors import TrainingError
from petrichor_training.recipe import load_recipe

if TYPE_CHECKING:
    from petrichor_training.assessment import Assessor
    from petrichor_training.board import Board
    from petrichor_training.fit import Stop
    from petrichor_training.publish import Publisher
    from petrichor_training.run import Run

    Listener = Assessor | Publisher | Board

console = Console(stderr=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="petrichor-train", description="From a folder of recordings to a voice.")
    parser.add_argument("--log", default="warning", choices=("debug", "info", "warning", "error"))
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="recordings to a cache of training windows")
    prepare.add_argument("data", type=Path, metavar="DATA", help="a folder of recordings")
    fit = commands.add_parser("fit", help="train; goes on where the run folder has a checkpoint")
    fit.add_argument("data", type=Path, metavar="CACHE", help="a folder that prepare wrote")
    fit.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    fit.add_argument("--steps", type=int, default=sys.maxsize, help="stop after so many in all")
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    fit.add_argument(
        "--devices",
        choices=("one", "all", "cluster"),
        default="one",
        help="all: every GPU of this machine; cluster: every machine in TF_CONFIG (default: %(default)s)",
    )
    fit.add_argument("--tensorboard", action="store_true", help="curves, sounds and spectrograms in RUN/tensorboard")
    fit.add_argument("--publish", type=Path, metavar="NAME.voice", help="export into a server's voice folder meanwhile")
    fit.add_argument("--publish-every", type=int, default=10, metavar="EPOCHS", help="how often (default: %(default)s)")
    export = commands.add_parser("export", help="a run to a voice file")
    export.add_argument("data", type=Path, metavar="RUN", help="a folder that fit wrote")
    export.add_argument("--cache", type=Path, required=True, help="the cache the run was trained on")
    export.add_argument("--no-directions", action="store_true", help="fit none")
    export.add_argument("--last", action="store_true", help="the last weights, not the best (see fit.assess_every)")
    export.add_argument("--quick", action="store_true", help="the last weights; no directions, no choice of truncation")
    for command in (prepare, fit, export):
        names = '"bird-stream", "rain-stream", "bird", "rain", "bird-published"'
        command.add_argument("--recipe", required=True, help=f"{names} or a .toml file of differences")
        command.add_argument("--out", type=Path, required=True, metavar="OUT")
    _add_judging(commands)
    return parser


def _add_judging(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands that compare what was trained."""
    evaluate = commands.add_parser("evaluate", help="quality figures of voices against recordings, and a page")
    evaluate.add_argument("voices", nargs="+", type=Path, metavar="VOICE", help="voice files, compared side by side")
    evaluate.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    evaluate.add_argument("--cache", type=Path, required=True, help="the cache that says which were kept apart")
    evaluate.add_argument("--seeds", type=int, default=8, help="latents listened to (default: %(default)s)")
    evaluate.add_argument(
        "--intensities", type=float, nargs="+", default=[0.5], help="at which they play, in turn (default: 0.5)"
    )
    evaluate.add_argument("--excerpts", type=int, default=0, help="of 4 s, of each voice (default: as of recordings)")
    evaluate.add_argument("--minutes", type=float, default=2.0, help="searched for repetition, 0 = none (default: 2)")
    evaluate.add_argument(
        "--intensity-seconds", type=float, default=10.0, help="at each of 11 intensities, 0 = none (default: 10)"
    )
    evaluate.add_argument(
        "--copying-seeds", type=int, default=24, help="latents looked for in the recordings (default: %(default)s)"
    )
    evaluate.add_argument(
        "--telling-draws",
        type=int,
        default=12,
        help="classifiers that try to tell a voice from the recordings kept apart, 0 = none (default: %(default)s)",
    )
    evaluate.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for figures.json and report.html")
    ablate = commands.add_parser("ablate", help="recipes trained for the same number of steps and compared")
    ablate.add_argument(
        "recipes", nargs="+", metavar="RECIPE", help="names or .toml files; the first one's split counts"
    )
    ablate.add_argument("--data", type=Path, required=True, help="the folder of recordings")
    ablate.add_argument("--steps", type=int, required=True, help="that each is trained for")
    ablate.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    ablate.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="caches, runs, voices and the report")
    compare = commands.add_parser("compare", help="spectrograms of sound files side by side, on one scale")
    compare.add_argument("sounds", nargs="+", metavar="TITLE=FILE", help="what to draw, from left to right")
    compare.add_argument("--out", type=Path, required=True, metavar="OUT.png")
    compare.add_argument("--seconds", type=float, default=4.0, help="length shown of each (default: %(default)s)")
    compare.add_argument("--start", type=float, default=0.0, help="where in each file to begin, in seconds")


def _bar(*columns: str) -> Progress:
    texts = [TextColumn(column) for column in columns]
    return Progress(
        *texts, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console
    )


def _tracked(bar: Progress) -> Callable[[Iterable[Path]], Iterable[Path]]:
    """Files one after the other, with the bar moving along."""
    return lambda paths: bar.track(list(paths))


def _prepare(options: argparse.Namespace) -> None:
    from petrichor_training.prepare import prepare  # noqa: PLC0415  (heavy imports only where needed)

    with _bar("reading") as bar:
        summary = prepare(options.data, options.out, load_recipe(options.recipe), _tracked(bar))
    for name, reason in summary["left_out"].items():
        print(f"left out {name}: {reason}")
    recordings = len(summary["used"])
    print(f"{recordings} recordings, {summary['train']} training windows, {summary['validation']} validation windows")


def _fit(options: argparse.Namespace) -> None:
    from petrichor_training.publish import check_place  # noqa: PLC0415

    if options.publish:
        check_place(options.publish)  # before ten seconds of imports

    from petrichor_training.backend import open_steps  # noqa: PLC0415
    from petrichor_training.dataset import load_dataset  # noqa: PLC0415
    from petrichor_training.fit import Stop, fit  # noqa: PLC0415
    from petrichor_training.run import open_run  # noqa: PLC0415

    recipe = load_recipe(options.recipe)
    steps = open_steps(options.threads, options.devices)
    run = open_run(options.out, recipe, load_dataset(options.data, recipe), steps)
    stop = Stop(seconds=options.minutes * 60, steps=options.steps)
    _stop_on_signals(stop)
    with ExitStack() as stack:
        bar = stack.enter_context(
            _bar("epoch {task.fields[epoch]} of " + str(recipe.fit.epochs), "{task.fields[figures]}")
        )
        task = bar.add_task("", epoch=run.epoch, figures="")

        def report(epoch: int, step: int, steps: int, figures: dict[str, float]) -> None:
            """Show how far it is."""
            text = f"G {figures['generator_loss']:.3f} D {figures['discriminator_loss']:.3f}"
            bar.update(task, completed=step, total=steps, epoch=epoch, figures=text)

        waited = fit(run, report, stop, _listeners(options, run, stack) if steps.chief else [])
    print(f"{run.epoch} of {recipe.fit.epochs} epochs, {run.step} steps, in {options.out}; {waited}")


def _listeners(options: argparse.Namespace, run: Run, stack: ExitStack) -> list[Listener]:
    """What is called after every epoch, closed with the stack."""
    found: list[Listener] = []
    if run.recipe.fit.assess_every:
        from petrichor_training.assessment import Assessor  # noqa: PLC0415

        found.append(Assessor(run))
    if options.publish:
        from petrichor_training.publish import Publisher  # noqa: PLC0415

        found.append(Publisher(options.publish, options.publish_every, options.recipe, options.data))
    if options.tensorboard:
        from petrichor_training.board import Board  # noqa: PLC0415  (TensorFlow)

        found.append(Board(options.out))
    for listener in found:
        stack.callback(listener.close)
    return found


def _stop_on_signals(stop: Stop) -> None:
    """Finish the step and save on Ctrl-C or when a service manager ends it; end at once on a second one."""

    def ask(number: int, _frame: object) -> None:
        """Ask for the end; the next signal is an end."""
        stop.asked = True
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)


def _export(options: argparse.Namespace) -> None:
    from petrichor_training.dataset import load_dataset  # noqa: PLC0415
    from petrichor_training.exploration import usual_truncation  # noqa: PLC0415
    from petrichor_training.export import export  # noqa: PLC0415

    recipe = load_recipe(options.recipe)
    settings = recipe.export
    if options.quick or options.no_directions:
        settings = dataclasses.replace(settings, clips_measured=0)
    if options.quick:
        settings = dataclasses.replace(settings, truncation=usual_truncation(recipe))
    recipe = dataclasses.replace(recipe, export=settings)
    last = options.last or options.quick
    figures = export(options.data, load_dataset(options.cache, recipe), recipe, options.out, last)
    for name, value in figures.items():
        print(f"{name}: {value}")


def _evaluate(options: argparse.Namespace) -> None:
    from petrichor_training.quality.evaluate import EvaluateOptions, evaluate  # noqa: PLC0415
    from petrichor_training.quality.excerpts import read_recordings  # noqa: PLC0415
    from petrichor_training.quality.report import as_text  # noqa: PLC0415

    listening = EvaluateOptions(
        options.seeds,
        tuple(options.intensities),
        options.excerpts,
        options.minutes * 60,
        options.intensity_seconds,
        copying_seeds=options.copying_seeds,
        telling_draws=options.telling_draws,
    )
    with _bar("reading") as bar:
        recordings = read_recordings(options.data, options.cache, _tracked(bar))
    figures = evaluate(options.voices, recordings, options.out, listening, say=console.print)
    print(as_text(figures))
    print(f"{options.out / 'report.html'} opens from disk")


def _ablate(options: argparse.Namespace) -> None:
    from petrichor_training.ablation import AblationOptions, ablate  # noqa: PLC0415

    spent = AblationOptions(options.steps, options.threads)
    print(ablate(options.recipes, options.data, options.out, spent, say=console.print))
    print(f"{options.out / 'report.html'} opens from disk")


def _compare(options: argparse.Namespace) -> None:
    from petrichor_training.comparison import draw_comparison  # noqa: PLC0415

    sounds = [(title, Path(path)) for title, _, path in (text.partition("=") for text in options.sounds)]
    draw_comparison(sounds, options.out, options.seconds, options.start)


COMMANDS = {
    "prepare": _prepare,
    "fit": _fit,
    "export": _export,
    "evaluate": _evaluate,
    "ablate": _ablate,
    "compare": _compare,
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Without the program's name; None = those of the process.

    Returns:
        Exit status: 0, or 1 with the reason on standard error.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up remarks
    logging.basicConfig(level=options.log.upper(), format="%(message)s", handlers=[RichHandler(console=console)])
    try:
        COMMANDS[options.command](options)
    except (TrainingError, VoiceFileError) as error:
        console.print(f"petrichor-train: {error}", markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
