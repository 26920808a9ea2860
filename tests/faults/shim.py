"""The library of `shim.c`, which makes system calls fail, and its block of shared memory."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

KINDS = (
    "any",
    "write",
    "read",
    "open",
    "rename",
    "unlink",
    "fsync",
    "close",
    "truncate",
    "mkdir",
    "chmod",
    "stat",
    "list",
    "map",
    "lock",
    "alloc",
)
ACTIONS = ("fail", "half", "short", "kill before", "kill half", "kill after")
SCOPES = ("main", "others", "all")


class Control(ctypes.Structure):
    """The block of shared memory, see `struct control` of `shim.c`."""

    _fields_ = (
        ("armed", ctypes.c_int),
        ("main_pid", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("action", ctypes.c_int),
        ("error", ctypes.c_int),
        ("sticky", ctypes.c_int),
        ("scope", ctypes.c_int),
        ("folders_wanted", ctypes.c_int),
        ("nth", ctypes.c_long),
        ("least_size", ctypes.c_long),
        ("counts", ctypes.c_long * len(KINDS)),
        ("hit", ctypes.c_int),
        ("hit_pid", ctypes.c_int),
        ("logged", ctypes.c_int),
        ("spare", ctypes.c_int),
        ("hit_call", ctypes.c_char * 32),
        ("hit_path", ctypes.c_char * 512),
        ("folders", (ctypes.c_char * 512) * 4),
        ("only", ctypes.c_char * 128),
        ("log", ctypes.c_char * 512),
    )


def missing() -> str:
    """Say why the library cannot be used here; "" if it can."""
    if not sys.platform.startswith("linux"):
        return "calls of the system are intercepted on Linux only"
    if os.environ.get("LD_PRELOAD"):
        return f"another library, {os.environ['LD_PRELOAD']}, intercepts calls already"
    if shutil.which("cc") is None:
        return "there is no C compiler"
    if "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"):  # type: ignore[operator]
        return "the library needs glibc"
    return ""


def in_folder(arguments: Sequence[str]) -> int:
    """Run a program of this folder again with the library, in a temporary folder; return its exit code."""
    if reason := missing():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="evensky-faults-", ignore_cleanup_errors=True) as folder:
        return start_with_shim(Path(folder), arguments)


def start_with_shim(folder: Path, arguments: Sequence[str]) -> int:
    """Build the library in a folder, and run this interpreter with it; return the exit code."""
    library, block = folder / "shim.so", folder / "control"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    block.write_bytes(bytes(ctypes.sizeof(Control)))
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "EVENSKY_FAULTS": str(block),
        "TMPDIR": str(folder),
        # Threads of numerical libraries do not survive a fork.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode


def open_control() -> Control:
    """Map the block that the environment names."""
    with open(os.environ["EVENSKY_FAULTS"], "r+b") as file:
        return Control.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Control)))
