"""The frames of server-sent events (WHATWG HTML, section 9.2), and the events of Loupe in them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from loupe_client.answers import parse
from loupe_client.models import Image

ENDED_IMAGE = ("completed", "failed")
ENDED_BATCH = ("completed", "partially_failed", "failed", "cancelled")


@dataclass(frozen=True)
class Event:
    """Something that happened to an image or a batch."""

    type: str
    """The type, such as `image.completed`. `reset` says that events were lost: read your lists again."""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    """The image or the batch as the API shows it; `{"id": 42, "deleted": True}` if it is gone."""
    id: str = ""
    """The place in the stream. Progress has none."""
    timestamp: datetime | None = None

    @property
    def image(self) -> Image | None:
        """The image, unless the event is about a batch or the image is gone."""
        if not self.type.startswith("image.") or "status" not in self.data:
            return None
        return parse(Image, self.data)


class FrameReader:
    """Collects the bytes of a stream to events."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        """The id to go on from after a break."""
        self._rest = b""
        self._data: list[str] = []

    def after_break(self) -> "FrameReader":
        """Return a reader for the next connection. Half an event of the last one does not count."""
        return FrameReader(self.last_id)

    def feed(self, chunk: bytes) -> Iterator[Event | None]:
        """Yield the events that end within the chunk, and None for a comment, which says that all is well."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            name, _, value = text.partition(":")
            if not text and self._data:
                event = self._event()
                self._data = []
                yield event
            elif name == "id":
                self.last_id = value.strip()
            elif name == "data":
                self._data.append(value.removeprefix(" "))
            elif text.startswith(":"):
                yield None

    def _event(self) -> Event | None:
        try:
            body = json.loads("\n".join(self._data))
        except ValueError:
            return None
        return Event(
            type=str(body.get("type", "")),
            data=body.get("data") or {},
            id=self.last_id,
            timestamp=instant(body.get("timestamp")),
        )


def instant(text: object) -> datetime | None:
    """Return an instant of the API; None for anything else."""
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
