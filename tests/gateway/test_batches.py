"""The JSON of a batch, and the access to batches."""

from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from common import timestamps
from loupe.images.v1 import images_pb2 as pb
from rest.batches import STATUSES, to_accepted_batch_image, to_batch, to_batch_images
from tests.client import upscale
from tests.gateway.harness import Harness, People, Person
from tests.gateway.test_access import ALL_ABILITIES, ENDED, NO_ABILITIES, USED_UP
from tests.pixels import encoded

NOON = datetime(2026, 2, 15, 12, tzinfo=UTC)
PHOTO = encoded(Image.new("RGB", (2, 2)))
ROUTES = [
    ("POST", "/api/batches"),
    ("GET", "/api/batches"),
    ("GET", "/api/batches/1"),
    ("DELETE", "/api/batches/1"),
]
ABILITIES = {"POST": "images:write", "GET": "images:read", "DELETE": "images:delete"}


def an_image(image_id: int = 101, status: pb.Status.ValueType = pb.STATUS_PENDING) -> pb.Image:
    return pb.Image(
        id=image_id,
        batch_id=7,
        original_filename=f"photo{image_id}.jpg",
        original_bytes=2 << 20,
        status=status,
        scale_factor=2,
        created_at=timestamps.to_proto(NOON),
        updated_at=timestamps.to_proto(NOON),
    )


def a_batch(completed: int = 0, failed: int = 0, total: int = 3) -> pb.Batch:
    return pb.Batch(
        id=7,
        name="Product photos",
        status=pb.BATCH_STATUS_PENDING,
        total_images=total,
        completed_images=completed,
        failed_images=failed,
        scale_factor=2,
        images=[an_image(101), an_image(102)],
        created_at=timestamps.to_proto(NOON),
        updated_at=timestamps.to_proto(NOON),
    )


def test_a_new_batch_has_the_shape_of_the_reference() -> None:
    batch = a_batch()

    written = to_batch(batch, [to_accepted_batch_image(image) for image in batch.images]).model_dump()

    images = written.pop("images")
    assert list(written.items()) == [
        ("id", 7),
        ("name", "Product photos"),
        ("status", "pending"),
        ("total_images", 3),
        ("completed_images", 0),
        ("failed_images", 0),
        ("scale_factor", 2),
        ("progress", 0),
        ("created_at", "2026-02-15T12:00:00.000000Z"),
        ("updated_at", "2026-02-15T12:00:00.000000Z"),
        ("completed_at", None),
        ("target_width", None),
        ("target_height", None),
        ("webhook_url", None),
        ("stage", "queued"),
    ]
    assert list(images[0].items()) == [
        ("id", 101),
        ("batch_id", 7),
        ("original_filename", "photo101.jpg"),
        ("original_size", 2 << 20),
        ("original_size_human", "2 MB"),
        ("original_dimensions", None),
        ("status", "pending"),
        ("scale_factor", 2),
        ("target_width", None),
        ("target_height", None),
        ("api_request", False),
        ("created_at", "2026-02-15T12:00:00.000000Z"),
        ("updated_at", "2026-02-15T12:00:00.000000Z"),
        ("queue_position", None),
        ("estimated_seconds", None),
        ("warnings", []),
        ("reference", None),
    ]
    assert [image["id"] for image in images] == [101, 102]


def test_the_images_come_between_progress_and_dates() -> None:
    batch = a_batch()

    keys = list(to_batch(batch, to_batch_images(batch)).model_dump())

    assert keys[7:10] == ["progress", "images", "created_at"]


def test_an_ended_batch_has_all_details() -> None:
    batch = a_batch(completed=2, failed=1)
    batch.ClearField("name")
    batch.scale_factor, batch.target_width, batch.status = 0, 300, pb.BATCH_STATUS_PARTIALLY_FAILED
    batch.completed_at.CopyFrom(timestamps.to_proto(NOON + timedelta(seconds=5)) or batch.completed_at)

    written = to_batch(batch, to_batch_images(batch))

    assert (written.name, written.status, written.progress) == (None, "partially_failed", 100)
    assert (written.scale_factor, written.target_width, written.target_height) == (None, 300, None)
    assert written.completed_at == "2026-02-15T12:00:05.000000Z"
    assert list(written.images[0].model_dump())[:3] == ["id", "batch_id", "original_filename"]
    assert list(written.images[0].model_dump())[-4:] == ["previews", "webhook_url", "expires_at", "reference"]


@pytest.mark.parametrize(
    ("completed", "failed", "total", "progress"),
    [
        (0, 0, 3, 0),
        (1, 0, 3, 33),
        (0, 1, 3, 33),
        (1, 1, 3, 66),
        (2, 1, 3, 100),
        (0, 20, 20, 100),
        (1, 0, 1, 100),
        (19, 0, 20, 95),
        (6, 0, 7, 85),
    ],
)
def test_progress_is_the_share_of_ended_images_rounded_down(
    completed: int, failed: int, total: int, progress: int
) -> None:
    assert to_batch(a_batch(completed, failed, total), []).progress == progress


def test_every_status_has_a_name() -> None:
    assert set(STATUSES.values()) == set(pb.BatchStatus.values()) - {pb.BATCH_STATUS_UNSPECIFIED}


