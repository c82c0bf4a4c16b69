"""An endless sound from separate clips: layers of overlapping clips, more of them as intensity grows.

`ClipEngine.render` belongs to the block loop of one renderer process. With `background=True` the thread "clips"
makes clips ahead; where it is late, recent clips go on sounding. Without it, clips are made when they are needed and
the same controls always give the same samples, whatever the block sizes.
"""

from __future__ import annotations

import random
from collections import deque

import numpy as np

from petrichor.clip_layer import QUANTUM, Layer
from petrichor.clip_worker import ClipWorker
from petrichor.clips import Clip, ClipMaker, ClipOrder, soften
from petrichor.controls import Controls
from petrichor.voice_file import Voice

GLIDE = 0.050  # seconds in which intensity covers 63 % of a change
QUIETEST = -12.0  # dB at intensity 0; 0 dB at 1
KNEE = 0.7  # above, peaks of the sum of all layers bend towards 1
POOL = 8  # recent clips kept for the moments when the thread is late


class ClipEngine:
    """Engine of `clip` voices."""

    def __init__(self, voice: Voice, rate: int, background: bool) -> None:
        """Open the voice; the thread starts with the first block.

        Raises:
            VoiceFileError: The network is not what the voice file says, or does not work.
        """
        self._maker = ClipMaker(voice, rate)
        self._rate = rate
        self._background = background
        self._worker: ClipWorker | None = None
        intensity = voice.info.intensity
        self._count = int(intensity.get("layers", 1))
        self._rest_seconds = float(intensity.get("rest_seconds", 0.0))
        self._layers: list[Layer] = []
        self._ready: dict[int, Clip] = {}
        self._pool: deque[Clip] = deque(self._maker.stock, POOL)
        self._posted: tuple[ClipOrder, ...] = ()
        self._chance = random.Random(0)
        self._intensity = 0.0
        self._gains = np.zeros(self._count)
        self._left = np.zeros((2, 0), np.float32)

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Engine.render`."""
        if not self._layers:
            self._begin(controls)
        pieces, have = [self._left], self._left.shape[1]
        while have < frames:
            pieces.append(self._quanta(controls, -(-(frames - have) // QUANTUM)))
            have += pieces[-1].shape[1]
        sound = np.concatenate(pieces, axis=1)
        self._left = sound[:, frames:]
        return np.ascontiguousarray(sound[:, :frames].T)

    def close(self) -> None:
        """See `Engine.close`."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _begin(self, controls: Controls) -> None:
        """Set out from the first controls without a glide, with the first clips made."""
        self._layers = [Layer(number, self._rate, controls) for number in range(self._count)]
        self._intensity = controls.intensity
        self._gains = self._layer_gains(self._intensity)
        if self._background:
            for layer, gain in zip(self._layers, self._gains, strict=True):
                if gain > 0:
                    self._ready[layer.number] = self._maker.make(layer.order)
            self._worker = ClipWorker(self._maker)

    def _quanta(self, controls: Controls, most: int) -> np.ndarray:
        """Make one quantum, or up to `most` where nothing is decided in between. Shape [2, quanta * QUANTUM]"""
        gains = self._glide(controls.intensity)
        if self._worker is not None:
            self._receive(self._worker)
        pause = self._rest_seconds * max(0.0, 1.0 - 2.0 * self._intensity) ** 1.5
        audible = [
            (layer, before, after)
            for layer, before, after in zip(self._layers, self._gains, gains, strict=True)
            if before > 0 or after > 0
        ]
        for layer, _, _ in audible:
            layer.advance(controls, pause, self._fetch)
        still = gains is self._gains
        quanta = min([most, *(layer.steady(pause) for layer, _, _ in audible)]) if still else 1
        out = np.zeros((2, quanta * QUANTUM), np.float32)
        for layer, before, after in audible:
            layer.add_to(out, np.float32(after) if before == after else _ramp(before, after))
        for layer, gain in zip(self._layers, gains, strict=True):
            if gain <= 0:
                layer.stop()
        self._gains = gains
        if self._worker is not None:
            self._order(self._worker)
        return soften(out, KNEE, 1.0)

    def _glide(self, intensity: float) -> np.ndarray:
        """Move the intensity on by one quantum and return the gains of the layers. Shape [layers]"""
        if intensity == self._intensity:
            return self._gains
        step = (intensity - self._intensity) * (1.0 - np.exp(-QUANTUM / (GLIDE * self._rate)))
        self._intensity = intensity if abs(step) < 1e-6 else self._intensity + float(step)
        return self._layer_gains(self._intensity)

    def _layer_gains(self, intensity: float) -> np.ndarray:
        """Return the layers' gains: one more layer after another, together louder by 12 dB from 0 to 1."""
        # Rain is never narrower than two layers, left and right; a bird may be alone.
        least = 1 if self._rest_seconds > 0 else min(2, self._count)
        weights = np.clip(least + (self._count - least) * intensity - np.arange(self._count), 0.0, 1.0)
        level = 10 ** (QUIETEST * (1.0 - intensity) / 20)
        return level * np.sqrt(weights / weights.sum())

    def _fetch(self, order: ClipOrder, must: bool) -> Clip | None:
        if self._worker is None:
            return self._maker.make(order)
        clip = self._ready.get(order.layer)
        # The latent of a moment ago will do: while a slider moves, no clip is ever made from the latest one.
        if clip is not None and clip.order.changed_into(order):
            return self._ready.pop(order.layer)
        return self._chance.choice(self._pool) if must else None

    def _receive(self, worker: ClipWorker) -> None:
        while (clip := worker.take()) is not None:
            self._ready[clip.order.layer] = clip
            self._pool.append(clip)

    def _order(self, worker: ClipWorker) -> None:
        """Tell the thread what is wanted: what should sound at once first."""
        active = (layer for layer, gain in zip(self._layers, self._gains, strict=True) if gain > 0)
        wanted = tuple(layer.order for layer in sorted(active, key=lambda layer: not layer.switching))
        if wanted != self._posted:
            self._posted = wanted
            worker.post(wanted)


def _ramp(before: float, after: float) -> np.ndarray:
    return np.linspace(before, after, QUANTUM, dtype=np.float32)
