"""The files of the web console: which address gets what, how long browsers store it, and what it may load."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from tests.gateway.harness import gateway_on, settings_without_services

STORE = "https://files.example.com"
SCRIPT = "console.log('loupe')" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Loupe</title>")
    (tmp_path / "files" / "index-a1b2c3.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not among the files")
    return tmp_path


@pytest.fixture
async def browser(folder: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    settings = settings_without_services(console_folder=folder, console_picture_origins=STORE)
    async with gateway_on(settings, wait_for_services=False) as gateway, gateway.client() as client:
        yield client


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/history", "/console/images/42"])
async def test_every_address_of_the_console_gets_its_page(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "<title>Loupe</title>" in answer.text
    assert "ratelimit" not in answer.headers


async def test_the_page_may_load_from_this_server_and_the_store_alone(browser: httpx2.AsyncClient) -> None:
    policy = (await browser.get("/console")).headers["content-security-policy"]

    rules = {name: sources for name, *sources in (rule.split() for rule in policy.split(";"))}
    assert rules == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", STORE],
        "connect-src": ["'self'", STORE],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_browsers_store_a_file_for_a_year(browser: httpx2.AsyncClient, encoding: str) -> None:
    answer = await browser.get("/console/files/index-a1b2c3.js", headers={"Accept-Encoding": encoding})

    assert answer.status_code == 200
    assert answer.text == SCRIPT
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["files/other.js", "files/../secret.txt", "files/%2e%2e/secret.txt", "files/", "files//etc/passwd"],
)
async def test_nothing_else_is_served(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(f"/console/{path}")

    assert "not among the files" not in answer.text
    assert answer.status_code == 404 or "<title>Loupe</title>" in answer.text


@pytest.mark.parametrize("folder_name", [None, "nowhere"])
async def test_without_the_files_a_page_says_so(tmp_path: Path, folder_name: str | None) -> None:
    settings = settings_without_services(console_folder=tmp_path / folder_name if folder_name else None)

    async with gateway_on(settings, wait_for_services=False) as gateway, gateway.client() as client:
        answer = await client.get("/console")

    assert answer.status_code == 404
    assert "There is no console here" in answer.text
