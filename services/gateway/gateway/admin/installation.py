"""`loupe-admin queue`, `storage` and `settings` show how the installation does, and its settings."""

from gateway.admin.answers import Answer, instant, number, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from gateway.admin.tables import Column, Page, Table

WORKERS = (
    Column("WORKER"),
    Column("STATE"),
    Column("ANNOUNCED (UTC)"),
    Column("PLACES", is_number=True),
    Column("MEGAPIXELS/S", is_number=True),
)
SETTINGS = (Column("SERVICE"), Column("SETTING"), Column("CHANGED"), Column("VALUE", may_shorten=True))
MEGABYTE = 10**6


def add_to(nouns: Nouns) -> None:
    nouns.add_command("queue", show_queue, "show what waits, and the workers")
    nouns.add_command("storage", show_storage, "show how much space the stored objects take")
    nouns.add_command(
        "settings", list_settings, "list the settings in force of the services, without secrets"
    )


async def show_queue(operator: Operator) -> Answer:
    queue = await operator.read_queue()
    left = queue.seconds_left if queue.HasField("seconds_left") else None
    facts = [
        ("waiting", f"{queue.waiting} ({queue.waiting_priority} in the priority queue)"),
        ("processing", queue.processing),
        ("oldest waits", f"{queue.oldest_seconds:.0f} s"),
        ("time left", "unknown: no worker runs" if left is None else f"{left:.0f} s"),
        ("ended in the last hour", f"{queue.ended_last_hour} ({queue.failed_last_hour} failed)"),
    ]
    rows = [
        (
            worker.name,
            "works" if worker.is_alive else "is silent",
            instant(worker, "announced_at"),
            number(worker, "places"),
            f"{worker.megapixels_per_second:.1f}" if worker.HasField("megapixels_per_second") else None,
        )
        for worker in queue.workers
    ]
    return Answer(to_json(queue), Page(facts), "", Table(WORKERS, rows, "No worker has announced itself."))


async def show_storage(operator: Operator) -> Answer:
    stored = await operator.read_storage()
    facts = [
        ("images", stored.images),
        ("originals", f"{stored.original_bytes / MEGABYTE:.1f} MB"),
        ("results", f"{stored.upscaled_bytes / MEGABYTE:.1f} MB"),
        ("expired, not deleted yet", stored.expired_waiting),
        ("orphans deleted", stored.orphans_deleted),
    ]
    return Answer(to_json(stored), Page(facts))


async def list_settings(operator: Operator) -> Answer:
    """List the settings by service and name. Gateways and workers do not tell theirs here."""
    found = await operator.read_settings()
    data = [
        {
            "service": service,
            "name": one.name,
            "value": None if one.is_secret else one.value,
            "is_default": one.is_default,
            "is_secret": one.is_secret,
        }
        for service, settings in found.items()
        for one in settings
    ]
    rows = [
        (
            one["service"],
            one["name"],
            None if one["is_default"] else "yes",
            "(secret)" if one["is_secret"] else one["value"],
        )
        for one in data
    ]
    return Answer({"settings": data}, Table(SETTINGS, rows, "No service tells a setting."))
