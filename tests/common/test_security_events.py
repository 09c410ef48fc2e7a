"""Security events have stable names, which docs/observability.md lists."""

import re
from pathlib import Path

import pytest
import structlog.testing

from common import trace
from common.security_events import EVENTS, events, record

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (info|warning) \| (.+) \|$", re.MULTILINE)
USED = re.compile(
    r"record\(\s*(?:session,\s*)?\"([a-z_.]+)\"|\"(token\.(?:evicted|revoked)|batch\.(?:cancelled|deleted))\""
)


def test_the_page_lists_every_event() -> None:
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")

    listed = {(name, level, meaning) for name, level, meaning in ROW.findall(page)}

    assert listed == {
        (name, "warning" if event.is_refusal else "info", event.meaning) for name, event in EVENTS.items()
    }


def test_every_event_is_recorded_somewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.py")]

    used = {name for source in sources for names in USED.findall(source) for name in names if name}

    assert used == set(EVENTS)


def test_an_event_is_a_line_with_ids_and_counted() -> None:
    before = events.labels("sign_in.refused")._value.get()

    with structlog.testing.capture_logs() as lines:
        token = trace.client_address.set("192.0.2.1")
        record("sign_in.refused", user_id=7)
        trace.client_address.reset(token)

    assert lines == [
        {
            "event": "security event",
            "security_event": "sign_in.refused",
            "client_address": "192.0.2.1",
            "user_id": 7,
            "log_level": "warning",
        }
    ]
    assert events.labels("sign_in.refused")._value.get() == before + 1


def test_a_name_outside_the_table_is_a_fault() -> None:
    with pytest.raises(KeyError):
        record("sign_in.invented")
