"""An endless voice, played live by a real server for an hour and recorded: what came out, by its content.

    python -m tests.measure.endless VOICE [--minutes 60] [--intensity 0.5] [--json]

- Missed: what the server's status says was late, and what a listener at a patch's pace had to leave silent.
- Level: over 3 s and 0.4 s, both sides together, not weighted by frequency; 0 dB is an RMS of 1.
- Drift: third octaves in dB of the whole, in twelfths of the time: how far any strays from the mean of all twelfths.
  Beside it what chance gives, were 3-s stretches independent: the same with them shuffled (p: how often that strays as
  far), and half the difference of odd and even stretches within a twelfth.
- Repetition: every 0.4 s of the first ten minutes is looked for in all that follows, by log-mel spectrogram; where it
  is most alike, waveforms are compared. Backwards: the same with the 0.4 s reversed, which never come again.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from numpy.lib.stride_tricks import sliding_window_view

from petrichor.bench.ears import Ears, EarsOptions
from petrichor.bench.figures import Figure, machine, to_json, to_text
from petrichor.folders import find_voice
from petrichor.limiter import CEILING
from petrichor_training.quality.logmel import HOP, RATE, WINDOW, log_mel
from petrichor_training.quality.repetition import BANDS, centred
from tests.live_server import live_server
from tests.sound import likeness

VOICES = Path(__file__).parents[2] / "voices"
COUNTS = {"underruns": "underruns", "concealed": "concealed ms", "jumps": "jumps", "restarts": "restarts"}  # of /status
STRETCH, SLOT = 3 * RATE, RATE // 10  # frames
NFFT = 16384  # 2.9 Hz: the lowest third octave holds two bins
CENTRES = 1000 * 10 ** (np.arange(-16, 14) / 10)  # Hz, of third octaves by IEC 61260
AUDIBLE = -50.0  # dB of the whole: third octaves below it are not judged
PARTS, SHUFFLES = 12, 999
PIECE, FIRST, APART = 40, 60_000, 200  # spectrogram frames of 10 ms: 0.4 s, ten minutes, 2 s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", help="a voice file, or a name in the voices folder")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--intensity", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not 0.2 <= options.minutes <= 180:
        parser.error("--minutes: expected 0.2 to 180, the most that a WAV file holds")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no server is left playing
    path = find_voice(options.voice, VOICES)
    with tempfile.TemporaryDirectory() as name:
        figures = [play(path, Path(name), options.minutes, options.intensity)]
        about = {**machine(), **vars(options)}
        wav = Path(name) / "recordings" / "endless.wav"
        counts, powers, thirds, mels = hear(wav)
        figures += [Figure("frames", counts, ""), *levels(powers), drift(thirds), repetition(mels, wav)]
    if options.json:
        print(to_json(figures, about))
        return
    print(f"{path.stem}: {options.minutes:g} minutes at intensity {options.intensity:g}, load {about['load']:.1f}")
    print("\n".join(map(to_text, figures)))


def play(voice: Path, folder: Path, minutes: float, intensity: float) -> Figure:
    """Let a server record that voice into `folder`/recordings/endless.wav, and return what was missed meanwhile."""
    (folder / "voices").mkdir()
    shutil.copy(voice, folder / "voices" / "endless.voice")
    with (
        live_server(folder / "voices", folder / "recordings") as server,
        Ears(EarsOptions(server.stream_port, fill=4096)) as ears,
    ):
        states = server.status()["voices"]
        if [state for _, state, _ in states] != ["playing"]:  # type: ignore[attr-defined]
            raise SystemExit(f"{voice} does not play")
        server.client.send("/endless/intensity", intensity)
        server.client.settle()
        ears.wait_played(ears.played + 2 * RATE)  # the old intensity has faded
        before = server.status()
        server.client.ask("/record", "endless.wav", reply="/done")
        end = time.monotonic() + 60 * minutes + 1  # so that the last stretch is whole
        while time.monotonic() < end:
            server.client.read(1.0)
        after, late = server.status(), 1000 * ears.figure("late")
        server.client.ask("/record", reply="/done")
        notes = [f"{each.address} {each.args}" for each in server.client.heard if each.address == "/fail"]
        notes += [line for line in server.log.splitlines() if "fell behind" in line]  # the recorder leaves sound out
    counts = {name: float(str(after[key])) - float(str(before[key])) for key, name in COUNTS.items()}
    return Figure("missed", {**counts, "listener itself late ms": late}, "", notes=tuple(notes))


def hear(path: Path) -> tuple[dict[str, float], np.ndarray, np.ndarray, np.ndarray]:
    """Read a recording in whole stretches of 3 s, of which only figures are kept.

    Returns:
        Frames by what is wrong with them; mean square of both sides in every 0.1 s, Shape [30 * stretches]; power in
        third octaves, Shape [stretches, third octaves]; log-mel spectrogram of the left, dB, Shape [frames, BANDS].
    """
    counts: Counter[str] = Counter()
    kept: list[tuple[np.ndarray, ...]] = []
    more = WINDOW - HOP  # frames of the next stretch that the last spectra of one reach into
    for block in soundfile.blocks(path, STRETCH + more, more, dtype="float32"):
        if len(block) < STRETCH + more:
            break
        peaks = np.abs(block[:STRETCH]).max(1)
        faults = {"not finite": ~np.isfinite(peaks), "full scale": peaks >= 1.0, "silent": peaks == 0}
        faults["at the limiter's ceiling"] = peaks >= 0.999 * CEILING
        counts.update({"all": STRETCH, **{name: int(fault.sum()) for name, fault in faults.items()}})
        sound = np.nan_to_num(block, posinf=0.0, neginf=0.0)
        powers = np.square(sound[:STRETCH], dtype=np.float64).reshape(-1, 2 * SLOT).mean(1)
        kept.append((powers, third_octaves(sound[:STRETCH])[None], log_mel(sound[:, 0], BANDS).astype(np.float32)))
    powers, thirds, mels = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return {name: float(count) for name, count in counts.items()}, powers, thirds, mels


def third_octaves(sound: np.ndarray) -> np.ndarray:
    """Return the power in each third octave, in any unit. `sound` is Shape [frames, 2]. Shape [third octaves]"""
    windows = sliding_window_view(sound, NFFT, axis=0)[:: NFFT // 2] * np.hanning(NFFT)
    power = np.square(np.abs(np.fft.rfft(windows))).mean(0).sum(0)
    edges = np.round(np.append(CENTRES, CENTRES[-1] * 10**0.1) * 10**-0.05 * NFFT / RATE).astype(int)
    return np.add.reduceat(power[: edges[-1]], edges[:-1])


def levels(powers: np.ndarray) -> list[Figure]:
    """Return the level's spread and its trend, ± two standard errors. `powers` is of every 0.1 s."""
    short = decibels(powers.reshape(-1, STRETCH // SLOT).mean(1))
    low, median, high = map(float, np.percentile(short, (5, 50, 95)))
    values = {"median": median, "5 %": low, "95 %": high, "range": high - low}
    values["loudest 0.4 s"] = float(decibels(sliding_window_view(powers, 4).mean(1)).max())
    (slope, _), spread = np.polyfit(np.arange(len(short)) * 3 / 3600, short, 1, cov=True)
    trend = Figure("trend of the level", {"slope": float(slope), "±": float(2 * spread[0, 0] ** 0.5)}, "dB/hour")
    return [Figure("level over 3 s", values, "dB"), trend]


def drift(thirds: np.ndarray) -> Figure:
    """Return how far the spectrum strays. `thirds` is of every stretch. Shape [stretches, third octaves]"""
    parts = min(PARTS, len(thirds) // 2)
    loud = np.flatnonzero(decibels(thirds.sum(0) / thirds.sum()) > AUDIBLE)

    def shapes(some: np.ndarray) -> np.ndarray:
        sums = np.stack([part.sum(0) for part in np.array_split(some, parts)])
        return decibels(sums / sums.sum(1, keepdims=True))[:, loud]

    def strays(some: np.ndarray) -> np.ndarray:
        return np.abs(shapes(some) - shapes(some).mean(0))

    found, rng = strays(thirds), np.random.default_rng(0)
    chance = np.array([strays(rng.permutation(thirds)).max() for _ in range(SHUFFLES)])
    odd, even = (shapes(thirds[side : len(thirds) // 2 * 2 : 2]) for side in (0, 1))
    part, band = np.unravel_index(found.argmax(), found.shape)
    values = {"largest": found.max(), "shuffled p50": np.median(chance), "shuffled p95": np.percentile(chance, 95)}
    values |= {"p": (1 + (chance >= found.max()).sum()) / (1 + SHUFFLES), "odd/even": np.abs(odd - even).max() / 2}
    note = f"at {CENTRES[loud[band]]:.0f} Hz in part {part + 1} of {parts}, of {len(loud)} third octaves"
    return Figure("drift of the spectrum", {key: float(value) for key, value in values.items()}, "dB", notes=(note,))


def repetition(mels: np.ndarray, path: Path) -> Figure:
    """Return how alike any 0.4 s of the first ten minutes and later ones of a recording are, -1…1.

    Args:
        mels: Its log-mel spectrogram, dB. Shape [frames, BANDS]
        path: The recording.
    """
    moving = centred(mels)
    moving = (moving / np.maximum(moving.std(0), 1e-3)).astype(np.float32)
    windows = sliding_window_view(moving, PIECE, axis=0)
    norms = np.sqrt(np.convolve(np.square(moving).sum(1), np.ones(PIECE), "valid"))
    norms = np.maximum(norms, 0.5 * np.median(norms)).astype(np.float32)  # where little moves, it is like nothing
    places = np.arange(0, min(FIRST, len(windows) - APART), PIECE)
    found, alike = _best_later(windows, norms, windows[places], places)
    _, back = _best_later(windows, norms, windows[places, :, ::-1], places)
    waves = np.array([_waveforms(path, HOP * one, HOP * other) for one, other in zip(places, found, strict=True)])
    values = {"spectrograms": alike.max(), "backwards": back.max()}
    values |= {"waveforms": waves[:, 0].max(), "waveforms backwards": waves[:, 1].max()}
    seconds = [HOP / RATE * each[alike.argmax()] for each in (places, found)]
    notes = ("the most alike spectrograms are at {:.1f} and {:.1f} s".format(*seconds),)
    return Figure("largest correlation", {key: float(value) for key, value in values.items()}, "of 0.4 s", notes=notes)


def _best_later(windows: np.ndarray, norms: np.ndarray, pieces: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
    """Return what is most like each piece of all that begins 2 s after its place or later: its place, how alike."""
    flat = (pieces / norms[places, None, None]).reshape(len(pieces), -1).T
    found, best = places, np.full(len(places), -1.0)
    for start in range(0, len(windows), 2048):  # all at once would not go into memory
        rows = np.arange(start, min(start + 2048, len(windows)))
        alike = (windows[rows] / norms[rows, None, None]).reshape(len(rows), -1) @ flat
        alike[rows[:, None] < places + APART] = -1
        top = alike.argmax(0)
        found = np.where(alike.max(0) > best, rows[top], found)
        best = np.maximum(best, alike.max(0))
    return [found, best]


def _waveforms(path: Path, one: int, other: int) -> tuple[float, float]:
    """Return how exactly the 0.4 s from one frame stand about another, forwards and backwards."""
    frames = PIECE * HOP
    piece, _ = soundfile.read(path, frames + 1, one)  # one more than `likeness` takes for a stretch
    place, _ = soundfile.read(path, frames + 4 * HOP, max(0, other - 2 * HOP))
    return likeness(piece, place, frames), likeness(piece[::-1], place, frames)


def decibels(power: np.ndarray) -> np.ndarray:
    """Return powers in dB."""
    return 10 * np.log10(np.maximum(power, 1e-20))


if __name__ == "__main__":
    main()
