"""What images is told by its environment."""

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from common.blobs import Store
from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="IMAGES_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    billing_target: str
    client_secret: SecretStr
    """What auth knows this service by."""
    s3_endpoint: str
    s3_public_endpoint: str
    """The store as clients reach it: download links are signed for this host."""
    s3_region: str = "us-east-1"
    s3_bucket: str = "loupe"
    s3_access_key: str
    s3_secret_key: SecretStr
    largest_upload_bytes: int = 10_485_760
    largest_input_pixels: int = 50_000_000
    largest_output_pixels: int = 268_435_456
    longest_output_side: int = 16_384
    largest_animation_pixels: int = 100_000_000
    """Of all frames of a result together."""
    download_seconds: float = 3600.0
    unfinished_per_user: int = 16
    """Jobs of one user in the stream at a time; the rest wait, so that nobody queues behind a thousand."""
    attempts: int = 3
    """Starts of one image before it fails for good."""
    worker_silent_seconds: float = 20.0
    """A worker that has not called for this long no longer owns its image. Below the stream's ack_wait."""
    model_gone_seconds: float = 60.0
    """A model that workers announced without for this long is served no more."""
    cold_start_seconds: float = 60.0
    """Until a worker is there where none runs, as clients are told."""
    sweep_seconds: float = 10.0
    lost_after_seconds: float = 30.0
    """While the stream is empty, a job dispatched this long ago is not in it and is dispatched again."""
    orphans_seconds: float = 86_400.0
    """Between two sweeps of the object store for objects that no image names."""
    orphan_age_seconds: float = 86_400.0
    """Younger ones may belong to an upload under way."""

    def store(self) -> Store:
        return Store(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_public_endpoint,
            region=self.s3_region,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
        )
