"""The decoding child can start threads, but no other process, whoever it runs as."""

import subprocess
import sys

import pytest

ATTEMPTS = {
    "fork": "os.fork()",
    "vfork and exec": "subprocess.run(['/bin/true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "exec": "os.execv('/bin/true', ['true'])",
}


def run_confined(statement: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import os, subprocess, threading\n"
        "from inference.decoding import seccomp\n"
        "assert seccomp.forbid_processes()\n"
        f"{statement}\n"
        "print('done')"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_process_can_be_started(attempt: str) -> None:
    assert "PermissionError" in run_confined(ATTEMPTS[attempt]).stderr


def test_a_thread_can_be_started() -> None:
    ended = run_confined("t = threading.Thread(target=print); t.start(); t.join()")

    assert ended.stdout.endswith("done\n")
