"""`image_url`: Loupe fetches the file behind a link, and treats it like an uploaded one."""

import asyncio
import json
import os
import re
import secrets
import ssl
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.certificates import Authority
from tests.client import count_used_images, download_result, get_image, upscale
from tests.contract.api_client import MULTIPART, SMALL, data_of, invalid_fields, refusal
from tests.contract.shapes import ACCEPTED, IMAGE
from tests.contract.test_direct_uploads import prepare, store
from tests.gateway.harness import People
from tests.outbound.servers import Handler, answer, host
from tests.pixels import opened
from tests.texts import NOT_AN_IMAGE

PATH = "/api/images/upscale"
QUEUED = "Image uploaded and queued for processing"
IGNORED = "The image_url field is unknown and was ignored"
TEN_MB = 10_485_760
JPEG = answer(SMALL, Content_Type="image/jpeg")


async def send(client: httpx2.AsyncClient, url: object, **options: object) -> httpx2.Response:
    return await client.post(PATH, json={"image_url": url, **options})


async def refused(client: httpx2.AsyncClient, reply: bytes | Handler) -> list[str]:
    """Return the texts on `image_url` for a host with this reply."""
    async with host(reply) as server:
        fields = invalid_fields(await send(client, server.url))
    assert list(fields) == ["image_url"]
    return fields["image_url"]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the beginning of a file, and no more until the other side hangs up."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + SMALL[:100])
    await reader.read()


async def test_an_image_behind_a_link_is_accepted_like_an_uploaded_one(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        accepted = data_of(await send(jane, server.url, scale_factor=3), QUEUED, ACCEPTED, 202)

    found = await get_image(jane, accepted["id"])
    assert (accepted["original_filename"], accepted["scale_factor"]) == ("photo.jpg", 3)
    assert (found["original_size"], found["api_request"]) == (len(SMALL), True)
    assert opened(await download_result(jane, accepted["id"])).size == (72, 48)


async def test_the_example_of_the_page_works(stack: Stack) -> None:
    [example] = re.findall(
        r"```sh\n(curl [^`]*image_url[^`]*)```", (REPOSITORY / "docs" / "api.md").read_text()
    )
    environment = os.environ | {"API": stack.api, "TOKEN": stack.token}

    async with host(JPEG) as server:
        command = example.replace("https://example.com/photo.jpg", server.url)
        program = await asyncio.create_subprocess_exec("bash", "-c", command, env=environment, stdout=PIPE)
        printed, _ = await program.communicate()

    assert program.returncode == 0
    assert json.loads(printed)["data"]["original_filename"] == "photo.jpg"


async def test_the_result_is_the_one_of_the_same_file_as_a_form(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        by_link = (await send(jane, server.url, output_format="png")).json()["data"]["id"]
    by_form = (await upscale(jane, SMALL, output_format="png")).json()["data"]["id"]

    assert await download_result(jane, by_link) == await download_result(jane, by_form)


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ("attachment; filename*=UTF-8''b%C3%BC.jpg; filename=\"b.jpg\"", "/x", "bü.jpg"),
        ('inline; filename="../../cat.jpg"', "/x", "cat.jpg"),
        ("inline", "/a/my%20cat.jpg?size=1", "my cat.jpg"),
        ("inline", "/", "image"),
    ],
)
async def test_the_name_comes_from_content_disposition_or_from_the_path(
    jane: httpx2.AsyncClient, disposition: str, path: str, name: str
) -> None:
    async with host(answer(SMALL, Content_Disposition=disposition)) as server:
        accepted = await send(jane, f"http://127.0.0.1:{server.port}{path}")

    assert accepted.json()["data"]["original_filename"] == name


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "image/png"])
async def test_the_content_decides_and_not_the_media_type(
    jane: httpx2.AsyncClient, content_type: str
) -> None:
    async with host(answer(SMALL, Content_Type=content_type)) as server:
        assert (await send(jane, server.url)).status_code == 202


