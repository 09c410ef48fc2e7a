"""Speaks with the API server of the cluster that a kubeconfig names, as `kubectl` is allowed to."""

import json
import os
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.chart.objects import Object
from tests.cluster.control_plane import BUILT

ANSWER_SECONDS = 30.0
COMMAND_SECONDS = 700.0
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Refused(Exception):
    """The API server or `kubectl` refused. The message is theirs."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Connection:
    """A connection to the API server, by `kubectl` and by HTTP through its proxy."""

    kubeconfig: Path
    http: httpx2.Client

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        """Run `kubectl` and return its output. Raise `Refused`."""
        ended = subprocess.run(
            [kubectl(), "--kubeconfig", str(self.kubeconfig), *argv],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        if ended.returncode:
            raise Refused(ended.stderr.strip() or ended.stdout.strip())
        return ended.stdout

    def get(self, path: str, **query: str) -> Object:
        return self.send("GET", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        kind: str = "application/json",
        *,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Send a request and return the answer. `kind` is the type of the body. Raise `Refused`."""
        content = None if body is None else json.dumps(body)
        answer = self.http.request(
            method, path, params=query, content=content, headers={"Content-Type": kind}
        )
        if answer.is_error:
            raise Refused(answer.text, answer.status_code)
        return answer.json()

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except Refused as error:
            if error.code != 404:
                raise
            return False
        return True


def kubectl() -> str:
    """Return the path of our own `kubectl`, or its name if only the system has one."""
    own = BUILT / "bin" / "kubectl"
    return str(own) if own.exists() else "kubectl"


@contextmanager
def connection(kubeconfig: Path) -> Generator[Connection]:
    """Connect through `kubectl proxy`, which knows every way to log in. Its socket is in a private folder."""
    with tempfile.TemporaryDirectory(prefix="loupe-") as folder:
        socket = Path(folder) / "api"
        command = [kubectl(), "--kubeconfig", str(kubeconfig), "proxy", f"--unix-socket={socket}"]
        proxy = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True)
        try:
            assert proxy.stdout
            proxy.stdout.readline()
            transport = httpx2.HTTPTransport(uds=str(socket))
            with httpx2.Client(
                transport=transport, base_url="http://localhost", timeout=ANSWER_SECONDS
            ) as http:
                yield Connection(kubeconfig, http)
        finally:
            proxy.terminate()
            proxy.wait()
            if proxy.stdout:
                proxy.stdout.close()
