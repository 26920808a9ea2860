"""Collection of garbage while the command starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc, sys
sys.argv, sys.orig_argv = [{program!r}], ["python", "/usr/bin/evensky"]
from evensky.cli.options import Command
print(gc.isenabled(), gc.get_freeze_count())
command = Command("any", callback=lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000, "sched" in sys.modules))
command.imports = ("sched",)
command.main([])
"""


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        ("/usr/bin/evensky", "False 0\nTrue True True\n"),
        ("script.py", "True 0\nTrue False True\n"),  # a script that imports the package is left alone
    ],
)
def test_modules_of_the_command_are_not_looked_at(program: str, printed: str) -> None:
    script = SCRIPT.format(program=program)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == printed
