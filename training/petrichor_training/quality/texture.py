"""Statistics of sound textures: what the ear seems to keep of rain, of wind, of a chorus far away.

Reference:
    McDermott & Simoncelli 2011, "Sound texture perception via statistics of the auditory periphery", Neuron 71.
    Beside theirs: subbands reach to 20 kHz (rain has its drops there), and levels are in dB.
"""

from __future__ import annotations

import numpy as np

from petrichor_training.quality.filterbank import erb_centres, modulation_bands, resampled, subband_envelopes

RATE = 48_000  # Hz, of the sounds that are measured
SECONDS = 4.0  # of each
BANDS = erb_centres(60.0, 20_000.0, 34)  # Hz
ENVELOPE_RATE = 400  # Hz
COMPRESSION = 0.3  # the cochlea's: exponent of the envelopes
MODULATIONS = 0.5 * 2 ** np.linspace(0, np.log2(400), 20)  # Hz, 0.5 to 200
OCTAVES = 3.125 * 2.0 ** np.arange(6)  # Hz, of the modulation bands that are correlated
NEIGHBOURS = (1, 2, 3, 5, 8, 11, 16, 21)  # bands apart
FLOOR_DB = -80.0  # of a subband below the whole sound: codecs and converters differ there, ears do not hear it


def texture_statistics(sound: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of one excerpt, by class.

    Args:
        sound: Shape [frames], at `RATE`, of any level: it is brought to one first.

    Returns:
        `level` of each subband, dB below the whole; `variation`, `skewness` and `kurtosis` of its compressed envelope;
        `correlation` between the envelopes of bands; `modulation` power in each modulation band, dB of the envelope's
        variance; `modulation_correlation` between the same modulation of neighbouring bands; `modulation_phase`
        between octaves of modulation in one band.

    Raises:
        ValueError: The sound is silent or not finite.
    """
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
    if not np.isfinite(rms) or rms < 1e-7:
        raise ValueError(f"a sound of {rms:g} RMS has no texture")
    frames = round(len(sound) / RATE * ENVELOPE_RATE)
    envelopes = subband_envelopes(sound / rms, RATE, BANDS, frames)
    powers = np.array([np.mean(np.square(envelope)) for envelope in envelopes])
    level = 10 * np.log10(powers / 2 + 10 ** (FLOOR_DB / 10))
    floor = 10 ** (FLOOR_DB / 20)
    slow = np.stack([resampled((envelope + floor) ** COMPRESSION, frames) for envelope in envelopes])
    return {"level": level, **_marginals(slow), **_correlations(slow), **_modulations(slow)}


def _marginals(envelopes: np.ndarray) -> dict[str, np.ndarray]:
    mean, spread = envelopes.mean(axis=1), envelopes.std(axis=1) + 1e-4
    scaled = (envelopes - mean[:, None]) / spread[:, None]
    moments = {"skewness": np.mean(scaled**3, axis=1), "kurtosis": np.log(np.mean(scaled**4, axis=1) + 0.1)}
    return {"variation": spread / mean, **moments}


def _correlations(envelopes: np.ndarray) -> dict[str, np.ndarray]:
    scaled = _unit(envelopes - envelopes.mean(axis=1, keepdims=True))
    pairs = [np.sum(scaled[apart:] * scaled[:-apart], axis=1) for apart in NEIGHBOURS]
    return {"correlation": np.concatenate(pairs)}


def _modulations(envelopes: np.ndarray) -> dict[str, np.ndarray]:
    variance = envelopes.var(axis=1, keepdims=True) + 1e-8
    power = np.mean(np.square(modulation_bands(envelopes, ENVELOPE_RATE, MODULATIONS).real), axis=2)
    octaves = modulation_bands(envelopes, ENVELOPE_RATE, OCTAVES)
    real = _unit(octaves.real)
    beside = [np.sum(real[apart:] * real[:-apart], axis=2).ravel() for apart in (1, 2)]
    # The slower band with its phase doubled runs at the faster one's pace: their product keeps the phase between them.
    doubled = _unit(np.square(octaves[:, :-1]) / np.maximum(np.abs(octaves[:, :-1]), 1e-9))
    phase = np.sum(np.conj(doubled) * _unit(octaves[:, 1:]), axis=2).ravel()
    return {
        "modulation": 10 * np.log10(power / variance + 1e-4).ravel(),
        "modulation_correlation": np.concatenate(beside),
        "modulation_phase": np.concatenate((phase.real, phase.imag)),
    }


def _unit(series: np.ndarray) -> np.ndarray:
    """Return series of length 1 along the last axis."""
    return series / np.maximum(np.linalg.norm(series, axis=-1, keepdims=True), 1e-9)


class TextureSpace:
    """Statistics as points in a space in which each class weighs the same and a typical real difference is 1.

    Args:
        reference: Statistics of real excerpts, whose spread is the unit.
    """

    def __init__(self, reference: list[dict[str, np.ndarray]]) -> None:
        """Take centre and unit of every statistic from them."""
        self.classes = tuple(reference[0])
        stacked = {name: np.stack([excerpt[name] for excerpt in reference]) for name in self.classes}
        self.centre = {name: values.mean(axis=0) for name, values in stacked.items()}
        # A statistic that hardly differs among recordings must not decide alone: no unit below a tenth of the class's.
        spreads = {name: values.std(axis=0) for name, values in stacked.items()}
        self.unit = {name: np.maximum(spread, 0.1 * spread.mean() + 1e-9) for name, spread in spreads.items()}

    def points(self, excerpts: list[dict[str, np.ndarray]], only: str | None = None) -> np.ndarray:
        """Return one point per excerpt. Shape [excerpts, statistics]

        Args:
            excerpts: Their statistics.
            only: A class, to look at it alone.
        """
        names = self.classes if only is None else (only,)
        columns = []
        for name in names:
            scaled = (np.stack([excerpt[name] for excerpt in excerpts]) - self.centre[name]) / self.unit[name]
            # Small differences count as they are, large ones by their logarithm: silence where the recordings have
            # sound should not drown everything else.
            columns.append(np.arcsinh(scaled) / np.sqrt(2 * scaled.shape[1] * len(names)))
        return np.concatenate(columns, axis=1)
