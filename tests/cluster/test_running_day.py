"""An operator's day with a release whose pods run: clients notice none of it, or only what the pages say."""

import base64
import contextlib
import secrets

import httpx2
import numpy as np
import pytest
from PIL import Image

from tests.client import count_used_images, get_image, upload_image, wait_for_status
from tests.cluster.connection import Refused
from tests.cluster.running import SERVICES, Live, forwarded
from tests.cluster.waiting import until
from tests.pixels import encoded

SMALL = encoded(Image.effect_noise((16, 16), 80).convert("RGB"), "PNG")
LONG_SECONDS = 600.0
STORES = ("postgresql", "nats", "object-store")
KEDA = "keda.sh/v1alpha1"
KILL = "kill -KILL -1"


def photo(side: int) -> bytes:
    return encoded(
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)), "PNG"
    )


async def upscale(client: httpx2.AsyncClient, data: bytes = SMALL) -> int:
    """Upload an image, wait until it is completed, and return its id."""
    image = await upload_image(client, data, "a.png", scale_factor=2)
    await wait_for_status(client, image, "completed", seconds=LONG_SECONDS, every=0.5)
    return image


async def size_of_result(live: Live, client: httpx2.AsyncClient, image: int) -> tuple[int, int]:
    """Download the result by its link, which is signed for the port-forward of the notes."""
    link = (await get_image(client, image))["download_url"]
    with forwarded(live.space, "loupe-object-store", "8333", 8333):
        async with httpx2.AsyncClient(timeout=60) as without_token:
            content = (await without_token.get(link)).raise_for_status().content
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


async def test_a_client_upscales_through_forwarded_ports_and_gets_a_webhook(live: Live) -> None:
    async with live.client() as jane:
        hook = await jane.post("/api/webhooks", json={"url": f"{live.visitor.webhooks}/hook"})
        image = await upscale(jane)
        size = await size_of_result(live, jane, image)
        console = await jane.get("/console/")

    assert hook.status_code == 201, hook.text
    assert size == (32, 32)
    until(lambda: '"image.completed"' in live.visitor.received, "the webhook is delivered")
    assert console.status_code == 200
    assert "<title>Loupe" in console.text


def test_helm_test_upscales_a_picture(live: Live) -> None:
    assert "Succeeded" in live.installation.test()


async def test_no_request_fails_during_an_upgrade_and_a_rollback(live: Live) -> None:
    async with live.client() as jane:
        token = jane.headers["Authorization"].removeprefix("Bearer ")
        with live.visitor.load(live.address, token, base64.b64encode(SMALL).decode()) as outcome:
            live.upgrade(logLevel="DEBUG")
            live.installation.rollback(0, "--wait", "--timeout", "15m")

    assert outcome["failures"] == []
    assert outcome["answers"] > len(outcome["images"]) > 0
    async with live.client(token) as jane:
        for image in outcome["images"]:
            await wait_for_status(jane, image, "completed", seconds=LONG_SECONDS, every=0.5)
        assert await count_used_images(jane) == len(outcome["images"])


async def test_every_secret_is_rotated_and_nobody_has_to_log_in_again(live: Live) -> None:
    def patch(name: str, **data: str) -> None:
        live.space.patch_secret(name, data)

    def new(*names: str) -> dict[str, str]:
        return {name: secrets.token_hex(20) for name in names}

    def restart(*workloads: str) -> None:
        for each in workloads:
            live.space.kubectl("rollout", "restart", each)
        for each in workloads:
            live.space.kubectl("rollout", "status", each, "--timeout=600s")

    async with live.client() as jane:
        token = jane.headers["Authorization"].removeprefix("Bearer ")
    made = live.installation.secrets()
    auth = made["loupe-auth-credentials"]
    deployments = [f"deployment/loupe-{name}" for name in (*SERVICES, "operator")]

    patch("loupe-auth-credentials", **new("gateway", "images", "inference", "outbound", "operator"))
    patch("loupe-auth-credentials", **new("secret", "links", "webhooks"))
    former = {f"previous-{name}": auth[name] for name in ("secret", "links", "webhooks")}
    patch("loupe-auth-credentials", **former)
    restart("deployment/loupe-auth")
    restart(*(each for each in deployments if each != "deployment/loupe-auth"))
    live.admin("keys", "rotate")
    for store in STORES:
        patch(f"loupe-{store}", **new(*made[f"loupe-{store}"]))
    restart("statefulset/loupe-postgresql", "statefulset/loupe-object-store")
    live.space.kubectl("delete", "pod", "--selector=app.kubernetes.io/component=nats")
    live.space.settle()
    restart(*deployments)
    # the former pods still serve for a while, and their passwords are no longer valid
    until(lambda: not is_any_pod_ending(live), "the former pods have ended", LONG_SECONDS)

    async with live.client(token) as jane:
        image = await upscale(jane)
        size = await size_of_result(live, jane, image)
    assert size == (32, 32)
    now = live.installation.secrets()
    assert all(now[name][key] != value for name, values in made.items() for key, value in values.items())


