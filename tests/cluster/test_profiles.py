"""The API server accepts every profile: its validation is real, and so are the rules of custom resources."""

import re

import pytest
import yaml

from tests.chart.helm import DEFAULT, MAJORS, PROFILES, rendered, values_of
from tests.chart.installation import Installation
from tests.chart.objects import Object, called
from tests.cluster.space import Space


def text(objects: list[Object] | tuple[Object, ...]) -> str:
    return yaml.safe_dump_all(objects)


def without_namespace(one: Object) -> Object:
    metadata = {key: value for key, value in one["metadata"].items() if key != "namespace"}
    return one | {"metadata": metadata}


def require_kinds(space: Space, profile: str) -> None:
    """Skip the test if the cluster lacks definitions of custom resources, such as those of KEDA."""
    served = set(space.kubectl("api-versions").split())
    if missing := {one["apiVersion"] for one in rendered(profile).objects} - served:
        pytest.skip(f"the cluster has no {', '.join(sorted(missing))}")


@pytest.mark.parametrize("profile", PROFILES)
def test_server_side_apply_accepts_every_object(space: Space, profile: str) -> None:
    """A tool of GitOps applies what `helm template` renders. The pod of `helm test` is left to Helm."""
    require_kinds(space, profile)
    objects = [without_namespace(one) for one in rendered(profile).objects if one["kind"] != "Pod"]

    answer = space.kubectl("apply", "--server-side", "--dry-run=server", "--filename=-", stdin=text(objects))

    assert len(re.findall(r"serverside-applied", answer)) == len(objects), answer


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("profile", [one for one in PROFILES if one != DEFAULT])
def test_every_profile_is_installed_upgraded_and_rolled_back(space: Space, profile: str, major: int) -> None:
    """Not waited for: the profiles need GPUs, controllers and Secrets that only an operator has."""
    require_kinds(space, profile)
    release = Installation(space, major)

    release.install(*values_of(profile))
    release.upgrade(*values_of(profile), logLevel="DEBUG")
    release.rollback(1)
    status = release.status()
    release.uninstall()

    assert status == (3, "deployed")


def test_an_applied_release_does_not_differ_from_what_the_chart_renders(space: Space) -> None:
    """Otherwise a tool of GitOps would see a difference at each sync."""
    objects = [
        without_namespace(one) for one in rendered(DEFAULT).objects if one["kind"] not in ("Secret", "Pod")
    ]
    space.kubectl("apply", "--server-side", "--filename=-", stdin=text(objects))

    answer = space.kubectl("diff", "--server-side", "--filename=-", stdin=text(objects))

    assert answer == "", [called(one) for one in objects]