async def test_options_may_be_numbers_or_texts(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        number = await send(jane, server.url, target_width=50, target_height=40.0, quality="80", fit="cover")
        text = await send(jane, server.url, target_width="50", target_height="40", quality=80, fit="cover")

    for accepted in (number, text):
        data = data_of(accepted, QUEUED, ACCEPTED, 202)
        assert (data["target_width"], data["target_height"]) == (50, 40)


async def test_null_counts_as_not_sent(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        data = data_of(await send(jane, server.url, scale_factor=None, model=None), QUEUED, ACCEPTED, 202)

    assert data["scale_factor"] == 2


async def test_wrong_options_have_the_texts_of_the_form_and_nothing_is_waited_for(
    jane: httpx2.AsyncClient,
) -> None:
    wrong: dict[str, Any] = {"scale_factor": 5, "quality": 0, "output_format": "jpg2", "dpi": "x"}
    of_form = invalid_fields(await upscale(jane, SMALL, **wrong))

    async with host(silent) as server:
        of_link = invalid_fields(await send(jane, server.url, **wrong))

    assert of_link == of_form


async def test_a_value_that_is_no_text_names_its_field(jane: httpx2.AsyncClient) -> None:
    values: dict[str, Any] = {"scale_factor": [2], "model": {"name": "auto"}, "quality": True}

    assert invalid_fields(await send(jane, 7, **values)) == {
        "image_url": ["The image url must be a string."],
        "scale_factor": ["The scale factor must be a number."],
        "model": ["The model must be a string."],
        "quality": ["The quality must be a number."],
    }


@pytest.mark.parametrize("body", [{}, {"image_url": ""}, {"image_url": None}, {"scale_factor": 2}])
async def test_a_json_body_needs_a_link(jane: httpx2.AsyncClient, body: dict[str, object]) -> None:
    assert invalid_fields(await jane.post(PATH, json=body)) == {
        "image_url": ["The image url field is required."]
    }


async def test_a_json_body_may_name_a_direct_upload_instead(jane: httpx2.AsyncClient) -> None:
    upload = await prepare(jane)
    await store(upload)

    both = await send(jane, "https://example.com/", upload_id=upload["id"])
    accepted = await jane.post(PATH, json={"upload_id": upload["id"], "scale_factor": 3})

    text = "The image url may not be sent together with an upload id."
    assert invalid_fields(both) == {"image_url": [text]}
    assert data_of(accepted, QUEUED, ACCEPTED, 202)["scale_factor"] == 3


async def test_a_misspelt_field_is_named(jane: httpx2.AsyncClient) -> None:
    link = invalid_fields(await jane.post(PATH, json={"imageUrl": "https://example.com/"}))
    async with host(JPEG) as server:
        size = invalid_fields(await send(jane, server.url, scale=4))
        other = await send(jane, server.url, project_id=7, scale_factor="")

    assert link["imageUrl"] == ["The imageUrl field is unknown: did you mean `image_url`?"]
    assert size == {"scale": ["The scale field is unknown: did you mean `scale_factor`?"]}
    assert other.json()["warnings"] == [
        {"field": "project_id", "message": "The project_id field is unknown and was ignored."},
        {"field": "scale_factor", "message": "The scale_factor field is empty and counts as not sent."},
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"https://example.com/"', b'{"image_url": "\\ud800"}', b"\xff"]
)
async def test_a_body_that_is_no_json_object_is_refused(jane: httpx2.AsyncClient, body: bytes) -> None:
    answered = await jane.post(PATH, content=body, headers={"Content-Type": "application/json"})

    if body:
        assert refusal(answered)[:2] == (400, "malformed_body")
    else:
        assert "image_url" in invalid_fields(answered)


async def test_other_media_types_get_the_answer_that_they_always_got(jane: httpx2.AsyncClient) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        content = b'{"image_url": "https://example.com/"}'
        answered = await jane.post(PATH, content=content, headers={"Content-Type": media_type})
        assert invalid_fields(answered) == {"image": ["The image field is required."]}


async def test_image_url_in_a_form_is_an_unknown_field(jane: httpx2.AsyncClient) -> None:
    answered = await upscale(jane, SMALL, image_url="https://example.com/")

    assert answered.json()["warnings"] == [
        {"field": "image_url", "message": f"{IGNORED}: did you mean `image`?"}
    ]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://10.0.0.1/", "leads to an address that is not on the public internet."),
        (
            "http://169.254.169.254/latest/meta-data/",
            "leads to an address that is not on the public internet.",
        ),
        ("http://[::1]/", "leads to an address that is not on the public internet."),
        ("http://[::ffff:10.0.0.1]/", "leads to an address that is not on the public internet."),
        ("http://2130706433/", "with an IPv4 address as four decimal numbers."),
        ("http://user:pw@127.0.0.1/", "without a user name or password."),
        ("ftp://example.com/", "must begin with https://."),
        ("/etc/passwd", "must be a URL such as https://example.com/."),
        ("https://example.com/\r\nX-A: b", "without spaces and control characters."),
        (f"https://example.com/{'a' * 2048}", "may not have more than 2048 characters."),
    ],
)
async def test_a_refused_address_is_422(jane: httpx2.AsyncClient, url: str, text: str) -> None:
    [found] = invalid_fields(await send(jane, url))["image_url"]

    assert found.startswith("The image url ")
    assert found.endswith(text)


