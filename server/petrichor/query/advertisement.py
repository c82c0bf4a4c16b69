"""Telling the network of the query server by zeroconf (mDNS), where the package is installed. Of the query process."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)
QUERY, OSC = "_oscjson._tcp.local.", "_osc._udp.local."
ANYWHERE = "0.0.0.0"
LONGEST = 63 - len("-99")  # bytes of a name in DNS, but for what is put after one that is taken


@asynccontextmanager
async def advertised(host: str, port: int, osc_port: int) -> AsyncIterator[bool]:
    """Advertise OSCQuery and OSC for as long as the `with` lasts; give whether that is so.

    Args:
        host: Address that the server listens on; loopback is told on loopback only.
        port: TCP port of OSCQuery.
        osc_port: UDP port of control messages.
    """
    if importlib.util.find_spec("zeroconf") is None:
        yield False
        return
    speaker: Any = None
    told = False
    try:
        # The system's look-ups block, and may take seconds.
        addresses = await asyncio.get_running_loop().run_in_executor(None, _addresses, host)
        speaker = _speaker(host, addresses)
        for service in _services(addresses, port, osc_port):
            await speaker.async_register_service(service, allow_name_change=True)
        told = True
    except Exception as error:  # no multicast, no address, a name unfit for DNS: nothing depends on this
        log.warning("zeroconf: %s; OSCQuery is not advertised", error or type(error).__name__)
    try:
        yield told
    finally:
        if speaker is not None:
            await speaker.async_close()


def _speaker(host: str, addresses: list[str]) -> Any:
    from zeroconf import InterfaceChoice  # noqa: PLC0415  (optional)
    from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415

    return AsyncZeroconf(interfaces=InterfaceChoice.All if host == ANYWHERE else addresses)


def _services(addresses: list[str], port: int, osc_port: int) -> list[Any]:
    from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415

    before, after = "Petrichor ", f" {osc_port}"
    machine = socket.gethostname().partition(".")[0].encode()[: LONGEST - len(before + after)].decode(errors="ignore")
    packed = [socket.inet_aton(each) for each in addresses]
    return [
        AsyncServiceInfo(
            kind, f"{before}{machine}{after}.{kind}", addresses=packed, port=number, properties={"txtvers": "1"}
        )
        for kind, number in ((QUERY, port), (OSC, osc_port))
    ]


def _addresses(host: str) -> list[str]:
    """Return the addresses under which a host is reached."""
    if host != ANYWHERE:
        return [socket.gethostbyname(host)]
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return sorted(found) or ["127.0.0.1"]
