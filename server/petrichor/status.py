"""What `/status` tells. The names and order of `/status.reply` stand here, once."""

from __future__ import annotations

from collections.abc import Mapping

from petrichor.supervisor import Supervisor

# Name → meaning; in this order in `/status.reply`. After them: the number of voices, then for each of them its name,
# its state ("playing", "loading" or "failed") and its latent size.
FIGURES = {
    "version": "of Petrichor",
    "rate": "Hz, of the mix",
    "stream_port": "UDP port of sound streams",
    "subscribers": "of the sound stream",
    "underruns": "that subscribers and the sound card have counted",
    "recording": "path of the recording in progress, or empty",
    "device": "the sound card that plays, or empty",
    "device_rate": "Hz, of the sound card; 0 where there is none",
    "jumps": "how often an output was moved up to the head of the mix",
    "concealed": "milliseconds of voices that were late, filled from their recent past",
    "restarts": "renderers and audio processes that died or hung and were replaced",
    "waiting": "messages that wait for their time",
    "clock": "milliseconds that the asker's clock is behind the server's, as far as it has told by /clock",
    "refused": "datagrams that came too fast to be obeyed",
}
INT32 = (1 << 31) - 1


def status_arguments(figures: Mapping[str, object]) -> list[object]:
    """Return the arguments of `/status.reply`."""
    return [_plain(figures[name]) for name in FIGURES] + list(figures["voices"])  # type: ignore[call-overload]


def voice_arguments(supervisor: Supervisor) -> list[object]:
    """Return the number of voices, then name, state and latent size of each."""
    arguments: list[object] = [len(supervisor.voices)]
    for voice in supervisor.voices.values():
        arguments += [voice.name, voice.status, voice.plan.state.latent_size if voice.plan else 0]
    return arguments


def _plain(value: object) -> object:
    return min(value, INT32) if isinstance(value, int) else value
