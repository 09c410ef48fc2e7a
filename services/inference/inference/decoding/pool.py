"""The pool of decoding children: takes files and returns pictures, even if a child dies.

A child's answer is checked like any input, because a hostile file may have taken control of the child.
"""

import functools
from typing import cast, overload

import numpy as np

from common.shares import Shares
from confinement.pool import Pool, PooledChild, within
from confinement.walls import Report
from imagefile.formats import parse_format
from inference.decoding import pictures
from inference.decoding.crashes import crash
from inference.decoding.protocol import (
    ICC_BYTES,
    Announcement,
    DecodedHeader,
    Limits,
    Refusal,
)
from inference.errors import DecoderCrashed, Undecodable
from inference.metadata import LARGEST_EXIF_BYTES, plausible_dpi
from inference.picture import LARGEST_16_BIT, Animation, Pages, Picture, Pixels, turn_upright

PROGRAM = ("-m", "inference.decoding.child")
"""The arguments of Python in the child."""


class Decoder:
    """A pool of up to `processes` children. Each starts when it is first needed, and decodes many files."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        processes: int = 1,
        files_per_process: int = 200,
        deadline_seconds: float = 120,
    ) -> None:
        self._limits = limits or Limits()
        self._deadline_seconds = deadline_seconds
        self._pool = Pool(Child, processes=processes, files_per_process=files_per_process)
        self.shares = Shares(max(1, processes // 2))  # or one user's slow files would make all others wait

    @overload
    async def decode(
        self, data: bytes, most_pixels: int = 0, fairness_key: str = ""
    ) -> Picture | Animation: ...

    @overload
    async def decode(
        self, data: bytes, most_pixels: int = 0, fairness_key: str = "", *, all_pictures: bool
    ) -> Picture | Animation | Pages: ...

    async def decode(
        self, data: bytes, most_pixels: int = 0, fairness_key: str = "", *, all_pictures: bool = False
    ) -> Picture | Animation | Pages:
        """Decode a file of up to `most_pixels`; 0 stands for the decoder's own limit.

        Without `all_pictures`, only the first page of a TIFF and the still picture of a PNG are decoded.
        Files with the same `fairness_key` take only their share of the children at a time. Raises
        `Undecodable` for a file that cannot be decoded, also if the child runs out of time or memory, and
        `DecoderCrashed` for a child that was ended from outside, or hung.
        """
        limits = self._limits.for_pixels(most_pixels)
        async with self.shares.place(fairness_key), self._pool.child(limits) as child:
            deadline = self._deadline_seconds * limits.cpu_seconds / self._limits.cpu_seconds
            work = functools.partial(child.decode, data, all_pictures=all_pictures)
            try:
                return await within(deadline, child, work)
            except TimeoutError as error:
                raise DecoderCrashed(f"the decoding child hung: {error}") from error

    async def walls(self) -> Report:
        """Start a child, which the next file gets, and return which walls stand around it."""
        return await self._pool.walls(self._limits)

    async def aclose(self) -> None:
        """End all children. A decode that still runs raises `DecoderCrashed`."""
        await self._pool.aclose()


class Child(PooledChild[Limits]):
    """One decoding process. Its methods block."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, *PROGRAM)

    def report(self) -> Report:
        """Return which walls stand around the child. Raise an error if it ends before it says so."""
        try:
            return super().report()
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise self._crash(error) from error

    def decode(self, data: bytes, *, all_pictures: bool = False) -> Picture | Animation | Pages:
        self.files += 1
        try:
            token = self.process.request(data, self.limits.seconds_for(0), option=all_pictures)
            return self._receive(token)
        except Undecodable:
            raise
        except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
            raise self._crash(error) from error

    def _crash(self, error: Exception) -> Undecodable | DecoderCrashed:
        self.end()
        return crash(self.process.exit_code, error)

    def _receive(self, token: bytes) -> Picture | Animation | Pages:
        header = self._read_header()
        while "pixels" in header:
            self.process.allow_cpu(self.limits.seconds_for(header["pixels"]))
            header = self._read_header()
        picture = None if "reason" in header else self._read_all(header)
        self.process.read_token(token)
        if picture is None:
            refusal = cast("Refusal", header)
            raise Undecodable(refusal["message"], reason=refusal["reason"])
        return picture

    def _read_all(self, header: DecodedHeader) -> Picture | Animation | Pages:
        first = self._read_picture(header)
        if isinstance(first, Animation):
            return first
        return pictures.join(first, header, self._read_other, self.limits.pixels)

    def _read_other(self, most_pixels: int) -> pictures.Answer | None:
        """Return one more page or frame with its header, or None for one that is damaged."""
        answer = self._read_header()
        if "reason" in answer:
            return None
        header = cast("DecodedHeader", answer)
        picture = None if header["milliseconds"] else self._read_picture(header)
        if not isinstance(picture, Picture) or picture.width * picture.height > most_pixels:
            raise ValueError("one more page or frame is too large, or an animation")
        return header, picture

    def _read_picture(self, header: DecodedHeader) -> Picture | Animation:
        height, width = header["height"], header["width"]
        if header["icc_bytes"] > ICC_BYTES or header["exif_bytes"] > LARGEST_EXIF_BYTES:
            raise ValueError("the profile or the metadata is too long")
        if not 0 < height * width <= self.limits.pixels:
            raise ValueError(f"a picture of {width} x {height} is not allowed")
        count = len(header["milliseconds"])
        if count * height * width > self.limits.pixels:
            raise ValueError(f"{count} frames of {width} x {height} are not allowed")
        if header["depth"] == 16:
            return self._read_sixteen_bit(header)
        planes = [self._read_planes(header) for _ in range(count or 1)]
        icc = self._read_pixels(header["icc_bytes"]).tobytes() or None
        exif = self._read_pixels(header["exif_bytes"]).tobytes() or None
        found = [
            Picture(
                pixels=colour,
                alpha=alpha,
                icc=icc,
                exif=exif,
                dpi=plausible_dpi(header["dpi"]),
                source_format=parse_format(header["format"]),
                has_alpha=header["has_alpha"],
                is_lossless=header["is_lossless"],
                jpeg_quality=header["jpeg_quality"],
            )
            for colour, alpha in planes
        ]
        return Animation(found, header["milliseconds"], header["loop"]) if count else found[0]

    def _read_planes(self, header: DecodedHeader) -> tuple[Pixels, Pixels | None]:
        height, width = header["height"], header["width"]
        colour = self._read_pixels(height, width, 1 if header["channels"] == 1 else 3)
        return colour, self._read_pixels(height, width) if header["alpha_follows"] else None

    def _read_sixteen_bit(self, header: DecodedHeader) -> Picture:
        channels = min(4, header["channels"])
        size = (header["height"], header["width"], channels)
        stored = self._read_pixels(*size, dtype=np.uint16)
        if bits := header.get("bits"):  # repeats the upper bits below, so that white is white
            stored |= stored >> bits
        samples = turn_upright(stored, header["orientation"])
        colour = 1 if channels < 3 else 3
        alpha = samples[:, :, colour] if channels in (2, 4) else None
        return Picture(
            pixels=np.ascontiguousarray(samples[:, :, :colour]),
            alpha=None if alpha is None or alpha.min() == LARGEST_16_BIT else np.ascontiguousarray(alpha),
            icc=self._read_pixels(header["icc_bytes"]).tobytes() or None,
            exif=self._read_pixels(header["exif_bytes"]).tobytes() or None,
            dpi=plausible_dpi(header["dpi"]),
            source_format=parse_format(header["format"]),
            has_alpha=alpha is not None,
            is_lossless=header["is_lossless"],
            bits=header.get("bits", 0),
        )

    def _read_header(self) -> Announcement | DecodedHeader | Refusal:
        return self.process.read_header()

    def _read_pixels(self, *shape: int, dtype: type[np.generic] = np.uint8) -> Pixels:
        """Return the next samples of the answer. They are read into the array directly, to save memory."""
        pixels = np.empty(shape, dtype)
        self.process.read_into(pixels.reshape(-1).view(np.uint8).data)
        return pixels
