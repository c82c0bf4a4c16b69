"""`petrichor send`: one OSC message from the shell, and what a server answers. Never waits for longer than it is told.

After the message a `/sync` is sent: its answer says that a server is there, and that every answer which was to come
at once has come. What is done later (a load, a way to a preset) is waited for a little longer.
"""

from __future__ import annotations

import math
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence

from petrichor.errors import MessageError, OptionError
from petrichor.osc import LARGEST, Message, encode, parse_datagram
from petrichor.printable import printable

WHOLE = re.compile(r"[+-]?[0-9]{1,10}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
INT32 = 1 << 31
LONGEST = 3600.0  # seconds to wait
LATER = re.compile(r"/(preset/load|scene/(load|next)|record|[^/]+/load)")  # whose /done may come after /synced
TOKEN = 20_261  # of the sync: any number


def read_arguments(words: Sequence[str], texts: bool) -> list[object]:
    """Return OSC arguments as they are meant: int, float, else str; a word in double quotes is what they hold.

    Args:
        words: Of the command line.
        texts: Whether every word is a text.
    """
    return [word if texts else _argument(word) for word in words]


def send(host: str, port: int, wait: float, address: str, *args: object) -> Iterator[tuple[str, bool]]:
    """Send one message, and give what is answered.

    Args:
        host: Of the server.
        port: Its UDP port.
        wait: Seconds at most.
        address: OSC address.
        *args: OSC arguments.

    Yields:
        A line to print, and whether it tells of a failure: of a `/fail`, or that no server answers.

    Raises:
        OptionError: The message cannot be sent.
    """
    datagram = _datagram(address, args)
    if not (math.isfinite(wait) and 0.0 < wait <= LONGEST):
        raise OptionError(f"--wait: got {wait:g}, expected seconds up to {LONGEST:g}")
    with _connect(host, port) as sock:
        yield from _converse(sock, datagram, address, f"{host}:{port}", time.monotonic() + wait)


def _converse(
    sock: socket.socket, datagram: bytes, address: str, server: str, deadline: float
) -> Iterator[tuple[str, bool]]:
    later, listens = LATER.fullmatch(address) is not None, address == "/notify"  # the latter hears until the end
    heard = done = synced = False
    try:
        sock.send(datagram)
        if address != "/ping":
            sock.send(encode("/ping"))  # is answered even while a voice is loaded, when no sync is
        sock.send(encode("/sync", TOKEN))
        for message in _messages(sock, deadline):
            heard = True
            own = message == Message("/synced", (TOKEN,)) or (message.address == "/pong" and address != "/ping")
            synced = synced or (own and message.address == "/synced")
            done = done or message.address in ("/done", "/fail")
            if not own:
                yield _line(message), message.address == "/fail"
            if synced and (done or not later) and not listens:
                break
    except OSError as error:
        if not isinstance(error, ConnectionRefusedError):
            yield f"petrichor: {server}: {error.strerror or error}", True
            return
    except MessageError as error:
        yield f"petrichor: {server} answers no OSC: {error}", True
        return
    if not heard:
        yield f"petrichor: no server answers at {server}", True
    elif not synced or (later and not done):
        yield "petrichor: not done yet, it goes on (--wait longer to hear of its end)", False


def _messages(sock: socket.socket, deadline: float) -> Iterator[Message]:
    """Give what comes, until the deadline, whatever comes."""
    while (left := deadline - time.monotonic()) > 0.0 and select.select([sock], [], [], left)[0]:
        yield from parse_datagram(sock.recv(65536))


def _argument(word: str) -> object:
    if len(word) > 1 and word[0] == word[-1] == '"':
        return word[1:-1]
    if WHOLE.fullmatch(word) and -INT32 <= int(word) < INT32:
        return int(word)
    return float(word) if NUMBER.fullmatch(word) else word


def _datagram(address: str, args: Sequence[object]) -> bytes:
    if not address.startswith("/") or not address.isprintable() or " " in address:
        raise OptionError(f"got the address {address!r:.60}, expected one that starts with /, without spaces")
    try:
        datagram = encode(address, *args)
        if len(datagram) > LARGEST:
            raise ValueError(f"got {len(datagram)} bytes, expected {LARGEST} at most")
        return datagram
    except (ValueError, OverflowError) as error:  # the latter: a number that 32 bits cannot hold
        raise OptionError(f"{address}: cannot be sent: {error}") from error


def _connect(host: str, port: int) -> socket.socket:
    if not 0 < port < 65536:
        raise OptionError(f"--port: got {port}, expected 1…65535")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect((host, port))
    except OSError as error:
        sock.close()
        raise OptionError(f"--host: {host}: {error.strerror or error}") from error
    return sock


def _line(message: Message) -> str:
    return " ".join([message.address, *map(_word, message.args)])


def _word(arg: object) -> str:
    if isinstance(arg, bytes):
        return f"<{len(arg)} bytes>"
    if isinstance(arg, float):
        return f"{arg:.7g}"  # as many digits as float32 has
    return printable(str(arg))
