"""The counter of each month, its ledger and its reservations agree, and so do the counts for lists."""

from collections import Counter

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

COUNTED = ("reserved", "captured")


def check(found: Evidence) -> list[str]:
    in_ledger, reserved = Counter[object](), Counter[object]()
    for entry in found.ledger:
        in_ledger[entry.user_id, entry.period_start] += entry.change
    for each in found.reservations:
        reserved[each.user_id, each.period_start] += each.state in COUNTED
    counters = {(each.user_id, each.period_start): each.used for each in found.quotas}
    lines = list[str]()
    for month in {*in_ledger, *reserved, *counters}:
        three = counters.get(month, 0), in_ledger[month], reserved[month]  # pyright: ignore[reportArgumentType, reportCallIssue]
        if len({*three}) > 1:
            lines.append("{}: the counter is {}, the ledger {}, the reservations {}".format(month, *three))
    return lines + _wrong_blocks(found)


def _wrong_blocks(found: Evidence) -> list[str]:
    totals = Counter((row.user_id, kind) for row in found.images for kind in ("all", row.status))
    return [
        f"the lists of user {block.user_id} count {counted} images, and there are {existing}"
        for block in found.blocks
        if (counted := (block.total, block.completed, block.failed))
        != (existing := tuple(totals[block.user_id, kind] for kind in ("all", "completed", "failed")))
    ]


AUDIT = Audit(name="ledger", rule="ledger, counters and reservations agree", check=check)
