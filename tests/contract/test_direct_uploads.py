"""`POST /api/uploads`: a client stores a file itself, and upscales it by its id."""

import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import client_of, count_used_images, wait_for_status
from tests.contract import shapes
from tests.contract.api_client import SMALL, data_of, invalid_fields, refusal
from tests.gateway.harness import People

PREPARED = "Upload prepared successfully"
ACCEPTED = "Image uploaded and queued for processing"


async def prepare(client: httpx2.AsyncClient, data: bytes = SMALL, **more: object) -> dict[str, str]:
    body = {"filename": "Ferien größer.jpg", "size": len(data)} | more
    return data_of(await client.post("/api/uploads", json=body), PREPARED, shapes.DIRECT_UPLOAD, 201)


async def store(upload: dict, data: bytes = SMALL) -> httpx2.Response:  # type: ignore[type-arg]
    async with httpx2.AsyncClient(trust_env=False) as nobody:
        return await nobody.request(upload["method"], upload["url"], content=data, headers=upload["headers"])


async def test_a_presigned_put_and_then_upload_id_instead_of_image(jane: httpx2.AsyncClient) -> None:
    used = await count_used_images(jane)
    upload = await prepare(jane, content_type="image/jpeg")
    is_stored = (await store(upload)).is_success
    before = await count_used_images(jane)

    answer = await jane.post("/api/images/upscale", files={"upload_id": (None, upload["id"])})

    image = data_of(answer, ACCEPTED, shapes.ACCEPTED, 202)
    assert is_stored
    assert image["original_filename"] == "Ferien größer.jpg"
    assert await wait_for_status(jane, image["id"], "completed")
    assert (before - used, await count_used_images(jane) - used) == (0, 1)


async def test_the_options_work_as_with_a_file(jane: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    await store(upload)
    form = {"upload_id": upload["id"], "scale_factor": "3", "output_format": "webp"}

    answer = await jane.post("/api/images/upscale", files={k: (None, v) for k, v in form.items()})

    assert data_of(answer, ACCEPTED, shapes.ACCEPTED, 202)["scale_factor"] == 3


async def test_an_upload_serves_once_and_only_its_owner(
    jane: httpx2.AsyncClient, omar: httpx2.AsyncClient
) -> None:
    upload = await prepare(jane)
    await store(upload)
    form = {"upload_id": (None, upload["id"])}

    foreign = await omar.post("/api/images/upscale", files=form)
    first = await jane.post("/api/images/upscale", files=form)
    second = await jane.post("/api/images/upscale", files=form)

    assert "There is no upload with this id." in invalid_fields(foreign)["upload_id"][0]
    assert first.status_code == 202
    assert invalid_fields(second) == {"upload_id": ["The upload was already used."]}


async def test_a_repeat_with_the_same_key_gets_the_first_answer(jane: httpx2.AsyncClient) -> None:
    upload, other = await prepare(jane), await prepare(jane)
    await store(upload)
    key = {"Idempotency-Key": upload["id"]}

    first, repeat, reused = [
        await jane.post("/api/images/upscale", files={"upload_id": (None, each["id"])}, headers=key)
        for each in (upload, upload, other)
    ]

    assert [answer.status_code for answer in (first, repeat, reused)] == [202, 202, 422]
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert repeat.json()["data"]["id"] == first.json()["data"]["id"]


async def test_preparing_it_twice_with_the_same_key_gives_the_same_upload_and_a_new_link(
    jane: httpx2.AsyncClient,
) -> None:
    body, other = {"filename": "a.jpg", "size": len(SMALL)}, {"filename": "b.jpg", "size": len(SMALL)}
    key = {"Idempotency-Key": "prepare-once"}

    first, repeat, reused = [
        await jane.post("/api/uploads", json=each, headers=key) for each in (body, body, other)
    ]

    again = data_of(repeat, PREPARED, shapes.DIRECT_UPLOAD, 201)
    assert again["id"] == first.json()["data"]["id"]
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert refusal(reused)[:2] == (422, "idempotency_key_reused")
    assert (await store(again)).is_success


async def test_a_file_and_an_upload_id_together_are_refused(jane: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    files = {"image": ("photo.jpg", SMALL), "upload_id": (None, upload["id"])}

    answer = await jane.post("/api/images/upscale", files=files)

    assert list(invalid_fields(answer)) == ["upload_id"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"size": 0}, "size"),
        ({"size": 10 * 1024 * 1024 + 1}, "size"),
        ({"size": 10**30}, "size"),
        ({"size": "many"}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": True}, "size"),
        ({"size": None}, "size"),
        ({"sha256": "12"}, "sha256"),
        ({"content_type": "a\r\nb"}, "content_type"),
    ],
)
async def test_bad_fields_are_refused_by_name(
    jane: httpx2.AsyncClient, changed: dict[str, object], field: str
) -> None:
    answer = await jane.post("/api/uploads", json={"filename": "a.jpg", "size": 1} | changed)

    assert list(invalid_fields(answer)) == [field]


async def test_a_plan_without_api_access_is_refused(stack: Stack, people: People) -> None:
    free = await people.new("free")

    async with client_of(stack, free.token) as client:
        answer = await client.post("/api/uploads", json={"filename": "a.jpg", "size": 1})

    assert refusal(answer)[:2] == (403, "no_api_access")


async def test_the_commands_of_the_page_work(stack: Stack, jane: httpx2.AsyncClient, tmp_path: Path) -> None:
    section = (REPOSITORY / "docs" / "api.md").read_text().partition("### Direct uploads")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    (tmp_path / "photo.jpg").write_bytes(SMALL)

    ended = subprocess.run(  # noqa: ASYNC221  the commands are short
        ["bash", "-euc", found[1]],
        cwd=tmp_path,
        env={"API": stack.api, "TOKEN": stack.token, "PATH": "/usr/bin:/bin", "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert '"status":"pending"' in ended.stdout
