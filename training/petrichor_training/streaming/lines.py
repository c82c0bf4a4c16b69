"""Whistled lines in a recording: where a pitch is, how it moves, how loud it is; and the recording without them.

What the ear follows in a chorus are lines, thin and unbroken. They are found as the best paths through a spectrogram
(Viterbi), the strongest first. A path goes on through a dip of a few frames, for it costs more to end and begin anew.

Pure; numpy and scipy.

Reference:
    Viterbi 1967. As a pitch tracker: Mauch & Dixon 2014, pYIN.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft
from scipy.ndimage import uniform_filter1d
from scipy.signal import savgol_filter

from petrichor_training.streaming.zones import RATE

PART_SECONDS = 120.0  # of a recording that are looked at at once: what memory it takes; lines end between two
HOP = 128  # frames between two values of a line: 2.7 ms
TRANSFORM = 2048
BIN = RATE / TRANSFORM  # Hz
LONG, SHORT = 640, 288  # frames of the windows: for steady pitches, and for steep ones
LOWEST, HIGHEST, PLACES = 800.0, 11_500.0, 240  # Hz, and pitches between them that are told apart
GRID = np.geomspace(LOWEST, HIGHEST, PLACES)
REACH = 6  # places that a pitch may move in a frame: 7 %
STEEP = 0.6  # cost of each place moved beyond the first
BEGIN = 16.0  # cost of beginning a line
ABOVE_DB = 11.0  # over what is usual at its frequency, from which on a bin speaks for a line
MOST, LEAST = 10.0, -3.0  # what one frame can speak for and against one
LINES_AT_ONCE = 2
SHORTEST = 8  # frames
SMOOTH = 11  # frames, 30 ms: over which a pitch and a level are parabolas
STANDING_OUT_DB = 22.0  # over what is usual, somewhere in a line
UNDER_DB = 28.0  # below the strongest bin of its frame nothing is a line: a window's own skirts are there
SURE = 3.0  # what half the frames of a line speak for it
USUAL_SECONDS = 2.0  # over blocks of which, and two before and two after, it is taken what is usual
ASTRAY = 0.05  # of its pitch, by which the best path may miss the peak
MURMUR_DB = 10.0  # over what is usual, that is left of what is no line: calls far away, and what the wood throws back
# Of a frame's loudest bin, and below the usual one's: such a frame says nothing of what is usual.
SILENT_DB, FADED_DB = -100.0, 40.0
SELDOM = 5  # frames, of which one is looked at for it
AROUND_HZ = 230.0  # on either side of a line, that belongs to it


@dataclass(frozen=True, eq=False)
class Line:
    """One whistled line.

    Attributes:
        start: Its first frame, in units of `HOP`.
        hertz: Shape [frames]
        level_db: Amplitude of the sinusoid, re full scale. Shape [frames]
        octave_db: Of what is an octave above it, the same way; -140 where nothing stands out. Shape [frames]
    """

    start: int
    hertz: np.ndarray
    level_db: np.ndarray
    octave_db: np.ndarray


def taken_apart(sound: np.ndarray) -> tuple[list[Line], np.ndarray]:
    """Return the lines of a recording and the recording without them, of a long one a part at a time.

    Args:
        sound: At `RATE`. Shape [frames]
    """
    count = max(1, math.ceil(len(sound) / (PART_SECONDS * RATE)))
    edges = [round(len(sound) * part / count / HOP) * HOP for part in range(count)]
    lines, rests = [], []
    for start, piece in zip(edges, np.split(sound, edges[1:]), strict=True):
        found = find_lines(piece)
        lines += [dataclasses.replace(line, start=line.start + start // HOP) for line in found]
        rests.append(without_lines(piece, found))
    return lines, np.concatenate(rests)


def find_lines(sound: np.ndarray) -> list[Line]:
    """Return the lines of a recording, in the order of their beginnings.

    Args:
        sound: At `RATE`. Shape [frames]
    """
    steady, steep = _decibels(sound, LONG), _decibels(sound, SHORT)
    usual = _usual(steady)
    speaks = _evidence(steady, steep, usual)
    found = []
    for _ in range(LINES_AT_ONCE):
        path = _best_path(speaks)
        found += [_line(path, start, end, steady, usual) for start, end in _stretches(path, speaks, steady - usual)]
        _take_away(speaks, path)
    return sorted(found, key=lambda line: line.start)


def without_lines(sound: np.ndarray, lines: list[Line]) -> np.ndarray:
    """Return a recording in which there is no more at its lines than is usual there, and not much more anywhere.

    Args:
        sound: At `RATE`. Shape [frames]
        lines: Found in it.

    Returns:
        Shape [frames]
    """
    window = np.sqrt(np.hanning(LONG + 1)[:-1])
    early = LONG // HOP  # frames before the first, so that all samples are in as many
    usual = np.pad(_usual(_decibels(sound, LONG)), ((early, early), (0, 0)), mode="edge")
    padded = np.pad(sound, (LONG // 2 + early * HOP, LONG + early * HOP))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, LONG)[::HOP][: len(usual)]
    spectra = rfft((pieces * window).astype(np.float32), TRANSFORM)
    most = 10 ** (usual / 20) * (window.sum() / 2)  # a sinusoid's peak in this window
    around, murmur = round(AROUND_HZ / BIN), 10 ** (MURMUR_DB / 20)
    spectra *= np.minimum(1.0, murmur * most / np.maximum(np.abs(spectra), 1e-12))
    for line in lines:
        for offset, (hertz, octave) in enumerate(zip(line.hertz, line.octave_db > -139, strict=True)):
            frame = line.start + offset + early
            for centre in (hertz, 2 * hertz)[: 1 + int(octave)]:
                middle = round(centre / BIN)
                part = spectra[frame, max(middle - around, 0) : middle + around + 1]
                limit = most[frame, max(middle - around, 0) : middle + around + 1]
                part *= np.minimum(1.0, limit / np.maximum(np.abs(part), 1e-12))
    result = np.zeros(len(padded) + LONG)
    for frame, piece in enumerate(irfft(spectra)[:, :LONG] * window):
        result[frame * HOP : frame * HOP + LONG] += piece
    begin = LONG // 2 + early * HOP
    return (result[begin : begin + len(sound)] * (2 * HOP / LONG)).astype(np.float32)


def _decibels(sound: np.ndarray, size: int) -> np.ndarray:
    """Amplitudes of sinusoids, dB re full scale. Shape [frames, bins]"""
    window, sound = np.hanning(size).astype(np.float32), sound.astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (size // 2, size // 2)), size)[::HOP]
    parts = [np.abs(rfft(part * window, TRANSFORM)) for part in np.array_split(pieces, len(pieces) // 4000 + 1)]
    return 20 * np.log10(np.concatenate(parts) * (2 / window.sum()) + 1e-7)


def _usual(decibels: np.ndarray) -> np.ndarray:
    """The level that three tenths of the frames around do not reach. Shape [frames, bins]"""
    block = round(USUAL_SECONDS * RATE / HOP)
    starts = range(0, len(decibels), block)
    each = [
        np.percentile(_heard(decibels[max(0, at - 2 * block) : at + 3 * block : SELDOM]), 30, axis=0) for at in starts
    ]
    smooth = np.maximum(uniform_filter1d(np.array(each, np.float32), 15, axis=1), SILENT_DB)
    return np.repeat(smooth, block, axis=0)[: len(decibels)]


def _heard(decibels: np.ndarray) -> np.ndarray:
    """Frames that are not faded out or cut off; all, where there are no others."""
    loudest = decibels.max(axis=1)
    heard = loudest > max(SILENT_DB, float(np.median(loudest)) - FADED_DB)
    return decibels[heard] if heard.any() else decibels


def _evidence(steady: np.ndarray, steep: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """What each frame speaks for a line at each pitch. Shape [frames, PLACES]"""
    slow = np.minimum(steady - usual - ABOVE_DB, _sharpness(steady, 260.0) - 4)
    fast = np.minimum(steep - usual - ABOVE_DB - 3, _sharpness(steep, 700.0) - 4)
    strong = steady - steady.max(axis=1, keepdims=True) + UNDER_DB
    either = np.minimum(np.maximum(slow, fast), strong)
    columns = [either[:, low:high].max(axis=1) for low, high in _bins()]
    return np.clip(np.stack(columns, axis=1), LEAST, MOST).astype(np.float32)


def _sharpness(decibels: np.ndarray, hertz: float) -> np.ndarray:
    """How far each bin is above those so many Hz beside it."""
    apart = round(hertz / BIN)
    return decibels - np.maximum(np.roll(decibels, apart, axis=1), np.roll(decibels, -apart, axis=1))


def _bins() -> list[tuple[int, int]]:
    """The bins of every pitch of `GRID`."""
    step = np.sqrt(GRID[1] / GRID[0])
    return [(int(hertz / step / BIN), int(hertz * step / BIN) + 2) for hertz in GRID]


def _best_path(speaks: np.ndarray) -> np.ndarray:
    """The places of the best line in every frame, -1 where there is none. Shape [frames]"""
    moves = np.abs(np.arange(-REACH, REACH + 1))
    cost = np.where(moves <= 1, 0.0, STEEP * (moves - 1)).astype(np.float32)
    padded = np.full(PLACES + 2 * REACH, -1e9, np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)
    places = np.arange(PLACES)
    came_from, ended_from = np.empty(speaks.shape, np.int16), np.empty(len(speaks), np.int16)
    sounding, silent = np.full(PLACES, -BEGIN, np.float32), 0.0
    for frame, now in enumerate(speaks):
        padded[REACH:-REACH] = sounding
        costed = views - cost
        moved = costed.argmax(axis=1)
        gained, begun = costed[places, moved], silent - BEGIN
        came_from[frame] = np.where(begun > gained, -1, places + moved - REACH)
        last = int(sounding.argmax())
        ended_from[frame] = last if sounding[last] > silent else -1
        silence = max(silent, float(sounding[last]))
        # Only differences matter; sums of an hour would lose their fractions.
        sounding, silent = np.maximum(gained, begun) + now - silence, 0.0
    path = np.empty(len(speaks), np.int64)
    at = int(sounding.argmax()) if sounding.max() > silent else -1
    for frame in range(len(speaks) - 1, -1, -1):
        path[frame] = at
        at = int(ended_from[frame]) if at < 0 else int(came_from[frame, at])
    return path


def _stretches(path: np.ndarray, speaks: np.ndarray, above: np.ndarray) -> list[tuple[int, int]]:
    """Where a path is a line to be sure of."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], path >= 0, [0]))))
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        frames, places = np.arange(start, end), path[start:end]
        bins = np.round(GRID[places] / BIN).astype(int)
        sure = np.median(speaks[frames, places]) >= SURE and above[frames, bins].max() >= STANDING_OUT_DB
        if end - start >= SHORTEST and sure:
            found.append((int(start), int(end)))
    return found


