"""The two ways in which a demo, or one photo of it, ends early. Their messages are for a photographer."""


class DemoFailed(Exception):
    """The demo cannot go on. The message is for the person who started it."""


class PhotoRefused(Exception):
    """This photo cannot be upscaled, but others may be."""

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown
        """Whether the file is of no type that Loupe reads: it may be no picture at all."""
