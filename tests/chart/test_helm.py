"""Helm 4 and Helm 3 lint, render, package and install the chart."""

import re
import tarfile
from pathlib import Path

import pytest

from tests.chart.environment import containers_of, environment
from tests.chart.helm import (
    CHART,
    DEFAULT,
    MAJORS,
    NAMESPACE,
    PROFILES,
    Refused,
    helm,
    load,
    load_all,
    release,
    rendered,
    template,
    values_of,
)
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Object, Release, called
from tests.chart.secrets import masked

of_each_profile = pytest.mark.parametrize("profile", PROFILES)
of_each_helm = pytest.mark.parametrize("major", MAJORS)


TARGET = re.compile(r"\b((?:svc|deploy)/\S+(?: \d+:\d+)?)")


def targets_of(release: Release) -> set[str]:
    """Return what `kubectl` commands may name: Deployments, and Services with their local and remote port."""
    services = {
        f"svc/{one['metadata']['name']} {local}:{port['port']}"
        for one in release.of("Service")
        for port in one["spec"]["ports"]
        for local in (8000, port["port"])
    }
    return services | {f"deploy/{one['metadata']['name']}" for one in release.of("Deployment")}


def address_of(release: Release) -> str:
    """Return the gateway's public URL, or the address of a port-forward if there is none."""
    (_, container), *_ = containers_of(release, "gateway")
    return environment(release, container).get("GATEWAY_PUBLIC_URL") or "port-forward"


def by_name(objects: tuple[Object, ...] | list[Object]) -> dict[str, Object]:
    return {called(one): one for one in objects}


@of_each_helm
@of_each_profile
def test_helm_lint_finds_nothing(profile: str, major: int) -> None:
    output = helm("lint", str(CHART), "--strict", "--quiet", *values_of(profile), major=major)

    assert "[WARNING]" not in output
    assert "[ERROR]" not in output


@of_each_profile
def test_both_versions_of_helm_render_the_same(profile: str) -> None:
    older = load_all(template(*values_of(profile), major=3))

    assert by_name(masked(older)) == by_name(masked(rendered(profile).objects))


@of_each_profile
def test_rendering_twice_differs_only_in_generated_secrets(profile: str) -> None:
    again: Release = release(profile)

    assert masked(again.objects) == masked(rendered(profile).objects)


@of_each_helm
def test_the_package_is_the_chart(major: int, tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path), major=major)
    (package,) = tmp_path.glob("loupe-*.tgz")

    with tarfile.open(package) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    packaged = load_all(template(chart=package, major=major))

    assert by_name(masked(packaged)) == by_name(masked(rendered(DEFAULT).objects))
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= names
    assert [name for name in names if name.startswith("ci/") or name.endswith((".orig", ".swp"))] == []


@of_each_profile
def test_the_notes_say_what_to_do_next(profile: str) -> None:
    output = helm(
        "install", "loupe", str(CHART), "--namespace", NAMESPACE, "--dry-run=client", *values_of(profile)
    )

    notes = output.partition("NOTES:")[2]
    commands = [line.split()[0] for line in notes.splitlines() if line.startswith("    ")]
    assert len(commands) >= (3 if profile == DEFAULT else 2)
    assert set(commands) <= {"kubectl", "helm"}
    assert address_of(rendered(profile)) in notes
    assert set(TARGET.findall(notes)) <= targets_of(rendered(profile))
    assert not re.search(r"<no value>|%!|<nil>|map\[", notes)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(Refused, match=r"incompatible with Kubernetes v1\.30\.0"):
        template("--kube-version", "1.30.0")


def test_the_chart_names_its_version_and_that_of_the_services() -> None:
    chart = load((CHART / "Chart.yaml").read_text())

    assert chart["apiVersion"] == "v2"
    assert chart["type"] == "application"
    assert chart["kubeVersion"] == ">=1.31.0-0"


@of_each_profile
def test_a_release_may_have_the_longest_name(profile: str) -> None:
    name = "l" + "o" * 51 + "g"

    objects = load_all(template(*values_of(profile), name=name))

    names = [called(one) for one in objects]
    assert [one for one in names if len(one.partition("/")[2]) > 63] == []
    assert len(set(names)) == len(names)


def test_a_name_of_digits_stays_a_string() -> None:
    objects = load_all(template("--namespace", "2024", name="123"))

    assert [problem for one in objects for problem in problems(one, VERSIONS[-1])] == []


def test_two_releases_share_nothing() -> None:
    one, other = (load_all(template(name=name)) for name in ("one", "two"))

    assert {called(each) for each in one} & {called(each) for each in other} == set()
