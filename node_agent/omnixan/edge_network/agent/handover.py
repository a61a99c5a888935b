"""Gives the folder of persistent memory to the agent: `python -m omnixan.edge_network.agent.handover FOLDER USER`.

A folder on a new file system is root's, and the agent is not root. So this runs before it, as root with CAP_CHOWN alone. It
touches a folder only if that is root's and holds nothing but what a store may have left there: a mistyped path must not
give away what is not ours. Where it does nothing the agent starts nevertheless, and says what it lacks.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

STORE = "omnixan."
"""What the names of the agent's own files begin with."""
NEUTRAL = frozenset({"lost+found"})
"""What else may lie there: mkfs makes it."""
ROOT = 0


def refusal(owner: int, names: Iterable[str], user: int) -> str:
    """Why the folder is not handed over; empty if it is to be. Pure."""
    if owner == user:
        return "it is the agent's already"
    if owner != ROOT:
        return f"it belongs to user {owner}: only a folder of root's is handed over; chown it to {user} if it is meant"
    foreign = sorted(name for name in names if name not in NEUTRAL and not name.startswith(STORE))
    if foreign:
        shown = ", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else "")
        return f"it holds what is not ours ({shown}): give persistent memory a folder of its own"
    return ""


def hand_over(folder: Path, user: int) -> str:
    """Give the folder, and what a store of root's left in it, to the user and group `user`, nobody else may look into it.

    Returns what was done or why not; raises OSError where the system refuses.
    """
    if folder.lstat().st_uid == user:  # its mode may be such that root without capabilities cannot look into it
        return f"{folder}: not handed over: {refusal(user, (), user)}"
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        names = os.listdir(fd)  # noqa: PTH208 - of what is open, whatever its name has become
        why_not = refusal(os.fstat(fd).st_uid, names, user)
        if why_not:
            return f"{folder}: not handed over: {why_not}"
        for file in _stores(fd, names):
            try:
                os.fchown(file, user, user)
            finally:
                os.close(file)
        os.fchmod(fd, stat.S_IRWXU)  # while it is root's: then it takes no capability
        os.fchown(fd, user, user)
    finally:
        os.close(fd)
    return f"{folder}: handed over to user {user}"


def _stores(folder: int, names: Iterable[str]) -> Iterator[int]:
    """Open descriptors of root's ordinary files of ours in there, links of any kind left out; the caller closes them."""
    for name in names:
        if not name.startswith(STORE):
            continue
        with suppress(OSError):
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == ROOT:
                yield fd
            else:
                os.close(fd)


def main(arguments: list[str]) -> int:
    """Hand over, and say in a line of JSON what came of it; 2 for wrong arguments, else 0: the agent starts anyway."""
    if len(arguments) != 2 or not arguments[0].startswith("/") or not arguments[1].isdecimal() or arguments[1] == "0":
        print("handover: expected an absolute folder and a user's number other than 0", file=sys.stderr)
        return 2
    folder, user = Path(arguments[0]), int(arguments[1])
    level = "info"
    try:
        message = hand_over(folder, user)
    except OSError as error:
        # The agent's own user may still be able to work there; if not, its condition says so.
        level, message = "error", f"{folder}: not handed over: {error.strerror or error}"
    print(json.dumps({"log.level": level, "message": message}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
