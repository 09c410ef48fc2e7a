"""NVIDIA's client on a channel that finds Triton soon after it has started.

A worker starts beside its Triton, which loads models for a minute before it listens. NVIDIA's own channel
would wait up to two minutes more.
"""

from tritonclient.grpc import service_pb2_grpc
from tritonclient.grpc.aio import InferenceServerClient

from common.renewed_channel import CONNECT_OPTIONS, RenewedChannel

UNLIMITED = -1
OPTIONS = [
    ("grpc.max_send_message_length", UNLIMITED),
    ("grpc.max_receive_message_length", UNLIMITED),
    *CONNECT_OPTIONS,
]


class RenewedClient(InferenceServerClient):
    def __init__(self, target: str) -> None:
        """`target` is `host:port`."""
        super().__init__(target)  # its channel is never used, and so never connects
        self._channel = RenewedChannel.without_tls(target, OPTIONS)
        self._client_stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
