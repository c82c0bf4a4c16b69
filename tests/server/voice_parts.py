"""A description that tests of voice files start from, and a text that no reason may repeat whole."""

from __future__ import annotations

from petrichor.voice_info import VoiceInfo

INFO = VoiceInfo(
    kind="clip",
    sample_rate=16000,
    channels=1,
    latent_size=4,
    frames=160,
    signature="clip",
    inputs={"latent": (1, 4)},
    outputs={"audio": (1, 160)},
    directions=("loud",),
)
HUGE = "a\ud800\n" * 300_000
