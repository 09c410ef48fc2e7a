"""The chart's backup and its restore, with the programs of the rendered pods and with real stores."""

import re
import uuid
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from minio import Minio

from loupe_local.object_store import OPERATOR
from loupe_local.ports import HOST
from loupe_local.service_names import WITH_DATABASE
from loupe_local.stores import Stores
from tests.chart.checks.all import CHECKS
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, MAJORS, REPOSITORY, Refused, release
from tests.chart.installation import installation
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Object
from tests.chart.programs import argv_of, container_of, ended, eventually, running
from tests.chart.restoring import RESTORING, restoring

KEPT, DELETED = "images/originals/kept-{}", "images/originals/deleted-{}"


@dataclass(frozen=True)
class Installed:
    """Databases with a table each, two objects, and the pods that save and restore them."""

    stores: Stores
    dumps: Path
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def operator(self) -> Minio:
        return self.stores.s3.client(OPERATOR)

    def database(self, service: str) -> str:
        return f"backup_{self.name}_{service}"

    def environment(self, container: Object) -> dict[str, str]:
        postgres, s3 = self.stores.postgres, self.stores.s3
        filled = environment(restoring(), container) | {"DUMPS": str(self.dumps), "PGHOST": HOST}
        filled |= {"PGPORT": str(postgres.port), "POSTGRES_PASSWORD": postgres.passwords["postgres"]}
        for service in WITH_DATABASE:
            filled |= dict.fromkeys(
                (f"{service.upper()}_ROLE", f"{service.upper()}_DATABASE"), self.database(service)
            )
        if "PGPASSWORD" in filled:
            filled["PGPASSWORD"] = postgres.passwords["postgres"]
        endpoint = f"http://{s3.endpoint}"
        for store, identity in (("SOURCE", "images"), ("TARGET", OPERATOR)):
            access, secret = s3.keys[identity]
            filled |= {
                f"{store}_ENDPOINT": endpoint,
                f"{store}_REGION": s3.region,
                f"{store}_BUCKET": s3.bucket,
            }
            filled |= {f"{store}_ACCESS_KEY": access, f"{store}_SECRET_KEY": secret}
        return filled | {"TARGET_PREFIX": f"backup-{self.name}/"}

    async def ended(self, component: str, name: str, *last: str, **env: str) -> tuple[int | None, str]:
        """Run a container of the backup or of the restore. `last` replaces its last arguments."""
        container = container_of(restoring(), component, name)
        argv = argv_of(container)
        argv[len(argv) - len(last) :] = last
        return await ended(argv, self.environment(container) | env)

    async def run(self, component: str, name: str, *last: str, **env: str) -> str:
        status, output = await self.ended(component, name, *last, **env)
        assert status == 0, output
        return output

    async def save(self, **env: str) -> str:
        """Make a backup, and return its name."""
        self.clear()
        await self.run("backup", "dumps", **env)
        output = await self.run("backup", "backup", **env)
        found = re.search(r"the backup (\S+) is complete", output)
        assert found, output
        return found[1]

    def clear(self) -> None:
        """Empty the folder for dumps, as each pod has a new one."""
        for file in self.dumps.iterdir():
            file.unlink()

    def rows(self, service: str) -> list[str]:
        with psycopg.connect(self.stores.postgres.admin_url(self.database(service))) as admin:
            return [text for (text,) in admin.execute("SELECT text FROM kept ORDER BY 1")]

    def write(self, service: str, text: str) -> None:
        with psycopg.connect(self.stores.postgres.admin_url(self.database(service))) as admin:
            admin.execute(f'SET ROLE "{self.database(service)}"'.encode())
            admin.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
            admin.execute("INSERT INTO kept VALUES (%s)", [text])

    def put(self, key: str, data: bytes) -> None:
        at = key.format(self.name)
        self.operator.put_object(
            self.stores.s3.bucket, at, BytesIO(data), len(data), content_type="image/png"
        )

    def remove(self, key: str) -> None:
        self.operator.remove_object(self.stores.s3.bucket, key.format(self.name))

    def copies(self) -> list[str]:
        """Return the own objects among those of the backups: other tests have some in the store too."""
        prefix = f"backup-{self.name}/objects/"
        objects = self.operator.list_objects(self.stores.s3.bucket, prefix=prefix, recursive=True)
        return [name for one in objects if (name := one.object_name or "").endswith(f"-{self.name}")]


@pytest.fixture
async def installed(stores: Stores, tmp_path: Path) -> Installed:
    (tmp_path / "dumps").mkdir()
    here = Installed(stores, tmp_path / "dumps")
    container = container_of(restoring(), "postgresql", "roles")

    async def exist() -> None:
        assert (tmp_path / "roles-exist").exists(), (tmp_path / "log").read_text()

    env = here.environment(container) | {
        "SCRATCH": str(tmp_path),
        "PGPASSWORD": stores.postgres.passwords["postgres"],
    }
    async with running(argv_of(container), env, tmp_path / "log"):
        await eventually(exist, AssertionError)
    for service in WITH_DATABASE:
        here.write(service, "before")
    here.put(KEPT, b"kept")
    here.put(DELETED, b"deleted later")
    return here


