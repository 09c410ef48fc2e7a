"""Operators say in the environment what users' URLs may lead to."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from outbound.settings import Settings

NEEDED = {
    "OUTBOUND_DATABASE_URL": "postgresql://localhost/outbound",
    "OUTBOUND_NATS_URL": "nats://localhost",
    "OUTBOUND_AUTH_TARGET": "localhost:1",
    "OUTBOUND_IMAGES_TARGET": "localhost:1",
    "OUTBOUND_CLIENT_SECRET": "secret",
    "OUTBOUND_SECRET": "a secret of thirty-two characters",
}


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in (NEEDED | variables).items():
        monkeypatch.setenv(name, value)
    return Settings()  # pyright: ignore[reportCallIssue]


def test_by_default_only_https_to_the_public_internet_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = read(monkeypatch).policy()

    assert (policy.networks, policy.hosts, policy.origins, policy.proxy) == ((), frozenset(), frozenset(), "")
    assert not policy.http_is_allowed
    assert [port for port in range(1, 65_536) if policy.allows_port(port)] == [443, 8443]


def test_the_usual_limits_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)

    assert (settings.answer_seconds, settings.fetch_seconds) == (15, 30)
    assert (settings.deliveries_per_host, settings.log_days) == (64, 30)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = read(
        monkeypatch,
        OUTBOUND_ALLOW="10.0.0.0/8, hooks.internal,http://n8n.internal:5678",
        OUTBOUND_DENY="10.0.0.1",
        OUTBOUND_PORTS="443,9000-9001",
        OUTBOUND_ALLOW_HTTP="true",
    ).policy()

    assert policy.networks == (ip_network("10.0.0.0/8"),)
    assert policy.hosts == {"hooks.internal"}
    assert policy.origins == {("http", "n8n.internal", 5678)}
    assert policy.denied == (ip_network("10.0.0.1/32"),)
    assert [port for port in range(1, 65_536) if policy.allows_port(port)] == [443, 9000, 9001]
    assert policy.http_is_allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALLOW", "10.0.0.1/8"), ("DENY", "intranet"), ("PORTS", "https"), ("PROXY", "proxy:3128")],
)
def test_a_setting_that_is_not_understood_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **{f"OUTBOUND_{name}": value})


def test_the_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, OUTBOUND_PROXY="http://loupe:hidden@proxy.internal:3128")

    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(settings.policy())
