"""Which pages may ask: a browser would let any page play this server. Pure. Of the query process.

A page of another host is refused by its Origin. One whose host's name has been pointed at this machine (DNS
rebinding) has an Origin that fits, so that no name is answered but this machine's own.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from websockets.datastructures import Headers

LOCAL = ("127.0.0.1", "localhost", "::1")


def refusal(headers: Headers, host: str) -> str:
    """Return why a request is refused, or "".

    Args:
        headers: Its own.
        host: Address or name that the server was told to listen on.
    """
    asked, theirs = headers.get("Host", ""), _name_in(headers.get("Origin", ""))
    if asked and not _is_here(_name_in(f"//{asked}"), host):
        return f"got the host {asked[:80]}, expected an address, or this machine's name"
    if "Origin" in headers and theirs not in LOCAL and theirs != (_name_in(f"//{asked}") or LOCAL[0]):
        return f"pages of {headers['Origin'][:80]} may not play this server"
    return ""


def _is_here(name: str, host: str) -> bool:
    """Whether a name can be nobody else's: an address, or what this machine is called."""
    own = socket.gethostname().lower()
    label = own.partition(".")[0]
    try:
        return name in (*LOCAL, host.lower(), own, label, f"{label}.local") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _name_in(url: str) -> str:
    """Return the host in a URL, without its port, in small letters; "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
