"""An installation that fails says why, and what to do."""

import resource
import subprocess

import pytest

from tests.install.conftest import WORKING_UV, Checkout, assert_refused

CLOSED_PORT = "http://127.0.0.1:9/simple"
UV_FAILURES = {
    "no network": (
        (
            "error: Request failed after 3 retries in 5.6s\n"
            "  cause: Failed to fetch: https://me:secret@index.example/simple/numpy/\n"
            "  cause: error sending request for url (https://index.example/simple/numpy/)\n"
            "  cause: client error (Connect)\n  cause: dns error"
        ),
        "index.example cannot be reached. Check the network.",
    ),
    "an index that wants a password": (
        (
            "error: Failed to fetch: `https://index.example/simple/numpy/`\n"
            "  cause: HTTP status client error (401 Unauthorized) for url (https://index.example/simple/numpy/)"
        ),
        "index.example answers 401 Unauthorized.",
    ),
    "a proxy that replaces certificates": (
        (
            "error: error sending request for url (https://index.example/simple/numpy/)\n"
            "  cause: client error (Connect)\n  cause: invalid peer certificate: UnknownIssuer"
        ),
        "the certificate of index.example is not trusted.",
    ),
    "no network for npm": (
        "npm error code ENOTFOUND\nnpm error network request to https://npm.example/preact failed",
        "npm.example cannot be reached. Check the network.",
    ),
    "a full disk": (
        (
            "error: Failed to download `numpy==2.4.6`\n"
            "  cause: failed to write to file `x`: No space left on device (os error 28)"
        ),
        "the disk is full: ",
    ),
    "a folder of somebody else": (
        "error: failed to create directory `.venv/lib`: Permission denied (os error 13)",
        "a file cannot be written: failed to create directory `.venv/lib`",
    ),
    "another file than the locked one": (
        "error: Failed to read `numpy==2.4.6`\n  cause: Hash mismatch for `numpy==2.4.6`",
        "a downloaded package is not the one that requirements/ names",
    ),
    "no wheel for this Python": (
        "error: Distribution `ncnn==1.0` can't be installed because it has no wheels with a matching tag",
        "a package does not exist for Python",
    ),
    "an index without the package": (
        "  No solution found\n  Because uv was not found in the package registry, it cannot be used.",
        "the package index cannot be reached, or lacks a package",
    ),
    "something unknown": ("error: the moon is full", "the moon is full (exit status 2)."),
}


@pytest.mark.parametrize("fault", UV_FAILURES)
def test_a_failure_of_uv_is_a_sentence(checkout: Checkout, fault: str) -> None:
    output, sentence = UV_FAILURES[fault]
    checkout.uv(f"cat >&2 <<'END'\n{output}\nEND\nexit 2")

    done = checkout.make(".venv/run")

    assert_refused(done, f"Python packages could not be installed: {sentence}")
    assert "secret" not in done.stderr + (checkout.folder / ".loupe/install.log").read_text()
    assert not (checkout.folder / ".venv/run").exists()


@pytest.mark.parametrize(
    "output",
    [
        "error: No interpreter found for Python >=3.11, <3.13 in managed installations or search path",
        (
            "error: Request failed after 3 retries\n  cause: Failed to download `https://x.example/cpython-3.12.16.tar.gz`"
            "\n  cause: error sending request for url (https://x.example/cpython-3.12.16.tar.gz)"
        ),
    ],
)
def test_with_only_newer_pythons_and_no_network_triton_asks_for_an_older_one(
    checkout: Checkout, output: str
) -> None:
    checkout.uv(f"cat >&2 <<'END'\n{output}\nEND\nexit 2")

    done = checkout.make(".loupe/triton/ready")

    assert_refused(done, "Triton needs Python 3.11 or 3.12, which is not on this machine")


def test_without_network_uv_itself_cannot_be_installed(checkout: Checkout) -> None:
    done = checkout.make("demo", PIP_INDEX_URL=CLOSED_PORT, PIP_RETRIES="1")

    assert_refused(done, "uv, the installer could not be installed: 127.0.0.1:9 cannot be reached.")
    assert not (checkout.folder / ".loupe/uv/bin/uv").exists()


def test_a_full_disk_is_named(checkout: Checkout) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    done = subprocess.run(
        checkout.command(".loupe/uv/bin/uv"),
        cwd=checkout.folder,
        env=checkout.environment(PIP_INDEX_URL=CLOSED_PORT),
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, limit[1])),
    )

    assert_refused(done, "uv, the installer could not be installed: the disk is full: ")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_without_the_module_venv_its_package_is_named(checkout: Checkout, module: str) -> None:
    environment = checkout.customize_python(f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{module}":
            raise ModuleNotFoundError(f"No module named '{{name}}'")
sys.meta_path.insert(0, Missing())
""")

    done = checkout.make("demo", **environment)

    assert_refused(done, "Python's module venv is missing. On Debian and Ubuntu: sudo apt install python3.")


def test_an_environment_that_does_not_work_is_created_again(checkout: Checkout) -> None:
    checkout.uv(WORKING_UV)
    (checkout.folder / ".venv/bin").mkdir(parents=True)
    (checkout.folder / ".venv/bin/python").symlink_to("/nowhere/python3")

    done = checkout.make(".venv/run")

    assert done.returncode == 0, done.stderr
    assert (checkout.folder / ".venv/bin/python").exists()
