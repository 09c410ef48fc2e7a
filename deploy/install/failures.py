"""Finds in the output of a program that failed the sentence that says why, and what to do."""

import os
import re
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

NETWORK_ADVICE = (
    "Check the network. Behind a proxy, set HTTPS_PROXY; "
    "for an index of your own, set PIP_INDEX_URL and UV_INDEX_URL."
)
ADDRESS = re.compile(r"https?://([\w.:-]+)|host='([\w.-]+)', port=(\d+)|host='([\w.-]+)'")


@dataclass(frozen=True)
class Cause:
    """A pattern of what a failing program prints, and the sentence for a person."""

    pattern: str
    sentence: str


CAUSES = (
    Cause(
        r"No space left on device|Disk quota exceeded|File too large|os error (28|122|27)\b",
        "the disk is full: {free}. Loupe needs about 2 GB; make room.",
    ),
    Cause(
        r"No module named '?(ensurepip|venv)|ensurepip is not available",
        "Python's module venv is missing. On Debian and Ubuntu: sudo apt install python{python}-venv.",
    ),
    Cause(
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer",
        "the certificate of {host} is not trusted. If a proxy of your network replaces it, "
        "set SSL_CERT_FILE and PIP_CERT to a file with the proxy's certificate.",
    ),
    Cause(
        r"(?i)hash mismatch|do not match the hashes",
        "a downloaded package is not the one that requirements/ names, and was not installed. "
        "Try again; if it stays, the index or a proxy delivers another file.",
    ),
    Cause(
        r"Permission denied|Read-only file system|os error (13|30)\b", "a file cannot be written: {reason}."
    ),
    Cause(
        r"No interpreter found|Python downloads are|Failed to (?:download|install) `?\S*cpython-",
        "Triton needs Python 3.11 or 3.12, which is not on this machine and could not be downloaded. "
        "Install one of them (it need not be the default), or check the network: "
        "it comes from github.com, or from the address in UV_PYTHON_INSTALL_MIRROR.",
    ),
    Cause(
        r"(?:HTTP status|HTTP error|Client Error|Server Error)[^(\d]*\(?(\d{3}[\w ]*)",
        "{host} answers {found}. " + NETWORK_ADVICE,
    ),
    Cause(
        r"npm error code E(CONNREFUSED|NOTFOUND|AI_AGAIN|CONNRESET|TIMEDOUT)",
        "{host} cannot be reached. Check the network. "
        "Behind a proxy, set HTTPS_PROXY; for a registry of your own, set npm_config_registry.",
    ),
    Cause(
        r"(?i)error sending request|after connection broken|connection (error|refused|reset)|timed out|"
        r"timeout|dns error|name resolution|proxyerror|network is unreachable|failed to fetch|error network",
        "{host} cannot be reached. " + NETWORK_ADVICE,
    ),
    Cause(
        r"no wheels? with a matching|no wheels? are available|Failed to build|build backend",
        "a package does not exist for Python {python} ({reason}). "
        "Use another Python from 3.11 to 3.14: add PYTHON=python3.12 to the command.",
    ),
    Cause(
        r"from versions: none|No matching distribution|not found in the package|there is no version of",
        "the package index cannot be reached, or lacks a package ({reason}). " + NETWORK_ADVICE,
    ),
)


def explain(lines: list[str], status: int) -> str:
    """Return the cause of a failure and what to do, as the rest of a sentence."""
    text = "\n".join(lines)
    if status == -signal.SIGXFSZ:
        text = "File too large"
    for cause in CAUSES:
        if found := re.search(cause.pattern, text):
            return cause.sentence.format(
                free=free_space(),
                python=f"{sys.version_info.major}.{sys.version_info.minor}",
                host=name_host(text),
                reason=last_reason(lines),
                found=(found[1] or "").strip() if found.lastindex else "",
            )
    return f"{last_reason(lines)} (exit status {status})."


def free_space() -> str:
    """Return where least is free, of the folders that are written to."""
    folders = [Path(), Path(tempfile.gettempdir())]
    if cache := os.environ.get("UV_CACHE_DIR"):
        folders.append(Path(cache))
    free, folder = min((shutil.disk_usage(each).free, each) for each in folders if each.exists())
    return f"{free / 1e6:,.0f} MB are free in {folder.resolve()}"


def name_host(text: str) -> str:
    """Return the host that the output names last, or a general word."""
    found = list(ADDRESS.finditer(text))
    if not found:
        return "the package index"
    first, host, port, bare = found[-1].groups()
    return first or bare or f"{host}:{port}"


def last_reason(lines: list[str]) -> str:
    """Return the line that says most: uv's last cause, or pip's error."""
    marked = [line for line in lines if re.match(r"\s*(error|ERROR|cause|Error|\w*Error|Caused by)\b", line)]
    line = (marked or lines or ["it says nothing"])[-1]
    return re.sub(r"^\s*(error|ERROR|cause|Error|Caused by):\s*", "", line).strip().rstrip(".")
