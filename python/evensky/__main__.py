"""The command line, run by ``python -m evensky``."""

from .cli import main

if __name__ == "__main__":  # MPI workers import this module, too
    main(prog_name="evensky")
