"""A take of a clip voice: its layers, from their first clips on. Called by the block loop only."""

from __future__ import annotations

import dataclasses
import random
from collections import deque

import numpy as np

from petrichor.clip_layer import QUANTUM, Layer
from petrichor.clips import Clip, ClipMaker, ClipOrder, soften
from petrichor.controls import Controls
from petrichor.motion import Motion, axes_of

GLIDE = 0.050  # seconds in which intensity covers 63 % of a change
QUIETEST = -12.0  # dB at intensity 0; 0 dB at 1
KNEE = 0.7  # above, peaks of the sum of all layers bend towards 1
MOVE_QUANTA = 75  # between two steps of a latent vector that moves: 100 ms, as clips are changed no oftener
POOL = 8  # recent clips kept for the moments when the thread is late


class ClipTake:
    """Layers of clips from their beginning.

    Args:
        maker: Makes clips.
        rate: Hz.
        controls: What the first clips are made from; intensity starts there without a glide.
        live: Whether clips come from a thread, by `offer`; else they are made when they are needed.
        held: Where the latent vector starts instead, if not None. Shape [latent_size]
    """

    def __init__(
        self, maker: ClipMaker, rate: int, controls: Controls, live: bool, held: np.ndarray | None = None
    ) -> None:
        """Set out with no clip."""
        self._motion = Motion(axes_of(maker.voice), MOVE_QUANTA * QUANTUM / rate, controls, held)
        self._asked = controls
        self._until_move = MOVE_QUANTA
        controls = self._moved = self._where(controls)
        intensity = maker.voice.info.intensity
        count = int(intensity.get("layers", 1))
        self._maker = maker
        self._rate = rate
        self._live = live
        self._rest_seconds = float(intensity.get("rest_seconds", 0.0))
        self._layers = [Layer(number, rate, controls) for number in range(count)]
        self._ready: dict[int, Clip] = {}
        self._pool: deque[Clip] = deque(maker.stock, POOL)
        self._chance = random.Random(0)
        self._intensity = controls.intensity
        self._gains = self._layer_gains(self._intensity)
        self._left = np.zeros((2, 0), np.float32)

    @property
    def ready(self) -> bool:
        """See `Take.ready`."""
        return not self._live or all(order.layer in self._ready for order in self.orders())

    def orders(self) -> tuple[ClipOrder, ...]:
        """Return the clips that are wanted, what should sound at once first."""
        active = (layer for layer, gain in zip(self._layers, self._gains, strict=True) if gain > 0)
        return tuple(layer.order for layer in sorted(active, key=lambda layer: not layer.switching))

    def offer(self, clip: Clip) -> bool:
        """Take a clip that the thread has made; say whether it was made for this take."""
        order = self._layers[clip.order.layer].order
        mine = (order.controls.seed, order.controls.draw) == (clip.order.controls.seed, clip.order.controls.draw)
        if mine:
            self._ready[clip.order.layer] = clip
            self._pool.append(clip)
        return mine

    def render(self, controls: Controls, frames: int) -> np.ndarray:
        """See `Take.render`."""
        pieces, have = [self._left], self._left.shape[1]
        while have < frames:
            if controls is not self._asked:
                self._attend(controls)
            if self._until_move <= 0:
                self._move()
            most = -(-(frames - have) // QUANTUM)
            pieces.append(self._quanta(self._moved, most if self._motion.resting else min(most, self._until_move)))
            have += pieces[-1].shape[1]
            self._until_move -= pieces[-1].shape[1] // QUANTUM
        sound = np.concatenate(pieces, axis=1)
        self._left = sound[:, frames:]
        return np.ascontiguousarray(sound[:, :frames].T)

    @property
    def latent(self) -> np.ndarray:
        """Where the latent vector is. Shape [latent_size]"""
        return self._motion.latent

    def _attend(self, controls: Controls) -> None:
        """Take controls: where they are elsewhere, what rested sets out at once, and what takes no time is there."""
        self._asked = controls
        rested = self._motion.resting
        if self._motion.attend(controls):
            if rested:
                self._until_move = 0
            else:
                self._motion.hasten()
        self._moved = self._where(controls)

    def _move(self) -> None:
        """Let latent and intensity go one step; the next one comes after so many quanta."""
        self._until_move = MOVE_QUANTA
        self._motion.advance(self._asked)
        self._moved = self._where(self._asked)

    def _where(self, controls: Controls) -> Controls:
        """Return the controls with latent and intensity where they are now."""
        latent, intensity = self._motion.latent, self._motion.intensity
        if intensity == controls.intensity and np.array_equal(latent, controls.latent):
            return controls
        return dataclasses.replace(controls, latent=latent, intensity=intensity)

    def _quanta(self, controls: Controls, most: int) -> np.ndarray:
        """Make one quantum, or up to `most` where nothing is decided in between. Shape [2, quanta * QUANTUM]"""
        gains = self._glide(controls.intensity)
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
        count = len(self._layers)
        least = 1 if self._rest_seconds > 0 else min(2, count)
        weights = np.clip(least + (count - least) * intensity - np.arange(count), 0.0, 1.0)
        level = 10 ** (QUIETEST * (1.0 - intensity) / 20)
        return level * np.sqrt(weights / weights.sum())

    def _fetch(self, order: ClipOrder, must: bool) -> Clip | None:
        if not self._live:
            return self._maker.make(order)
        clip = self._ready.get(order.layer)
        # The latent of a moment ago will do: while a slider moves, no clip is ever made from the latest one.
        if clip is not None and clip.order.changed_into(order):
            return self._ready.pop(order.layer)
        return self._chance.choice(self._pool) if must else None


def _ramp(before: float, after: float) -> np.ndarray:
    return np.linspace(before, after, QUANTUM, dtype=np.float32)
