"""``python -m evensky`` is the command line."""

from .cli import main

main(prog_name="evensky")
