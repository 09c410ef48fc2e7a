"""The pool of parsing children: takes uploaded files and returns their headers, even if a child dies.

A file that makes a child die, or use up its memory or time, is refused. Other uploads notice nothing.
"""

import functools

from common import errors, log
from common.shares import Shares
from confinement.pool import Pool, PooledChild, within
from confinement.walls import Report
from images.formats.header import TOO_MUCH, Header, Limits, check_header, check_refusal

LOG = log.get(__name__)
PROGRAM = ("-m", "images.formats.child")
"""The arguments of Python in the child."""
CPU_SECONDS = 5
"""Processor time for one file. The slowest honest file takes 2 s."""
DEADLINE_SECONDS = 60.0
FILES_PER_PROCESS = 1000
BROKEN_PIPE = (OSError, EOFError, ValueError, TypeError, KeyError)
"""Errors of reading from a child that has ended, or that sends nonsense."""


class ParserFailed(Exception):
    """The child had the file, and ended or did not answer."""


class ParserGone(Exception):
    """The child had ended before it got the file."""


class Parsers:
    """A pool of up to `processes` children, of which one user takes half at most, or the only one."""

    def __init__(self, processes: int) -> None:
        self._pool = Pool(Parser, processes=processes, files_per_process=FILES_PER_PROCESS)
        self._shares = Shares(max(1, processes // 2))

    async def read_header(self, data: bytes, limits: Limits, fairness_key: str = "") -> Header:
        """Return the file's header. Raise `InvalidArgument` on the field `image` if it cannot be upscaled.

        Files with the same `fairness_key` take only their share of the children at a time.
        """
        if not data:
            raise errors.invalid({"image": ["The image field is required."]})
        async with self._shares.place(fairness_key):
            try:
                found = await self._parse(data, limits)
            except ParserGone:
                found = await self._parse(data, limits)
        if isinstance(found, str):
            raise errors.invalid({"image": [found]})
        return found

    async def _parse(self, data: bytes, limits: Limits) -> Header | str:
        """Return the header or the text of a refusal. Raise `ParserGone` if no child got the file."""
        async with self._pool.child(limits) as parser:
            try:
                return await within(DEADLINE_SECONDS, parser, functools.partial(parser.parse, data))
            except (ParserFailed, TimeoutError) as error:
                LOG.warning(
                    "a file made the process end that reads it",
                    error=str(error),
                    action="the upload is refused, and the next file gets a new process",
                )
                return TOO_MUCH

    async def walls(self, limits: Limits) -> Report:
        """Start a child, which the next file gets, and return which walls stand around it."""
        return await self._pool.walls(limits)

    async def aclose(self) -> None:
        """End all children."""
        await self._pool.aclose()


class Parser(PooledChild[Limits]):
    """One parsing child. Its methods block."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, *PROGRAM)

    def parse(self, data: bytes) -> Header | str:
        """Return the header, or the text of a refusal."""
        self.files += 1
        try:
            token = self.process.request(data, CPU_SECONDS, self.limits.memory_for(data))
        except BROKEN_PIPE as error:
            self.end()
            raise ParserGone(f"exit code {self.process.exit_code}: {error!r}") from error
        try:
            answer = self.process.read_header()
            self.process.read_token(token)
            if set(answer) == {"refusal"}:
                return check_refusal(answer["refusal"])
            return check_header(
                answer, largest_pixels=self.limits.largest_pixels, accepted=self.limits.accepted
            )
        except BROKEN_PIPE as error:
            self.end()
            raise ParserFailed(f"exit code {self.process.exit_code}: {error!r}") from error