def _line(path: np.ndarray, start: int, end: int, decibels: np.ndarray, usual: np.ndarray) -> Line:
    """A stretch of a path, its pitch read between the bins."""
    frames, columns = np.arange(start, end), _bins()
    peaks = np.empty(end - start, np.int64)
    for index, (frame, place) in enumerate(zip(frames, path[start:end], strict=True)):
        low, high = columns[place]
        low, high = low - round(ASTRAY * low), high + round(ASTRAY * high)  # what speaks most for a line is cut off
        peaks[index] = low + int(decibels[frame, low:high].argmax())
    below, middle, above = (decibels[frames, peaks + offset] for offset in (-1, 0, 1))
    curve = below - 2 * middle + above
    offset = np.clip(np.where(curve < -1e-3, 0.5 * (below - above) / np.minimum(curve, -1e-3), 0), -0.5, 0.5)
    hertz, level = (peaks + offset) * BIN, middle - 0.25 * (below - above) * offset
    octaves = np.minimum(np.round(2 * hertz / BIN).astype(int), TRANSFORM // 2)
    octave = np.where(decibels[frames, octaves] > usual[frames, octaves] + ABOVE_DB, decibels[frames, octaves], -140.0)
    return Line(start, 2 ** smoothed(np.log2(hertz)), smoothed(level), octave)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Return values without what changes from frame to frame. Shape [frames]"""
    size = min(SMOOTH, (len(values) - 1) // 2 * 2 + 1)
    return np.asarray(savgol_filter(values, size, 2)) if size > 2 else values


def _take_away(speaks: np.ndarray, path: np.ndarray) -> None:
    """Let nothing speak for a line that is found, or for its overtones."""
    for frame in np.flatnonzero(path >= 0):
        hertz = GRID[path[frame]]
        for times, width in ((1, 0.15), (2, 0.1), (3, 0.1)):
            speaks[frame, np.abs(GRID / (times * hertz) - 1) < width] = LEAST
