"""Telling the network of the query server by zeroconf (mDNS), where the package is installed. Of the query process."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)
QUERY, OSC = "_oscjson._tcp.local.", "_osc._udp.local."
ANYWHERE = "0.0.0.0"


@asynccontextmanager
async def advertised(host: str, port: int, osc_port: int) -> AsyncIterator[bool]:
    """Advertise OSCQuery and OSC for as long as the `with` lasts; give whether that is so.

    Args:
        host: Address that the server listens on; loopback is told on loopback only.
        port: TCP port of OSCQuery.
        osc_port: UDP port of control messages.
    """
    try:
        from zeroconf import InterfaceChoice  # noqa: PLC0415  (optional)
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415
    except ImportError:
        yield False
        return
    try:
        speaker: Any = AsyncZeroconf(interfaces=InterfaceChoice.All if host == ANYWHERE else [host])
    except OSError as error:  # no multicast here
        log.warning("zeroconf: %s; OSCQuery is not advertised", error)
        yield False
        return
    addresses = [socket.inet_aton(each) for each in _addresses(host)]
    name = f"Petrichor {socket.gethostname().partition('.')[0]} {osc_port}"
    services = [
        AsyncServiceInfo(kind, f"{name}.{kind}", addresses=addresses, port=number, properties={"txtvers": "1"})
        for kind, number in ((QUERY, port), (OSC, osc_port))
    ]
    try:
        for service in services:
            await speaker.async_register_service(service, allow_name_change=True)
        yield True
    finally:
        await speaker.async_unregister_all_services()
        await speaker.async_close()


def _addresses(host: str) -> list[str]:
    """Return the addresses under which a host is reached."""
    if host != ANYWHERE:
        return [socket.gethostbyname(host)]
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return sorted(found) or ["127.0.0.1"]
