"""The worker's settings, from its environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.blobs import Store
from common.settings import ServiceSettings
from inference.networks.auto import REQUIRED
from inference.networks.registry import AUTO
from inference.previews.sides import LARGEST_SHOWN_PIXELS, PreviewRules
from inference.tiling.tiles import SMALLEST_TILE
from loupe.images.v1.known_models import KNOWN_MODELS

NAMES = tuple(model.name for model in KNOWN_MODELS if model.name != AUTO)
"""The models that an operator may name."""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="INFERENCE_")

    nats_url: str
    auth_target: str
    images_target: str
    client_secret: SecretStr
    """Proves to auth that this is the inference service."""
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_bucket: str = "loupe"
    s3_access_key: str = ""
    """Empty, as the secret key: the platform gives the pod credentials (IRSA, EKS Pod Identity)."""
    s3_secret_key: SecretStr = SecretStr("")
    triton_target: str
    """Triton's gRPC address, `host:port`."""
    triton_secret: SecretStr = SecretStr("")
    """Triton refuses who does not know it. Empty: Triton has no secret, or it is in `triton_secret_file`."""
    triton_secret_file: Path | None = None
    models: Annotated[tuple[str, ...], NoDecode] = ()
    """The models to serve, separated by commas; empty: all that Triton has."""
    commercial_only: bool = False
    """Serve only models whose licence allows commercial use. All of Loupe's own models do."""
    announce_seconds: float = Field(default=10.0, gt=0)
    """How often the worker looks at what Triton has, and announces it to `images`."""
    parallel: int = Field(default=0, ge=0)
    """Places: large images worked on at the same time; 0: as many as cores, memory and Triton allow. Small
    ones are done beside them.
    """
    tiles_in_flight: int = Field(default=0, ge=0)
    """Tiles of all images that are at Triton at the same time; 0: as many as its instances and batches take.
    """
    tile: int = Field(default=0, ge=0)
    """Longest side of a tile in pixels of the original, at least 64; 0: 512 on a GPU, 640 on a CPU."""
    fixed_tiles: bool = False
    """Cut squares of three sizes, so that Triton can put tiles of several images into one batch. This adds
    about a fifth more pixels. A GPU is faster in spite of that, a CPU is not.
    """
    precision: Literal["auto", "exact"] = "auto"
    """`exact`: networks compute everything in single precision, which takes about twice as long on a GPU and
    on a processor with bfloat16. `auto`: only what clients request so, and pictures of 16 bits.
    """
    shared_memory: bool = False
    """Send tiles through /dev/shm. Triton must run on the same machine (in the same pod) as the same user."""
    previews: bool = True
    """Store previews of originals and results, for the console and for other clients that show lists."""
    largest_shown_pixels: int = Field(default=LARGEST_SHOWN_PIXELS, ge=1)
    """Larger pictures get a pyramid, too, which browsers read in parts. So do those in formats that browsers
    cannot show.
    """
    canary_seconds: float = Field(default=30.0, gt=0)
    """A model that has not answered for this long gets a test tile."""
    tile_seconds: float = 120.0
    """Longest wait for one tile at Triton."""
    heartbeat_seconds: float = 5.0
    """The interval between two heartbeats for an image."""
    ack_wait_seconds: float = 30.0
    """If a worker dies, its job is delivered to another one after this time."""

    @field_validator("tile")
    @classmethod
    def _is_large_enough(cls, value: int) -> int:
        if 0 < value < SMALLEST_TILE:
            raise ValueError(f"0 or at least {SMALLEST_TILE}")
        return value

    @field_validator("models", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("models")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in NAMES]:
            raise ValueError(f"there is no model {unknown[0]}, only {', '.join(NAMES)}")
        if names and not set(names) & set(REQUIRED):
            raise ValueError(f"one of {', '.join(REQUIRED)} must be served")
        return names

    def read_triton_secret(self) -> str:
        if self.triton_secret_file:
            return self.triton_secret_file.read_text().strip()
        return self.triton_secret.get_secret_value()

    @property
    def preview_rules(self) -> PreviewRules:
        return PreviewRules(self.previews, self.largest_shown_pixels)

    def store(self) -> Store:
        return Store(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_endpoint,
            region=self.s3_region,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
        )
