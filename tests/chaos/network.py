"""The connections between the parts of the system, each through a link of its own."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from loupe_local import nats_server, object_store, postgres
from loupe_local import triton as triton_server
from loupe_local.ports import HOST
from loupe_local.service_names import NAMES, WITH_DATABASE
from loupe_local.state import State
from tests.chaos.link import Link

CALLS = (
    ("gateway", "auth"),
    ("gateway", "billing"),
    ("gateway", "images"),
    ("gateway", "outbound"),
    ("images", "auth"),
    ("images", "billing"),
    ("billing", "auth"),
    ("inference", "auth"),
    ("inference", "images"),
    ("outbound", "auth"),
    ("outbound", "images"),
)
WITH_OBJECTS = ("images", "inference")


@dataclass(frozen=True, kw_only=True)
class Network:
    """The links by name, such as `images-postgres`, and the settings that make services use them."""

    links: Mapping[str, Link]
    overrides: Mapping[str, str]


@asynccontextmanager
async def network(state: State) -> AsyncGenerator[Network]:
    """Listen in front of each server. The servers themselves need not run yet."""
    links, overrides = dict[str, Link](), dict[str, str]()

    def link(client: str, server: str, target: int) -> int:
        name = f"{client}-{server}"
        links[name] = Link(state.ports(f"link.{name}")[f"link.{name}"], target)
        return links[name].port

    database, broker, store = (
        postgres.postgres(state),
        nats_server.nats(state),
        object_store.object_store(state),
    )
    for name in WITH_DATABASE:
        port = link(name, "postgres", database.port)
        overrides[f"{name.upper()}_DATABASE_URL"] = replace(database, port=port).url(name, name)
    for name in NAMES:
        overrides[f"{name.upper()}_NATS_URL"] = replace(broker, port=link(name, "nats", broker.port)).url(
            name
        )
    for name in WITH_OBJECTS:
        port = link(name, "objects", store.ports["s3"])
        overrides[f"{name.upper()}_S3_ENDPOINT"] = f"http://{HOST}:{port}"
    for client, server in CALLS:
        target = state.ports(f"service.{server}")[f"service.{server}"]
        overrides[f"{client.upper()}_{server.upper()}_TARGET"] = f"{HOST}:{link(client, server, target)}"
    triton = triton_server.triton(state)
    overrides["INFERENCE_TRITON_TARGET"] = f"{HOST}:{link('inference', 'triton', triton.grpc_port)}"
    async with contextlib.AsyncExitStack() as exits:
        for each in links.values():
            await exits.enter_async_context(each)
        yield Network(links=links, overrides=overrides)
