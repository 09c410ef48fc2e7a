"""What the worker is told by its environment."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from common.blobs import Store
from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="INFERENCE_")

    nats_url: str
    auth_target: str
    images_target: str
    client_secret: SecretStr
    """What auth knows this service by."""
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_bucket: str = "loupe"
    s3_access_key: str
    s3_secret_key: SecretStr
    triton_target: str
    """Triton's gRPC address, `host:port`."""
    parallel: int = Field(default=2, ge=1)
    """Images worked on at a time: while one is in Triton, others are fetched, decoded, encoded, stored."""
    tiles_in_flight: int = Field(default=2, ge=1)
    """Tiles at Triton at a time, over all images: one that is computed and the next ones, so that it never
    waits.
    """
    tile: int = Field(default=512, ge=64)
    """Longest side of a tile in pixels of the original."""
    tile_seconds: float = 120.0
    """Longest wait for one tile."""
    heartbeat_seconds: float = 5.0
    ack_wait_seconds: float = 30.0
    """A job whose worker died is delivered to another after this long."""

    def store(self) -> Store:
        return Store(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_endpoint,
            region=self.s3_region,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
        )
