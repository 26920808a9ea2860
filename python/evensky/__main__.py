"""``python -m evensky`` is the command line."""

from .cli import main

if __name__ == "__main__":  # workers of MPI import it, too
    main(prog_name="evensky")
