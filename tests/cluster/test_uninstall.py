"""An uninstallation leaves the generated Secrets and the volumes that need them."""

import pytest

from tests.chart.helm import MAJORS
from tests.chart.installation import UNTIL_READY, Installation
from tests.cluster.space import Space
from tests.cluster.waiting import until

CLAIMS = ("loupe-nats-0", "loupe-nats-1", "loupe-nats-2", "loupe-object-store-0", "loupe-postgresql-0")
EVERY_NAMESPACE_HAS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


@pytest.mark.parametrize("major", MAJORS)
def test_an_uninstallation_leaves_secrets_and_volumes(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)
    release.upgrade(UNTIL_READY, logLevel="DEBUG")
    secrets = {("Secret", name) for name in release.secrets()}
    claims = {("PersistentVolumeClaim", f"data-{name}") for name in CLAIMS}

    release.uninstall()

    expected = EVERY_NAMESPACE_HAS | secrets | claims
    until(lambda: space.everything() == expected, f"{sorted(space.everything() - expected)} are gone")


def test_the_command_of_the_page_deletes_the_rest(space: Space) -> None:
    release = Installation(space, MAJORS[0])
    release.install(UNTIL_READY)
    release.uninstall()

    space.kubectl("delete", "pvc,secret", "--selector=app.kubernetes.io/instance=loupe")

    until(lambda: space.everything() == EVERY_NAMESPACE_HAS, "nothing is left")


@pytest.mark.parametrize("major", MAJORS)
def test_a_second_installation_adopts_what_the_first_one_left(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)
    made = release.secrets()
    release.uninstall()

    release.install(UNTIL_READY)

    assert release.secrets() == made
