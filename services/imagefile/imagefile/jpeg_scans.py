"""The frame and the scans of a JPEG file (ITU-T T.81, annexes B and G), without decoding them.

An end marker proves nothing: it may be missing, be appended to half a file, or belong to a preview.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagefile import exif, jpeg
from imagefile.parser_bombs import limited

MOST_SCANS = 100
"""The limit that libtiff has, too. Encoders write up to 64. For each scan a decoder passes over the whole
picture, however short the scan is.
"""
MOST_SEGMENTS = 2_000
"""Segments between scans. An encoder writes a few coding tables ahead of each scan."""
BETWEEN_SCANS = (0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0))
"""Markers of the segments that may stand between two scans. Any other marker ends the picture."""
COEFFICIENTS, COEFFICIENT_BYTES = 64, 2
NOT_SENT = -1


def divided_up(number: int, divisor: int) -> int:
    """Return the quotient, rounded up."""
    return -(-number // divisor)


@dataclass(frozen=True, slots=True)
class Component:
    number: int
    across: int
    """Sampling factors."""
    down: int


@dataclass(frozen=True, slots=True)
class Frame:
    marker: int
    width: int
    height: int
    components: Sequence[Component]

    @property
    def unit(self) -> int:
        """The side of what is coded at once: a block, or one sample of a lossless picture."""
        return 1 if self.marker == jpeg.LOSSLESS else 8

    @property
    def factors(self) -> tuple[int, int]:
        """The largest sampling factors."""
        return max(each.across for each in self.components), max(each.down for each in self.components)

    def units_of(self, component: Component) -> int:
        """Return how many units the component has when it is coded alone (A.2.2)."""
        across, down = self.factors
        columns = divided_up(self.width * component.across, across)
        rows = divided_up(self.height * component.down, down)
        return divided_up(columns, self.unit) * divided_up(rows, self.unit)

    @property
    def interleaved_units(self) -> int:
        """The number of groups of units in a scan of several components (A.2.3)."""
        across, down = self.factors
        return divided_up(self.width, across * self.unit) * divided_up(self.height, down * self.unit)

    @property
    def coefficient_bytes(self) -> int:
        """The memory that a decoder needs for a picture of several scans."""
        return sum(map(self.units_of, self.components)) * self.unit**2 * COEFFICIENT_BYTES


@dataclass(frozen=True, slots=True)
class Scan:
    components: Sequence[int]
    """Numbers of the components."""
    band: tuple[int, int]
    """The first and the last coefficient."""
    low_bit: int
    """The lowest bit of the coefficients that is sent."""
    restart_interval: int
    start: int
    end: int
    """Offset after the entropy-coded data: of the next marker, or of the end of the file."""


@dataclass(frozen=True, slots=True)
class Structure:
    frame: Frame
    scans: Sequence[Scan]
    has_end: bool
    """Whether the last scan is followed by a marker that ends the picture."""

    @property
    def is_sequential(self) -> bool:
        """True if the first scan contains all components."""
        return self.frame.marker != jpeg.PROGRESSIVE and len(self.scans[0].components) == len(
            self.frame.components
        )

    @property
    def last(self) -> Scan:
        """The scan that completes the picture."""
        return self.scans[0] if self.is_sequential else self.scans[-1]

    @property
    def has_all_scans(self) -> bool:
        """Return whether each component, and all bits of each coefficient that is sent, have a scan.

        A file without an end must send all coefficients, because nothing says that it need not.
        """
        lowest = {each.number: [NOT_SENT] * COEFFICIENTS for each in self.frame.components}
        for scan in self.scans:
            first, last = scan.band if self.frame.marker == jpeg.PROGRESSIVE else (0, COEFFICIENTS - 1)
            low_bit = scan.low_bit if self.frame.marker == jpeg.PROGRESSIVE else 0
            for number in scan.components:
                lowest.get(number, [NOT_SENT] * COEFFICIENTS)[first : last + 1] = [low_bit] * (
                    last + 1 - first
                )
        allowed = (0, NOT_SENT) if self.has_end else (0,)
        return all(bits[0] == 0 and all(bit in allowed for bit in bits) for bits in lowest.values())

    def has_all_intervals(self, data: bytes) -> bool:
        """Return whether the last scan has all restart markers (B.2.1)."""
        scan = self.last
        if not scan.restart_interval:
            return True
        alone = next((each for each in self.frame.components if [each.number] == list(scan.components)), None)
        units = self.frame.units_of(alone) if alone else self.frame.interleaved_units
        needed = divided_up(units, scan.restart_interval) - 1
        markers = (bytes((0xFF, number)) for number in range(0xD0, 0xD8))
        return sum(data.count(marker, scan.start, scan.end) for marker in markers) >= needed


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for too many segments, fill bytes or scans, or for EXIF data with too much in it."""
    jpeg.walk(data)
    header = list(jpeg.segments(data))
    bodies = (data[each.start : each.end] for each in header if each.marker == jpeg.APP1)
    joined = b"".join(body.removeprefix(exif.NAME) for body in bodies if body.startswith(exif.NAME))
    exif.walk(joined, exif.count_entries())
    if header and header[-1].marker == jpeg.START_OF_SCAN:
        for _ in _scans(data, header[-1], 0):
            pass


