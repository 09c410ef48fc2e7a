"""Write something to every store, and check later whether it is still there.

`python traces.py FOLDER` starts the stores, writes the traces, prints `ready` and runs until SIGTERM: a
supervisor for tests to kill.
"""

import asyncio
import signal
import sys
from io import BytesIO
from pathlib import Path

import nats
import psycopg

from loupe_local.log import to_stream
from loupe_local.stores import Stores, stores

CONTENT = b"a picture, let us say"


def plain(url: str) -> str:
    """Return the URL for plain psycopg."""
    return url.replace("postgresql+psycopg", "postgresql")


async def leave(running: Stores) -> None:
    async with await psycopg.AsyncConnection.connect(plain(running.database_url("images"))) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS trace (id int)")
        await connection.execute("INSERT INTO trace VALUES (1)")
    client = await nats.connect(running.nats_url("operator"))
    jetstream = client.jetstream()
    await jetstream.add_stream(name="TRACES", subjects=["traces"])
    await jetstream.publish("traces", b"1")
    await client.close()
    images = running.s3.client("images")
    await asyncio.to_thread(
        images.put_object, running.s3.bucket, "images/trace", BytesIO(CONTENT), len(CONTENT)
    )


async def count(running: Stores) -> dict[str, int]:
    """Return for each store how often traces were written to it."""
    async with await psycopg.AsyncConnection.connect(plain(running.database_url("images"))) as connection:
        row = await (await connection.execute("SELECT count(*) FROM trace")).fetchone()
    assert row is not None
    client = await nats.connect(running.nats_url("operator"))
    stream = await client.jetstream().stream_info("TRACES")
    await client.close()
    objects = await asyncio.to_thread(read, running, "images/trace")
    return {"postgres": row[0], "nats": stream.state.messages, "objects": int(objects == CONTENT)}


def read(running: Stores, key: str) -> bytes:
    response = running.s3.client("images").get_object(running.s3.bucket, key)
    try:
        return response.read()
    finally:
        response.close()


async def main(folder: Path) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with stores(folder, sink=to_stream(sys.stderr), durable=False, triton=False) as running:
        await leave(running)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
