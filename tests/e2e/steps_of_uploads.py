"""The steps of an upload at which tests stop and kill images.

Each is a context manager that stops an upload of the person at this step. It yields a function that waits
until the upload has come so far.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.e2e.killed_images import Killed
from tests.gateway.harness import Person

Reached = Callable[[], Awaitable[None]]
Step = Callable[[Killed, Person], AbstractAsyncContextManager[Reached]]
NOTED = "SELECT FROM upload_intent WHERE user_id = %s AND cardinality(reservation_ids) > 0"
RESERVED = "SELECT FROM reservation WHERE user_id = %s"
KEYS = "SELECT unnest(object_keys) FROM upload_intent WHERE user_id = %s"
WAITS_FOR_A_LOCK = """
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ANSWERED = "SELECT FROM idempotency_key WHERE user_id = %s AND response IS NOT NULL"
COMMIT_LOCK = 0x6B696C6C
HOLD_COMMITS = (
    f"""
        CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared({COMMIT_LOCK}); RETURN NULL; END $$
    """,
    """
        CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT ON image DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hold_commit()
    """,
)
RELEASE_COMMITS = ("DROP TRIGGER hold_commit ON image", "DROP FUNCTION hold_commit()")


@asynccontextmanager
async def before_the_reservation(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    killed.billing.hold_requests()
    yield lambda: killed.until_found("images", NOTED, person.id)


@asynccontextmanager
async def after_the_reservation(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    killed.billing.hold_answers()
    yield lambda: killed.until_found("billing", RESERVED, person.id)


@asynccontextmanager
async def after_the_object(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    async def reached() -> None:
        await killed.until_found("images", KEYS, person.id)
        [(key,), *_] = await killed.people.read_sql("images", KEYS, person.id)
        await killed.until_stored(str(key))

    killed.store.hold_answers()
    yield reached


@asynccontextmanager
async def before_the_commit(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    """The transaction waits for the user's lock. It ends with its process."""
    async with await killed.people.connect("images") as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [person.id])
        yield lambda: killed.until_found("images", WAITS_FOR_A_LOCK)


@asynccontextmanager
async def during_the_commit(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    """The database has begun to commit, and does so although the process is dead."""
    async with await killed.people.connect("images") as connection:
        for statement in (*HOLD_COMMITS, f"SELECT pg_advisory_lock({COMMIT_LOCK})"):
            await connection.execute(statement.encode())
        try:
            yield lambda: killed.until_found("images", WAITS_FOR_A_LOCK)
        finally:
            for statement in (f"SELECT pg_advisory_unlock({COMMIT_LOCK})", *RELEASE_COMMITS):
                await connection.execute(statement.encode())


@asynccontextmanager
async def after_the_commit(killed: Killed, person: Person) -> AsyncGenerator[Reached]:
    killed.answers.hold_answers()
    yield lambda: killed.until_found("images", ANSWERED, person.id)


BEFORE: list[Step] = [before_the_reservation, after_the_reservation, after_the_object, before_the_commit]
"""Nothing may be left of an upload that was killed at these."""
AFTER: list[Step] = [during_the_commit, after_the_commit]
"""A repeat gets the answer of an upload that was killed at these."""
