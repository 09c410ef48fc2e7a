"""One process below a component is killed: a model in Triton, a backend of PostgreSQL, a decoding child."""

import asyncio
import signal
from collections.abc import Sequence

import psutil

from loupe_local.process import is_alive, process_tree
from tests.chaos.kinds import Fault, Strike
from tests.chaos.world import World

PARENTS = ("triton", "postgres", "images", "inference", "inference-2")


async def strike(world: World, chosen: Strike) -> Sequence[str]:
    leader = world.leader(chosen.component)
    if leader is None:
        return []
    tree = await asyncio.to_thread(process_tree, leader.pid)
    children = sorted((one for one in tree if is_alive(one)), key=lambda one: one.pid)
    if not children:
        return []
    try:
        children[chosen.choice % len(children)].send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return []
    return [chosen.component]


FAULT = Fault(name="kill a child", weight=4, targets=lambda _: PARENTS, strike=strike, is_kill=True)
