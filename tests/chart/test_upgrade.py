"""Hooks migrate the databases before an upgrade if these can be used then. Otherwise the pods migrate."""

from typing import Any

import pytest

from loupe_local.service_names import WITH_DATABASE
from tests.chart.api.controllers import Controllers
from tests.chart.checks.all import CHECKS
from tests.chart.connections import Endpoint, connections, endpoints_of
from tests.chart.helm import DEFAULT, MAJORS, PROFILES, release, rendered
from tests.chart.installation import upgraded
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Object, Release, called, is_hook

EXTERNAL = {"existingSecret": "given", "external": {"host": "postgres.example.com", "port": 6432}}
PROXY = {"name": "proxy", "image": "registry.example.com/proxy:1", "restartPolicy": "Always"}
PREPARATION = {"name": "certificates", "image": "registry.example.com/prepare:1"}


def migrated_by_hooks(objects: Release) -> set[str]:
    """Return the services whose databases hooks migrate."""
    return {one["metadata"]["name"].removeprefix("loupe-migrate-") for one in objects.of("Job")}


def pod_of(job: Object) -> Object:
    return job["spec"]["template"]["spec"]


def before() -> tuple[Object, ...]:
    return rendered(DEFAULT).objects


def names_of(containers: list[Object]) -> list[str]:
    return [one["name"] for one in containers]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_check_finds_a_defect_in_an_upgrade(profile: str) -> None:
    there = rendered(profile).objects

    after = upgraded(profile, *there)

    assert [problem for check in CHECKS for problem in check(after)] == []
    assert [problem for one in after.objects for problem in problems(one, VERSIONS[-1])] == []
    lasting = [{called(one) for one in objects if not is_hook(one)} for objects in (after.objects, there)]
    assert lasting[0] == lasting[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_ordinary_job_is_created(profile: str) -> None:
    """A Job that has died would never come back, and Helm 3 could not roll back past it."""
    assert rendered(profile).of("Job") == []
    assert [one for one in upgraded(profile, *rendered(profile).objects).of("Job") if not is_hook(one)] == []


def test_a_failed_migration_stops_an_upgrade() -> None:
    after = upgraded(DEFAULT, *before())

    assert migrated_by_hooks(after) == set(WITH_DATABASE)


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_migrate_what_no_hook_has_migrated(profile: str) -> None:
    init = {
        pod.component: [one["args"][-1] for one in pod.spec["initContainers"] if one["name"] == "schema"]
        for pod in rendered(profile).pods
        if pod.component in WITH_DATABASE
    }

    assert init == {name: ["upgrade"] for name in WITH_DATABASE}


def test_pods_only_wait_if_somebody_else_migrates() -> None:
    values = {"migrations": {"enabled": False}}

    pods = [pod for pod in release(DEFAULT, **values).pods if pod.component in WITH_DATABASE]

    assert {pod.spec["initContainers"][0]["args"][-1] for pod in pods} == {"wait"}
    assert upgraded(DEFAULT, *before(), values=values).of("Job") == []


def test_no_hook_waits_for_a_database_that_the_upgrade_creates() -> None:
    without = [one for one in before() if one["kind"] != "StatefulSet"]

    assert migrated_by_hooks(upgraded(DEFAULT, *without)) == set()


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("looks", [1, 3, 4, 5, 8])
def test_hooks_have_what_they_need_although_the_database_becomes_ready_meanwhile(
    looks: int, major: int
) -> None:
    """Helm renders one template after the other, and each could find another state of the cluster."""
    controllers = Controllers(looks={"loupe-postgresql": looks})

    after = upgraded(DEFAULT, *before(), controllers=controllers, major=major)

    accounts = {pod_of(job)["serviceAccountName"] for job in after.of("Job")}
    allowed = {
        label
        for one in after.of("NetworkPolicy")
        if is_hook(one)
        for label in one["spec"]["podSelector"]["matchExpressions"][0]["values"]
    }
    assert accounts <= {one["metadata"]["name"] for one in after.of("ServiceAccount") if is_hook(one)}
    assert allowed == {f"migrate-{name}" for name in migrated_by_hooks(after)}


def test_no_hook_waits_for_a_role_that_the_upgrade_creates() -> None:
    renamed = {"postgresql": {"databases": {"images": {"user": "pictures"}}}}

    after = upgraded(DEFAULT, *before(), values=renamed)

    assert migrated_by_hooks(after) == set(WITH_DATABASE) - {"images"}


def test_no_hook_logs_in_with_passwords_that_the_upgrade_sets() -> None:
    secret = next(one for one in before() if called(one) == "Secret/loupe-postgresql")
    given = secret | {"metadata": {"name": "given"}}

    after = upgraded(DEFAULT, *before(), given, values={"postgresql": {"existingSecret": "given"}})

    assert migrated_by_hooks(after) == set()


def test_no_hook_waits_for_a_secret_that_does_not_exist() -> None:
    after = upgraded("external", *rendered("external").objects, values={"useHelmHooks": True})

    assert migrated_by_hooks(after) == set()


def test_a_hook_reaches_a_database_that_the_old_releases_policies_do_not_allow() -> None:
    given = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "given"}}
    secret = given | {"data": dict.fromkeys(WITH_DATABASE, "eA==")}
    values = {"postgresql": {"mode": "external", **EXTERNAL}}
    after = upgraded(DEFAULT, *before(), secret, values=values)
    database = Endpoint(name="database", ip="203.0.113.9", labels={}, ports=("6432",))
    hooks = [one for one in after.objects if is_hook(one) and one["kind"] != "Pod"]

    standing = Release(objects=(*rendered(DEFAULT).of("NetworkPolicy"), *hooks))
    found = connections(standing, [*endpoints_of(standing), database])

    assert found == {(f"migrate-{name}", "database", "6432") for name in WITH_DATABASE}


def test_a_hook_uses_no_priority_class_of_its_own_release() -> None:
    with_it = upgraded("ha", *before())
    there_before = upgraded(DEFAULT, *before(), values={"priorityClassName": "high"})

    assert {pod_of(one).get("priorityClassName") for one in with_it.of("Job")} == {None}
    assert {pod_of(one)["priorityClassName"] for one in there_before.of("Job")} == {"high"}


def test_a_proxy_of_the_database_starts_before_the_tables_are_checked() -> None:
    values: dict[str, Any] = {"images": {"extraInitContainers": [PREPARATION, PROXY]}}

    [pod] = [pod for pod in release(DEFAULT, **values).pods if pod.component == "images"]
    jobs = {
        one["metadata"]["name"]: pod_of(one) for one in upgraded(DEFAULT, *before(), values=values).of("Job")
    }

    assert names_of(pod.spec["initContainers"]) == ["proxy", "schema", "certificates"]
    assert names_of(jobs["loupe-migrate-images"]["initContainers"]) == ["proxy"]
    assert "initContainers" not in jobs["loupe-migrate-auth"]


def test_a_migration_reaches_the_database_and_nothing_else() -> None:
    chart = upgraded(DEFAULT, *before())

    found = {
        connection
        for connection in connections(chart, endpoints_of(chart))
        if connection[0].startswith("migrate-")
    }

    assert found == {(f"migrate-{name}", "postgresql", "5432") for name in WITH_DATABASE}
