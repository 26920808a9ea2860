"""Draw the layers of the package, images/architecture.svg. Usage: python docs/make_architecture.py"""

from __future__ import annotations

from html import escape
from pathlib import Path

# For each group: its name, its colours, and its layers from top to bottom with what they hold.
GROUPS = [
    (
        "For users",
        ("#dbe9f6", "#2b6ca3"),
        [
            [("cli/", "commands: match, combine, inspect, report, stats, ...")],
            [("compat/", "photutils and sep by their names")],
            [("calls/", "evensky.match_all, combine, match_files, ...")],
            [("report/", "the page of a run"), ("interop/", "lsst.images, pipelines")],
            [("simulate.py", "exposures with a known truth")],
        ],
    ),
    (
        "Runs",
        ("#e0f0e3", "#2f7d4f"),
        [
            [("runs/", "survey, source, method, executor, journal, records")],
            [("tasks/", "mirrored: pairs, tracts, focal planes, sky frames")],
        ],
    ),
    (
        "Science",
        ("#fbeedb", "#a9691a"),
        [
            [("combining/", "many exposures to one image; grids; resampling")],
            [("matching/", "pair, reference, sky, bins of tracts; joint/ for all at once")],
            [("work/", "executors and jobs; memory; what a process keeps")],
        ],
    ),
    (
        "Exposures",
        ("#ece4f5", "#6b4c9a"),
        [
            [("math/", "mirrored: statistics, stacks, background, ...")],
            [("io/", "files to exposures and back; lock of a folder")],
            [("image/", "mirrored: Image, Mask, Exposure; foreign arrays")],
            [("fits/", "layouts; limits; files to plain planes; copies")],
        ],
    ),
    (
        "Base",
        ("#ececec", "#555555"),
        [
            [("draw/", "figures, tables, progress from plain numbers")],
            [("geom errors _...", "boxes, errors, checks, text, processes")],
        ],
    ),
    (
        "C++",
        ("#f8e0e0", "#a33c3c"),
        [
            [("python/bindings/", "_core: numpy to views, GIL released")],
            [("cpp/", "the core: statistics, splines, pairs, kernels")],
        ],
    ),
]
WIDTH, BOX, GAP, BETWEEN, TOP = 760, 40, 6, 14, 8
LEFT, RIGHT = 46, 704


def box(x: float, y: float, width: float, name: str, text: str, colours: tuple[str, str], indent: float) -> list[str]:
    """One layer, or a part of one."""
    fill, line = colours
    middle = y + BOX / 2 + 5.5
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{BOX}" rx="5" fill="{fill}" stroke="{line}"/>',
        f'<text x="{x + 12}" y="{middle}" class="name">{escape(name)}</text>',
        f'<text x="{x + indent}" y="{middle}">{escape(text)}</text>',
    ]


def main() -> None:
    parts: list[str] = []
    y = TOP
    for group, colours, layers in GROUPS:
        begin = y
        for layer in layers:
            width = (RIGHT - LEFT - GAP * (len(layer) - 1)) / len(layer)
            for k, (name, text) in enumerate(layer):
                indent = 190 if len(layer) == 1 else 98 if k == 0 else 128
                parts += box(LEFT + k * (width + GAP), y, width, name, text, colours, indent)
            y += BOX + GAP
        y -= GAP
        centre = (begin + y) / 2
        parts.append(f'<rect x="10" y="{begin}" width="28" height="{y - begin}" rx="5" fill="{colours[1]}"/>')
        parts.append(
            f'<text transform="translate(29.5 {centre}) rotate(-90)" class="group" text-anchor="middle">{group}</text>'
        )
        y += BETWEEN
    end = y - BETWEEN
    parts.append(f'<path d="M724 {TOP + 4} V{end - 4}" class="arrow" marker-end="url(#head)"/>')
    parts.append(
        f'<text transform="translate(745 {(TOP + end) / 2}) rotate(-90)" text-anchor="middle" class="note">'
        "imports go down only</text>"
    )
    height = end + TOP
    style = (
        "text{font:15px 'DejaVu Sans',Verdana,Helvetica,sans-serif;fill:#222}"
        ".name{font:bold 15px 'DejaVu Sans Mono',Menlo,Consolas,monospace}"
        ".group{font-weight:bold;font-size:14px;fill:#fff}.note{fill:#555}"
        ".arrow{stroke:#777;stroke-width:2.5;fill:none}"
    )
    head = (
        '<defs><marker id="head" markerWidth="9" markerHeight="9" refX="4" refY="3" orient="auto">'
        '<path d="M0 0 L6 3 L0 6 z" fill="#777"/></marker></defs>'
    )
    svg = "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>The layers of evensky, from the commands at the top to the C++ core at the bottom</title>",
            f"<style>{style}</style>",
            head,
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
    (Path(__file__).parent / "images" / "architecture.svg").write_text(svg)


if __name__ == "__main__":
    main()
