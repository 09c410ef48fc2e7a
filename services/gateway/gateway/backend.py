"""Everything that routes share: settings, stubs of the services, known callers and the hourly limits."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from gateway.archives.places import ArchivePlaces
from gateway.events.hub import Hub
from gateway.http.console_files import ConsoleFiles
from gateway.http.upload_gate import UploadGate, UploadTime
from gateway.identity.callers import Callers
from gateway.identity.limits import Limits
from gateway.identity.token_guessing import TokenGuessLimiter
from gateway.services import Connections, Services
from gateway.settings import Settings, is_loopback


@dataclass(frozen=True, slots=True)
class Backend:
    settings: Settings
    connections: Connections
    callers: Callers
    limits: Limits
    upload_gate: UploadGate
    hub: Hub
    console: ConsoleFiles | None
    """None if this installation has no web console."""
    archive_places: ArchivePlaces = field(default_factory=ArchivePlaces)

    @property
    def upload_time(self) -> UploadTime:
        return UploadTime(self.settings.upload_seconds, self.settings.upload_bytes_per_second)

    @property
    def as_gateway(self) -> Services:
        """Stubs that call as the gateway, for clients without a token. `Caller` has stubs of its own user."""
        return self.connections.as_gateway


def connect(settings: Settings) -> Backend:
    """Return at once, also if no service can be reached yet. Calls then fail as unavailable."""
    connections = Connections(settings)
    guess_limiter = TokenGuessLimiter(settings.unauthenticated_requests_per_hour)
    hub = Hub()
    auth, as_user = connections.as_gateway.auth, connections.as_user
    return Backend(
        settings=settings,
        connections=connections,
        callers=Callers(auth, as_user, settings.principal_seconds, guess_limiter, hub.check_tokens),
        limits=Limits(settings.replicas),
        upload_gate=UploadGate(
            memory_bytes=settings.upload_memory_bytes,
            per_user=settings.uploads_per_user,
            wait_seconds=settings.upload_wait_seconds,
        ),
        hub=hub,
        console=_console(settings),
    )


def _console(settings: Settings) -> ConsoleFiles | None:
    folder = settings.console_folder
    if folder is None or not folder.is_dir():
        return None
    return ConsoleFiles(folder, settings.console_picture_origins)


def backend_of(request: Request) -> Backend:
    return request.app.state.backend


def base_url(request: Request) -> str:
    """Return the address of this API as clients reach it, without a slash at the end."""
    settings = backend_of(request).settings
    if settings.public_url:
        return settings.public_url.rstrip("/")
    if is_loopback(request.url.hostname or ""):
        return str(request.base_url).rstrip("/")
    return f"http://{settings.listen}"  # the request names a host that is not ours


async def _backend(request: Request) -> Backend:  # async, because FastAPI runs other functions in a thread
    return backend_of(request)


BackendDep = Annotated[Backend, Depends(_backend)]
