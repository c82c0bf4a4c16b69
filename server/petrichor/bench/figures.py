"""Figures and how they are reported."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from petrichor import __version__


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        what: What was measured.
        values: By name: "p50", "p99", "max" …
        unit: Of the values.
        reach: What it is to be, or "".
        limit: The value of `judged` that still is so, or None.
        judged: Which of the values is held against it.
        least: Whether more is better.
        notes: What else has to be known.
    """

    what: str
    values: dict[str, float]
    unit: str
    reach: str = ""
    limit: float | None = None
    judged: str = ""
    least: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def reached(self) -> bool | None:
        """Whether it is what it is to be; None where nothing was asked."""
        if self.limit is None:
            return None
        value = self.values[self.judged]
        return value >= self.limit if self.least else value <= self.limit


def percentiles(seconds: Sequence[float], scale: float = 1000.0) -> dict[str, float]:
    """Return p50, p99 and the largest of some times.

    Args:
        seconds: The times.
        scale: What they are multiplied by; 1000 gives milliseconds.
    """
    times = np.asarray(seconds, np.float64) * scale
    return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99)), "max": float(times.max())}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "petrichor": __version__,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def stolen(table: Path = Path("/proc/stat")) -> float:
    """Return the seconds of processor time that a virtual machine's host has kept for itself so far, of all cores.

    Args:
        table: Where Linux counts them; elsewhere the answer is 0.
    """
    try:
        return int(table.read_text().split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def to_text(figure: Figure) -> str:
    """Return a figure as one or more lines."""
    values = ", ".join(f"{name} {_number(value)}" for name, value in figure.values.items())
    verdict = {None: "", True: "  reached", False: "  MISSED"}[figure.reached]
    reach = f"  (to reach: {figure.reach}){verdict}" if figure.reach else ""
    lines = [f"{figure.what}: {values} {figure.unit}".rstrip() + reach]
    return "\n".join(lines + [f"    {note}" for note in figure.notes])


def to_json(figures: Sequence[Figure], about: dict[str, Any]) -> str:
    """Return all figures, and what they were measured on, as JSON."""
    rows = [{**asdict(figure), "reached": figure.reached} for figure in figures]
    for row in rows:
        row["values"] = {name: value if math.isfinite(value) else None for name, value in row["values"].items()}
    return json.dumps({"machine": about, "figures": rows}, indent=1, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