def is_any_pod_ending(live: Live) -> bool:
    return any("deletionTimestamp" in one["metadata"] for one in live.space.of("Pod"))


async def test_images_wait_for_workers_that_a_scaler_starts_and_stops(live: Live) -> None:
    """KEDA itself does not run here: this changes the number of workers as KEDA does, by `scale`."""
    if KEDA not in live.space.kubectl("api-versions").split():
        pytest.skip("the cluster has no definition of KEDA's ScaledObject")

    def scale(replicas: int) -> None:
        live.space.kubectl("scale", "deployment/loupe-inference", f"--replicas={replicas}")
        until(lambda: len(live.pods("inference")) == replicas, f"there are {replicas} workers", LONG_SECONDS)

    live.upgrade(inference={"keda": {"enabled": True, "minReplicas": 0, "maxReplicas": 2}})
    try:
        scale(0)
        async with live.client() as jane:
            waiting = [await upload_image(jane, photo(400), "a.png", scale_factor=2) for _ in range(4)]
            states = {(await get_image(jane, image))["status"] for image in waiting}
            scale(2)
            await wait_for_status(jane, waiting[0], "processing", "completed", seconds=LONG_SECONDS)
            scale(0)
            scale(1)
            for image in waiting:
                await wait_for_status(jane, image, "completed", seconds=LONG_SECONDS, every=0.5)
            used = await count_used_images(jane)
        live.upgrade(
            inference={"keda": {"enabled": True, "minReplicas": 0, "maxReplicas": 2}}, logLevel="DEBUG"
        )
    finally:
        live.upgrade()

    assert states == {"pending"}
    assert used == len(waiting)


@pytest.mark.parametrize("way", ["processes", "pods"])
async def test_an_image_survives_that_everything_is_killed(live: Live, way: str) -> None:
    """Once all processes inside the pods, and once the pods: `--force` lets the kubelet send SIGKILL."""
    async with live.client() as jane:
        token = jane.headers["Authorization"].removeprefix("Bearer ")
        image = await upload_image(jane, photo(600), "a.png", scale_factor=2)
        await wait_for_status(jane, image, "processing", "completed", seconds=LONG_SECONDS)

    killed = [pod for component in (*SERVICES, *STORES) for pod in live.pods(component)]
    if way == "pods":
        live.space.kubectl("delete", "pod", "--force", "--grace-period=0", *killed)
    for pod in killed if way == "processes" else ():
        kill_inside(live, pod)
    for pod in live.pods("nats") if way == "processes" else ():
        until(lambda pod=pod: restarts(live, pod), f"{pod} is started again", LONG_SECONDS)
    live.settle()

    async with live.client(token) as jane:
        await wait_for_status(jane, image, "completed", seconds=LONG_SECONDS, every=0.5)
        used = await count_used_images(jane)
        await upscale(jane)
    assert used == 1


def kill_inside(live: Live, pod: str) -> None:
    """Kill all processes of each container. The first one is out of reach of those in its namespace."""
    for container in live.space.get("Pod", pod)["spec"]["containers"]:
        with contextlib.suppress(Refused):  # there may be no other process
            live.space.kubectl("exec", pod, "--container", container["name"], "--", "sh", "-c", KILL)


def restarts(live: Live, pod: str) -> int:
    return live.space.get("Pod", pod)["status"]["containerStatuses"][0]["restartCount"]


async def test_a_release_whose_pods_are_all_evicted_goes_on_by_itself(live: Live) -> None:
    async with live.client() as jane:
        token = jane.headers["Authorization"].removeprefix("Bearer ")
        image = await upscale(jane)

    for component in (*STORES, *SERVICES):
        for name in live.pods(component):
            until(lambda name=name: is_evicted(live, name), f"{name} may be evicted", LONG_SECONDS)
    live.settle()

    async with live.client(token) as jane:
        size = await size_of_result(live, jane, image)
        await upscale(jane)
    assert size == (32, 32)


def is_evicted(live: Live, pod: str) -> bool:
    """Ask to evict the pod. False if a budget refuses that for now."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    try:
        live.space.connection.send(
            "POST", f"/api/v1/namespaces/{live.space.namespace}/pods/{pod}/eviction", body
        )
    except Refused as error:
        if error.code != 429:
            raise
        return False
    return True
