"""Whether a gRPC server says that it serves; apart from the other probes as grpc takes time to import."""

import grpc

from loupe_local.probes import Probe

SERVING = b"\x08\x01"
"""The whole of a serialized grpc.health.v1.HealthCheckResponse(status=SERVING)."""


def grpc_serving(host: str, port: int, service: str = "") -> Probe:
    request = bytes([0x0A, len(service)]) + service.encode() if service else b""

    async def probe() -> bool:
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                return await check(request, timeout=2) == SERVING
            except grpc.aio.AioRpcError:
                return False

    return probe
