"""The settings in force, without secrets."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from common.settings_in_force import in_force
from gateway.backend import BackendDep
from gateway.http.envelope import Page
from gateway.identity.route_access import OperatorSession
from gateway.routes.admin.lists import page_of
from gateway.routes.paging import Paging
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2
from loupe.outbound.v1 import outbound_pb2
from loupe.settings.v1.settings_pb2 import Setting

router = APIRouter(prefix="/settings")


class SettingInForce(BaseModel):
    service: str
    name: str
    value: str | None
    """The value as text. Null for a secret."""
    is_default: bool
    is_secret: bool


@router.get("")
async def list_settings(caller: OperatorSession, paging: Paging, backend: BackendDep) -> Page[SettingInForce]:
    """List the settings by service and name. Workers do not tell theirs."""
    auth, billing, images, outbound = await asyncio.gather(
        caller.auth.GetSettings(auth_pb2.GetSettingsRequest()),
        caller.billing.GetSettings(billing_pb2.GetSettingsRequest()),
        caller.images.GetSettings(images_pb2.GetSettingsRequest()),
        caller.outbound.GetSettings(outbound_pb2.GetSettingsRequest()),
    )
    found = {
        "auth": auth.settings,
        "billing": billing.settings,
        "gateway": in_force(backend.settings),
        "images": images.settings,
        "outbound": outbound.settings,
    }
    listed = [to_setting(service, one) for service, settings in found.items() for one in settings]
    return page_of(paging, "Settings retrieved successfully", listed)


def to_setting(service: str, setting: Setting) -> SettingInForce:
    return SettingInForce(
        service=service,
        name=setting.name,
        value=None if setting.is_secret else setting.value,
        is_default=setting.is_default,
        is_secret=setting.is_secret,
    )
