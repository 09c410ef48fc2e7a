"""Migrations run before an upgrade if the database can be reached then, otherwise after it."""

import pytest

from loupe_local.service_names import WITH_DATABASE
from tests.chart.checks.all import CHECKS
from tests.chart.connections import Endpoint, connections, endpoints_of
from tests.chart.helm import DEFAULT, PROFILES, load_all, release, rendered, template, upgraded, values_of
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Object, Release, annotations, called, is_hook

EXTERNAL = {"existingSecret": "given", "external": {"host": "postgres.example.com", "port": 6432}}


def migrations(objects: Release) -> list[Object]:
    return [one for one in objects.of("Job") if "-migrate-" in one["metadata"]["name"]]


def phases(objects: Release) -> set[str]:
    return {annotations(one).get("helm.sh/hook", "") for one in migrations(objects)}


def pod_of(job: Object) -> Object:
    return job["spec"]["template"]["spec"]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_check_finds_a_defect_in_an_upgrade(profile: str) -> None:
    there = rendered(profile).objects

    after = upgraded(profile, *there)

    assert [problem for check in CHECKS for problem in check(after)] == []
    assert [problem for one in after.objects for problem in problems(one, VERSIONS[-1])] == []
    for_the_hook = {called(one) for one in after.of("NetworkPolicy") if is_hook(one)}
    assert {called(one) for one in after.objects} - for_the_hook == {called(one) for one in there}


@pytest.mark.parametrize("profile", PROFILES)
def test_each_database_is_migrated_once(profile: str) -> None:
    jobs = [one["metadata"]["name"] for one in migrations(rendered(profile))]

    assert sorted(name.split("-")[-2] for name in jobs) == sorted(WITH_DATABASE)


def test_at_the_first_installation_migrations_are_jobs_that_wait_for_the_database() -> None:
    assert phases(rendered(DEFAULT)) == {""}


def test_a_failed_migration_stops_an_upgrade() -> None:
    after = upgraded(DEFAULT, *rendered(DEFAULT).objects)

    assert phases(after) == {"pre-upgrade"}


def test_an_upgrade_that_creates_the_database_migrates_it_afterwards() -> None:
    without = [one for one in rendered(DEFAULT).objects if one["kind"] != "StatefulSet"]

    assert phases(upgraded(DEFAULT, *without)) == {""}


def test_a_hook_finds_what_it_needs_after_migrations_were_off() -> None:
    before = release(DEFAULT, migrations={"enabled": False})

    assert before.find("ServiceAccount", "loupe-migrations")
    assert before.find("NetworkPolicy", "loupe-migrations")


def test_a_hook_reaches_a_database_that_the_old_releases_policies_do_not_allow() -> None:
    before = rendered(DEFAULT)
    after = upgraded(DEFAULT, *before.objects, values={"postgresql": {"mode": "external", **EXTERNAL}})
    database = Endpoint(name="database", ip="203.0.113.9", labels={}, ports=("6432",))
    hooks = [one for one in after.objects if is_hook(one) and one["kind"] != "Pod"]

    standing = Release(objects=(*before.of("NetworkPolicy"), *hooks))
    found = connections(standing, [*endpoints_of(standing), database])

    assert found == {(f"migrate-{name}", "database", "6432") for name in WITH_DATABASE}


def test_a_hook_uses_no_priority_class_of_its_own_release() -> None:
    with_it = upgraded("ha", *rendered(DEFAULT).objects)
    there_before = upgraded(DEFAULT, *rendered(DEFAULT).objects, values={"priorityClassName": "high"})

    assert phases(with_it) == {"pre-upgrade"}
    assert {pod_of(one).get("priorityClassName") for one in migrations(with_it)} == {None}
    assert {pod_of(one)["priorityClassName"] for one in migrations(there_before)} == {"high"}


def test_without_hooks_migrations_are_ordinary_jobs() -> None:
    objects = tuple(load_all(template(*values_of("external"), "--is-upgrade")))

    assert phases(Release(objects=objects)) == {""}


@pytest.mark.parametrize("profile", PROFILES)
def test_services_wait_for_the_schema_of_their_database(profile: str) -> None:
    chart = rendered(profile)

    waiting = {
        pod.component: [
            one["args"][-1] for one in pod.spec.get("initContainers", []) if one["name"] == "wait-for-schema"
        ]
        for pod in chart.pods
        if pod.component in WITH_DATABASE
    }

    assert waiting == {name: ["wait"] for name in WITH_DATABASE}


def test_a_migration_reaches_the_database_and_nothing_else() -> None:
    chart = rendered(DEFAULT)

    found = {
        connection
        for connection in connections(chart, endpoints_of(chart))
        if connection[0].startswith("migrate-")
    }

    assert found == {(f"migrate-{name}", "postgresql", "5432") for name in WITH_DATABASE}
