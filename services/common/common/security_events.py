"""Security events: what happened to accounts, tokens and keys, as log lines with stable names and as a
metric. `common.audit` publishes them for the audit too.

`EVENTS` is the only table of names. Programs that watch the logs rely on them, so never rename one. A line
has ids alone: no password, token, code, name or mail address.
"""

from typing import NamedTuple

from prometheus_client import Counter

from common import log, trace

LOG = log.get(__name__)
events = Counter("loupe_security_events_total", "Security events", ["event"])


class Event(NamedTuple):
    """The meaning of a name. `is_refusal`: somebody tried what they may not do. `is_audited`: the audit keeps
    it, because it is about an account.
    """

    meaning: str
    is_refusal: bool = False
    is_audited: bool = True


EVENTS = {
    "account.blocked": Event("an operator blocked a user"),
    "account.created": Event("a user registered, or an operator added one"),
    "account.deleted": Event("a user deleted the account"),
    "account.reauthentication_refused": Event(
        "a change of the account needed a recent login or the right password or code", is_refusal=True
    ),
    "account.unblocked": Event("an operator ended the blocking of a user"),
    "address.verified": Event("a user opened the link of a verification mail"),
    "address.change_requested": Event("a user asked for another mail address"),
    "address.changed": Event("another mail address counts from now on"),
    "address.restored": Event("the link in a notice put the former mail address back"),
    "batch.cancelled": Event("a user cancelled a batch"),
    "batch.deleted": Event("a user deleted a batch with its images"),
    "dead_letter.redriven": Event("an operator had a message handled again that was given up"),
    "first_run.code_made": Event("an operator made the one-time code for the first operator's account"),
    "first_run.refused": Event(
        "somebody sent a wrong code for the first operator's account", is_refusal=True
    ),
    "image.deleted": Event("a user deleted an image"),
    "mail.limited": Event(
        "a mail was not sent, because the address or the user got too many", is_refusal=True
    ),
    "operator.appointed": Event("a user became an operator"),
    "operator.dismissed": Event("a user is no longer an operator"),
    "password.reset_requested": Event("somebody asked for a mail to set a new password of an account"),
    "password.reset": Event("a mailed link set a new password; all tokens are revoked"),
    "password.change_refused": Event(
        "a user who wanted a new password sent a wrong current one", is_refusal=True
    ),
    "password.changed": Event("a user set a new password; all other tokens are revoked"),
    "plan.changed": Event("an operator put a user on a plan"),
    "quota.changed": Event("an operator changed the monthly quota of a user"),
    "requests.limited": Event(
        "the first request of an hour that an hourly limit refused", is_refusal=True, is_audited=False
    ),
    "second_factor.disabled": Event(
        "a user or an operator switched the second factor off, or a restored address did"
    ),
    "second_factor.enabled": Event("a user switched a second factor on"),
    "second_factor.recovery_code_used": Event("a recovery code replaced a code of the second factor"),
    "second_factor.recovery_codes_replaced": Event("a user got new recovery codes"),
    "second_factor.refused": Event(
        "the password or token was right, and the code of the second factor was wrong", is_refusal=True
    ),
    "sign_in.admitted": Event("a user logged in"),
    "sign_in.blocked": Event("a login with the right password of a blocked user", is_refusal=True),
    "sign_in.delayed": Event("a login was refused unread after too many wrong ones", is_refusal=True),
    "sign_in.refused": Event("a login with an unknown address or a wrong password", is_refusal=True),
    "sign_in.unverified": Event("a login with the right password and an unverified address", is_refusal=True),
    "signing_key.rotated": Event("an operator created a new signing key"),
    "token.created": Event("a user made a token with another token"),
    "token.evicted": Event("a user had too many tokens, and the longest unused was revoked"),
    "token.guessed": Event("a client sent a token that does not exist", is_refusal=True, is_audited=False),
    "token.revoked": Event("tokens were revoked, or sessions of the console ended"),
    "webhook.changed": Event("a user or an operator changed a webhook"),
    "webhook.created": Event("a user added a webhook"),
    "webhook.deleted": Event("a user deleted a webhook"),
    "webhook.disabled": Event(
        "Loupe disabled a webhook, because its deliveries failed or the owner took the account back"
    ),
    "webhook.secret_rotated": Event("a user replaced the secret of a webhook or of the account"),
}
"""Every security event, by its name: `thing.what happened to it`."""


def record(name: str, **ids: object) -> None:
    """Log the event and count it. `ids` says to whom it happened, such as `user_id`."""
    event = EVENTS[name]
    client = {"client_address": trace.client_address.get()} if trace.client_address.get() else {}
    write = LOG.warning if event.is_refusal else LOG.info
    write("security event", security_event=name, **client, **ids)
    events.labels(name).inc()
