"""What `petrichor voices` says of a folder of voice files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from petrichor.errors import PetrichorError, VoiceFileError
from petrichor.voice_file import SUFFIX, Voice, read_voice
from petrichor.voice_folder import name_fault


def describe_folder(folder: Path, with_figures: bool, with_credits: bool) -> tuple[list[str], bool]:
    """Describe every voice file of a folder.

    Args:
        folder: Where to look.
        with_figures: Whether to give the figures measured at export too.
        with_credits: Whether to give the credits of the recordings too.

    Returns:
        Lines to print, and whether every file could be read.

    Raises:
        PetrichorError: There is no such folder.
    """
    if not folder.is_dir():
        raise PetrichorError(f"{folder} is not a folder")
    lines: list[str] = []
    sound = True
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            fault = name_fault(path.name.removesuffix(SUFFIX))
            if fault:
                raise VoiceFileError(path, fault)
            lines += _describe(read_voice(path), with_figures, with_credits)
        except VoiceFileError as error:
            lines.append(f"{path.name.removesuffix(SUFFIX)}: cannot be played: {error.reason}")
            sound = False
    return lines or [f"no voice in {folder}"], sound


def _number_or_more(value: object) -> str:
    """Return a figure, or several by name, as text; nothing for what is neither."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each:.4g}" for name, each in value.items() if isinstance(each, (int, float)))
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""


def _describe(voice: Voice, with_figures: bool, with_credits: bool) -> list[str]:
    info = voice.info
    megabytes = voice.path.stat().st_size / 1e6
    lines = [
        f"{voice.name}: {info.kind} of {info.seconds:.3g} s at {info.sample_rate} Hz, latent {info.latent_size}, "
        f"{megabytes:.1f} MB, version {voice.version}",
        f"  recipe {info.recipe or 'unknown'}, {info.steps} steps, truncation {info.truncation:g}"
        + (f", directions {', '.join(info.directions)}" if info.directions else ""),
    ]
    if with_figures:
        lines += [f"  {name}: {told}" for name, value in info.figures.items() if (told := _number_or_more(value))]
    if with_credits:
        lines += ["", *("  " + line for line in voice.credits.splitlines()), ""]
    return lines
