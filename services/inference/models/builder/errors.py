"""The error that stops the builder."""


class Refused(Exception):
    """Something is not as it should be; the message names it."""
