"""What makes the builder refuse to build."""


class Refused(Exception):
    """Something is not what it should be; the message names it."""
