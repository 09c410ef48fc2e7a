"""The errors that stop the building of engines."""


class Stopped(Exception):
    """The message is one line that names what is missing. It is all that is shown."""


class TooLarge(Exception):
    """The GPU's memory does not suffice for this shape."""
