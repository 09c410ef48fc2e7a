"""The decoder reads only metadata that may be kept in a result."""

from collections.abc import AsyncIterator

import pytest
from PIL import ExifTags, Image

from inference.decoding.pool import Decoder
from tests.inference.pictures import decode_still
from tests.pixels import encoded

PHOTO = Image.effect_noise((90, 60), 80).convert("RGB")


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


async def test_a_picture_with_broken_exif_is_decoded(decoder: Decoder) -> None:
    data = encoded(PHOTO, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\0")

    picture = await decode_still(decoder, data)

    assert picture.size == (90, 60)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
async def test_metadata_is_read_except_what_would_be_wrong_in_a_result(
    decoder: Decoder, file_format: str
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Jane"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 90
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 100
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"

    picture = await decode_still(decoder, encoded(PHOTO, file_format, exif=exif))

    found = Image.Exif()
    found.load(b"Exif\0\0" + (picture.exif or b""))
    assert found[ExifTags.Base.Artist] == "Jane"
    assert ExifTags.Base.Orientation not in found
    assert found.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.ISOSpeedRatings: 100}
    assert found.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}


async def test_metadata_that_is_too_large_for_a_jpeg_loses_its_makers_note(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Jane"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(70_000)

    picture = await decode_still(decoder, encoded(PHOTO, "PNG", exif=exif))

    found = Image.Exif()
    found.load(b"Exif\0\0" + (picture.exif or b""))
    assert found[ExifTags.Base.Artist] == "Jane"
    assert not found.get_ifd(ExifTags.IFD.Exif)


async def test_a_file_without_metadata_has_none(decoder: Decoder) -> None:
    assert (await decode_still(decoder, encoded(PHOTO, "JPEG"))).exif is None


@pytest.mark.parametrize("artist", ["Jürgen", "山田"])
async def test_names_in_metadata_keep_their_letters(decoder: Decoder, artist: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = artist.encode()

    picture = await decode_still(decoder, encoded(PHOTO, "JPEG", exif=exif))

    assert artist.encode() in (picture.exif or b"")
