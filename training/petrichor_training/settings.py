"""The settings of every part of a training: typed, each with its unit, its default and its range."""

from __future__ import annotations

from dataclasses import dataclass

from petrichor_training.errors import RecipeError

OPTIMIZERS = ("adam", "block-adam")
LOSSES = ("non-saturating", "hinge", "wasserstein")


def check(condition: bool, setting: str, got: object, expected: str) -> None:
    """See that a setting is as it has to be.

    Raises:
        RecipeError: The condition does not hold; it says what was got and what was expected.
    """
    if not condition:
        raise RecipeError(setting, got, expected)


@dataclass(frozen=True)
class PrepareSettings:
    """How recordings become training windows."""

    rate: int = 16000  # Hz
    high_pass_hz: float = 300.0
    denoise: float = 0.0  # share of the steady noise that is taken away, 0…1
    min_bandwidth_hz: float = 0.0  # recordings with less, by their manifest or by measurement, are left out
    max_clipped: float = 1.0  # share of clipped samples above which a recording is left out
    leave_out_duplicates: bool = True  # the same recording in another codec, rate or level; parts of one another
    leave_out: tuple[str, ...] = ()  # parts of file names
    window: str = "split"  # "split": equal chunks of a file | "hop": windows at a hop with random offsets
    split_seconds: float = 1.0  # chunk length asked for, or window length
    hop_seconds: float = 0.25  # only for "hop"
    min_clarity_db: float = 0.0  # windows whose spectrum stands out less are left out; 0 = keep all
    level_db: float = -20.0  # RMS of a window, dB re full scale
    validation_share: float = 0.1  # of the windows, kept apart by groups of recordings that are drawn
    keep_apart: tuple[str, ...] = ()  # those groups, where they are not to be drawn
    seed: int = 1

    def __post_init__(self) -> None:
        """Check ranges."""
        check(8000 <= self.rate <= 192000, "prepare.rate", self.rate, "8000 to 192000 Hz")
        check(0 <= self.high_pass_hz < self.rate / 2, "prepare.high_pass_hz", self.high_pass_hz, "0 to half the rate")
        check(0 <= self.denoise <= 1, "prepare.denoise", self.denoise, "0 to 1")
        check(0 <= self.max_clipped <= 1, "prepare.max_clipped", self.max_clipped, "0 to 1")
        check(self.window in ("split", "hop"), "prepare.window", self.window, '"split" or "hop"')
        check(0.05 <= self.split_seconds <= 30, "prepare.split_seconds", self.split_seconds, "0.05 to 30 s")
        check(self.hop_seconds > 0, "prepare.hop_seconds", self.hop_seconds, "more than 0 s")
        check(0 <= self.min_clarity_db <= 60, "prepare.min_clarity_db", self.min_clarity_db, "0 to 60 dB")
        check(-60 <= self.level_db <= -6, "prepare.level_db", self.level_db, "-60 to -6 dB")
        check(0 <= self.validation_share < 1, "prepare.validation_share", self.validation_share, "0 to below 1")


@dataclass(frozen=True)
class AnalysisSettings:
    """Log-squared spectrogram images: what the rain learns, and what the bird's discriminator may look at."""

    nfft: int = 2048
    window: int = 1024  # samples
    stride: int = 64  # samples
    log_offset: float = 1e-7
    mel: bool = False  # rows of equal width in mel, not in Hz
    image: int = 256  # pixels, both ways
    # Windows of further spectrograms, samples. Rain: made and judged beside the image, as its further channels. Bird:
    # the discriminator sees these, concatenated, in place of the waveform.
    views: tuple[int, ...] = ()
    iterations: int = 30  # Griffin-Lim, when samples are written

    def __post_init__(self) -> None:
        """Check ranges."""
        check(self.nfft >= self.window >= self.stride > 0, "analysis.window", self.window, "stride <= window <= nfft")
        check(0 < self.log_offset < 1, "analysis.log_offset", self.log_offset, "between 0 and 1")
        check(self.image in (32, 64, 128, 256), "analysis.image", self.image, "32, 64, 128 or 256")
        check(self.iterations > 0, "analysis.iterations", self.iterations, "more than 0")
        good = len(self.views) <= 8 and all(self.stride <= view <= 65536 for view in self.views)
        check(good, "analysis.views", self.views, f"at most 8 windows of {self.stride} to 65536 samples")


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the two networks.

    For the bird the numbers are widths of dense layers; for the rain, channels from 4×4 pixels upwards
    (generator) and from the image downwards (discriminator, that of a bird with ``analysis.views`` too); for
    streams, channels of the zones of the spectrum from below (generator).
    """

    latent_size: int = 500
    # Latents beyond ± this are drawn again; 0 = never. A stream learns from the coordinates of its windows whatever it
    # is, and is assessed and played at it, where the recipe names no ``export.truncation``.
    truncation: float = 0.0
    generator: tuple[int, ...] = (256, 512, 1024)
    discriminator: tuple[int, ...] = (1024, 512, 1024)
    attention_at: int = 0  # pixels at which the generator attends to itself; 0 = nowhere
    spectral_normalisation: bool = True  # of convolutions and what begins and ends them, but the generator's last
    faint_start: float = 0.0  # bird: spread of the first weights that face the waveform; 0 = Glorot's
    drops: bool = True  # streams: whether rare events are in the noise, beside grain
    slow: bool = True  # streams: whether processes of 50 ms to 3 s are

    def __post_init__(self) -> None:
        """Check ranges."""
        check(1 <= self.latent_size <= 4096, "network.latent_size", self.latent_size, "1 to 4096")
        check(0 <= self.faint_start < 1, "network.faint_start", self.faint_start, "0 to below 1")
        check(0 <= self.truncation <= 10, "network.truncation", self.truncation, "0 to 10")
        for name in ("generator", "discriminator"):
            sizes = getattr(self, name)
            check(bool(sizes) and min(sizes) > 0, f"network.{name}", sizes, "at least one positive width")


@dataclass(frozen=True)
class FitSettings:
    """The optimisation."""

    loss: str = "non-saturating"
    gradient_penalty: float = 0.0  # weight of (slope - 1)² of the discriminator between recordings and fakes; 0 = none
    discriminator_steps: int = 1  # of which the last updates the generator too
    optimizer: str = "adam"
    batch: int = 32
    epochs: int = 250
    steps_per_epoch: int = 0  # 0 = once through the data
    generator_rate: float = 2e-4
    discriminator_rate: float = 1e-3
    beta_1: float = 0.5
    decay: float = 0.0  # share of the epochs, the last ones, over which both rates fall to a twentieth
    crop_seconds: float = 1.4  # streams: of each stretch
    distance: float = 1.0  # streams: weight of the energy distance
    adversarial: float = 0.1  # streams: weight of the discriminator's judgement beside it
    average: float = 0.999  # decay of the moving average of the generator's weights
    checkpoint_seconds: float = 30.0  # at most this often, and always at the end
    sample_every: int = 1  # epochs
    assess_every: int = 0  # epochs between two looks at how near it is to what it learns from; 0 = never
    most_copies: float = 0.3  # share of clips said by heart, above which weights are not kept as the best
    seed: int = 1

    def __post_init__(self) -> None:
        """Check ranges."""
        check(self.loss in LOSSES, "fit.loss", self.loss, f"one of {', '.join(LOSSES)}")
        check(self.gradient_penalty >= 0, "fit.gradient_penalty", self.gradient_penalty, "0 or more")
        check(1 <= self.discriminator_steps <= 20, "fit.discriminator_steps", self.discriminator_steps, "1 to 20")
        check(self.optimizer in OPTIMIZERS, "fit.optimizer", self.optimizer, f"one of {', '.join(OPTIMIZERS)}")
        check(1 <= self.batch <= 4096, "fit.batch", self.batch, "1 to 4096")
        check(self.epochs >= 1, "fit.epochs", self.epochs, "at least 1")
        check(self.steps_per_epoch >= 0, "fit.steps_per_epoch", self.steps_per_epoch, "0 or more")
        for name in ("generator_rate", "discriminator_rate"):
            check(0 < getattr(self, name) < 1, f"fit.{name}", getattr(self, name), "between 0 and 1")
        check(0 <= self.beta_1 < 1, "fit.beta_1", self.beta_1, "0 to below 1")
        check(0 <= self.decay <= 1, "fit.decay", self.decay, "0 to 1")
        check(0.2 <= self.crop_seconds <= 10, "fit.crop_seconds", self.crop_seconds, "0.2 to 10 s")
        for name in ("distance", "adversarial"):
            check(getattr(self, name) >= 0, f"fit.{name}", getattr(self, name), "0 or more")
        check(
            self.distance + self.adversarial > 0, "fit.distance", self.distance, "more than 0 where nothing else judges"
        )
        check(0 <= self.average < 1, "fit.average", self.average, "0 to below 1")
        check(self.assess_every >= 0, "fit.assess_every", self.assess_every, "0 or more")
        check(0 <= self.most_copies <= 1, "fit.most_copies", self.most_copies, "0 to 1")
        check(self.sample_every >= 1, "fit.sample_every", self.sample_every, "at least 1")


@dataclass(frozen=True)
class ExportSettings:
    """What the voice file says about playing."""

    # That the played voice begins with; 0 = chosen by the rule of `truncation`, of a stream that of its network.
    truncation: float = 0.0
    clips_measured: int = 1024  # from which directions are fitted; 0 = none are
    layers: int = 4  # clips sounding at once at full intensity
    rest_seconds: float = 2.5  # mean pause between clips at no intensity
    int8: bool = True  # clips: ship the smaller network where its difference is inaudible
    int8_min_snr_db: float = 30.0  # for waveforms
    int8_max_log_db: float = 0.5  # for spectrograms: RMS difference of the decoded image

    def __post_init__(self) -> None:
        """Check ranges."""
        check(0 <= self.truncation <= 3, "export.truncation", self.truncation, "0 to 3")
        measured = self.clips_measured
        check(measured == 0 or 64 <= measured <= 65536, "export.clips_measured", measured, "0, or 64 to 65536")
        check(1 <= self.layers <= 16, "export.layers", self.layers, "1 to 16")
        check(0 <= self.rest_seconds <= 60, "export.rest_seconds", self.rest_seconds, "0 to 60 s")