async def test_a_restore_brings_back_what_was_saved_and_nothing_later(installed: Installed) -> None:
    name = await installed.save()
    for service in WITH_DATABASE:
        installed.write(service, "after")
    installed.remove(DELETED)

    installed.clear()
    await installed.run("restore", "fetch", name)
    await installed.run("restore", "databases")
    output = await installed.run("restore", "objects")

    found = installed.operator.stat_object(installed.stores.s3.bucket, DELETED.format(installed.name))
    with psycopg.connect(installed.stores.postgres.admin_url("postgres")) as admin:
        owners = admin.execute(
            "SELECT datname, pg_get_userbyid(datdba), has_database_privilege('public', datname, 'CONNECT')"
            " FROM pg_database WHERE datname LIKE %s",
            [f"backup_{installed.name}_%"],
        ).fetchall()
    assert {service: installed.rows(service) for service in WITH_DATABASE} == {
        service: ["before"] for service in WITH_DATABASE
    }
    assert sorted(owners) == sorted(
        (installed.database(one), installed.database(one), False) for one in WITH_DATABASE
    )
    assert (found.size, found.content_type) == (13, "image/png")
    assert "restored 1 objects of" in output


async def test_old_backups_are_removed_with_the_objects_that_only_they_name(installed: Installed) -> None:
    first = await installed.save()
    installed.remove(DELETED)
    both = installed.copies()

    second = await until_another_second(installed, first)
    status, output = await installed.ended("restore", "fetch", first)

    assert len(both) == 2
    assert installed.copies() == [f"backup-{installed.name}/objects/{KEPT.format(installed.name)}"]
    assert status == 1
    assert f"there is no complete backup {first}. There are: {second}" in output


async def until_another_second(installed: Installed, first: str) -> str:
    """Make a backup with another name than the first one. Names have seconds."""
    name = await installed.save(KEEP="1")
    while name == first:
        name = await installed.save(KEEP="1")
    return name


async def test_an_interrupted_or_damaged_backup_is_not_restored(installed: Installed) -> None:
    name = await installed.save()
    folder, bucket = f"backup-{installed.name}/backups/{name}", installed.stores.s3.bucket
    installed.operator.put_object(bucket, f"{folder}/auth.dump", BytesIO(b"damaged"), 7)

    installed.clear()
    damaged = await installed.ended("restore", "fetch", "latest")
    installed.operator.remove_object(bucket, f"{folder}/complete.json")
    interrupted = await installed.ended("restore", "fetch", "latest")

    assert (damaged[0], interrupted[0]) == (1, 1)
    assert "auth.dump is damaged" in damaged[1]
    assert "there is no complete backup latest. There are: none" in interrupted[1]


async def test_no_database_is_replaced_while_one_is_in_use_or_lacks_its_dump(installed: Installed) -> None:
    await installed.save()
    for service in WITH_DATABASE:
        installed.write(service, "after")

    with psycopg.connect(installed.stores.postgres.admin_url(installed.database("auth"))):
        in_use = await installed.ended("restore", "databases", WAIT_SECONDS="0")
    (installed.dumps / "auth.dump").unlink()
    incomplete = await installed.ended("restore", "databases", WAIT_SECONDS="0")

    assert (in_use[0], incomplete[0]) == (1, 1)
    assert f"1 connections use the database {installed.database('auth')}. Set paused=true" in in_use[1]
    assert "the backup has no dump of auth" in incomplete[1]
    assert {service: installed.rows(service) for service in WITH_DATABASE} == {
        service: ["after", "before"] for service in WITH_DATABASE
    }


def test_databases_are_saved_in_the_order_of_the_docs() -> None:
    script = argv_of(container_of(restoring(), "backup", "dumps"))[-1]
    page = (REPOSITORY / "docs" / "backup.md").read_text()

    saved = re.findall(r"^save (\w+) ", script, re.MULTILINE)
    [documented] = re.findall(r"\| PostgreSQL \| (.*), in this order", page)
    assert saved == re.findall(r"`(\w+)`", documented)
    assert set(saved) == set(WITH_DATABASE)


def test_all_containers_have_what_an_operator_adds() -> None:
    added = {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com"}],
        "extraVolumes": [{"name": "more", "emptyDir": {"sizeLimit": "1Mi"}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    }

    chart = release(DEFAULT, paused=True, backup=RESTORING["backup"] | added)

    pods = [pod for pod in chart.pods if pod.component in ("backup", "restore")]
    containers = [one for pod in pods for one in pod.containers]
    assert len(containers) == 5
    assert [one["name"] for one in containers if added["extraEnv"][0] not in one["env"]] == []
    assert [
        one["name"] for one in containers if added["extraVolumeMounts"][0] not in one["volumeMounts"]
    ] == []
    assert [str(pod) for pod in pods if added["extraVolumes"][0] not in pod.spec["volumes"]] == []


def test_a_paused_release_makes_no_backup() -> None:
    [job] = restoring().of("CronJob")

    assert job["spec"]["suspend"] is True


def test_the_pods_are_correct() -> None:
    assert [problem for check in CHECKS for problem in check(restoring())] == []
    assert [problem for one in restoring().objects for problem in problems(one, VERSIONS[0])] == []


@pytest.mark.parametrize("major", MAJORS)
def test_helm_waits_for_a_restore_and_reports_its_failure(major: int) -> None:
    with installation(major) as helm:
        helm.install()
        helm.upgrade(**RESTORING)
        restored = helm.status()
        helm.cluster.controllers.ending = lambda name: name != "loupe-restore"
        with pytest.raises(Refused, match="restore"):
            helm.upgrade(**RESTORING)
        helm.cluster.controllers.ending = lambda _: True
        helm.upgrade()
        running_again = helm.status()

    assert restored == (2, "deployed")
    assert running_again == (4, "deployed")
