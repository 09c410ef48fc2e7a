"""Builds the web console, with the Node of this machine or, if it is too old, one from a wheel."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from commands import Runner

SOURCE = Path("console")
LEFT_OUT = shutil.ignore_patterns("node_modules", "dist")
OLDEST_NODE = (22, 15)
"""Older ones cannot use the certificates of the system."""
WHEEL = Path(".loupe/console/node")


def build(runner: Runner, folder: Path, uv: Path) -> None:
    """Build the files into the folder's `dist`. Only what the build needs is installed."""
    node = find_node() or node_from_wheel(runner, uv)
    build_folder = folder / "build"
    shutil.rmtree(build_folder / "src", ignore_errors=True)
    shutil.copytree(SOURCE, build_folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    environment = (
        "env",
        f"PATH={node}{os.pathsep}{os.environ['PATH']}",
        f"npm_config_cache={Path('.loupe/npm').absolute()}",
        "NODE_OPTIONS=--use-system-ca",
    )
    npm = (*environment, "npm", "--prefix", build_folder)
    runner.begin("installing packages")
    options = (
        "--omit=dev",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--fetch-retries=1",
    )
    runner.run(*npm, "ci", *options)
    runner.begin("building the pages")
    runner.run(*npm, "run", "build", "--", "--outDir", (folder / "dist").absolute(), "--emptyOutDir")


def find_node() -> Path | None:
    """Return the folder of Node and npm, if this machine has ones that are new enough."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return None
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.(\d+)", found.stdout)
    is_new = version and (int(version[1]), int(version[2])) >= OLDEST_NODE
    return Path(node).absolute().parent if is_new else None


def node_from_wheel(runner: Runner, uv: Path) -> Path:
    """Install Node from its wheel, and return the folder with links to it and to npm."""
    runner.begin("installing Node")
    python = WHEEL / "bin" / "python"
    runner.run(uv, "venv", "--clear", WHEEL)
    locked = ("--no-deps", "--require-hashes", "-r", "requirements/node.txt")
    runner.run(uv, "pip", "install", "--python", python, *locked)
    links = WHEEL / "links"
    links.mkdir(exist_ok=True)
    runner.run(python, "tests/contract/generators/link_node.py", links)
    return links.absolute()
