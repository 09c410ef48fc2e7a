"""Methods that the .proto declares free of side effects write nothing."""

import asyncio

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from common import db, errors
from loupe.billing.v1 import billing_pb2 as pb
from loupe_local.stores import Stores
from tests.billing.harness import JANE, BillingHarness, running

SERVICE = pb.DESCRIPTOR.services_by_name["BillingService"]
READ_ONLY = "?options=-c%20default_transaction_read_only%3Don"


async def test_methods_without_side_effects_work_on_a_read_only_database(
    billing: BillingHarness, stores: Stores
) -> None:
    await billing.reserve()
    engine = db.engine(stores.database_url("billing") + READ_ONLY)
    no_side_effects = [
        method.name
        for method in SERVICE.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]

    async with running(db.sessions(engine), billing.clock) as read_only:
        calls = {
            "GetEntitlement": read_only.user().GetEntitlement(pb.GetEntitlementRequest()),
            "GetUsageHistory": read_only.user().GetUsageHistory(pb.GetUsageHistoryRequest()),
            "ListPlans": read_only.gateway.ListPlans(pb.ListPlansRequest()),
            "ListEntitlements": read_only.operator.ListEntitlements(
                pb.ListEntitlementsRequest(user_ids=[JANE])
            ),
            "GetSettings": read_only.operator.GetSettings(pb.GetSettingsRequest()),
            "GetLedger": read_only.operator.GetLedger(pb.GetLedgerRequest(user_id=JANE)),
        }
        await asyncio.gather(*calls.values())
        with pytest.raises(errors.ServiceError):  # proves that the database is read-only
            await read_only.reserve()
    await engine.dispose()

    assert set(no_side_effects) == set(calls)
