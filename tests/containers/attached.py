"""Run a container as if it were this process: `python attached.py ID`.

This process ends when the container ends. A signal to this process stops the container.
"""

import signal
import sys
import threading
import time

import docker


def main() -> int:
    container = docker.from_env().containers.get(sys.argv[1])

    def stop(number: int, frame: object) -> None:
        threading.Thread(target=container.stop, kwargs={"timeout": 10}).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    started = int(time.time())
    container.start()
    for line in container.logs(stream=True, follow=True, since=started):
        sys.stdout.write(line.decode(errors="replace"))
        sys.stdout.flush()
    return container.wait()["StatusCode"]


if __name__ == "__main__":
    raise SystemExit(main())
