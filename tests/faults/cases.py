"""Small runs that are disturbed, and what must hold after each."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from evensky.errors import FitsError
from evensky.runs.run_file import load_run

TABLES = ("matched.ecsv", "overlaps.ecsv")
REPORT = "report.html"
RUN = "matched.run"
JOURNAL = "matched.journal"
COVARIANCE = "matched.covariance.fits"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder: Path) -> dict[str, str]:
    """Digest all files in a folder and its folders."""
    return {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclass
class Ended:
    """A process that has ended.

    Attributes
    ----------
    code : int
        Exit code; minus the number of the signal that killed it.
    text : str
        What it has written to the terminal.
    outlived : int
        Number of processes that it has left behind.
    """

    code: int
    text: str
    outlived: int = 0


@dataclass
class Case:
    """A command that is disturbed.

    Parameters
    ----------
    name : str
    arguments : sequence of str
        Its arguments, without inputs and outputs.
    only : str
        Text in the paths of the files on which calls are disturbed.
    """

    name: str
    arguments: Sequence[str]
    only: str = ""
    inputs: Path = Path()
    out: Path = Path()
    whole: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)

    def command(self, *, again: bool = False) -> list[str]:
        """Return the arguments of the command, or those with which a user continues after a failure."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the folders as they are before the command."""
        shutil.rmtree(self.out, ignore_errors=True)
        if self.out.exists():
            raise RuntimeError(f"{self.out} cannot be removed")

    def learn(self, ended: Ended) -> None:
        """Take the results of an undisturbed command as those that are right."""
        raise NotImplementedError

    def faults_of(self, ended: Ended, *, killed: bool, exact: bool, untidy: str) -> list[str]:
        """Return what is wrong after a disturbed command.

        Parameters
        ----------
        ended : Ended
        killed : bool
            Whether the main process was killed.
        exact : bool
            Whether the command must succeed with the undisturbed results, as nothing was lost.
        untidy : str
            Pattern of the names of temporary files that may remain, as they could not be removed.
        """
        raise NotImplementedError

    def faults_of_second(self, ended: Ended) -> list[str]:
        """Return what is wrong after the command with which a user continues."""
        raise NotImplementedError


def said(ended: Ended, codes: Sequence[int]) -> list[str]:
    """Return what is wrong with the exit code and the messages of a command."""
    wrong = []
    if ended.code not in codes:
        wrong.append(f"exit code {ended.code}")
    for word in ("Traceback", "Exception ignored", "Error in atexit", "Fatal Python", "core dumped", "INTERNALERROR"):
        if word in ended.text:
            wrong.append(f"{word} in the messages")
    if ended.code > 0 and not ended.text.strip():
        wrong.append("no message")
    if ended.outlived:
        wrong.append(f"{ended.outlived} processes outlive the run")
    return wrong


def is_whole_fits(path: Path, shape: tuple[int, int]) -> bool:
    """Return whether all pixels of all HDUs can be read, and have the shape of the exposures."""
    content = path.read_bytes()
    try:
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            data = [hdu.data for hdu in hdus if hdu.data is not None]
    except Exception:  # astropy raises anything for a damaged file
        return False
    return len(content) % 2880 == 0 and bool(data) and all(np.shape(one) == shape for one in data)