async def test_a_file_that_is_not_found_is_422(jane: httpx2.AsyncClient) -> None:
    found = await refused(jane, answer(status="404 Not Found"))

    assert found == ["The image url leads to no file: its host answered 404."]


async def test_another_status_is_422(jane: httpx2.AsyncClient) -> None:
    found = await refused(jane, answer(status="403 Forbidden"))

    assert found == ["The host of the image url answered 403 instead of with a file."]


async def test_a_file_that_is_too_large_is_422_by_its_length_or_on_the_way(jane: httpx2.AsyncClient) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {TEN_MB + 1}\r\n\r\n".encode()

    by_length = await refused(jane, head)
    on_the_way = await refused(jane, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(TEN_MB + 1))

    assert by_length == on_the_way == ["The image url leads to a file of more than 10 MB."]


async def test_a_host_that_is_too_slow_is_422(jane: httpx2.AsyncClient) -> None:
    assert await refused(jane, silent) == [
        "The host of the image url did not send all of its answer within 5 s."
    ]


async def test_a_file_that_is_no_image_is_422(jane: httpx2.AsyncClient) -> None:
    assert await refused(jane, answer(b"<html>Please log in</html>")) == [NOT_AN_IMAGE]
    assert await refused(jane, answer(SMALL[:-200])) == ["The image is corrupt or incomplete."]
    assert await refused(jane, answer(b"")) == ["The image url leads to an empty file."]


async def test_a_failure_of_tls_is_422(jane: httpx2.AsyncClient, tmp_path: Path) -> None:
    tls = Authority(tmp_path).sign("stranger")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)

    async with host(JPEG, tls=context) as server:
        found = invalid_fields(await send(jane, server.url.replace("http:", "https:")))

    assert found == {
        "image_url": ["The host of the image url has no valid certificate, or failed to encrypt."]
    }


async def test_too_many_redirects_are_422_and_three_are_followed(jane: httpx2.AsyncClient) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = int(server.heads[-1].split()[1].strip("/"))
        moved = answer(status="302 Found", Location=f"/{left - 1}")
        writer.write(moved if left else JPEG)

    async with host(reply) as server:
        three = await send(jane, f"http://127.0.0.1:{server.port}/3")
        four = await send(jane, f"http://127.0.0.1:{server.port}/4")

    assert three.status_code == 202
    assert invalid_fields(four) == {"image_url": ["The image url redirects more than 3 times."]}


