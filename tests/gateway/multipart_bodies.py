"""Multipart bodies, part by part, with the boundary `here`."""

PICTURE = bytes(range(256)) * 8 + b"\r\n--her\r\n--\r\n"
"""Any bytes, and some that look almost like a boundary."""


def a_part(name: str, value: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--here\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"


def a_body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--here--\r\n"


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]
