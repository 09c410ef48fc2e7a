"""The pool of parsing children: takes uploaded files and returns their headers, even if a child dies.

A file that makes a child die, or use up its memory or time, is refused. Other uploads notice nothing.
"""

import asyncio
import json
from dataclasses import asdict

from common import errors, log
from confinement.process import ConfinedProcess
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
    """A pool of up to `processes` children. Each starts when it is first needed, and reads many files."""

    def __init__(self, processes: int) -> None:
        self._free = asyncio.Semaphore(processes)
        self._idle: list[Parser] = []
        self._parsers: set[Parser] = set()

    async def read_header(self, data: bytes, limits: Limits) -> Header:
        """Return the file's header. Raise `InvalidArgument` on the field `image` if it cannot be upscaled."""
        if not data:
            raise errors.invalid({"image": ["The image field is required."]})
        try:
            found = await self._parse(data, limits)
        except ParserGone:
            found = await self._parse(data, limits)
        if isinstance(found, str):
            raise errors.invalid({"image": [found]})
        return found

    async def _parse(self, data: bytes, limits: Limits) -> Header | str:
        """Return the header or the text of a refusal. Raise `ParserGone` if no child got the file."""
        async with self._free:
            parser = await self._take(limits)
            try:
                return await self._parse_within_deadline(parser, data)
            except ParserFailed as error:
                LOG.warning(
                    "a file made the process end that reads it",
                    error=str(error),
                    action="the upload is refused, and the next file gets a new process",
                )
                return TOO_MUCH
            finally:
                await self._give_back(parser)

    async def walls(self, limits: Limits) -> Report:
        """Start a child, which the next file gets, and return which walls stand around it."""
        async with self._free:
            parser = await self._take(limits)
            await self._give_back(parser)
            return parser.report

    async def aclose(self) -> None:
        """End all children."""
        for parser in list(self._parsers):
            await self._end(parser)
        self._idle.clear()

    async def _take(self, limits: Limits) -> "Parser":
        """Return an idle child with these limits, or a new one."""
        while self._idle:
            parser = self._idle.pop()
            if parser.is_alive and parser.limits == limits:
                return parser
            await self._end(parser)
        parser = Parser(limits)  # in the thread of the event loop, because the child ends with its thread
        self._parsers.add(parser)
        await asyncio.to_thread(parser.wait_until_confined)
        return parser

    async def _parse_within_deadline(self, parser: "Parser", data: bytes) -> Header | str:
        """Return the header or the refusal. Kill the child if it takes too long or the caller is cancelled.

        Otherwise its late answer could be taken for the answer to the next file.
        """
        work = asyncio.create_task(asyncio.to_thread(parser.parse, data))
        try:
            if not (await asyncio.wait([work], timeout=DEADLINE_SECONDS))[0]:
                raise ParserFailed(f"no answer within {DEADLINE_SECONDS} s")
            return work.result()
        finally:
            if not work.done():
                parser.kill()
                await asyncio.gather(work, return_exceptions=True)

    async def _give_back(self, parser: "Parser") -> None:
        if parser.is_alive and parser.files < FILES_PER_PROCESS:
            self._idle.append(parser)
        else:
            await self._end(parser)

    async def _end(self, parser: "Parser") -> None:
        self._parsers.discard(parser)
        await asyncio.to_thread(parser.end)


class Parser:
    """One parsing child. Its methods block."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.files = 0
        self.report: Report = {}
        self._process = ConfinedProcess(*PROGRAM, json.dumps(asdict(limits)))

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_confined(self) -> None:
        self.report = self._process.report()

    def parse(self, data: bytes) -> Header | str:
        """Return the header, or the text of a refusal."""
        self.files += 1
        try:
            token = self._process.request(data, CPU_SECONDS, self.limits.memory_for(data))
        except BROKEN_PIPE as error:
            self.end()
            raise ParserGone(f"exit code {self._process.exit_code}: {error!r}") from error
        try:
            answer = self._process.read_header()
            self._process.read_token(token)
            if set(answer) == {"refusal"}:
                return check_refusal(answer["refusal"])
            return check_header(
                answer, largest_pixels=self.limits.largest_pixels, accepted=self.limits.accepted
            )
        except BROKEN_PIPE as error:
            self.end()
            raise ParserFailed(f"exit code {self._process.exit_code}: {error!r}") from error

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.end()
