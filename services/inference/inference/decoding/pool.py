"""Files to pictures, in a child that may die.

A file that cannot be read is `Undecodable`, for good; a child that ended or hung is `DecoderCrashed`,
worth another try. What the child sends is not trusted either: it has read a stranger's file.
"""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from io import RawIOBase
from typing import IO, cast

import numpy as np

from inference.decoding.child import ICC_BYTES, Limits
from inference.decoding.protocol import LENGTH, TOKEN_BYTES, Answer, Refusal
from inference.metadata import LARGEST
from inference.picture import LARGEST_16_BIT, Animation, Format, Picture, Pixels

HEADER_BYTES = 32 << 10
PIPE_BYTES = 1 << 20


class Undecodable(Exception):
    """This file is broken or of a kind that is not handled, and will stay so."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class DecoderCrashed(Exception):
    """The child ended or took too long; another one may succeed."""


class Decoder:
    """Decodes in up to `processes` children at once; each starts when first needed and serves many files."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        processes: int = 1,
        files_per_process: int = 200,
        deadline_seconds: float = 60,
    ) -> None:
        self._limits = limits or Limits()
        self._files_per_process = files_per_process
        self._deadline_seconds = deadline_seconds
        self._turn = asyncio.Semaphore(processes)
        self._children: set[Child] = set()
        self._idle: list[Child] = []

    async def decode(self, data: bytes) -> Picture | Animation:
        async with self._turn:
            child = self._a_child()
            try:
                return await self._within_deadline(child, data)
            finally:
                await self._done_with(child)

    async def aclose(self) -> None:
        """A decode that still runs ends as `DecoderCrashed`."""
        for child in self._children:
            child.kill()
        while self._idle:
            await self._end(self._idle.pop())

    def _a_child(self) -> "Child":
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            self._children.discard(child)
            child.end()
        child = Child(self._limits)
        self._children.add(child)
        return child

    async def _within_deadline(self, child: "Child", data: bytes) -> Picture | Animation:
        """Leaving early kills the child, so no later file can be answered with the rest of this one."""
        work = asyncio.create_task(asyncio.to_thread(child.decode, data))
        try:
            if not (await asyncio.wait([work], timeout=self._deadline_seconds))[0]:
                raise DecoderCrashed(f"no answer within {self._deadline_seconds} s")
            return work.result()
        finally:
            if not work.done():
                child.kill()
                await asyncio.gather(work, return_exceptions=True)

    async def _done_with(self, child: "Child") -> None:
        if child.is_alive and child.files < self._files_per_process:
            self._idle.append(child)
        else:
            await self._end(child)

    async def _end(self, child: "Child") -> None:
        self._children.discard(child)
        await asyncio.to_thread(child.end)


class Child:
    """One decoding process; its methods block.

    It sees nothing of our environment, is spared the signals to our group, and ends when its stdin does.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "inference.decoding.child", json.dumps(asdict(limits))],
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
        self.files = 0
        with suppress(OSError):  # fewer wake-ups, where the system still has room for large pipes
            fcntl.fcntl(self._answers.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def is_alive(self) -> bool:
        return not self._is_killed and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(self, data: bytes) -> Picture | Animation:
        self.files += 1
        try:
            token = os.urandom(TOKEN_BYTES)
            self._send(token, LENGTH.pack(len(data)), data)
            return self._receive(token)
        except Undecodable:
            raise
        except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
            self.end()
            raise DecoderCrashed(f"decoder ended with {self._process.returncode}: {error!r}") from error

    def kill(self) -> None:
        self._is_killed = True
        self._process.kill()

    def end(self) -> None:
        self.kill()
        self._requests.close()
        self._answers.close()
        self._process.wait()

    def _send(self, *parts: bytes) -> None:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[self._requests.write(rest) :]

    def _receive(self, token: bytes) -> Picture | Animation:
        header = self._header()
        picture = None if "reason" in header else self._picture(header)
        if self._pixels(TOKEN_BYTES).tobytes() != token:
            raise ValueError("the answer is not that to this file")
        if picture is None:
            refusal = cast("Refusal", header)
            raise Undecodable(refusal["message"], reason=refusal["reason"])
        return picture

    def _picture(self, header: Answer) -> Picture | Animation:
        height, width = header["height"], header["width"]
        if header["icc_bytes"] > ICC_BYTES or header["exif_bytes"] > LARGEST:
            raise ValueError("more is told about the picture than is allowed")
        if not 0 < height * width <= self._limits.pixels:
            raise ValueError(f"a picture of {width} x {height} is not allowed")
        count = len(header["milliseconds"])
        if count * height * width > self._limits.pixels:
            raise ValueError(f"{count} frames of {width} x {height} are not allowed")
        if header["depth"] == 16:
            return self._deep(header)
        planes = [self._planes(header) for _ in range(count or 1)]
        icc = self._pixels(header["icc_bytes"]).tobytes() or None
        exif = self._pixels(header["exif_bytes"]).tobytes() or None
        pictures = [
            Picture(
                pixels=colour,
                alpha=alpha,
                icc=icc,
                exif=exif,
                source_format=cast("Format", header["format"]),
                has_alpha=header["has_alpha"],
                is_lossless=header["is_lossless"],
                jpeg_quality=header["jpeg_quality"],
            )
            for colour, alpha in planes
        ]
        return Animation(pictures, header["milliseconds"], header["loop"]) if count else pictures[0]

    def _planes(self, header: Answer) -> tuple[Pixels, Pixels | None]:
        height, width = header["height"], header["width"]
        colour = self._pixels(height, width, 1 if header["channels"] == 1 else 3)
        return colour, self._pixels(height, width) if header["alpha_follows"] else None

    def _deep(self, header: Answer) -> Picture:
        channels = min(4, header["channels"])
        size = (header["height"], header["width"], channels)
        samples = upright(self._pixels(*size, dtype=np.uint16), header["orientation"])
        colour = 1 if channels < 3 else 3
        alpha = samples[:, :, colour] if channels in (2, 4) else None
        return Picture(
            pixels=np.ascontiguousarray(samples[:, :, :colour]),
            alpha=None if alpha is None or alpha.min() == LARGEST_16_BIT else np.ascontiguousarray(alpha),
            icc=self._pixels(header["icc_bytes"]).tobytes() or None,
            exif=self._pixels(header["exif_bytes"]).tobytes() or None,
            source_format=cast("Format", header["format"]),
            has_alpha=alpha is not None,
        )

    def _header(self) -> Answer | Refusal:
        length = LENGTH.unpack(self._pixels(LENGTH.size).tobytes())[0]
        if length > HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        return json.loads(self._pixels(length).tobytes())

    def _pixels(self, *shape: int, dtype: type[np.generic] = np.uint8) -> Pixels:
        """Read into the place where they stay; a picture is too large to be copied on the way."""
        pixels = np.empty(shape, dtype)
        rest = pixels.reshape(-1).view(np.uint8).data
        while rest:
            count = self._answers.readinto(rest)
            if not count:
                raise EOFError("the answer breaks off")
            rest = rest[count:]
        return pixels


def upright(samples: Pixels, orientation: int) -> Pixels:
    """As EXIF's orientation says (CIPA DC-008, 4.6.4): 5 to 8 change width for height."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples
