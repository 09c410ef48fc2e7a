"""Print which addresses accept a connection. Argument and output are lists of `[name, host, port]`."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

SECONDS = 4.0


def is_open(address: tuple[str, str, int]) -> bool:
    _, host, port = address
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return True
    except OSError:
        return False


addresses = json.loads(sys.argv[1])
with ThreadPoolExecutor(max(1, len(addresses))) as threads:
    pairs = zip(addresses, threads.map(is_open, addresses), strict=True)
    print(json.dumps([address for address, accepts in pairs if accepts]))
