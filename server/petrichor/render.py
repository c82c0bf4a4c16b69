"""Offline rendering: one voice into one sound file, the same file every time from the same seed and score.

Runs in the process of `petrichor render`, with the engine making every clip when it is needed.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from petrichor.channel import stereo_gains
from petrichor.controls import MasterState, VoiceState
from petrichor.engine import Engine, open_engine
from petrichor.errors import MessageError, OptionError, OutputError
from petrichor.glide import Glide
from petrichor.limiter import Limiter
from petrichor.namespace import Namespace
from petrichor.osc import Message
from petrichor.parameters import amplitude
from petrichor.recording import FORMATS, WAV_FRAMES, open_sound_file
from petrichor.score import read_score
from petrichor.voice_file import Voice, read_voice

log = logging.getLogger(__name__)
BLOCK = 8192  # frames between two looks at the score where no event is nearer
RATES = (8_000, 192_000)  # Hz
MAX_LATENT_BYTES = 1 << 20


@dataclass(frozen=True)
class RenderOptions:
    """What to render.

    Attributes:
        voice: The voice file.
        output: `.wav` (32-bit float) or `.flac` (24-bit).
        seconds: Length.
        seed: Of the latent vector and all noise.
        latent: A latent vector instead of the seed's: `.npy`, or text with one number a line.
        truncation: Standard deviations, 0…3; None takes the voice's own.
        intensity: 0…1.
        rate: Hz.
        script: A score of timed messages, see `petrichor.score`.
    """

    voice: Path
    output: Path
    seconds: float = 60.0
    seed: int = 1
    latent: Path | None = None
    truncation: float | None = None
    intensity: float = 0.5
    rate: int = 48_000
    script: Path | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            OptionError: With what was got and what was expected.
        """
        if not (math.isfinite(self.seconds) and self.frames >= 1):
            raise OptionError(f"seconds is {self.seconds}, expected more than 0")
        if not RATES[0] <= self.rate <= RATES[1]:
            raise OptionError(f"rate is {self.rate}, expected {RATES[0]}…{RATES[1]} Hz")
        if not 0 <= self.seed < 2**31:
            raise OptionError(f"seed is {self.seed}, expected 0…{2**31 - 1}")
        if not 0 <= self.intensity <= 1:
            raise OptionError(f"intensity is {self.intensity}, expected 0…1")
        if self.truncation is not None and not 0 <= self.truncation <= 3:
            raise OptionError(f"truncation is {self.truncation}, expected 0…3")
        if self.output.suffix.lower() not in FORMATS:
            raise OptionError(f"{self.output.name}: expected a name that ends in one of {', '.join(FORMATS)}")
        if self.output.suffix.lower() == ".wav" and self.frames > WAV_FRAMES:
            raise OptionError(f"{self.seconds} s are too long for a .wav file, expected .flac")

    @property
    def frames(self) -> int:
        """Length in frames."""
        return round(self.seconds * self.rate)


@dataclass(frozen=True)
class RenderReport:
    """What was rendered.

    Attributes:
        frames: Frames written.
        seconds: Length of the sound.
        times_real_time: Seconds of sound made in each second.
        peak: dBFS.
        rms: dBFS, over both channels.
        refused: Messages of the score that nobody could obey.
    """

    frames: int
    seconds: float
    times_real_time: float
    peak: float
    rms: float
    refused: int


def render_to_file(options: RenderOptions) -> RenderReport:
    """Render a voice into a file. The file appears when it is complete.

    Raises:
        PetrichorError: Voice, score, latent or output cannot be used, with what is wrong.
    """
    voice = read_voice(options.voice)
    score = read_score(options.script) if options.script else []
    performance = Performance(voice, options, score)
    if not options.output.parent.is_dir():
        raise OutputError(f"{options.output.parent}: there is no such folder to write {options.output.name} into")
    temporary = options.output.with_name(f".{options.output.stem}.{os.getpid()}.partial{options.output.suffix}")
    started = time.perf_counter()
    peak = power = 0.0
    try:
        with open_repeatable(temporary, options.rate) as file:
            for block in performance:
                file.write(block)
                peak = max(peak, float(block.max()), -float(block.min()))
                power += float(np.vdot(block, block))
        os.replace(temporary, options.output)
    except (OSError, RuntimeError, AssertionError, OutputError) as error:  # soundfile asserts that all was written
        reason = str(error).replace(str(temporary), options.output.name)
        raise OutputError(f"{options.output}: cannot be written ({reason or 'short write'}); disk full?") from error
    finally:
        temporary.unlink(missing_ok=True)
    elapsed = time.perf_counter() - started
    frames, seconds = options.frames, options.frames / options.rate
    rms = _decibels(math.sqrt(power / (2 * frames)))
    return RenderReport(frames, seconds, seconds / elapsed, _decibels(peak), rms, performance.refused)


