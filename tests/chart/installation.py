"""A release that the real Helm installs, upgrades and rolls back, mostly on a cluster in memory."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import yaml

from tests.chart.api.controllers import Controllers
from tests.chart.api.server import UNCHECKED, api
from tests.chart.checks.secrets import plain
from tests.chart.helm import CHART, helm, load_all, rendered, template, values_of
from tests.chart.objects import Object, Release

NAME = "loupe"
ATOMIC = {3: "--atomic", 4: "--rollback-on-failure"}
UNHURRIED = ("--qps", "1000", "--burst-limit", "1000")
"""Helm spares real clusters by waiting between requests."""
UNTIL_READY = "--wait"


class Cluster(Protocol):
    """A namespace of a cluster, in memory or real: what tests look at and change beside Helm."""

    @property
    def controllers(self) -> Controllers:
        """The interface of what decides the fate of pods."""
        ...

    @property
    def where(self) -> tuple[str, ...]:
        """The flags of Helm that name the cluster and the namespace."""
        ...

    @property
    def applying(self) -> tuple[str, ...]:
        """The flags of Helm that an installation or upgrade needs on this cluster."""
        ...

    def settle(self) -> None:
        """Wait until the stores are ready. An upgrade before that has no hooks that use them."""
        ...

    def find(self, kind: str, name: str) -> Object | None: ...
    def get(self, kind: str, name: str) -> Object: ...
    def of(self, kind: str) -> list[Object]: ...
    def put(self, *objects: Object, manager: str = "kubectl") -> None: ...
    def remove(self, kind: str, name: str) -> None: ...
    def change(self, kind: str, name: str, manager: str = "kubectl", **spec: Any) -> None: ...


@dataclass(frozen=True)
class Installation:
    """The commands of an operator with Helm."""

    cluster: Cluster
    major: int

    def install(self, *argv: str, **values: Any) -> str:
        answer = self._apply("install", *argv, values=values)
        self.cluster.settle()
        return answer

    def upgrade(self, *argv: str, **values: Any) -> str:
        """Upgrade to exactly these values. Without any, Helm would use those of the last revision again."""
        return self._apply("upgrade", "--reset-values", *argv, values=values)

    def rollback(self, revision: int = 0, *argv: str) -> str:
        to = (str(revision),) if revision else ()
        return self._run("rollback", NAME, *to, *argv)

    def uninstall(self) -> str:
        return self._run("uninstall", NAME)

    def test(self) -> str:
        return self._run("test", NAME)

    def status(self) -> tuple[int, str]:
        """Return the number and the state of the last revision."""
        [line] = yaml.safe_load(self._run("history", NAME, "--max", "1", "--output", "yaml"))
        return line["revision"], line["status"]

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the values of the Secrets, without those in which Helm keeps releases."""
        secrets = [one for one in self.cluster.of("Secret") if one.get("type") != "helm.sh/release.v1"]
        return {one["metadata"]["name"]: plain(one) for one in secrets}

    def replicas(self) -> dict[str, int]:
        workloads = (*self.cluster.of("Deployment"), *self.cluster.of("StatefulSet"))
        return {one["metadata"]["name"]: one["spec"]["replicas"] for one in workloads}

    def _apply(self, command: str, *argv: str, values: dict[str, Any]) -> str:
        stdin = yaml.safe_dump(values)
        flags = (*self.cluster.applying, *argv, "--values", "-")
        return self._run(command, NAME, str(CHART), *flags, stdin=stdin)

    def _run(self, *argv: str, stdin: str | None = None) -> str:
        return helm(*argv, *self.cluster.where, *UNHURRIED, major=self.major, stdin=stdin)


Installer = Callable[..., AbstractContextManager[Installation]]
"""Called with the version of Helm and objects that are there before. Yields an empty namespace and Helm."""


@contextmanager
def installation(
    major: int, *objects: Object, controllers: Controllers | None = None
) -> Generator[Installation]:
    """Yield an empty cluster, or one with these objects, and Helm of this version."""
    with api(*objects, controllers=controllers) as cluster:
        yield Installation(cluster, major)


def upgraded(
    profile: str,
    *there: Object,
    major: int = 4,
    values: Mapping[str, Any] | None = None,
    controllers: Controllers | None = None,
) -> Release:
    """Render the chart as an upgrade of a release with these objects."""
    flags = ["--is-upgrade", "--dry-run=server", *(UNCHECKED if major > 3 else ())]
    with api(*there, controllers=controllers) as cluster:
        text = template(
            *values_of(profile), *flags, "--kube-apiserver", cluster.address, values=values, major=major
        )
    secrets = frozenset(one["metadata"]["name"] for one in there if one["kind"] == "Secret")
    before = rendered(profile)
    return replace(before, objects=tuple(load_all(text)), given=before.given | secrets)
