"""Ctrl-C and SIGTERM at any time, from the first line of the package on: one line or none, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from processes import assert_ends, descendants

from evensky import _command
from evensky.cli.options import stoppable
from evensky.simulate import make_exposures, write_exposures

# The script that pip makes of the entry point; it tells when the package has run its first line, and imports more.
CONSOLE_SCRIPT = """
import os, sys
class Teller:
    def find_spec(self, name, path=None, target=None):
        if name == "lazy_loader" and __name__ == "__main__":
            os.write(2, b"begun\\n")
sys.meta_path.insert(0, Teller())
from evensky.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exposures(make_exposures(3, (96, 80), seed=3), tmp_path_factory.mktemp("exposures"))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bin") / "evensky"
    path.write_text(CONSOLE_SCRIPT)
    return path


def interrupted(
    script: Path, arguments: Sequence[object], delay: float, number: signal.Signals, *, group: bool = False
) -> tuple[int, str]:
    """Send a signal to the command a time after its first line; return its exit code and what it printed."""
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    time.sleep(delay)
    started = descendants(process.pid)
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=25)
    assert_ends(*started)
    return process.returncode, errors


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.05, 0.08, 0.15, 0.3, 0.5])
def test_signals_while_the_command_starts(script: Path, files: list[Path], tmp_path: Path, delay: float) -> None:
    number = (signal.SIGINT, signal.SIGTERM)[round(delay * 100) % 2]
    code, errors = interrupted(script, ["match", *files, "-o", tmp_path / "out", "-q"], delay, number)
    if code != 0:  # it may have ended before
        assert code == 128 + number, errors
        assert errors.count("\n") <= 1
        assert not errors or f"stopped by {number.name}" in errors


@pytest.mark.parametrize("delay", [0.4, 0.8, 1.2])
def test_ctrl_c_does_not_reach_workers_that_start(
    script: Path, files: list[Path], tmp_path: Path, delay: float
) -> None:
    # A terminal sends it to all processes.
    options = ["--executor", "processes", "-j", "2", "--no-report", "-q"]
    code, errors = interrupted(
        script, ["match", *files, "-o", tmp_path / "out", *options], delay, signal.SIGINT, group=True
    )
    assert code in (0, 130), errors
    assert errors.count("\n") <= 1, errors  # workers that start included
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("program", "typed", "expected"),
    [
        ("-m", ["python", "-m", "evensky", "match"], True),
        ("-m", ["python", "-W", "error", "-m", "evensky"], True),
        ("/usr/bin/evensky", ["/usr/bin/python", "/usr/bin/evensky", "stats"], True),
        ("-m", ["python", "-m", "pytest", "evensky"], False),
        ("/usr/bin/evensky", ["python", "-c", "from multiprocessing.spawn import spawn_main"], False),
        ("script.py", ["python", "script.py"], False),
        ("-c", ["python", "-c", "import evensky", "-m", "evensky"], False),
        ("", ["python"], False),
    ],
)
def test_which_processes_are_the_command(program: str, typed: list[str], expected: bool) -> None:
    assert _command.is_command(program, typed) == expected


def test_handlers_are_set_before_any_module_is_imported() -> None:
    # While modules are imported, Ctrl-C would print a traceback.
    script = f"import sys\nbefore = set(sys.modules)\nexec(open({_command.__file__!r}).read())\n"
    script += "print(set(sys.modules) - before - {'__future__'})"
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_importing_the_package_leaves_signals_alone() -> None:
    script = "import signal\nbefore = signal.getsignal(2), signal.getsignal(15)\nimport evensky\n"
    script += "print(before == (signal.getsignal(2), signal.getsignal(15)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


class Finalized:
    """Object in whose finalizer, where exceptions are ignored, a signal arrives."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def in_finalizer() -> None:
    made = Finalized()
    del made


def swallowed() -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    except BaseException:
        pass


def replaced() -> None:
    # As Python does when a module is compiled that needs another one.
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    except BaseException as error:
        raise SyntaxError("cannot load a module") from error


@pytest.mark.parametrize("lose", [in_finalizer, swallowed, replaced])
@pytest.mark.parametrize("ends", [False, True])
def test_signals_are_not_lost(lose: Callable[[], None], ends: bool, capsys: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    def work() -> None:
        with stoppable("nothing was lost"):
            try:
                lose()
                time.sleep(0 if ends else 2)
                assert ends, "the signal was lost"
            finally:
                # Cleaning up takes longer than the time after which the signal is sent again.
                time.sleep(0 if ends else 0.5)
                cleaned.append(True)

    before = threading.active_count()
    with pytest.raises(SystemExit) as raised:
        work()
    assert cleaned == [True]
    assert raised.value.code == 143
    assert capsys.readouterr().err == "evensky: stopped by SIGTERM; nothing was lost\n"
    assert threading.active_count() == before


def test_a_second_signal_ends_the_cleaning_up(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with stoppable("nothing was lost"):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
                pytest.fail("goes on cleaning up")

    with pytest.raises(SystemExit) as raised:
        work()
    assert raised.value.code == 130
    assert capsys.readouterr().err == "evensky: stopped by SIGINT; nothing was lost\n"


def test_a_signal_is_repeated_in_the_main_thread() -> None:
    """Another thread may get to it only when an outer handler is set again, which would stop for a second time."""
    pending = set()

    def work() -> None:
        with stoppable("nothing was lost"):
            swallowed()
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            try:
                time.sleep(1)
                pending.update(signal.sigpending())
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            pytest.fail("the signal was lost")

    with pytest.raises(SystemExit) as raised:
        work()
    assert raised.value.code == 143
    assert pending == {signal.SIGTERM}
