"""Generated secrets are long and different, and no later upgrade touches them."""

import base64

import pytest

from tests.chart.helm import DEFAULT, MAJORS, Refused, release, rendered, template
from tests.chart.installation import upgraded
from tests.chart.objects import Object, annotations
from tests.chart.secrets import generated

LONG = 32
of_each_helm = pytest.mark.parametrize("major", MAJORS)


def secrets_there() -> list[Object]:
    """Return the Secrets of an earlier installation."""
    return rendered(DEFAULT).of("Secret")


def test_every_secret_is_long_and_none_is_used_twice() -> None:
    values = [value for secret in generated(secrets_there()).values() for value in secret.values()]

    assert len(values) >= 10
    assert [value for value in values if len(value) < LONG or not value.isalnum()] == []
    assert len(set(values)) == len(values)


def test_two_releases_have_no_secret_in_common() -> None:
    one, other = generated(secrets_there()), generated(release().objects)

    assert one.keys() == other.keys()
    for name in one:
        assert one[name].keys() == other[name].keys()
        assert set(one[name].values()) & set(other[name].values()) == set()


@of_each_helm
def test_an_upgrade_leaves_the_secrets_alone(major: int) -> None:
    after = upgraded(DEFAULT, *secrets_there(), major=major)

    assert after.of("Secret") == []


def test_generated_secrets_are_no_part_of_the_release() -> None:
    """Otherwise a rollback would bring their former values back, and an uninstall would delete them."""
    phases = {annotations(one).get("helm.sh/hook") for one in secrets_there()}
    policies = {annotations(one).get("helm.sh/hook-delete-policy") for one in secrets_there()}

    assert phases == {"pre-install,pre-upgrade"}
    assert policies == {"hook-failed"}


@of_each_helm
def test_a_new_key_is_added_to_an_existing_secret(major: int) -> None:
    older = [one | {"data": dict(list(one["data"].items())[1:])} for one in secrets_there()]

    after = generated(upgraded(DEFAULT, *older, major=major).objects)

    whole = generated(secrets_there())
    for name, before in generated(older).items():
        assert after[f"{name}-copy"] == before
        assert after[name].keys() == whole[name].keys()
        assert {key: after[name][key] for key in before} == before
        assert all(len(value) >= LONG for value in after[name].values())


def test_a_secret_is_written_as_kubernetes_wants_it() -> None:
    for one in secrets_there():
        assert "stringData" not in one
        for value in one["data"].values():
            assert base64.b64encode(base64.b64decode(value, validate=True)).decode() == value


def test_without_hooks_no_secret_is_generated() -> None:
    """A GitOps tool renders without a cluster, and would get other secrets each time."""
    with pytest.raises(Refused, match="existingSecret"):
        template(values={"useHelmHooks": False})
