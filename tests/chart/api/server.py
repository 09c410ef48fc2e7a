"""Serves the store by HTTP on the loopback, as Helm expects it from Kubernetes."""

import copy
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.chart.api import protobuf
from tests.chart.api.answers import Answers, Query, Refused, parse, selected
from tests.chart.api.controllers import Controllers
from tests.chart.api.kinds import KINDS, Kind, discovery
from tests.chart.api.store import Place, Store
from tests.chart.helm import NAMESPACE, load
from tests.chart.objects import Object

WATCH_SECONDS = 30.0
OPENAPI = "/openapi/v2"
"""Helm validates hooks against this document. It is empty: `kubernetes` knows the schemas."""
UNCHECKED = ("--disable-openapi-validation",)


class Api:
    """The API of one cluster: what tests look at and change beside Helm."""

    def __init__(self, address: str, store: Store) -> None:
        self.address, self.store, self.controllers = address, store, store.controllers
        self.where = ("--kube-apiserver", address, "--namespace", NAMESPACE)
        self.applying = UNCHECKED

    def settle(self) -> None:
        """Return: everything is ready as soon as it exists."""

    def find(self, kind: str, name: str) -> Object | None:
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    def get(self, kind: str, name: str) -> Object:
        one = self.find(kind, name)
        assert one is not None, f"no {kind} {name}"
        return one

    def of(self, kind: str) -> list[Object]:
        return [one for one in self.store if one["kind"] == kind]

    def put(self, *objects: Object, manager: str = "kubectl") -> None:
        """Store objects, as somebody else than Helm would."""
        for one in objects:
            self.store.write(_place(one), one, manager)

    def remove(self, kind: str, name: str) -> None:
        self.store.delete(_place(self.get(kind, name)))

    def change(self, kind: str, name: str, manager: str = "kubectl", **spec: Any) -> None:
        """Change fields of a spec, as `kubectl scale` or an autoscaler would."""
        one = copy.deepcopy(self.get(kind, name))
        one["spec"] |= spec
        self.put(one, manager=manager)


@contextmanager
def api(*objects: Object, controllers: Controllers | None = None) -> Generator[Api]:
    """Yield a cluster with these objects."""
    store = Store(controllers or Controllers())
    server = _Server(store)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    cluster = Api(f"http://127.0.0.1:{server.server_port}", store)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.put(namespace, *objects)
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


def _place(one: Object) -> Place:
    kind = next(kind for kind in KINDS if (kind.version, kind.name) == (one["apiVersion"], one["kind"]))
    namespace = one["metadata"].get("namespace", NAMESPACE) if kind.is_namespaced else ""
    return kind, namespace, one["metadata"]["name"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, store: Store) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store, self.answers, self.known = store, Answers(store), discovery()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # type: ignore[assignment]

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query, body, known = parse_qs(url.query), self._body(), self.server.known
        try:
            if url.path == OPENAPI:
                self._send_bytes(200, b"")
            elif url.path in known:
                self._send(200, known[url.path])
            elif self.command == "GET" and query.get("watch", [""])[0] in ("1", "true"):
                self._watch(parse(url.path), query)
            else:
                self._send(201 if self.command == "POST" else 200, self._answer(url.path, query, body))
        except Refused as error:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
            reason = {"reason": error.reason, "code": error.code, "message": str(error)}
            self._send(error.code, status | reason)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  named by the base class

    def _body(self) -> Any:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if raw.startswith(protobuf.MAGIC):
            return protobuf.secret(raw) if self.command in ("POST", "PUT") else {}
        return json.loads(raw) if raw.startswith(b"{") else load(raw.decode())

    def _answer(self, path: str, query: Query, body: Any) -> Object:
        answers, place = self.server.answers, parse(path)
        manager = query.get("fieldManager", ["helm"])[0]
        match self.command:
            case "GET":
                return answers.read(place, query)
            case "POST":
                return answers.create(place, body, manager)
            case "PUT":
                return answers.replace(place, body, manager)
            case "PATCH":
                force = query.get("force", ["false"])[0] == "true"
                content = self.headers.get("Content-Type", "").partition(";")[0]
                return answers.patch(place, body, manager, content, force=force)
            case _:
                return answers.delete(place)

    def _watch(self, place: Place, query: Query) -> None:
        kind, namespace, _ = place
        store = self.server.store
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        since = int(query.get("resourceVersion", ["0"])[0] or 0)
        if query.get("sendInitialEvents", [""])[0] == "true":
            since = store.number
            for one in selected(store.of(kind, namespace), query):
                self._event("ADDED", one)
            ended = {"k8s.io/initial-events-end": "true"}
            metadata = {"resourceVersion": str(since), "annotations": ended}
            self._event("BOOKMARK", {"apiVersion": kind.version, "kind": kind.name, "metadata": metadata})
        try:
            self._follow(kind, namespace, query, since)
        except OSError:  # the client has what it waited for
            self.close_connection = True

    def _follow(self, kind: Kind, namespace: str, query: Query, since: int) -> None:
        while new := self.server.store.after(since, WATCH_SECONDS):
            since = new[-1][0]
            for _, event, its, one in new:
                where = one["metadata"].get("namespace", "")
                if its == kind and namespace in ("", where) and selected([one], query):
                    self._event(event, one)
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: str, one: Object) -> None:
        line = json.dumps({"type": event, "object": one}).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _send(self, code: int, answer: Object) -> None:
        self._send_bytes(code, json.dumps(answer).encode())

    def _send_bytes(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the base class
        pass
