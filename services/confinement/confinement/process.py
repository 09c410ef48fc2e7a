"""The parent's side: starts a confined child, talks to it, and ends it. All methods block."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from io import RawIOBase
from typing import IO, Any, cast

from confinement.protocol import HEADER_BYTES, LENGTH, REQUEST, TOKEN_BYTES
from confinement.walls import Report

PIPE_BYTES = 1 << 20
PROCESS_CPU_CLOCK = 2
"""The kind of clock in the number of a clock, as in Linux's posix-timers.h."""


class ConfinedProcess:
    """One child: Python with these arguments, such as `-m` and a module that calls `child.serve`.

    It gets no environment, and no signals that are sent to our process group, and it ends when its stdin
    ends, or when the thread ends that has started it. Start it in a thread that lasts.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process = subprocess.Popen(
            [sys.executable, "-I", *arguments],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("RawIOBase", self._process.stdout)
        self._is_killed = False
        self._report: Report | None = None
        with suppress(OSError):  # a larger pipe wakes both sides less often; the system may refuse it
            fcntl.fcntl(self._answers.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def is_alive(self) -> bool:
        return not self._is_killed and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def report(self) -> Report:
        """Wait until the child has confined itself, and return its walls. It has read no file before."""
        if self._report is None:
            try:
                sent = self.read_header()
            except EOFError as error:
                self.end()
                arguments = " ".join(self._arguments)
                raise EOFError(
                    f"`python -I {arguments}` ended with exit code {self.exit_code} before it was confined"
                ) from error
            self._report = {str(wall): str(missing) for wall, missing in sent.items()}
        return self._report

    def request(
        self, data: bytes, cpu_seconds: int, memory_bytes: int | None = None, *, option: int = 0
    ) -> bytes:
        """Send a file, which may take that much, and return the token of its answer.

        Without `memory_bytes` the file may use the memory that the child has been confined to.
        Return once the child has the whole file. Any error before is not the file's fault.
        """
        self.report()
        self.allow_cpu(cpu_seconds)
        if memory_bytes:
            most = resource.prlimit(self.pid, resource.RLIMIT_AS)[1]
            resource.prlimit(self.pid, resource.RLIMIT_AS, (memory_bytes, most))
        token = os.urandom(TOKEN_BYTES)
        for part in (token, REQUEST.pack(len(data), option), data):
            self._send(part)
        self.read_token(token)
        return token

    def read_header(self) -> Any:
        """Return the header of the answer. Its values are not checked."""
        length = LENGTH.unpack(self.read(LENGTH.size))[0]
        if length > HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes is too long")
        try:
            header = json.loads(self.read(length))
        except RecursionError:
            raise ValueError("the header is nested too deeply") from None
        if not isinstance(header, dict):
            raise TypeError("the header is no object")
        return cast("Any", header)

    def read_token(self, token: bytes) -> None:
        """Read the token before or after an answer. Raise `ValueError` if it is that of another file."""
        if self.read(TOKEN_BYTES) != token:
            raise ValueError("the answer belongs to another file")

    def read(self, count: int) -> bytes:
        data = bytearray(count)
        self.read_into(memoryview(data))
        return bytes(data)

    def read_into(self, rest: memoryview) -> None:
        """Fill the buffer with the next bytes of the answer. Raise `EOFError` if it ends before."""
        while rest:
            count = self._answers.readinto(rest)
            if not count:
                raise EOFError("the answer is cut off")
            rest = rest[count:]

    def kill(self) -> None:
        self._is_killed = True
        self._process.kill()

    def end(self) -> None:
        self.kill()
        self._requests.close()
        self._answers.close()
        self._process.wait()

    def _send(self, part: bytes) -> None:
        rest = memoryview(part)
        while rest:
            rest = rest[self._requests.write(rest) :]

    def allow_cpu(self, seconds: int) -> None:
        """Allow the child `seconds` of processor time from now on. It cannot raise this limit itself.

        The system counts from the start of the process, so the limit is raised for each file.
        """
        used = int(time.clock_gettime(~self.pid << 3 | PROCESS_CPU_CLOCK))
        resource.prlimit(self.pid, resource.RLIMIT_CPU, (used + 1 + seconds, resource.RLIM_INFINITY))
