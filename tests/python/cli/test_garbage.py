"""Collection of garbage while the command starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evensky.cli.match import command as match

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


@pytest.mark.parametrize(("options", "joint"), [([], True), (["--method", "reference"], False), (["--dry-run"], False)])
def test_a_joint_match_has_its_modules_before_garbage_is_collected(options: list[str], joint: bool) -> None:
    context = match.make_context("match", ["a.fits", "b.fits", "--out", "matched", *options])
    assert ("scipy.sparse.csgraph" in match.needed(context)) is joint
