"""Runs the cluster of the tests until Ctrl-C, for a person who tries the chart: `python -m tests.cluster`."""

import signal
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.cluster.connection import connection, kubectl
from tests.cluster.control_plane import control_plane
from tests.cluster.fixtures import prepare, running_node


def main() -> None:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="loupe-cluster-")))
        kubeconfig = exits.enter_context(control_plane(folder))
        connected = exits.enter_context(connection(kubeconfig))
        prepare(connected)
        exits.enter_context(running_node(connected))
        print(f"export KUBECONFIG={kubeconfig}\nalias kubectl={kubectl()}", flush=True)
        signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        main()