async def refusal_of(gateway: Harness, person: Person, method: str, path: str) -> tuple[int, str]:
    async with gateway.client(person.token) as client:
        answer = await client.request(method, path)
    return answer.status_code, answer.json().get("code", "")


async def test_the_first_refusal_in_the_order_of_the_contract_is_returned(
    gateway: Harness, people: People
) -> None:
    person = await people.new("professional", verified=False)
    await people.execute_sql("auth", NO_ABILITIES, person.id)
    await people.execute_sql("billing", ENDED, person.id)
    await people.execute_sql("billing", USED_UP, person.id, 250)
    refusals = [await refusal_of(gateway, person, *ROUTES[0])]

    await people.verify(person)
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))
    await people.set_plan(person, "free")
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))
    await people.set_plan(person, "starter")
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))
    await people.set_plan(person, "professional")
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))
    await people.execute_sql("auth", ALL_ABILITIES, person.id)
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))
    await people.execute_sql("billing", USED_UP, person.id, 249)
    refusals.append(await refusal_of(gateway, person, *ROUTES[0]))

    assert refusals == [
        (403, "email_unverified"),
        (403, "subscription_expired"),
        (403, "no_api_access"),
        (403, "plan_feature_missing"),
        (403, "missing_ability"),
        (403, "quota_exceeded"),
        (422, "validation_failed"),
    ]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_plan_without_batches_refuses_all_four_routes(
    gateway: Harness, people: People, method: str, path: str
) -> None:
    person = await people.new("starter")
    await people.execute_sql("auth", NO_ABILITIES, person.id)

    assert await refusal_of(gateway, person, method, path) == (403, "plan_feature_missing")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_each_route_needs_its_ability_and_no_other(
    gateway: Harness, people: People, method: str, path: str
) -> None:
    person, needed = await people.new("professional"), ABILITIES[method]
    statement = "UPDATE token SET abilities = %s WHERE user_id = %s"

    await people.execute_sql("auth", statement, sorted({*ABILITIES.values()} - {needed}), person.id)
    without = await refusal_of(gateway, person, method, path)
    await people.execute_sql("auth", statement, [needed], person.id)
    with_it = await refusal_of(gateway, person, method, path)

    assert without == (403, "missing_ability")
    assert with_it[0] in (200, 404, 422)


async def test_an_expired_subscription_can_still_read_and_delete(gateway: Harness, people: People) -> None:
    person = await people.new("professional")
    await people.execute_sql("billing", ENDED, person.id)

    refusals = [await refusal_of(gateway, person, method, path) for method, path in ROUTES]

    assert refusals == [
        (403, "subscription_expired"),
        (200, ""),
        (404, "batch_not_found"),
        (404, "batch_not_found"),
    ]


@pytest.mark.parametrize("batch_id", ["0", "abc", "1.5", "1.0", "01", "%2B1", "-1", str(2**63), "999999999"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_invalid_id_is_not_found(
    gateway: Harness, owner: Person, method: str, batch_id: str
) -> None:
    async with gateway.client(owner.token) as client:
        answer = await client.request(method, f"/api/batches/{batch_id}")

    assert (answer.status_code, answer.json()["code"]) == (404, "batch_not_found")
    assert answer.json()["message"] == "Batch not found."


@pytest.fixture(scope="module")
async def owner(people: People) -> Person:
    return await people.new("professional")


@pytest.mark.parametrize("status", ["done", "Pending", "partially failed"])
async def test_an_unknown_status_is_refused(gateway: Harness, owner: Person, status: str) -> None:
    async with gateway.client(owner.token) as client:
        answer = await client.get("/api/batches", params={"status": status})

    assert answer.status_code == 422
    assert answer.json()["errors"] == {"status": [f"The status must be one of: {', '.join(STATUSES)}."]}


@pytest.mark.parametrize("status", [*STATUSES])
async def test_a_list_can_be_filtered_by_every_status(gateway: Harness, owner: Person, status: str) -> None:
    async with gateway.client(owner.token) as client:
        answer = await client.get("/api/batches", params={"status": status, "per_page": 7})

    body = answer.json()
    assert (answer.status_code, body["message"]) == (200, "Batches retrieved successfully")
    assert (body["data"], body["meta"]["per_page"]) == ([], 7)
    assert body["links"]["first"].endswith(f"/api/batches?page=1&per_page=7&status={status}")


async def test_polls_of_a_batch_have_their_own_limit_and_report_the_quota(
    gateway: Harness, owner: Person
) -> None:
    async with gateway.client(owner.token) as client:
        poll = await client.get("/api/batches/1")
        page = await client.get("/api/batches")

    assert poll.headers["ratelimit-policy"] == '"hour";q=20000;w=3600'
    assert page.headers["ratelimit-policy"] == '"hour";q=2000;w=3600'
    assert [answer.headers["x-ratelimit-limit"] for answer in (poll, page)] == ["250", "250"]


async def test_a_single_image_has_no_batch(gateway: Harness, people: People) -> None:
    person = await people.new("starter")
    async with gateway.client(person.token) as client:
        posted = (await upscale(client, PHOTO)).json()["data"]

        image = (await client.get(f"/api/images/{posted['id']}")).json()["data"]

    assert "batch_id" not in posted
    assert list(image.items())[-1] == ("batch_id", None)
