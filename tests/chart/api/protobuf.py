"""Reads the Secrets in which Helm keeps its releases. Helm sends only these as protobuf."""

import base64
from collections.abc import Iterator

from tests.chart.objects import Object

MAGIC = b"k8s\0"
TEXT = {1: "name", 3: "namespace", 6: "resourceVersion"}
MAPS = {11: "labels", 12: "annotations"}
"""Fields of `ObjectMeta` in Kubernetes' `generated.proto`."""


def secret(body: bytes) -> Object:
    """Return the Secret in this body: `Unknown` with the type and the encoded object."""
    (raw,) = [value for number, value in _fields(body.removeprefix(MAGIC)) if number == 2]
    one: Object = {"apiVersion": "v1", "kind": "Secret", "data": {}}
    for number, value in _fields(raw):
        if number == 1:
            one["metadata"] = _metadata(value)
        elif number == 2:
            key, data = _pair(value)
            one["data"][key] = base64.b64encode(data).decode()
        elif number == 3:
            one["type"] = value.decode()
    return one


def _metadata(raw: bytes) -> Object:
    metadata: Object = {}
    for number, value in _fields(raw):
        if number in TEXT and value:
            metadata[TEXT[number]] = value.decode()
        elif number in MAPS:
            key, text = _pair(value)
            metadata.setdefault(MAPS[number], {})[key] = text.decode()
    return metadata


def _pair(raw: bytes) -> tuple[str, bytes]:
    both = dict(_fields(raw))
    return both[1].decode(), both.get(2, b"")


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each field. Numbers are skipped: no field that is read is one."""
    where = 0
    while where < len(raw):
        tag, where = _number(raw, where)
        length, where = _number(raw, where)
        if tag & 7 == 2:
            yield tag >> 3, raw[where : where + length]
            where += length


def _number(raw: bytes, where: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[where]
        value |= (byte & 127) << shift
        where, shift = where + 1, shift + 7
        if byte < 128:
            return value, where