def is_complete(data: bytes) -> bool:
    """Return whether there are scans for all pixels. The last of them may be cut off.

    `jpeg_pixels.are_complete` finds out whether it is.
    """
    structure = read(data)
    return structure is not None and structure.has_all_scans


def for_decoder(data: bytes) -> bytes:
    """Return the picture with the metadata that describes it, and without what decoders may stumble over.

    These are damaged or unknown segments ahead of the pixels, and everything after them. The end marker is
    added if it is missing. Raise `ValueError` if there is no picture.
    """
    structure = read(data)
    if structure is None:
        raise ValueError("the file has no scan")
    parts, segments = [jpeg.START], list(jpeg.segments(data))
    for segment in segments:
        body = data[segment.start : segment.end]
        if segment.marker in jpeg.WITHOUT_LENGTH or not _is_needed(segment.marker, body):
            continue
        parts.append(struct.pack(">BBH", 0xFF, segment.marker, len(body) + 2) + body)
    return b"".join([*parts, data[segments[-1].end : structure.last.end], jpeg.END])


def _is_needed(marker: int, body: bytes) -> bool:
    if marker not in jpeg.APPLICATION:
        return marker != jpeg.COMMENT
    needed = jpeg.NEEDED_METADATA.get(marker, ())
    is_needed = any(body.startswith(name) and len(body) >= shortest for name, shortest in needed)
    return is_needed and (marker != jpeg.PHOTOSHOP or _has_whole_names(body))


def _has_whole_names(body: bytes) -> bool:
    """Return whether no resource of a Photoshop segment ends within its name, which Pillow cannot read."""
    at = len(b"Photoshop 3.0\0")
    while body[at : at + 4] == b"8BIM":
        at += 6
        if at >= len(body):
            return False
        at += 1 + body[at]
        at += at % 2
        at += 4 + int.from_bytes(body[at : at + 4])
        at += at % 2
    return True


def read(data: bytes) -> Structure | None:
    """Return the structure of a file with a frame and a scan, or None. Raise `ParserBomb` for too many."""
    frame, interval, header = None, 0, list(jpeg.segments(data))
    for segment in header:
        body = data[segment.start : segment.end]
        if segment.marker in jpeg.FRAMES:
            frame = _frame(segment.marker, body)
        elif segment.marker == jpeg.RESTART_INTERVAL:
            interval = _number(body)
    if frame is None or not header or header[-1].marker != jpeg.START_OF_SCAN:
        return None
    found = list(_scans(data, header[-1], interval))
    scans = [scan for scan in found if scan]
    return Structure(frame, scans, found[-1] is None) if scans else None


def _scans(data: bytes, segment: jpeg.Segment, interval: int) -> Iterator[Scan | None]:
    """Yield all scans, and None at last if a marker ends the picture."""
    scans, others = iter(limited(MOST_SCANS, "scans")), iter(limited(MOST_SEGMENTS, "segments between scans"))
    while True:
        next(scans if segment.marker == jpeg.START_OF_SCAN else others)
        position = segment.end
        if segment.marker == jpeg.START_OF_SCAN:
            found = jpeg.MARKER.search(data, position)
            end = found.start() if found else len(data)
            if segment.end > len(data) or not (scan := _scan(data, segment, interval, end)):
                return
            yield scan
            position = end
        elif segment.marker == jpeg.RESTART_INTERVAL:
            interval = _number(data[segment.start : segment.end])
        found = jpeg.MARKER.search(data, position)
        if not found:
            return
        marker, position = data[found.end() - 1], found.end()
        if marker not in BETWEEN_SCANS:
            yield None
            return
        length = _number(data[position : position + 2])
        segment = jpeg.Segment(marker, position + 2, position + length)


def _number(body: bytes) -> int:
    return int.from_bytes(body[:2], "big")


def _frame(marker: int, body: bytes) -> Frame | None:
    """Return the frame of a start of frame (B.2.2), or None if it is damaged."""
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    height, width, count = struct.unpack_from(">xHHB", body)
    fields = (body[6 + 3 * index : 9 + 3 * index] for index in range(count))
    components = [Component(number, factors >> 4, factors & 15) for number, factors, _ in fields]
    is_sound = width and height and components and all(each.across and each.down for each in components)
    return Frame(marker, width, height, components) if is_sound else None


def _scan(data: bytes, segment: jpeg.Segment, interval: int, end: int) -> Scan | None:
    """Return the scan that a header (B.2.3) starts, or None if the header is damaged."""
    body = data[segment.start : segment.end]
    if not body or len(body) < 4 + 2 * body[0]:
        return None
    components = [body[1 + 2 * index] for index in range(body[0])]
    first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
    return Scan(components, (first, min(last, COEFFICIENTS - 1)), bits & 15, interval, segment.end, end)
