"""Reads the operator's own models from a bucket, before Triton starts.

`python -m inference.own_models FOLDER` writes them to the folder. It gets what `loupe-admin models check`
has written. Keys that lead out of it are refused.
"""

import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.blobs import Blobs, Store

PIECE_BYTES = 8 << 20
"""The bytes of an object that are in memory at a time, because the container may take 128 MiB."""


class OwnModels(BaseSettings):
    """The place of the models, from the environment."""

    model_config = SettingsConfigDict(env_prefix="INFERENCE_")

    own_models_bucket: str
    own_models_prefix: str = ""
    """The folder in the bucket, with a slash at its end."""
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")

    def store(self) -> Store:
        return Store(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_endpoint,
            region=self.s3_region,
            bucket=self.own_models_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
        )


def place_of(folder: Path, key: str) -> Path:
    """Return where an object goes. Raises `ValueError` if that is outside the folder."""
    place = (folder / key).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise ValueError(f"the key {key} leads out of the folder")
    return place


async def read_all(blobs: Blobs, prefix: str, folder: Path) -> int:
    """Write all objects below the prefix to the folder. Return how many there are."""
    count = 0
    async for page in blobs.list_pages(prefix):
        for key, _ in page:
            place = place_of(folder, key.removeprefix(prefix))
            place.parent.mkdir(parents=True, exist_ok=True)
            await copy(blobs, key, place)
            count += 1
    return count


async def copy(blobs: Blobs, key: str, place: Path) -> None:
    """Write the object to the file. Raise `LookupError` if it is gone."""
    version = await blobs.find_version(key)
    if version is None:
        raise LookupError(f"the object {key} is gone")
    with place.open("wb") as file:
        for start in range(0, version.bytes, PIECE_BYTES):
            length = min(PIECE_BYTES, version.bytes - start)
            file.write(await blobs.get_range(key, start, length, version=version))


def main() -> None:
    settings = OwnModels()  # pyright: ignore[reportCallIssue]  the environment fills it
    count = asyncio.run(read_all(Blobs(settings.store()), settings.own_models_prefix, Path(sys.argv[1])))
    if not count:
        where = f"{settings.own_models_bucket}/{settings.own_models_prefix}"
        sys.exit(f"there are no models in {where}")


if __name__ == "__main__":
    main()
