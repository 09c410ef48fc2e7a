"""An entry of the audit as JSON Schema: exactly these keys, in exactly this order."""

from common.security_events import EVENTS
from tests.contract.shapes import INSTANT, TEXT, Schema, a, an_object, or_null

NAMES = [name for name, event in EVENTS.items() if event.is_audited]
ENTRY: Schema = an_object(
    {
        "id": TEXT,
        "event": {"enum": NAMES},
        "description": TEXT,
        "actor": {"enum": ["user", "operator", "system"]},
        "client_address": or_null(TEXT),
        "user_agent": or_null(TEXT),
        "request_id": or_null(TEXT),
        "details": a("object", additionalProperties=TEXT),
        "occurred_at": INSTANT,
    }
)
