"""The command ``petrichor-train``: prepare, fit, export, compare."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from petrichor_training.errors import TrainingError
from petrichor_training.recipe import load_recipe

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
    fit.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    export = commands.add_parser("export", help="a run to a voice file")
    export.add_argument("data", type=Path, metavar="RUN", help="a folder that fit wrote")
    export.add_argument("--cache", type=Path, required=True, help="the cache the run was trained on")
    for command in (prepare, fit, export):
        command.add_argument("--recipe", required=True, help='"bird", "rain" or a .toml file of differences')
        command.add_argument("--out", type=Path, required=True, metavar="OUT")
    compare = commands.add_parser("compare", help="spectrograms of sound files side by side, on one scale")
    compare.add_argument("sounds", nargs="+", metavar="TITLE=FILE", help="what to draw, from left to right")
    compare.add_argument("--out", type=Path, required=True, metavar="OUT.png")
    compare.add_argument("--seconds", type=float, default=4.0, help="length shown of each (default: %(default)s)")
    compare.add_argument("--start", type=float, default=0.0, help="where in each file to begin, in seconds")
    return parser


def _bar(*columns: str) -> Progress:
    texts = [TextColumn(column) for column in columns]
    return Progress(
        *texts, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console
    )


def _prepare(options: argparse.Namespace) -> None:
    from petrichor_training.prepare import prepare  # noqa: PLC0415  (heavy imports only where needed)

    with _bar("reading") as bar:

        def progress(paths: Iterable[Path]) -> Iterator[Path]:
            yield from bar.track(list(paths))

        summary = prepare(options.data, options.out, load_recipe(options.recipe), progress)
    for name, reason in summary["left_out"].items():
        print(f"left out {name}: {reason}")
    recordings = len(summary["used"])
    print(f"{recordings} recordings, {summary['train']} training windows, {summary['validation']} validation windows")


def _fit(options: argparse.Namespace) -> None:
    from petrichor_training.dataset import load_dataset  # noqa: PLC0415
    from petrichor_training.fit import fit, open_run, use_devices  # noqa: PLC0415

    # Saved as by Ctrl-C when ended by a service manager, or started in the background where Ctrl-C is ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    use_devices(options.threads)
    recipe = load_recipe(options.recipe)
    run = open_run(options.out, recipe, load_dataset(options.data, recipe))
    with _bar("epoch {task.fields[epoch]} of " + str(recipe.fit.epochs), "{task.fields[figures]}") as bar:
        task = bar.add_task("", epoch=run.epoch, figures="")

        def report(epoch: int, step: int, steps: int, figures: dict[str, float]) -> None:
            text = f"G {figures['generator_loss']:.3f} D {figures['discriminator_loss']:.3f}"
            bar.update(task, completed=step, total=steps, epoch=epoch, figures=text)

        epochs = fit(run, report, options.minutes * 60)
    print(f"{epochs} of {recipe.fit.epochs} epochs, {run.step} steps, in {options.out}")


def _export(options: argparse.Namespace) -> None:
    from petrichor_training.dataset import load_dataset  # noqa: PLC0415
    from petrichor_training.export import export  # noqa: PLC0415

    recipe = load_recipe(options.recipe)
    figures = export(options.data, load_dataset(options.cache, recipe), recipe, options.out)
    for name, value in figures.items():
        print(f"{name}: {value}")


def _compare(options: argparse.Namespace) -> None:
    from petrichor_training.comparison import draw_comparison  # noqa: PLC0415

    sounds = [(title, Path(path)) for title, _, path in (text.partition("=") for text in options.sounds)]
    draw_comparison(sounds, options.out, options.seconds, options.start)


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
        {"prepare": _prepare, "fit": _fit, "export": _export, "compare": _compare}[options.command](options)
    except TrainingError as error:
        console.print(f"petrichor-train: {error}", markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
