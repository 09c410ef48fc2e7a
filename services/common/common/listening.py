"""Addresses to listen on, such as `0.0.0.0:9090` or `[::]:9090`. `[::]` takes IPv4 connections too."""

import socket


def host_and_port(listen: str) -> tuple[str, int]:
    """Return the parts of an address, the host without brackets. Raise `ValueError` if it names no port."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def listening_socket(listen: str) -> socket.socket:
    """Return a socket that listens on the address. Raise `OSError` if that is impossible."""
    host, port = host_and_port(listen)
    is_six = ":" in host
    family = socket.AF_INET6 if is_six else socket.AF_INET
    return socket.create_server(
        (host, port), family=family, dualstack_ipv6=is_six and socket.has_dualstack_ipv6()
    )
