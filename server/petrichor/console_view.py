"""What the console shows: a picture (plain values, see `petrichor.picture`) as something that rich can draw. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BAR = 24  # cells of a meter
LOWEST = -60.0  # dBFS at its foot
HOT = -3.0  # dBFS from which a peak is marked
SMALLEST = 3  # log lines that are shown before any message is
MESSAGES = 6
STATES = {"playing": "green", "loading": "yellow", "failed": "red"}


def draw(picture: Mapping[str, Any], lines: Sequence[str], height: int) -> RenderableType:
    """Return what to draw.

    Args:
        picture: Of the server; empty where none has come yet.
        lines: What was printed.
        height: Rows of the terminal; the log gets what is left.
    """
    if not picture:
        return Group(_head("petrichor", "starting"), *_log(lines, height - 2))
    # Besides voices: three heads, the master, the outputs, and something of the log.
    unseen = max(0, len(picture["voices"]) - max(1, height - 7 - len(picture["listeners"])))
    picture = {**picture, "voices": picture["voices"][: len(picture["voices"]) - unseen]}
    top: list[RenderableType] = [
        _head("petrichor", f"{picture['where']}{f'  (and {unseen} more voices)' if unseen else ''}"),
        _levels(picture),
        _outputs(picture),
        *_listeners(picture),
    ]
    left = height - 5 - len(picture["voices"]) - len(picture["listeners"])  # three heads, the master and the outputs
    shown = picture["messages"][: -(min(MESSAGES, max(0, left - SMALLEST)) + 1) : -1]  # the newest first
    messages = [_plain(line, "cyan") for line in shown]
    log = _log(lines, left - len(messages))
    return Group(*top, _head("received", f"{picture['waiting']} wait for their time"), *messages, *log)


def meter(peak: float, rms: float) -> Text:
    """Return a level as a bar with its peak marked and its number.

    Args:
        peak: dBFS.
        rms: dBFS.
    """
    full, mark = _cells(rms), _cells(peak)
    bar = "█" * full + "░" * (BAR - full)
    if mark:
        bar = bar[: mark - 1] + "▌" + bar[mark:] if mark > full else bar
    level = f" {rms:6.1f} dB" if rms > -119.0 else "      – dB"
    return Text(bar, "red" if peak > HOT else "green", no_wrap=True).append(level, "default")


def clean(line: str) -> str:
    """Return a line without what would steer the terminal: it may hold what a stranger has sent."""
    return "".join(each if each.isprintable() else "·" for each in line.expandtabs(4))


def _cells(level: float) -> int:
    return round(BAR * min(max((level - LOWEST) / -LOWEST, 0.0), 1.0))


def _levels(picture: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for voice in picture["voices"]:
        intensity = "" if voice["intensity"] is None else f"intensity {voice['intensity']:.2f}"
        gain = "muted" if voice["mute"] else "" if voice["gain"] is None else f"{voice['gain']:+.1f} dB"
        state = Text(voice["state"], STATES.get(voice["state"], "default"))
        table.add_row(_plain(voice["name"], "bold"), state, meter(*voice["level"]), intensity, gain)
    peak, rms, reduction = picture["master"]
    limiter = Text("limiter off", "dim") if reduction > -0.05 else Text(f"limiter {reduction:.1f} dB", "yellow")
    gain = f"{picture['gain']:+.1f} dB"
    table.add_row(Text("master", "bold"), "", meter(peak, rms), limiter, gain)
    return table


def _outputs(picture: Mapping[str, Any]) -> Text:
    parts = [f"{picture['subscribers']} listen"]
    parts += [f"{name} {picture[name]}" for name in ("underruns", "restarts")]
    parts.append(f"concealed {picture['concealed']} ms")
    parts.append(f"card {clean(picture['device'])}" if picture["device"] else "no sound card")
    if picture["scene"]:
        parts.append(f"scene {clean(picture['scene'])}")
    text = Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
    if picture["recording"]:
        text.append(f"  ● {clean(picture['recording'])}", "red")
    return text


def _listeners(picture: Mapping[str, Any]) -> list[Text]:
    return [
        _plain(f"  {address}  fill {fill} of {rate} Hz  underruns {underruns}", "default")
        for address, fill, rate, underruns in picture["listeners"]
    ]


def _head(title: str, detail: str) -> Text:
    return Text(f"{title}  ", "bold", no_wrap=True, overflow="ellipsis").append(clean(detail), "dim")


def _log(lines: Sequence[str], rows: int) -> list[Text]:
    shown = list(lines)[-max(1, rows) :]
    return [_head("log", ""), *(_plain(line, "default") for line in shown)]


def _plain(line: str, style: str) -> Text:
    return Text(clean(line), style, no_wrap=True, overflow="ellipsis")
