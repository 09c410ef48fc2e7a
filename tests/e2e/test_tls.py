"""The whole system with mutual TLS between its services."""

from pathlib import Path

from PIL import Image

from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import stack
from tests.certificates import Authority
from tests.client import client_of, download_result, upscale
from tests.pixels import encoded, opened


def overrides_of(authority: Authority) -> dict[str, str]:
    overrides: dict[str, str] = {}
    for name in (*NAMES, "loupe"):
        tls = authority.sign(name)
        files = {"CERTIFICATE": tls.certificate, "KEY": tls.key, "AUTHORITY": tls.authority}
        overrides |= {f"{name.upper()}_TLS_{part}": str(path) for part, path in files.items()}
    return overrides


async def test_an_image_is_upscaled_when_all_services_use_tls(tmp_path: Path) -> None:
    overrides = overrides_of(Authority(tmp_path))
    sink = to_file(tmp_path / "log")

    async with (
        stack(tmp_path / "state", sink=sink, durable=False, overrides=overrides) as running,
        client_of(running, running.token) as client,
    ):
        answer = await upscale(client, encoded(Image.new("RGB", (24, 16), "teal")), scale_factor=2)
        result = await download_result(client, answer.json()["data"]["id"])

    assert opened(result).size == (48, 32)
