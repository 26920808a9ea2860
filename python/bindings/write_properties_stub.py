"""Writer of the stub of ``evensky._properties`` from the compiled core's table of statistics.

Run it after adding a row to ``cpp/include/evensky/properties.hpp`` and building the core; a test compares the stub with
the table.
"""

from __future__ import annotations

from pathlib import Path

from evensky._core import Property

STUB = Path(__file__).parents[1] / "evensky" / "_properties.pyi"


def stub() -> str:
    """Return the text of the stub."""
    names = list(Property.__members__)
    return "\n".join(
        [
            '"""Made by python/bindings/write_properties_stub.py from the core\'s table of statistics."""',
            "",
            "import enum",
            "",
            "__all__ = [",
            *(f'    "{name}",' for name in sorted(names)),
            '    "Property",',
            "]",
            "",
            "class Property(enum.IntFlag):",
            *(f"    {name} = {int(Property[name]):#x}" for name in names),
            "",
            *(f"{name}: Property" for name in names),
            "",
        ]
    )


if __name__ == "__main__":
    STUB.write_text(stub())
