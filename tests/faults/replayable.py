"""A process in which equal seeds make equal stories.

Sets are walked through in an order that follows from hashes. Those of strings are drawn by each process (PYTHONHASHSEED),
and those of None and of objects without a hash of their own follow from addresses, which Linux shifts at random in each
process. Both are switched off by starting the process anew.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

_FIXED = "OMNIXAN_FAULTS_REPLAYABLE"
_ADDR_NO_RANDOMIZE = 0x0040000


def become_replayable(module: str = "tests.faults") -> None:
    """Return in a process of `python -m module` as described.

    Where the kernel does not allow it, a replay may differ now and then.
    """
    if os.environ.get(_FIXED):
        gc.collect()
        gc.freeze()  # what is loaded by now stays: no later collection walks over it
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.personality(ctypes.c_ulong(libc.personality(ctypes.c_ulong(0xFFFFFFFF)) | _ADDR_NO_RANDOMIZE))
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    # Every operator that starts would read the system's certificates, which took a seventh of a story's time.
    without = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    os.execve(sys.executable, command, os.environ | without | {"PYTHONHASHSEED": "0", _FIXED: "1"})
