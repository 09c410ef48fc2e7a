"""Upgrades, rollbacks and mishaps of a release, by the real Helm.

The cluster is in memory, and answers in seconds. `make test-cluster` runs these tests on a real one.
"""

import base64
from collections.abc import Callable

import pytest

from loupe_local.service_names import NAMES, WITH_DATABASE
from tests.chart.api.controllers import Controllers
from tests.chart.api.server import api
from tests.chart.helm import MAJORS, Refused
from tests.chart.installation import ATOMIC, UNTIL_READY, Installation, Installer
from tests.chart.objects import Object

SERVICES = {f"loupe-{name}" for name in NAMES}
IMMEDIATELY = ("--timeout", "1s")
"""How long Helm waits for what never happens here."""
of_each_helm = pytest.mark.parametrize("major", MAJORS)


def failing(job: str) -> Callable[[str], bool | None]:
    return lambda name: name != job


def secret(name: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "data": encoded,
    }


@of_each_helm
def test_a_rollback_keeps_rotated_secrets(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        made = release.secrets()
        rotated = made["loupe-auth-credentials"] | {"secret": "rotated" * 6, "previous-secret": "old" * 12}
        release.cluster.put(secret("loupe-auth-credentials", **rotated))

        release.upgrade(logLevel="DEBUG")
        after_upgrade = release.secrets()
        release.rollback(1)
        after_rollback = release.secrets()

    assert after_upgrade == after_rollback == made | {"loupe-auth-credentials": rotated}


@of_each_helm
def test_an_existing_secret_of_this_name_is_adopted(installation: Installer, major: int) -> None:
    mine = {"auth": "a" * 32, "billing": "b" * 32, "images": "c" * 32, "postgres": "d" * 32}

    with installation(major, secret("loupe-postgresql", **mine)) as release:
        release.install()
        after = release.secrets()["loupe-postgresql"]

    assert {key: after[key] for key in mine} == mine


@of_each_helm
def test_a_missing_key_is_added_and_the_others_stay(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        made = release.secrets()["loupe-nats"]
        release.cluster.put(secret("loupe-nats", **{key: made[key] for key in made if key != "images"}))

        release.upgrade()
        after = release.secrets()

    new = after["loupe-nats"].pop("images")
    assert after["loupe-nats"] == {key: made[key] for key in made if key != "images"}
    assert len(new) >= 32
    assert new != made["images"]
    assert "loupe-nats-copy" not in after


@of_each_helm
def test_values_survive_if_helm_dies_between_deleting_and_creating_a_secret(
    installation: Installer, major: int
) -> None:
    with installation(major) as release:
        release.install()
        made = release.secrets()["loupe-nats"]
        release.cluster.put(secret("loupe-nats-copy", **made))
        release.cluster.remove("Secret", "loupe-nats")

        release.upgrade()
        after = release.secrets()["loupe-nats"]

    assert after == made


@pytest.mark.parametrize(
    ("service", "major"),
    [*((service, MAJORS[0]) for service in WITH_DATABASE), (WITH_DATABASE[0], MAJORS[1])],
)
def test_a_release_can_be_rolled_back_after_a_failed_migration(
    installation: Installer, major: int, service: str
) -> None:
    with installation(major) as release:
        release.install()
        release.cluster.controllers.ending = failing(f"loupe-migrate-{service}")

        with pytest.raises(Refused, match=f"loupe-migrate-{service}"):
            release.upgrade(logLevel="DEBUG")
        failed = release.status()
        release.rollback()
        rolled_back = release.status()

    assert failed == (2, "failed")
    assert rolled_back == (3, "deployed")


@of_each_helm
def test_an_atomic_upgrade_returns_to_the_release_before(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        release.cluster.controllers.ending = failing("loupe-migrate-images")

        with pytest.raises(Refused, match="loupe-migrate-images"):
            release.upgrade(ATOMIC[major], logLevel="DEBUG")
        status = release.status()

    assert status == (3, "deployed")


@of_each_helm
def test_an_upgrade_with_pods_that_do_not_start_can_be_rolled_back(
    installation: Installer, major: int
) -> None:
    with installation(major) as release:
        release.install()
        release.cluster.controllers.unpullable.add("typo.example.com")

        with pytest.raises(Refused):
            release.upgrade(UNTIL_READY, *IMMEDIATELY, gateway={"image": {"registry": "typo.example.com"}})
        release.rollback(1, UNTIL_READY, "--timeout", "30s")
        status = release.status()

    assert status == (3, "deployed")


@of_each_helm
def test_a_failed_migration_is_tried_again_by_the_next_upgrade(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        release.cluster.controllers.ending = failing("loupe-migrate-billing")
        with pytest.raises(Refused):
            release.upgrade()
        release.cluster.controllers.ending = lambda _: True

        release.upgrade()
        status = release.status()
        jobs = release.cluster.of("Job")

    assert status == (3, "deployed")
    assert jobs == []


@of_each_helm
def test_an_installation_whose_images_cannot_be_pulled_is_repaired_by_another_registry(
    installation: Installer, major: int
) -> None:
    with installation(major, controllers=Controllers(unpullable={"typo.example.com"})) as release:
        with pytest.raises(Refused):
            release.install(UNTIL_READY, *IMMEDIATELY, **{"global": {"imageRegistry": "typo.example.com"}})

        release.upgrade(UNTIL_READY, "--timeout", "30s")
        status = release.status()

    assert status == (2, "deployed")


@of_each_helm
def test_the_user_of_a_database_can_be_changed_and_changed_back(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        release.cluster.controllers.ending = failing("loupe-migrate-images")

        release.upgrade(UNTIL_READY, postgresql={"databases": {"images": {"user": "pictures"}}})
        changed = release.status()
        release.rollback(1)

    assert changed == (2, "deployed")


@of_each_helm
def test_a_running_database_can_be_given_a_secret(installation: Installer, major: int) -> None:
    mine = dict.fromkeys((*WITH_DATABASE, "postgres"), "mine" * 10)

    with installation(major, secret("mine", **mine)) as release:
        release.install()
        release.cluster.controllers.ending = lambda name: "migrate" not in name

        release.upgrade(UNTIL_READY, postgresql={"existingSecret": "mine"})
        status = release.status()

    assert status == (2, "deployed")


@of_each_helm
def test_services_pause_and_go_on(installation: Installer, major: int) -> None:
    with installation(major) as release:
        release.install()
        running = release.replicas()

        release.upgrade(paused=True)
        paused = release.replicas()
        release.upgrade()
        going_on = release.replicas()
        release.upgrade(paused=True)
        release.rollback()
        rolled_back = release.replicas()

    assert {name for name, count in paused.items() if count == 0} == SERVICES
    assert {name: paused[name] for name in running.keys() - SERVICES} == {
        name: running[name] for name in running.keys() - SERVICES
    }
    assert going_on == rolled_back == running


@of_each_helm
def test_scaled_services_pause_too(installation: Installer, major: int) -> None:
    scaled = {"gateway": {"autoscaling": {"enabled": True}}, "inference": {"keda": {"enabled": True}}}
    force = ("--force-conflicts",) if major > 3 else ()

    with installation(major) as release:
        release.install(**scaled)
        release.cluster.change("Deployment", "loupe-gateway", manager="kube-controller-manager", replicas=7)

        release.upgrade(*force, paused=True, **scaled)
        paused = release.replicas()
        keda = release.cluster.get("ScaledObject", "loupe-inference")["metadata"]["annotations"]
        release.upgrade(**scaled)
        going_on = release.replicas()

    assert {paused[name] for name in SERVICES} == {0}
    assert keda["autoscaling.keda.sh/paused-replicas"] == "0"
    assert going_on["loupe-gateway"] > 0


def test_helm_4_refuses_to_undo_kubectl_scale(installation: Installer) -> None:
    """This is why the pages pause by a value."""
    with installation(4) as release:
        release.install()
        release.cluster.change("Deployment", "loupe-gateway", replicas=0)

        with pytest.raises(Refused, match=r"conflict with .*kubectl"):
            release.upgrade()


@of_each_helm
def test_an_uninstall_leaves_the_generated_secrets_and_nothing_else(major: int) -> None:
    with api() as cluster:
        release = Installation(cluster, major)
        release.install()
        release.upgrade()
        made = set(release.secrets())

        release.uninstall()
        left = {(one["kind"], one["metadata"]["name"]) for one in cluster.store}

    followers = {"ReplicaSet", "Namespace"}
    assert {pair for pair in left if pair[0] not in followers} == {("Secret", name) for name in made}
