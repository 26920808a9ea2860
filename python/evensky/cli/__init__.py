"""The command line: ``evensky match``, ``background``, ``stats`` and ``demo``."""

from __future__ import annotations

__all__ = ["main"]

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .._core import __version__
from .._paths import get_cmake_dir, get_include
from .options import Commands, one_line

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _path_option(name: str, path: Callable[[], str], text: str) -> Callable[[_Function], _Function]:
    """Return an option that prints one of the package's folders instead of running a command."""

    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            with one_line():
                click.echo(path())
            ctx.exit()

    return click.option(name, is_flag=True, expose_value=False, is_eager=True, callback=show, help=text)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="evensky")
@_path_option("--cmakedir", get_cmake_dir, "Print the folder of the C++ library's CMake package and exit.")
@_path_option("--includedir", get_include, "Print the folder of the C++ library's headers and exit.")
@click.option("--verbose", "-v", is_flag=True, help="Show the log.")
@click.pass_context
def main(ctx: click.Context, verbose: bool) -> None:
    """Even out the backgrounds of astronomical exposures.

    Try "evensky demo" first: it simulates exposures, matches them, and compares the result with the truth.
    """
    if not sys.warnoptions:
        # Libraries print several lines for each unusual card or number; the important warnings are in the summary.
        ctx.with_resource(warnings.catch_warnings())
        warnings.simplefilter("ignore")
    log = logging.getLogger("evensky")
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    else:
        # Warnings of single exposures are part of the summary.
        log.addHandler(logging.NullHandler())
        log.propagate = False
