"""Start a program that the kernel kills when the supervisor dies.

This is a separate script: a process with threads may do almost nothing between fork and exec.
It is called as `child.py SUPERVISOR IDENTITY FOLDER PROGRAM…`. IDENTITY is `own`, `mapped` or `UID:GID`.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def map_user(libc: ctypes.CDLL) -> None:
    """Enter a user namespace in which we are `nobody`. Outside it, root owns the files that we write."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not available")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        # not pathlib: importing it doubles the start time
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(line)


def become(identity: str, libc: ctypes.CDLL) -> None:
    if identity == "mapped":
        map_user(libc)
    elif identity != "own":
        uid, gid = map(int, identity.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def main() -> None:
    supervisor, identity, folder, *argv = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        become(identity, libc)
        # after become(): a change of the user clears this
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(supervisor):
            sys.exit("the supervisor has ended")
        os.chdir(folder)
        os.umask(0o022)
        os.execvp(argv[0], argv)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        sys.exit(f"cannot start {argv[0]}: {error}")


if __name__ == "__main__":
    main()
