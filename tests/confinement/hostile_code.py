"""Runs code of an attacker inside real confined children, as if a file had taken control of a decoder."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confinement.process import ConfinedProcess

ATTACKER = """
import ctypes, errno, mmap, os, resource, select, signal, socket, struct, subprocess, sys, threading, time

LIBC = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    \"\"\"Make a system call. Raise `OSError` if it fails.\"\"\"
    check(LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments)))

def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def attack(code):
    \"\"\"Run the code. Return `done`, or the error.\"\"\"
    try:
        exec(code, globals())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "done"
"""
"""Everything is loaded before the walls stand, so that no attempt fails for lack of a module."""

DECODING_CHILD = (
    ATTACKER
    + """
from inference.decoding import child

def decode(data, most_pixels, **options):
    raise RuntimeError(attack(data.decode()))

child.decode = decode
child.main()
"""
)
PARSING_CHILD = (
    ATTACKER
    + """
from images.formats import child
from images.formats.header import Refused

def read(data, **limits):
    raise Refused(attack(data.decode()))

child.read = read
child.main()
"""
)
UNCONFINED = (
    ATTACKER
    + """
print(attack(sys.argv[1]))
"""
)


@dataclass(frozen=True, slots=True)
class Target:
    """A process of the same user, with a secret in its environment."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def running_target() -> Generator[Target]:
    command = [sys.executable, "-c", "input()"]
    environment = {**os.environ, "SECRET": "swordfish"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        yield Target(process)
        process.kill()


def attack_from(child: ConfinedProcess, code: str, cpu_seconds: int = 30) -> str:
    """Run code in a child. Return `done`, or the error that it met."""
    token = child.request(code.encode(), cpu_seconds)
    answer = child.read_header()
    child.read_token(token)
    return str(answer.get("refusal") or answer["message"]).removeprefix("RuntimeError: ")


def attack_unconfined(code: str) -> str:
    """Run the same code without any wall."""
    command = [sys.executable, "-c", UNCONFINED, code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_python(code: str, *arguments: str | Path) -> str:
    """Run a program that builds some walls around itself, and return what it prints."""
    command = [sys.executable, "-c", ATTACKER + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
