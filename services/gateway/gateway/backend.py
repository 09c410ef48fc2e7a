"""What routes work with: stubs of the services, the callers that are known, and the hourly limits."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.channel import Channel
from common.credentials import Credentials
from gateway.identity.callers import Callers, token_for
from gateway.identity.limits import Limits
from gateway.identity.token_guessing import TokenGuessLimiter
from gateway.settings import Settings
from loupe.auth.v1 import auth_pb2, auth_pb2_grpc
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2, images_pb2_grpc

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

AUTH = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]
BILLING = billing_pb2.DESCRIPTOR.services_by_name["BillingService"]
IMAGES = images_pb2.DESCRIPTOR.services_by_name["ImagesService"]


@dataclass(frozen=True, slots=True)
class Backend:
    """`accounts`, `plans` and `models` speak as the gateway, for those who have no token yet; `auth` and
    `images` as the user.
    """

    settings: Settings
    accounts: "AuthServiceAsyncStub"
    plans: "BillingServiceAsyncStub"
    models: "ImagesServiceAsyncStub"
    auth: "AuthServiceAsyncStub"
    images: "ImagesServiceAsyncStub"
    callers: Callers
    limits: Limits
    channels: tuple[Channel, ...]


def connect(settings: Settings) -> Backend:
    """Needs nothing to be there yet: calls fail as unavailable until it is."""
    credentials = Credentials(settings.auth_target, "gateway", settings.client_secret, tls=settings.tls)
    channel = functools.partial(Channel, tls=settings.tls)
    as_gateway = channel(settings.auth_target, AUTH, credentials.token_for("auth"))
    plans = channel(settings.billing_target, BILLING, credentials.token_for("billing"))
    models = channel(settings.images_target, IMAGES, credentials.token_for("images"))
    auth = channel(settings.auth_target, AUTH, token_for("auth"))
    billing = channel(settings.billing_target, BILLING, token_for("billing"))
    images = channel(settings.images_target, IMAGES, token_for("images"))
    accounts = auth_pb2_grpc.AuthServiceStub(as_gateway.grpc)
    return Backend(
        settings=settings,
        accounts=accounts,
        plans=billing_pb2_grpc.BillingServiceStub(plans.grpc),
        models=images_pb2_grpc.ImagesServiceStub(models.grpc),
        auth=auth_pb2_grpc.AuthServiceStub(auth.grpc),
        images=images_pb2_grpc.ImagesServiceStub(images.grpc),
        callers=Callers(
            accounts,
            billing_pb2_grpc.BillingServiceStub(billing.grpc),
            settings.principal_seconds,
            TokenGuessLimiter(settings.unauthenticated_requests_per_hour),
        ),
        limits=Limits(settings.replicas),
        channels=(auth, billing, images),
    )