class Performance:
    """One voice playing a score, block by block: iterate over it once.

    Attributes:
        refused: Messages so far that nobody could obey.
    """

    def __init__(self, voice: Voice, options: RenderOptions, score: list[Message]) -> None:
        """Set the voice to its first latent vector.

        Raises:
            OptionError: The latent file does not fit the voice.
        """
        self.refused = 0
        self._voice, self._options, self._score = voice, options, score
        truncation = voice.info.truncation if options.truncation is None else options.truncation
        info = voice.info
        self._state = VoiceState(voice.name, info.latent_size, truncation, options.seed, info.directions)
        self._state.apply("intensity", (options.intensity,))
        if options.latent is not None:
            latent = read_latent(options.latent, voice.info.latent_size)
            self._state.apply("latent", (latent.astype(">f4").tobytes(),))
        self._controls = self._state.controls
        self._master = MasterState()
        self._namespace = Namespace(
            _OneVoice(self._state), {"/master/gain": self._set_master}, _note_clamp, lambda: {}, _ignore
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give blocks until the length is reached. Shape [frames, 2], float32"""
        rate = self._options.rate
        engine = open_engine(self._voice, rate, background=False)
        try:
            yield from self._blocks(engine, rate)
        finally:
            engine.close()

    def _blocks(self, engine: Engine, rate: int) -> Iterator[np.ndarray]:
        """Mix as the live mixer does, to the last bit: strip, master, limiter."""
        events = [(round((message.time or 0.0) * rate), message) for message in self._score]
        position, done = 0, 0
        limiter = Limiter(rate)
        strip: Glide | None = None
        master = Glide(rate, (1.0, 1.0))
        length = self._options.frames + limiter.lookahead
        while position < length:
            while done < len(events) and events[done][0] <= position:
                self._obey(events[done][1])
                done += 1
            # Blocks lie on one grid, cut only by events, so that the same score gives the same samples.
            end = min(position - position % BLOCK + BLOCK, length)
            if done < len(events):
                end = min(end, events[done][0])
            strip = strip or Glide(rate, stereo_gains(self._state.strip))
            strip.to(stereo_gains(self._state.strip))
            master.to((amplitude(self._master.fields["gain"]),) * 2)
            count = end - position
            sound = engine.render(self._controls, count)
            for gains in (strip, master):
                sound = sound if gains.unity else sound * gains.next(count)
            mix = limiter.process(sound)[max(0, limiter.lookahead - position) :]  # what it held at first is silence
            position = end
            if len(mix):
                yield mix

    def _obey(self, message: Message) -> None:
        try:
            self._namespace.obey(message)
            self._controls = self._state.controls
        except MessageError as error:  # as live: a bad message never stops the sound
            self.refused += 1
            log.warning("at %.3f s: %s", message.time or 0.0, error)

    def _set_master(self, message: Message) -> None:
        self._master.apply("gain", message.args)


class _OneVoice:
    """The voices of a namespace that has one."""

    def __init__(self, state: VoiceState) -> None:
        self._state = state

    def names(self) -> list[str]:
        """Return the one name."""
        return [self._state.name]

    def loaded(self, name: str) -> bool:
        """Whether it has parameters: always."""
        return True

    def perform(self, name: str, parameter: str, message: Message) -> float | None:
        """Obey a message to a parameter; return the clamped value where it was out of its range."""
        return self._state.apply(parameter, message.args)

    def values(self, name: str) -> Mapping[str, tuple[object, ...]]:
        """Return what it has, by which patterns of addresses are read."""
        return self._state.told

    def load(self, name: str, message: Message) -> None:
        """Refuse.

        Raises:
            MessageError: Always.
        """
        raise MessageError(message.address, "voices cannot be changed while rendering into a file")

    unload = load


def read_latent(path: Path, size: int) -> np.ndarray:
    """Read a latent vector.

    Args:
        path: `.npy`, or text with numbers between white space or commas.
        size: Coordinates expected.

    Returns:
        float32. Shape [size]

    Raises:
        OptionError: It cannot be read, has another size, or values that are not finite.
    """
    try:
        if path.stat().st_size > MAX_LATENT_BYTES:
            raise OptionError(f"{path.name}: larger than {MAX_LATENT_BYTES} bytes, expected {size} numbers")
        if path.suffix == ".npy":
            latent = np.load(path, allow_pickle=False).astype(np.float32).reshape(-1)
        else:
            latent = np.array(path.read_text().replace(",", " ").split(), np.float32)
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise OptionError(f"{path.name}: {error}") from error
    if latent.shape != (size,) or not np.isfinite(latent).all():
        raise OptionError(f"{path.name}: got {latent.size} numbers, expected {size}, all finite")
    return latent


def open_repeatable(path: Path, rate: int) -> soundfile.SoundFile:
    """Open a stereo sound file whose bytes depend on nothing but its sound.

    Raises:
        OutputError: The file cannot be opened.
    """
    file = open_sound_file(path, rate)
    # libsndfile writes the time of day into the PEAK chunk of a float file (SFC_SET_ADD_PEAK_CHUNK, from sndfile.h).
    soundfile._snd.sf_command(file._file, 0x1050, soundfile._ffi.NULL, 0)
    return file


def _note_clamp(address: str, value: float) -> None:
    log.info("%s is out of range: %g is used", address, value)


def _ignore(address: str, args: tuple[object, ...]) -> None:
    """Tell nobody a value: there is nobody who could have asked."""


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(max(amplitude, 1e-9))
