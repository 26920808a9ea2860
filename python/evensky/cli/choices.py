"""Options that several commands have: a command gets all of one kind as one object.

Each option is a field of a class, with its help. ``@takes(FileChoice, "files")`` adds the options of the class to a
command, which is called with ``files=FileChoice(...)``.
"""

from __future__ import annotations

__all__ = ["FileChoice", "PlaneChoice", "RunChoice", "adds", "memory_option", "option", "scratch_option", "takes"]

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from .._checks import byte_limit, names_of
from ..fits.companions import split_extension
from ..fits.descriptions import ALLOWED, Selection
from ..io.file_names import fill_selection, unique_labels
from .option_types import COUNT, PATH

_PATTERN = (
    "an HDU, a file, or a file pattern such as 'masks/{stem}_mask.fits[DQ]', in which {stem}, {name} and {dir} stand "
    "for the stem, the name and the folder of the exposure's file, {stem:s/OLD/NEW/} for the stem with a part "
    "replaced, and {extname} and {extver} for the name and the version of the image's HDU. none ignores it."
)


def option(*names: str, default: Any = None, **attributes: Any) -> Any:
    """Return a field of a class of options; names and attributes are those of `click.option`."""
    return field(default=default, metadata={"names": names, "attributes": attributes})


@dataclass(frozen=True)
class PlaneChoice:
    """The image of a file, its planes and its bad pixels."""

    hdu: str | None = option(
        "--hdu",
        metavar="HDU",
        help="The image: number of an HDU, its name, or name and version as in SCI,2. By default, all science images "
        "of the layout.",
    )
    mask: str | None = option(
        "--mask", metavar="SPEC", help=f"Location of the mask, if it is not where the layout has it: {_PATTERN}"
    )
    variance: str | None = option(
        "--variance",
        metavar="SPEC",
        help="Location of the variances or standard deviations, as for --mask; the header or the name of the HDU says "
        "which they are.",
    )
    weight: str | None = option(
        "--weight",
        metavar="SPEC",
        help="Location of the weights (inverse variances), as for --mask. Pixels of weight 0 do not count.",
    )
    bad_planes: str | None = option(
        "--bad-planes",
        metavar="NAMES",
        help="Mask planes whose pixels do not count, separated by commas: names, or values of flags such as 4 or "
        "4096+8192. By default those that the layout of the file calls bad.",
    )
    good_bits: str | None = option(
        "--good-bits",
        metavar="NAMES",
        help="Mask planes whose pixels count although they are bad by default, as for --bad-planes.",
    )
    max_unpacked: str | None = option(
        "--max-unpacked",
        metavar="BYTES",
        help="Bytes, such as 4GB, to which a compressed file may be unpacked, for a file that is refused because it "
        "claims too much. By default 1100 times its size, and half of the memory if it is compressed as a whole.",
    )

    def selection_of(self, file: Path) -> tuple[Path, Selection]:
        """Return a file, without the image in brackets, and the selection that the options make."""
        path, named = split_extension(file)
        hdu = named if self.hdu is None else self.hdu
        most = byte_limit(self.max_unpacked, "--max-unpacked")
        bad, good = names_of(self.bad_planes), names_of(self.good_bits) or ()
        selection = Selection(hdu, self.mask, self.variance, self.weight, bad, good, most)
        return path, fill_selection(selection, path, unique_labels([path])[0])


@dataclass(frozen=True)
class FileChoice(PlaneChoice):
    """How the files of a set are used."""

    same_grid: bool = option(
        "--same-grid",
        default=False,
        is_flag=True,
        help="Take the exposures to be on one pixel grid, whatever their WCS says.",
    )
    allow: tuple[str, ...] = option(
        "--allow",
        default=(),
        type=click.Choice(list(ALLOWED)),
        multiple=True,
        help="Do not refuse "
        + "; ".join(f"{meaning} ({name})" for name, meaning in ALLOWED.items())
        + ". May be repeated.",
    )
    strict: bool = option(
        "--strict",
        default=False,
        is_flag=True,
        help="Refuse the exposures if anything about them is doubtful: any note but those that say what is used. After "
        "a match, fail if a flag says that results may be wrong.",
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `evensky.inspect_files`, `match_files` and `combine_files` that have these names.

        They are all but `strict`, which `inspect_files` does not have.
        """
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "strict"}


@dataclass(frozen=True)
class RunChoice:
    """How a run over files is done; texts of its help that depend on the command are given to `takes`."""

    workers: int = option(
        "--workers", "-j", default=1, show_default=True, type=COUNT, help="Number of jobs that run at once."
    )
    executor: str = option(
        "--executor",
        metavar="NAME",
        default="threads",
        show_default=True,
        help="Executor of the jobs: threads, processes, dask (processes of a local cluster), dask:ADDRESS (the "
        "scheduler of a cluster, whose machines must see the same files), or mpi (under mpiexec -n 1 python -m "
        "mpi4py.futures, or with processes that MPI starts).",
    )
    scratch: Path | None = option(  # noqa: RUF009 - it makes a field
        "--scratch", type=PATH, help="Folder in which to keep pixels on disk, for images larger than memory."
    )
    max_memory: str | None = option(
        "--max-memory",
        metavar="BYTES",
        help="Memory to stay below, such as 2GB or 512MiB: with fewer workers, or with pixels on disk, in the folder "
        "of --scratch or where there is room. By default, three quarters of the memory that is free.",
    )
    compress: bool = option("--compress", default=False, is_flag=True)
    overwrite: bool = option("--overwrite", default=False, is_flag=True)
    resume: bool = option("--resume", default=False, is_flag=True)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of `evensky.match_files` and `combine_files` that have these names."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def _is_switch(one: Field[Any]) -> bool:
    """Return whether an option has a name for yes and one for no; click takes no for its default, if none is given."""
    return any("/" in name for name in one.metadata["names"])


def adds(kind: type, *names: str, **texts: str) -> Callable[[Any], Any]:
    """Return a decorator that adds the options of a class to a command, whose parameters they are.

    Parameters
    ----------
    kind : type
        One of the classes of this file.
    *names : str
        Which of its options; all if none are named.
    **texts : str
        Help of some options, in place of that of the class.
    """
    options = [
        click.option(
            one.name,
            *one.metadata["names"],
            **one.metadata["attributes"]
            | ({} if one.default is None and not _is_switch(one) else {"default": one.default})
            | ({"help": texts[one.name]} if one.name in texts else {}),
        )
        for one in fields(kind)
        if not names or one.name in names
    ]

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


scratch_option = adds(RunChoice, "scratch")
memory_option = adds(RunChoice, "max_memory")


def takes(kind: type, name: str, **texts: str) -> Callable[[Any], Any]:
    """Return a decorator that adds the options of a class to a command, which gets them as one object.

    Parameters
    ----------
    kind : type
        One of the classes of this file.
    name : str
        Parameter of the command for the object.
    **texts : str
        Help of some options, in place of that of the class.
    """

    def decorate(command: Any) -> Any:
        @wraps(command)
        def called(*args: Any, **given: Any) -> Any:
            chosen = kind(**{one.name: given.pop(one.name) for one in fields(kind)})
            return command(*args, **given, **{name: chosen})

        return adds(kind, **texts)(called)

    return decorate
