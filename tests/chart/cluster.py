"""A server for the part of the Kubernetes API that Helm's `lookup` uses.

With it the real Helm renders the chart as an upgrade of a release whose objects exist.
"""

import json
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.chart.objects import Object

Kinds = set[tuple[str, str]]
"""Pairs such as ("apps/v1", "Deployment")."""


@contextmanager
def cluster(namespace: str, kinds: Kinds, objects: Iterable[Object]) -> Generator[str]:
    """Yield the address of a cluster that knows these kinds and contains these objects."""
    answers = _discovery(kinds)
    for one in objects:
        where = f"{_root(one['apiVersion'])}/namespaces/{namespace}/{_plural(one['kind'])}"
        answers[f"{where}/{one['metadata']['name']}"] = one
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _discovery(kinds: Kinds) -> dict[str, Object]:
    versions = {version for version, _ in kinds}
    groups = [_group(version) for version in sorted(versions) if "/" in version]
    answers: dict[str, Object] = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for version in versions:
        resources = [
            {"name": _plural(kind), "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
            for known, kind in sorted(kinds)
            if known == version
        ]
        answers[_root(version)] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": resources,
        }
    return answers


def _plural(kind: str) -> str:
    name = kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"


def _group(version: str) -> Object:
    name, _, number = version.partition("/")
    served = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _handler(answers: dict[str, Object]) -> type[BaseHTTPRequestHandler]:
    not_found = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps(answer or not_found).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the base class
            pass

    return Handler