async def test_each_redirect_is_checked_anew(jane: httpx2.AsyncClient) -> None:
    [found] = await refused(jane, answer(status="302 Found", Location="http://169.254.169.254/"))

    assert found.startswith("The image url redirects to another URL, which is refused.")


async def test_a_refused_connection_is_422(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        pass

    assert invalid_fields(await send(jane, server.url)) == {
        "image_url": ["The host of the image url refused the connection."]
    }


async def test_a_host_that_speaks_no_http_is_422(jane: httpx2.AsyncClient) -> None:
    found = await refused(jane, b"SSH-2.0-OpenSSH_9.2\r\n")

    assert found == ["The host of the image url did not answer in valid HTTP."]


async def test_a_place_is_reserved_only_when_the_image_is_there(stack: Stack, people: People) -> None:
    person = await people.new("professional")
    async with httpx2.AsyncClient(
        base_url=stack.api, headers={"Authorization": f"Bearer {person.token}"}, timeout=30
    ) as client:
        async with host(silent) as server:
            waiting = asyncio.create_task(send(client, server.url))
            while not server.connections:
                await asyncio.sleep(0.01)
            during = await count_used_images(client)
            answered = await waiting
        listed = (await client.get("/api/images")).json()["meta"]["total"]

        assert (during, await count_used_images(client), listed) == (0, 0, 0)
        assert answered.status_code == 422


async def test_a_client_that_goes_away_ends_the_fetch(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with host(silent) as server:
        async with httpx2.AsyncClient(base_url=stack.api, headers=headers) as client:
            sending = asyncio.create_task(send(client, server.url))
            while not server.connections:
                await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        await asyncio.wait_for(server.closed.wait(), timeout=20)


async def test_a_link_can_wait_for_the_end(jane: httpx2.AsyncClient) -> None:
    async with host(JPEG) as server:
        body = {"image_url": server.url}
        answered = await jane.post(PATH, json=body, headers={"Prefer": "wait=60"})

    assert answered.headers["Preference-Applied"] == "wait=60"
    assert data_of(answered, "Image retrieved successfully", IMAGE)["status"] == "completed"


async def test_a_repeat_gets_the_first_answer_also_when_the_file_is_gone(jane: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": secrets.token_hex(16)}
    async with host(JPEG) as server:
        first = await jane.post(PATH, json={"image_url": server.url, "scale_factor": 2}, headers=key)
    again = await jane.post(PATH, json={"image_url": server.url, "scale_factor": "2"}, headers=key)
    other = await jane.post(PATH, json={"image_url": server.url, "scale_factor": 4}, headers=key)
    form = await jane.post(PATH, files={"image": ("photo.jpg", SMALL)}, headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    for answered in (other, form):
        assert refusal(answered)[:2] == (422, "idempotency_key_reused")


async def test_a_failed_fetch_frees_its_key(jane: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": secrets.token_hex(16)}
    async with host(answer(status="404 Not Found")) as server:
        failed = await jane.post(PATH, json={"image_url": server.url}, headers=key)
        port = server.port
    async with host(JPEG, port=port) as server:
        accepted = await jane.post(PATH, json={"image_url": server.url}, headers=key)

    assert (failed.status_code, accepted.status_code) == (422, 202)


async def test_a_large_json_body_is_refused(jane: httpx2.AsyncClient) -> None:
    answered = await send(jane, "https://example.com/", model="a" * 70_000)

    assert refusal(answered)[:2] == (413, "body_too_large")


async def test_a_compressed_body_is_refused_like_a_compressed_form(jane: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    as_json = await jane.post(PATH, content=b"{}", headers=headers)
    as_form = await jane.post(PATH, content=b"", headers=MULTIPART | {"Content-Encoding": "gzip"})

    assert refusal(as_json) == refusal(as_form)
