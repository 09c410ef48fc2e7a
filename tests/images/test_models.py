"""The models that may be requested, while workers start, announce their models and stop."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, update

from common import errors
from common.db import now
from images.domain import jobs
from images.tables import AnnouncedModel, Status
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import (
    RULES,
    Harness,
    insert_batch,
    insert_image,
    list_keys,
    read_events,
    read_image,
)
from tests.images.test_images_rpc import send_batch_upload, send_upload
from tests.images.upload_traces import read_used_quota, set_plan

DEFAULT_MODELS = ["auto", "faithful", "clean"]
ALL = {"faithful": ["span_x2", "span_x4"], "clean": ["waifu2x_photo_x2"], "enhance": ["realesr_general_x4v3"]}
FEWER = {name: networks for name, networks in ALL.items() if name != "enhance"}


async def announce(harness: Harness, offers: dict[str, list[str]]) -> None:
    """Announce these models as a worker of the previous release does: with names and networks only."""
    offered = [pb.AnnounceModelsRequest.Offer(name=name, nets=networks) for name, networks in offers.items()]
    await harness.service("inference").AnnounceModels(pb.AnnounceModelsRequest(models=offered))


async def announce_described(harness: Harness, name: str, **description: Any) -> None:
    """Announce a model as a worker of this release does."""
    offer = pb.AnnounceModelsRequest.Offer(name=name, nets=[f"{name}_x4"], **description)
    await harness.service("inference").AnnounceModels(pb.AnnounceModelsRequest(models=[offer]))


@pytest.mark.parametrize(
    ("field", "announced"),
    [
        ("megapixels_per_second", {"megapixels_per_second": 1.7e308}),
        ("megapixels_per_second", {"megapixels_per_second": 5e-324}),
        ("megapixels_per_second", {"megapixels_per_second": float("nan")}),
        ("megapixels_per_second", {"speeds": [{"kind": "span", "megapixels_per_second": float("inf")}]}),
        ("megapixels_per_second", {"speeds": [{"kind": "span", "megapixels_per_second": -1}]}),
        ("seconds_per_job", {"seconds_per_job": float("nan")}),
        ("seconds_per_job", {"seconds_per_job": -1}),
        ("places", {"places": 2**31 - 1}),
        ("places", {"places": -1}),
        ("models", {"models": [{"name": "x\0"}]}),
        ("models", {"models": [{"name": "x", "description": "y" * 1001}]}),
        ("models", {"models": [{"name": "x", "nets": ["y"] * 201}]}),
        ("models", {"worker": "w\0"}),
    ],
)
async def test_an_announcement_that_no_worker_can_mean_is_refused(
    harness: Harness, field: str, announced: dict[str, Any]
) -> None:
    fields: dict[str, Any] = {"worker": "forged"} | announced
    request = pb.AnnounceModelsRequest(**fields)

    with pytest.raises(errors.InvalidArgument) as refused:
        await harness.service("inference").AnnounceModels(request)
    assert refused.value.fields.keys() == {field}


async def list_models(harness: Harness) -> list[Any]:
    return list((await harness.service("gateway").ListModels(pb.ListModelsRequest())).models)


async def list_model_names(harness: Harness) -> list[str]:
    return [model.name for model in await list_models(harness)]


async def pass_time(harness: Harness, time: timedelta) -> None:
    """Make all announcements older by `time`."""
    earlier = {
        "announced_at": col(AnnouncedModel.announced_at) - time,
        "missing_since": col(AnnouncedModel.missing_since) - time,
    }
    async with harness.sessions.begin() as session:
        await session.exec(update(AnnouncedModel).values(**earlier))


async def start_work(harness: Harness, image_id: int | None, *models: str) -> pb.StartWorkResponse:
    return await harness.service().StartWork(pb.StartWorkRequest(image_id=image_id or 0, models=models))


async def test_before_any_announcement_the_default_models_are_served(harness: Harness) -> None:
    assert await list_model_names(harness) == DEFAULT_MODELS


async def test_announced_models_are_listed_in_the_order_of_the_registry(harness: Harness) -> None:
    await announce(harness, dict(reversed(ALL.items())))

    found = await list_models(harness)

    assert [model.name for model in found] == [*DEFAULT_MODELS, "enhance"]
    assert [model.is_default for model in found] == [True, False, False, False]
    assert [list(model.scales) for model in found] == [[2, 3, 4]] * 4
    assert all(model.description and model.best_for for model in found)
    assert [model.licence for model in found] == ["", "Apache-2.0", "MIT", "BSD-3-Clause"]


@pytest.mark.parametrize(
    ("name", "network"),
    [("realesr_general_x4v3", "SRVGG, 32 layers"), ("realesrgan_x4plus", "RRDB, 23 blocks")],
)
async def test_a_model_is_listed_with_the_network_that_workers_have(
    harness: Harness, name: str, network: str
) -> None:
    await announce(harness, {**ALL, "enhance": [name]})

    assert (await list_models(harness))[-1].network == network


async def test_an_unknown_model_without_a_description_is_not_listed(harness: Harness) -> None:
    await announce(harness, {**ALL, "dream": ["dream_x8"]})

    assert await list_model_names(harness) == [*DEFAULT_MODELS, "enhance"]


async def test_clients_see_the_workers_description_of_a_model(harness: Harness) -> None:
    await announce_described(
        harness,
        "dream",
        description="Dreams.",
        best_for="nights",
        network="DREAM",
        source="x/y",
        licence="MIT",
        scales=[2, 3],
        title="A dream",
        commercial_use=False,
    )

    model = (await list_models(harness))[-1]
    image = (await harness.user().Upscale(send_upload(model="dream"))).image

    assert await list_model_names(harness) == ["auto", "dream"]
    assert (model.description, model.best_for, list(model.scales)) == ("Dreams.", "nights", [2, 3])
    assert (model.network, model.source, model.licence) == ("DREAM", "x/y", "MIT")
    assert (model.title, model.commercial_use) == ("A dream", False)
    assert image.model.asked == "dream"


async def test_workers_of_the_previous_release_may_announce_beside_new_ones(harness: Harness) -> None:
    await announce_described(harness, "clean", description="New.", best_for="new", licence="New")
    await announce(harness, ALL)

    models = await list_models(harness)

    found = {model.name: model.licence for model in models}
    assert found == {"auto": "", "faithful": "Apache-2.0", "clean": "MIT", "enhance": "BSD-3-Clause"}
    assert all(model.commercial_use for model in models)


async def test_an_installation_may_serve_fewer_models_than_the_default(harness: Harness) -> None:
    await announce(harness, {"faithful": ALL["faithful"]})

    assert await list_model_names(harness) == ["auto", "faithful"]


async def test_models_stay_served_after_the_last_worker_has_stopped(harness: Harness) -> None:
    await announce(harness, ALL)

    await pass_time(harness, timedelta(days=30))

    assert await list_model_names(harness) == [*DEFAULT_MODELS, "enhance"]


async def test_a_model_stays_served_while_at_least_one_worker_announces_it(harness: Harness) -> None:
    for _ in range(3):
        await announce(harness, ALL)
        await pass_time(harness, RULES.model_gone_after / 2)
        await announce(harness, FEWER)
        await pass_time(harness, RULES.model_gone_after / 4)

        assert "enhance" in await list_model_names(harness)


async def test_a_model_that_is_not_announced_for_long_is_not_served_until_it_is_announced_again(
    harness: Harness,
) -> None:
    await announce(harness, ALL)
    await announce(harness, FEWER)
    await pass_time(harness, RULES.model_gone_after / 2)
    before = await list_model_names(harness)
    await announce(harness, FEWER)
    await pass_time(harness, RULES.model_gone_after)
    without_it = await list_model_names(harness)

    await announce(harness, ALL)

    assert (before, without_it) == ([*DEFAULT_MODELS, "enhance"], DEFAULT_MODELS)
    assert await list_model_names(harness) == [*DEFAULT_MODELS, "enhance"]


async def test_the_first_worker_after_a_pause_does_not_remove_a_model_that_it_lacks(harness: Harness) -> None:
    await announce(harness, ALL)
    await pass_time(harness, timedelta(days=30))

    await announce(harness, FEWER)

    assert "enhance" in await list_model_names(harness)


@pytest.mark.parametrize("model", ["enhance", "dream", "Auto"])
async def test_a_model_that_is_not_served_is_refused_and_the_served_ones_are_named(
    harness: Harness, model: str
) -> None:
    await announce(harness, {**FEWER, "dream": ["dream_x8"]})

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.user().Upscale(send_upload(model=model, fit="fill"))

    assert caught.value.fields["model"] == ["The model must be one of: auto, faithful, clean."]
    assert "fit" in caught.value.fields
    assert (await list_keys(harness), await read_events(harness.sessions)) == ([], [])


async def test_a_batch_with_a_model_that_is_not_served_is_refused(harness: Harness) -> None:
    await set_plan(harness, "professional")

    with pytest.raises(errors.InvalidArgument) as caught:
        await harness.user().CreateBatch(send_batch_upload(model="enhance"))
    await announce(harness, ALL)
    accepted = await harness.user().CreateBatch(send_batch_upload(model="enhance"))

    assert list(caught.value.fields) == ["model"]
    assert [image.model.asked for image in accepted.batch.images] == ["enhance"]


async def test_an_image_is_started_by_a_worker_that_has_its_model(harness: Harness) -> None:
    await announce(harness, ALL)

    image = (await harness.user().Upscale(send_upload(model="enhance"))).image
    order = (await start_work(harness, image.id, *DEFAULT_MODELS, "enhance")).order

    assert image.model.asked == order.model == "enhance"


@pytest.mark.parametrize("models", [DEFAULT_MODELS, []], ids=["other models", "an older release"])
async def test_a_worker_without_the_model_leaves_the_image_to_others(
    harness: Harness, models: list[str]
) -> None:
    await announce(harness, ALL)
    await announce(harness, FEWER)
    image = await insert_image(harness.sessions, model_asked="enhance")

    reasons: list[str] = []
    for _ in range(RULES.attempts + 1):
        with pytest.raises(errors.FailedPrecondition) as caught:
            await start_work(harness, image.id, *models)
        reasons.append(caught.value.reason)

    found = await read_image(harness.sessions, image.id)
    assert set(reasons) == {"model_elsewhere"}
    assert (found.status, found.attempt) == (Status.PENDING, 0)
    assert (await start_work(harness, image.id, *DEFAULT_MODELS, "enhance")).order.fence == 1


async def test_an_image_whose_model_is_no_longer_served_fails(harness: Harness) -> None:
    await announce(harness, ALL)
    accepted = (await harness.user().Upscale(send_upload(model="enhance"))).image
    await announce(harness, FEWER)
    await pass_time(harness, RULES.model_gone_after * 2)

    answer = await start_work(harness, accepted.id, *DEFAULT_MODELS)

    found = (await harness.user().GetImage(pb.GetImageRequest(id=accepted.id))).image
    assert not answer.HasField("order")
    assert found.status == pb.STATUS_FAILED
    assert (found.failure.code, found.failure.retryable) == ("model_unavailable", True)
    assert found.failure.message == "The model enhance is not served any more."
    assert "images.failed" in [subject for subject, _ in await read_events(harness.sessions)]
    assert await read_used_quota(harness) == 1  # until billing receives the event


async def test_a_batch_whose_model_is_no_longer_served_ends(harness: Harness) -> None:
    batch, _ = await insert_batch(harness.sessions, count=0, total_images=2)
    images = [
        await insert_image(harness.sessions, batch_id=batch.id, model_asked="enhance") for _ in range(2)
    ]

    for image in images:
        await start_work(harness, image.id, *DEFAULT_MODELS)

    async with harness.sessions.begin() as session:
        found = await session.get(type(batch), batch.id)
    assert found
    assert (found.status, found.failed_images) == ("failed", 2)


async def test_an_image_whose_worker_stopped_waits_for_a_worker_with_its_model(harness: Harness) -> None:
    await announce(harness, ALL)
    image = await insert_image(harness.sessions, model_asked="enhance")
    await start_work(harness, image.id, "enhance")
    async with harness.sessions.begin() as session:
        await jobs.stop(session, image.id or 0, 1, excused=True)

    with pytest.raises(errors.FailedPrecondition):
        await start_work(harness, image.id, *DEFAULT_MODELS)

    assert (await start_work(harness, image.id, "enhance")).order.fence == 2


async def test_simultaneous_announcements_do_not_deadlock(
    harness: Harness,
) -> None:
    both = [ALL, dict(reversed(ALL.items())), FEWER] * 5

    await asyncio.gather(*(announce(harness, offers) for offers in both))
    await announce(harness, ALL)

    async with harness.sessions.begin() as session:
        found = [await session.get(AnnouncedModel, name) for name in ALL]
    assert [one.missing_since for one in found if one] == [None] * 3
    assert all(one and now() - one.announced_at < timedelta(minutes=1) for one in found)
