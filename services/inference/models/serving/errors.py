"""What makes the building of engines stop."""


class Stopped(Exception):
    """The message is one line, names what is missing, and is all that is shown."""


class TooLarge(Exception):
    """The GPU's memory does not suffice for this shape."""
