"""Tiles of users take turns at Triton, however many of them wait for each user."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from inference.triton.tile_turns import TileTurns, Turn


class Tiles:
    """Tiles that stay at Triton until the test lets them go."""

    def __init__(self, slots: int) -> None:
        self.turns = TileTurns(slots)
        self.at_triton: list[str] = []
        self.order: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}

    async def send(self, name: str, pixels: int = 100, turn: Turn | None = None) -> None:
        """Send a tile, named by its user and a number. Without a `turn` it is an image of its own."""
        self._done[name] = asyncio.Event()
        turn = turn or Turn(name[0].strip("-"), pixels)
        self._tasks[name] = asyncio.create_task(self._hold(name, pixels, turn))
        await self.settle()

    async def finish(self, name: str) -> None:
        self._done[name].set()
        await self._tasks.pop(name)
        await self.settle()

    async def finish_all(self) -> list[str]:
        """Finish one tile after the other. Return the users in the order in which their tiles began."""
        while self.at_triton:
            await self.finish(self.at_triton[0])
        return [name[0] for name in self.order]

    async def cancel(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _hold(self, name: str, pixels: int, turn: Turn) -> None:
        async with self.turns.take(turn, pixels):
            self.at_triton.append(name)
            self.order.append(name)
            try:
                await self._done[name].wait()
            finally:
                self.at_triton.remove(name)


@asynccontextmanager
async def tiles_of(slots: int, *names: str, pixels: int = 100) -> AsyncGenerator[Tiles]:
    tiles = Tiles(slots)
    for name in names:
        await tiles.send(name, pixels)
    yield tiles
    await tiles.finish_all()


async def test_a_small_picture_waits_for_one_tile_of_a_large_one() -> None:
    async with tiles_of(1, *(f"a{number}" for number in range(9))) as tiles:
        await tiles.send("b0")
        await tiles.finish("a0")

        assert tiles.at_triton == ["b0"]


async def test_the_last_slot_is_left_to_another_user() -> None:
    async with tiles_of(2, "a0", "a1", "a2") as tiles:
        alone = list(tiles.at_triton)
        await tiles.send("b0")

        assert alone == ["a0"]
        assert tiles.at_triton == ["a0", "b0"]


async def test_one_slot_is_never_left_empty() -> None:
    async with tiles_of(1, "a0", "a1") as tiles:
        assert tiles.at_triton == ["a0"]


async def test_tiles_without_a_user_take_all_slots() -> None:
    async with tiles_of(3, "-0", "-1", "-2", "-3") as tiles:
        assert tiles.at_triton == ["-0", "-1", "-2"]


async def test_a_test_tile_goes_before_all_waiting_ones() -> None:
    async with tiles_of(1, "a0", "a1", "a2") as tiles:
        await tiles.send("-0")
        await tiles.finish("a0")

        assert tiles.at_triton == ["-0"]


@pytest.mark.parametrize("slots", [1, 2, 3])
async def test_users_with_many_tiles_alternate(slots: int) -> None:
    names = [*(f"a{number}" for number in range(12)), *(f"b{number}" for number in range(12))]
    async with tiles_of(slots, *names) as tiles:
        order = await tiles.finish_all()

    assert abs(order[2:14].count("a") - 6) <= 1


async def test_users_share_pixels_and_not_tiles() -> None:
    async with tiles_of(1, *(f"a{number}" for number in range(12)), pixels=300) as tiles:
        for number in range(24):
            await tiles.send(f"b{number}", pixels=100)
        order = await tiles.finish_all()

    assert order[1:25].count("b") == pytest.approx(18, abs=2)


async def test_a_user_who_comes_later_catches_up_with_nothing() -> None:
    async with tiles_of(1, *(f"a{number}" for number in range(20))) as tiles:
        for number in range(8):
            await tiles.finish(f"a{number}")
        for number in range(10):
            await tiles.send(f"b{number}")
        order = await tiles.finish_all()

    assert order[9:19].count("b") == pytest.approx(5, abs=1)


async def send_images(tiles: Tiles, **sizes: int) -> None:
    """Send images of user `a`, all at the same time, as tiles of 100 pixels, named by their images."""
    turns = {name: Turn("a", 100 * size) for name, size in sizes.items()}
    for number in range(max(sizes.values())):
        for name in (name for name, size in sizes.items() if number < size):
            await tiles.send(f"{name}{number}", turn=turns[name])


@pytest.mark.parametrize("slots", [1, 2])
async def test_images_of_one_user_and_size_end_in_the_order_in_which_they_began(slots: int) -> None:
    tiles = Tiles(slots)
    await send_images(tiles, p=4, q=4, r=4)

    assert "".join(await tiles.finish_all()) == "ppppqqqqrrrr"


async def test_a_small_image_overtakes_a_large_one_of_the_same_user() -> None:
    tiles = Tiles(1)
    await send_images(tiles, p=12)
    await tiles.finish("p0")
    await send_images(tiles, q=2)

    assert "".join(await tiles.finish_all()) == "pp" + "qq" + "p" * 10


async def test_small_images_do_not_keep_a_large_one_of_the_same_user_from_its_end() -> None:
    tiles = Tiles(1)
    await send_images(tiles, p=4)
    for name in "qrstuv":
        await send_images(tiles, **{name: 2})
        await tiles.finish(tiles.at_triton[0])

    assert "".join(await tiles.finish_all()).rindex("p") < 12


async def test_an_image_of_one_user_does_not_wait_for_the_end_of_another_users() -> None:
    tiles = Tiles(1)
    turns = {"a": Turn("a", 1200), "b": Turn("b", 1200)}
    for name in "ab":
        for number in range(12):
            await tiles.send(f"{name}{number}", turn=turns[name])
    order = await tiles.finish_all()

    assert order[:12].count("a") == pytest.approx(6, abs=1)


async def test_a_cancelled_tile_takes_no_slot() -> None:
    async with tiles_of(1, "a0", "b0", "c0") as tiles:
        await tiles.cancel("b0")
        await tiles.cancel("a0")

        assert tiles.at_triton == ["c0"]


async def test_a_tile_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    async with tiles_of(1, "a0", "b0", "c0") as tiles:
        tiles._done["a0"].set()
        await asyncio.sleep(0)
        await tiles.cancel("b0")

        assert tiles.at_triton == ["c0"]


async def test_no_user_is_remembered_once_all_tiles_are_done() -> None:
    async with tiles_of(2, "a0", "b0", "a1") as tiles:
        await tiles.finish_all()

        assert not tiles.turns._users
        assert not tiles.turns._at_triton
