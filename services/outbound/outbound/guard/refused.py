"""The one error of the guard: why a URL that a user chose is not called, or its answer not used."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons, for programs and metrics."""

    URL_INVALID = "url_invalid"
    SCHEME_REFUSED = "scheme_refused"
    PORT_REFUSED = "port_refused"
    ADDRESS_REFUSED = "address_refused"
    NAME_NOT_FOUND = "name_not_found"
    LOOKUP_FAILED = "lookup_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_FAILED = "connection_failed"
    TLS_FAILED = "tls_failed"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    ANSWER_INVALID = "answer_invalid"
    NOT_FOUND = "not_found"
    STATUS_REFUSED = "status_refused"
    EMPTY = "empty"


class Refused(Exception):
    """The guard refuses an address, or gives up on it.

    The text never names an address that a host name led to: it would show users how an internal network
    looks.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self._text = text

    def text(self, field: str) -> str:
        """Return the text for a person, about this field of a request."""
        return self._text.replace("{field}", field.replace("_", " "))

    def of_redirect(self) -> "Refused":
        """Return the refusal of a URL to which the user's URL redirects."""
        text = self._text.replace("The {field}", "That URL")
        return Refused(self.reason, f"The {{field}} redirects to another URL, which is refused. {text}")
