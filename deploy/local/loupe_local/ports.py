"""Free ports of 127.0.0.1, remembered so that the next start gets the same ones.

They lie below the range that outgoing connections get: a client that reconnects to a dead server on a port of
that range can end up connected to itself, and then the server cannot have its port back.
"""

import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 15000
RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def allocate(names: Iterable[str], remembered: Mapping[str, int]) -> dict[str, int]:
    """One free port a name, the remembered one where nobody else has it now; never one that is remembered for
    another name, which may be about to use it.
    """
    held: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        for name in names:
            listener = _listen(remembered[name]) if name in remembered else None
            while listener is None:
                port = random.randrange(LOWEST, _highest())  # noqa: S311 (not a secret)
                listener = None if port in remembered.values() else _listen(port)
            held.append(listener)
            ports[name] = listener.getsockname()[1]
    finally:
        for listener in held:
            listener.close()
    return ports


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: TIME_WAIT is no obstacle
        listener.bind((HOST, port))
        listener.listen(1)
    except OSError:
        listener.close()
        return None
    return listener


def _highest() -> int:
    try:
        return max(int(RANGE_FILE.read_text().split()[0]), LOWEST + 1000)
    except FileNotFoundError:
        return 32768
