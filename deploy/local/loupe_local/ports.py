"""Find free ports of 127.0.0.1, and find the same ones again at the next start.

The ports lie below the range from which outgoing connections get theirs. In that range a client that
reconnects to a dead server can connect to itself, and the server cannot listen there again.
"""

import errno
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from loupe_local.port_option import PortRefused

HOST = "127.0.0.1"
LOWEST = 15000
RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def require_free(port: int) -> None:
    """Raise `PortRefused` if we cannot listen on the port."""
    try:
        _open(port).close()
    except OSError as error:
        if error.errno == errno.EACCES:
            message = f"only root may use port {port}; choose one from 1024 on, for example PORT=8080"
        else:
            message = f"port {port} is taken{_owner(port)}; stop that program, or choose another port"
        raise PortRefused(message) from None


def _owner(port: int) -> str:
    """Return ` by NAME (process 123)`. The system names only programs of the same user."""
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return f" by {psutil.Process(one.pid).name()} (process {one.pid})"
            except psutil.NoSuchProcess:
                break
    return ""


def allocate(names: Iterable[str], remembered: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each name: the remembered one, if no other program uses it now.

    A port that is remembered for another name is never returned: that server may be about to start.
    """
    listeners: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        for name in names:
            listener = _listen(remembered[name]) if name in remembered else None
            while listener is None:
                port = random.randrange(LOWEST, _highest())  # noqa: S311 (not a secret)
                listener = None if port in remembered.values() else _listen(port)
            listeners.append(listener)
            ports[name] = listener.getsockname()[1]
    finally:
        for listener in listeners:
            listener.close()
    return ports


def _listen(port: int) -> socket.socket | None:
    try:
        return _open(port)
    except OSError:
        return None


def _open(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # the servers set it too: a port in TIME_WAIT is free
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _highest() -> int:
    try:
        return max(int(RANGE_FILE.read_text().split()[0]), LOWEST + 1000)
    except FileNotFoundError:
        return 32768
