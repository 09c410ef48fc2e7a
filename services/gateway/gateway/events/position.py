"""A place in the stream of events, which is also the id of an event."""

import re
from typing import NamedTuple, Self

from common import errors

HEADER = "Last-Event-ID"


class Position(NamedTuple):
    """The event with this sequence number, in the stream that was created at this time."""

    birth: int
    """Microseconds since 1970. A stream that was lost and created again counts from 1 again."""
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position with this id. Raise `InvalidArgument` if it is not an id of an event."""
        found = re.fullmatch(r"([0-9]{1,19})-([0-9]{1,19})", text)
        if not found:
            raise errors.invalid({HEADER: [f"The {HEADER} must be the id of an event."]})
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.birth}-{self.sequence}"

    def at(self, sequence: int) -> "Position":
        return self._replace(sequence=sequence)
