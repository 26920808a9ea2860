"""Programs that are run by forks of one process, so that its imports are done once."""

from __future__ import annotations

__all__ = ["run_in_forks"]

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_MAIN = """
import json, os, sys, traceback
exec(sys.argv[1])
ended = {}
for number, (name, program) in enumerate(json.loads(sys.stdin.read()).items()):
    folder = os.path.join(os.getcwd(), str(number))
    os.mkdir(folder)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(folder)
            said = os.open(f"{folder}.txt", os.O_CREAT | os.O_WRONLY)
            os.dup2(said, 1)
            os.dup2(said, 2)
            exec(compile(program, name, "exec"), {"__name__": "__main__"})
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    ended[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), f"{folder}.txt"
print(json.dumps(ended))
"""


def run_in_forks(first: str, programs: Mapping[str, str], folder: Path) -> dict[str, tuple[int, str]]:
    """Run programs one after the other, each in a fork of its own and in a folder of its own.

    Parameters
    ----------
    first : str
        Program, of imports, that is run once before the process is forked.
    programs : mapping of str to str
        Name and text of each program.
    folder : Path
        Folder, which must be empty.

    Returns
    -------
    dict of str to (int, str)
        Code with which each program ended, and what it said.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, first],
        input=json.dumps(programs),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return {name: (code, Path(said).read_text()) for name, (code, said) in json.loads(done.stdout).items()}
