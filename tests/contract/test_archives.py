"""Archives and reports, line by line, in the running system."""

import asyncio
import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, pause_worker
from tests.contract.api_client import CORRUPT, SMALL, a_batch, refusal
from tests.contract.shapes import IMAGE_ADDITIVE, IMAGE_KEYS, IN_BATCH, a_page_of, an_object, check
from tests.contract.test_batches import until_ended
from tests.gateway.harness import People

READERS = {
    "unzip": ("unzip", "-t"),
    "python": ("python3", "-m", "zipfile", "-t"),
    "bsdtar": ("bsdtar", "-t", "-f"),
}


@pytest.fixture(scope="module")
async def batch_id(jane: httpx2.AsyncClient) -> int:
    """Return a batch of three images with the same name, of which one failed."""
    files = [("images[]", ("photo.jpg", data)) for data in (SMALL, SMALL, CORRUPT)]
    answer = await jane.post("/api/batches", files=files, data={"name": "Söme: photos"})
    made = answer.json()["data"]["id"]
    await until_ended(jane, made)
    return made


async def archive_of(client: httpx2.AsyncClient, batch_id: int) -> httpx2.Response:
    answer = await client.get(f"/api/batches/{batch_id}/archive")
    assert answer.status_code == 200, answer.text
    return answer


async def test_an_archive_has_all_results_under_unique_names_and_a_report(
    jane: httpx2.AsyncClient, batch_id: int
) -> None:
    answer = await archive_of(jane, batch_id)
    images = (await jane.get(f"/api/batches/{batch_id}")).json()["data"]["images"]
    async with httpx2.AsyncClient() as anyone:
        results = [(await anyone.get(image["download_url"])).content for image in images[:2]]

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["report.csv", "photo.jpg", "photo (2).jpg"]
        assert [archive.read(name) for name in archive.namelist()[1:]] == results
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        report = list(csv.DictReader(io.StringIO(archive.read("report.csv").decode())))
    assert [row["file"] for row in report] == ["photo.jpg", "photo (2).jpg", ""]
    assert [row["status"] for row in report] == ["completed", "completed", "failed"]
    assert report[2]["error_code"] == "undecodable"
    assert answer.headers["content-type"] == "application/zip"
    assert "filename*=UTF-8''S%C3%B6me_%20photos.zip" in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("reader", READERS)
async def test_common_programs_read_an_archive(
    jane: httpx2.AsyncClient, batch_id: int, tmp_path: Path, reader: str
) -> None:
    program, *arguments = READERS[reader]
    if not shutil.which(program):
        pytest.skip(f"there is no {program}")
    file = tmp_path / "batch.zip"
    file.write_bytes((await archive_of(jane, batch_id)).content)

    tested = await asyncio.create_subprocess_exec(program, *arguments, file)

    assert await tested.wait() == 0


async def test_an_unfinished_batch_is_400(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with client_of(stack, person.token) as client:
        with pause_worker(stack):
            made = (await a_batch(client, SMALL)).json()["data"]["id"]
            answer = await client.get(f"/api/batches/{made}/archive")
            report = await client.get(f"/api/batches/{made}/report")
            await client.delete(f"/api/batches/{made}")

    assert refusal(answer)[:2] == (400, "batch_unfinished")
    assert report.status_code == 200


async def test_a_range_is_refused(jane: httpx2.AsyncClient, batch_id: int) -> None:
    answer = await jane.get(f"/api/batches/{batch_id}/archive", headers={"Range": "bytes=10-"})

    assert refusal(answer)[:2] == (416, "range_not_supported")


async def test_a_report_is_csv_or_one_object_a_line(jane: httpx2.AsyncClient, batch_id: int) -> None:
    table = await jane.get(f"/api/batches/{batch_id}/report")
    lines = await jane.get(f"/api/batches/{batch_id}/report", params={"format": "ndjson"})
    unknown = await jane.get(f"/api/batches/{batch_id}/report", params={"format": "xml"})

    rows = list(csv.DictReader(io.StringIO(table.text)))
    objects = [json.loads(line) for line in lines.text.splitlines()]
    assert table.headers["content-type"].startswith("text/csv")
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [row["id"] for row in rows] == [str(one["id"]) for one in objects]
    assert list(rows[0]) == list(objects[0])
    assert [one["upscaled_dimensions"] for one in objects] == ["48x32", "48x32", None]
    assert refusal(unknown)[:2] == (422, "validation_failed")


async def test_the_images_of_a_batch_come_in_pages(jane: httpx2.AsyncClient, batch_id: int) -> None:
    path = f"/api/batches/{batch_id}/images"
    first = (await jane.get(path, params={"per_page": 2})).json()
    second = (await jane.get(path, params={"per_page": 2, "page": 2})).json()
    failed = (await jane.get(path, params={"status": "failed"})).json()
    whole = (await jane.get(f"/api/batches/{batch_id}")).json()["data"]["images"]

    for page in (first, second, failed):
        check(page, a_page_of(an_object(IN_BATCH | IMAGE_KEYS, IMAGE_ADDITIVE)))
    ids = [image["id"] for page in (first, second) for image in page["data"]]
    assert ids == [image["id"] for image in whole]
    assert (first["meta"]["total"], first["meta"]["last_page"]) == (3, 2)
    assert [image["id"] for image in failed["data"]] == ids[2:]
    assert refusal(await jane.get(path, params={"status": "odd"}))[:2] == (422, "validation_failed")
