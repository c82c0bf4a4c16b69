"""One page with everything in it: a table, spectrograms and players, to be opened from disk or sent by mail."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no window, and none of its threads

import numpy as np
import soundfile
from matplotlib import pyplot

from petrichor_training.quality.logmel import FLOOR_DB, HIGH_HZ, LOW_HZ, RATE, log_mel
from petrichor_training.replacement import replacing

Get = Callable[[dict[str, Any]], str]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; } img, audio { width: 100%; } small { color: #666; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } th, td { border-color: #333; } }
"""


@dataclass(frozen=True, eq=False)
class Column:
    """One thing that is compared.

    Attributes:
        name: Its title.
        figures: From `Reference.figures`, with `telling`, a voice's with `repetition`, `copying` and `intensity`; any
            may be missing.
        sounds: Titles and sounds, Shape [frames] each, |x| <= 1.
    """

    name: str
    figures: dict[str, Any]
    sounds: list[tuple[str, np.ndarray]]


def _spread(key: str) -> Get:
    def get(figures: dict[str, Any]) -> str:
        """Value and spread, as HTML."""
        of = figures[key]
        return f"<b>{of['value']:.2f}</b> <small>({of['low']:.2f}…{of['high']:.2f})</small>"

    return get


def _character(key: str, form: str) -> Get:
    def get(figures: dict[str, Any]) -> str:
        """Median and quartiles, as HTML."""
        of = figures["character"][key]
        return f"{of['median']:{form}} <small>({of['low']:{form}}…{of['high']:{form}})</small>"

    return get


ROWS: list[tuple[str, str, Get]] = [
    (
        "texture distance",
        "statistics of McDermott and Simoncelli; recordings = 1",
        _spread("texture"),
    ),
    ("Fréchet distance", "log-mel statistics; recordings = 1", _spread("frechet")),
    (
        "told apart",
        "how often classifiers name the right one of two unheard excerpts, the other kept apart; guessed = 0.50",
        _spread("telling"),
    ),
    ("diversity", "between latents; between recordings = 1", lambda f: f"{f['diversity']:.2f}"),
    ("bandwidth, Hz", "where the spectrum falls 60 dB below its top", _character("bandwidth_hz", ".0f")),
    ("brightness, Hz", "centre of gravity of the spectrum", _character("brightness_hz", ".0f")),
    ("onsets per second", "", _character("onsets_per_second", ".1f")),
    (
        "repetition",
        "correlation of the most alike pair of stretches; share of stretches that come again",
        lambda f: f"{f['repetition']['highest']:.2f}, {100 * f['repetition']['share']:.0f} %",
    ),
    (
        "copies",
        "share of stretches more like a training recording than those kept apart are; different pieces copied or not",
        lambda f: f"{100 * f['copying']['share']:.0f} %, {f['copying']['places']:.0f} of {f['copying']['stretches']}",
    ),
    (
        "intensity",
        "rank correlation with onsets, with the rate of events, with loudness",
        lambda f: "{onsets_per_second:.2f}, {events_per_second:.2f}, {loudness_db:.2f}".format(
            **f["intensity"]["rank_correlation"]
        ),
    ),
]


def write_report(path: Path, columns: Sequence[Column]) -> None:
    """Write the page; an older one is replaced only by a whole one.

    Args:
        path: An ``.html``.
        columns: What is compared, from left to right.
    """
    heads = "".join(f"<th>{html.escape(column.name)}</th>" for column in columns)
    rows = [_row(title, note, get, columns) for title, note, get in ROWS]
    every = [column.figures for column in columns]
    classes: list[str] = next((list(f["texture_classes"]) for f in every if "texture_classes" in f), [])
    rows += [_row(f"· {name.replace('_', ' ')}", "", _of_class(name), columns) for name in classes]
    rows += [_listening(columns)]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Voices against recordings</title>'
        f"<style>{STYLE}</style><h1>Voices against recordings</h1>"
        f"<p>Ratios: distance to recordings kept apart over that of the recordings learned from, "
        f"with the middle 80 % of draws of sources; that of what is told apart is of its draws.</p>"
        f"<table><tr><th></th>{heads}</tr>{''.join(rows)}</table></html>"
    )
    with replacing(path) as temporary:
        temporary.write_text(page, "utf-8")


def _of_class(name: str) -> Get:
    return lambda figures: f"{figures['texture_classes'][name]:.2f}"


def _row(title: str, note: str, get: Get, columns: Sequence[Column]) -> str:
    cells = "".join(f"<td>{_cell(get, column.figures)}</td>" for column in columns)
    return f"<tr><th>{html.escape(title)}<br><small>{html.escape(note)}</small></th>{cells}</tr>"


def _cell(get: Get, figures: dict[str, Any]) -> str:
    try:
        return get(figures)
    except KeyError:  # not taken of recordings
        return "–"


def _listening(columns: Sequence[Column]) -> str:
    cells = "".join(f"<td>{''.join(_heard(*sound) for sound in column.sounds)}</td>" for column in columns)
    return f"<tr><th>to hear<br><small>{LOW_HZ:.0f} Hz to {HIGH_HZ / 1000:.0f} kHz, mel scale</small></th>{cells}</tr>"


def _heard(title: str, sound: np.ndarray) -> str:
    ogg = io.BytesIO()
    soundfile.write(ogg, sound.astype(np.float32), RATE, format="OGG", subtype="VORBIS")
    audio = f'<audio controls preload="none" src="{_inline("audio/ogg", ogg.getvalue())}"></audio>'
    picture = f'<img alt="spectrogram of {html.escape(title)}" src="{_inline("image/png", _picture(sound))}">'
    return f"<small>{html.escape(title)}</small>{picture}{audio}"


def _picture(sound: np.ndarray) -> bytes:
    levels = log_mel(sound, 96)
    png = io.BytesIO()
    pyplot.imsave(png, (levels - levels.max()).T, vmin=FLOOR_DB, vmax=0, cmap="magma", origin="lower", format="png")
    return png.getvalue()


def _inline(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def as_text(figures: dict[str, Any]) -> str:
    """Return the table for a terminal.

    Args:
        figures: What ``figures.json`` holds.
    """
    parts = {"kept apart": figures["kept_apart"], "recordings": figures["recordings"], **figures["voices"]}
    lines = [f"{'':24}" + "".join(f"{name:>26}" for name in parts)]
    for title, _, get in ROWS:
        cells = (re.sub("<[^>]*>", "", _cell(get, part)) for part in parts.values())
        lines.append(f"{title:24}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)
