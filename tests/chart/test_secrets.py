"""Secrets that the chart makes up: long, different, made once, and kept by every later upgrade.

The cluster here is a few answers of Kubernetes' API; what it would do with the objects is not shown.
"""

import base64

import pytest

from tests.chart.helm import DEFAULT, MAJORS, Refused, release, rendered, template, upgraded
from tests.chart.objects import Object, annotations, called
from tests.chart.secrets import KEEP, made_up

LONG = 32
of_each_helm = pytest.mark.parametrize("major", MAJORS)


def secrets_there() -> list[Object]:
    """Of a release made earlier."""
    return rendered(DEFAULT).of("Secret")


def test_every_secret_is_long_and_none_is_used_twice() -> None:
    values = [value for secret in made_up(secrets_there()).values() for value in secret.values()]

    assert len(values) >= 10
    assert [value for value in values if len(value) < LONG or not value.isalnum()] == []
    assert len(set(values)) == len(values)


def test_two_releases_have_no_secret_in_common() -> None:
    one, other = made_up(secrets_there()), made_up(release().objects)

    assert one.keys() == other.keys()
    for name in one:
        assert one[name].keys() == other[name].keys()
        assert set(one[name].values()) & set(other[name].values()) == set()


@of_each_helm
def test_an_upgrade_keeps_every_secret(major: int) -> None:
    there = secrets_there()

    after = upgraded(DEFAULT, *there, major=major)

    assert made_up(after.objects) == made_up(there)


@of_each_helm
def test_a_key_that_is_new_is_added_to_a_secret_that_is_there(major: int) -> None:
    older = [one | {"data": dict(list(one["data"].items())[1:])} for one in secrets_there()]

    after = made_up(upgraded(DEFAULT, *older, major=major).objects)

    whole = made_up(secrets_there())
    for name, kept in made_up(older).items():
        assert after[name].keys() == whole[name].keys()
        assert {key: after[name][key] for key in kept} == kept
        assert all(len(value) >= LONG for value in after[name].values())


def test_secrets_outlive_an_uninstall() -> None:
    """The stores' volumes do so too, and would not take a new password."""
    kept = [called(one) for one in secrets_there() if annotations(one).get(KEEP) == "keep"]

    assert kept == [called(one) for one in secrets_there()]


def test_a_secret_is_written_as_kubernetes_wants_it() -> None:
    for one in secrets_there():
        assert "stringData" not in one
        for value in one["data"].values():
            assert base64.b64encode(base64.b64decode(value, validate=True)).decode() == value


def test_without_hooks_nothing_is_made_up() -> None:
    """Who renders without a cluster, as GitOps does, would get other secrets each time."""
    with pytest.raises(Refused, match="existingSecret"):
        template(values={"useHelmHooks": False})


def test_the_answers_of_the_cluster_are_what_helm_reads() -> None:
    (first, *_) = secrets_there()
    marked = first | {"data": dict.fromkeys(first["data"], base64.b64encode(b"marked" * 6).decode())}

    after = made_up(upgraded(DEFAULT, marked).objects)

    assert set(after[first["metadata"]["name"]].values()) == {"marked" * 6}