def rows_of(path: Path) -> list[str]:
    """Return the lines of a table, without its metadata, which hold the time of the run."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


class MatchCase(Case):
    """``evensky match`` over the exposures."""

    @property
    def wants_report(self) -> bool:
        return "--report" in self.arguments

    def _files(self) -> list[str]:
        return [str(path) for path in sorted(self.inputs.glob("*.fits*"))]

    def _right(self, name: str, found: str) -> bool:
        """Return whether an output may have this digest."""
        return found == self.whole[name]

    def command(self, *, again: bool = False) -> list[str]:
        words = [word for word in self.arguments if not again or word != "--overwrite"]
        return ["match", *self._files(), "--out", str(self.out), *words, *(["--resume"] if again else [])]

    def learn(self, ended: Ended) -> None:
        assert ended.code == 0, ended
        found = contents(self.out)
        self.whole = {name: one for name, one in found.items() if "_matched.fits" in name}
        self.rows = {name: rows_of(self.out / name) for name in TABLES if name in found}
        assert len(self.whole) == 3, found
        assert set(found) == self._allowed(), found

    def _allowed(self) -> set[str]:
        joint = [COVARIANCE] if "overlaps.ecsv" in self.rows else []
        return {*self.whole, *self.rows, JOURNAL, *joint, *([REPORT, RUN] if self.wants_report else [])}

    def _unfinished(self, found: dict[str, str]) -> list[str]:
        """Return which files with final names are not whole."""
        wrong = []
        for name in self.rows:
            if name not in found:
                continue
            few = len(rows_of(self.out / name)) < len(self.rows[name])
            # An exposure that failed has no overlaps.
            if few and (name == "matched.ecsv" or not self._failed(found)):
                wrong.append(f"{name} is not whole")
        if REPORT in found and not (self.out / REPORT).read_bytes().rstrip().endswith(b"</html>"):
            wrong.append(f"{REPORT} is not whole")
        if RUN in found:
            try:
                load_run(self.out)
            except FitsError as error:
                wrong.append(str(error))
        return wrong

    def _failed(self, found: dict[str, str]) -> bool:
        """Return whether the table tells of an exposure that failed."""
        return "matched.ecsv" in found and any(" failed " in line for line in rows_of(self.out / "matched.ecsv"))

    @staticmethod
    def _has_told(ended: Ended) -> bool:
        """Return whether a run says that its reference was chosen when an exposure could not be read."""
        text = " ".join(ended.text.split())
        return "The reference was chosen without" in text or "The reference was chosen, and the costs" in text

    def faults_of(self, ended: Ended, *, killed: bool, exact: bool, untidy: str) -> list[str]:
        wrong = said(ended, (-9,) if killed else (0,) if exact else (0, 1, 2))
        found = contents(self.out) if self.out.exists() else {}
        more = sorted(name for name in set(found) - self._allowed() if not re.search(untidy or "$.", name))
        if more and not killed:
            wrong.append(f"left: {', '.join(more)}")
        # Without one of the exposures, the joint solution differs; outputs must then still be whole.
        differ = [name for name in self.whole if name in found and not self._right(name, found[name])]
        if differ and (killed or not (self._failed(found) or self._has_told(ended))):
            wrong.append(f"differ: {', '.join(differ)}")
        elif not all(is_whole_fits(self.out / name, (64, 64)) for name in differ):
            wrong.append(f"not whole: {', '.join(differ)}")
        wrong += self._unfinished(found)
        if ended.code == 0 and not killed:
            if lost := sorted(self._allowed() - set(found)):
                wrong.append(f"exit code 0, but without {', '.join(lost)}")
            elif self._failed(found):
                wrong.append("exit code 0, but an exposure failed")
            elif not self._has_told(ended) and any(found[name] != self.whole[name] for name in self.whole):
                wrong.append("exit code 0, but other outputs")
        if ended.code == 1 and not killed and "matched.ecsv" not in found and "evensky: " not in ended.text:
            wrong.append("no table, and no message that says why")
        return wrong

    def faults_of_second(self, ended: Ended) -> list[str]:
        wrong = [f"resumed: {one}" for one in said(ended, (0,))]
        found = contents(self.out) if self.out.exists() else {}
        if {name: found.get(name) for name in self.whole} != self.whole:
            whole = all(name in found and is_whole_fits(self.out / name, (64, 64)) for name in self.whole)
            if not (whole and self._has_told(ended)):
                wrong.append("resumed: other outputs")
        if set(found) != self._allowed():
            wrong.append(f"resumed: {sorted(set(found) ^ self._allowed())} are left or missing")
        wrong += [f"resumed: {one}" for one in self._unfinished(found)]
        if self._failed(found):
            wrong.append("resumed: an exposure failed")
        return wrong


class OverwriteCase(MatchCase):
    """``evensky match --overwrite`` over the results of a run with another configuration.

    Attributes
    ----------
    earlier : Path
        Folder with the earlier results, which each command finds.
    """

    @property
    def earlier(self) -> Path:
        return self.out.with_name("earlier")

    def first_command(self) -> list[str]:
        """Return the arguments of the run before."""
        words = [word.replace("=16", "=32") for word in self.arguments if word != "--overwrite"]
        return ["match", *self._files(), "--out", str(self.out), *words]

    def prepare(self) -> None:
        super().prepare()
        if self.earlier.exists():
            shutil.copytree(self.earlier, self.out)

    def keep_first(self) -> None:
        """Keep the results of the run before."""
        shutil.rmtree(self.earlier, ignore_errors=True)
        shutil.copytree(self.out, self.earlier)

    def command(self, *, again: bool = False) -> list[str]:
        # What was replaced is in the journal, or the journal is still that of the earlier run.
        return ["match", *self._files(), "--out", str(self.out), *self.arguments]

    def _right(self, name: str, found: str) -> bool:
        return found in (self.whole[name], digest(self.earlier / name))


class BackgroundCase(Case):
    """``evensky background`` with all its outputs."""

    NAMES = ("model.fits", "rms.fits", "subtracted.fits")

    def command(self, *, again: bool = False) -> list[str]:
        file = min(self.inputs.glob("*.fits*"))
        model, rms, subtracted = (str(self.out / name) for name in self.NAMES)
        more = ["--overwrite"] if again else []
        return [
            "background",
            str(file),
            "--out",
            model,
            "--rms",
            rms,
            "--subtracted",
            subtracted,
            *self.arguments,
            *more,
        ]

    def prepare(self) -> None:
        super().prepare()
        self.out.mkdir()

    def learn(self, ended: Ended) -> None:
        assert ended.code == 0, ended
        self.whole = contents(self.out)
        assert set(self.whole) == set(self.NAMES), self.whole

    def faults_of(self, ended: Ended, *, killed: bool, exact: bool, untidy: str) -> list[str]:
        wrong = said(ended, (-9,) if killed else (0,) if exact else (0, 1, 2))
        found = contents(self.out)
        if not found.items() <= self.whole.items():
            more = sorted(name for name in set(found) - set(self.whole) if not re.search(untidy or "$.", name))
            if differ := [name for name in found if name in self.whole and found[name] != self.whole[name]]:
                wrong.append(f"differ: {', '.join(differ)}")
            if more and not killed:
                wrong.append(f"left: {', '.join(more)}")
        if ended.code == 0 and not killed and not self.whole.items() <= found.items():
            wrong.append(f"exit code 0, but without {', '.join(sorted(set(self.whole) - set(found)))}")
        return wrong

    def faults_of_second(self, ended: Ended) -> list[str]:
        wrong = [f"again: {one}" for one in said(ended, (0,))]
        found = contents(self.out)
        if not self.whole.items() <= found.items():
            wrong.append("again: other outputs")
        elif found != self.whole:
            wrong.append(f"again: left: {', '.join(sorted(set(found) - set(self.whole)))}")
        return wrong


class FilesCase(Case):
    """A command, or a function of this module, that writes new files into a folder."""

    def command(self, *, again: bool = False) -> list[str]:
        more = ["--overwrite"] if again and self.arguments[0] == "demo" else []
        return [*self.arguments, str(self.out), *more]

    def _found(self) -> dict[str, str]:
        return contents(self.out) if self.out.exists() else {}

    def learn(self, ended: Ended) -> None:
        assert ended.code == 0, ended
        self.whole = self._found()
        assert self.whole

    def faults_of(self, ended: Ended, *, killed: bool, exact: bool, untidy: str) -> list[str]:
        wrong = said(ended, (-9,) if killed else (0,) if exact else (0, 1, 2))
        found = self._found()
        told = ended.code == 1 and " failed" in ended.text  # the others are then matched without it
        pixels = {name for name in found if name in self.whole and name.endswith(".fits")}
        differ = [name for name in pixels if found[name] != self.whole[name]]
        if differ and (killed or not told):
            wrong.append(f"differ: {', '.join(differ)}")
        more = sorted(name for name in set(found) - set(self.whole) if not re.search(untidy or "$.", name))
        if more and not killed:
            wrong.append(f"left: {', '.join(more)}")
        if ended.code == 0 and not killed and (lost := sorted(set(self.whole) - set(found))):
            wrong.append(f"exit code 0, but without {', '.join(lost)}")
        return wrong

    def faults_of_second(self, ended: Ended) -> list[str]:
        wrong = [f"again: {one}" for one in said(ended, (0,))]
        found = self._found()
        if differ := [name for name in self.whole if name.endswith(".fits") and found.get(name) != self.whole[name]]:
            wrong.append(f"again: differ: {', '.join(differ)}")
        if set(found) != set(self.whole):
            wrong.append(f"again: {sorted(set(found) ^ set(self.whole))} are left or missing")
        return wrong


def write_from_python(inputs: Path, out: Path) -> int:
    """Match visits of a tract and write the warps, as a script does; model a background and write it, too."""
    import evensky
    from evensky.image import ExposureF
    from evensky.math import ApproximateControl, BackgroundControl, BackgroundList, makeBackground
    from evensky.tasks.tract import SkyMap

    try:
        out.mkdir(exist_ok=True)
        warps = {(visit, patch): inputs / "warps" / f"{visit}-{patch}.fits" for visit in (1, 2, 3) for patch in (0, 1)}
        result = evensky.match_tract(warps, SkyMap({0: tract()}), bin_size=16)
        for (visit, patch), warp in result.warps.items():
            warp.writeFits(out / f"warp-{visit}-{patch}.fits")
        exposure = ExposureF.readFits(inputs / "demo_01.fits")
        background = makeBackground(exposure.maskedImage, BackgroundControl("LINEAR", 4, 4))
        BackgroundList((background, "LINEAR", "THROW_EXCEPTION", ApproximateControl.UNKNOWN, 0, 0, False)).writeFits(
            out / "list.fits"
        )
    except (evensky.errors.EvenskyError, MemoryError) as error:
        print(f"evensky: {error or type(error).__name__}")
        return 1
    if failed := [record for record in result.run.records if record.status == "failed"]:
        print(f"{len(failed)} failed: {failed[0].message}")
        return 1
    return 0


def tract() -> Any:
    """Return a tract of two patches."""
    from evensky.tasks.tract import TractInfo

    return TractInfo(patch=(64, 64), number=(2, 1), border=8)


def write_warps(folder: Path) -> None:
    """Write three visits of the tract."""
    from evensky.image import ExposureF

    info, random = tract(), np.random.default_rng(5)
    for visit in (1, 2, 3):
        for patch in (0, 1):
            warp = ExposureF(info[patch].getOuterBBox())
            warp.image.array[:] = random.normal(10 * visit, 1, warp.image.array.shape)
            warp.variance.array[:] = 1
            warp.writeFits(folder / f"{visit}-{patch}.fits")


class ReadingCase(Case):
    """A command that only reads, and prints."""

    text: str = ""

    def command(self, *, again: bool = False) -> list[str]:
        files = [str(path) for path in sorted(self.inputs.glob("*.fits*"))]
        return [*self.arguments, *(files if self.arguments[0] == "inspect" else files[:1])]

    def learn(self, ended: Ended) -> None:
        assert ended.code == 0, ended
        self.text = ended.text

    def faults_of(self, ended: Ended, *, killed: bool, exact: bool, untidy: str) -> list[str]:
        wrong = said(ended, (-9,) if killed else (0,) if exact else (0, 1, 2, 3))
        # A note says what was left out for want of memory.
        if ended.code == 0 and ended.text != self.text and (exact or "memory" not in ended.text.lower()):
            wrong.append("exit code 0, but another text")
        return wrong

    def faults_of_second(self, ended: Ended) -> list[str]:
        return said(ended, (0,)) + ([] if ended.text == self.text else ["again: another text"])


def unchanged(inputs: Path, before: dict[str, str]) -> list[str]:
    """Return what is wrong with the inputs, which must never change."""
    return [] if contents(inputs) == before else ["the inputs have changed"]


def make_inputs(folder: Path) -> None:
    """Write three exposures of 64 x 64 pixels."""
    from evensky.simulate import make_exposures, write_exposures

    write_exposures(make_exposures(3, (64, 64), seed=3), folder)
    (folder / "warps").mkdir()
    write_warps(folder / "warps")


def processes_left(group: int) -> list[int]:
    """Return the processes of a group that are alive."""
    left = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            left.append(int(name))
    return left


CASES: dict[str, Any] = {
    "reference": (MatchCase, ["--method", "reference", "-c", "binSize=16", "--no-report"]),
    "all": (MatchCase, ["--method", "all", "-c", "bin_size=16", "--no-report"]),
    "report": (MatchCase, ["--method", "reference", "-c", "binSize=16", "--report"]),
    "compress": (MatchCase, ["--method", "reference", "-c", "binSize=16", "--no-report", "--compress"]),
    "scratch": (MatchCase, ["--method", "all", "-c", "bin_size=16", "--no-report", "--scratch", "SCRATCH"]),
    "overwrite": (OverwriteCase, ["--method", "reference", "-c", "binSize=16", "--no-report", "--overwrite"]),
    "background": (BackgroundCase, ["--bin-size", "16"]),
    "tract": (FilesCase, ["write_from_python"]),
    "demo": (FilesCase, ["demo", "--number", "2", "--size", "256"]),
    "stats": (ReadingCase, ["stats"]),
    "inspect": (ReadingCase, ["inspect"]),
}
