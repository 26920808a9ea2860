"""Texts that files and users may bring, each of which is markup somewhere, and tools that read pages as browsers do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

HARMLESS = "harmless"

HOSTILE = {
    # mathtext and TeX
    "pair of dollars": "$x_1$",
    "one dollar": "cost in $",
    "broken fraction": r"$\frac{1$",
    "unknown command": r"$\undefinedcommand{x}$",
    "fraction": r"$\frac{1}{2}$",
    "many dollars": "$" * 61,
    "huge formula": "$" + "x^{" * 200 + "$",
    "escaped dollar": r"\$5",
    "special characters of TeX": r"100 % of #1 & ~a_b^c{d}\e",
    # HTML
    "script": "<script>document.title = 'owned'</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": "\"><b onclick='x'>bold</b><a title=\"",
    "attribute with apostrophe": "' onmouseover='alert(1)",
    "title": "</title></style></h1><h1>big",
    "style": "</style><style>body { display: none }",
    "comment": "<!-- gone",
    "svg": "<svg><text>a</text></svg>",
    "entities": "&lt;b&gt;&amp;&#60;&nbsp",
    "address": "javascript:alert(1)",
    "data address": "data:text/html,<b>b</b>",
    "template": "{{ 7 * 7 }}{% raw %}{# gone #}",
    "formats": "{0} {stem} %s %(x)d %",
    # terminals
    "colour": "\x1b[31mred\x1b[0m",
    "window title": "\x1b]0;title\x07",
    "C1 control": "\x9b31mred",
    "carriage return": "good\rbad",
    "backspace": "bad\b\b\bgood",
    "lines": "two\nlines",
    "tab": "two\tcells",
    "form feed": "two\x0b\x0clines",
    "separators": "a\x85b\u2028c\u2029d",
    "zero": "a\0b",
    "right to left": "image\u202egnp.stif",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb\u200dc\ufeffd",
    "invisible letters": "a\u3164b\u115fc\u034fd\ufe0fe\U000e0101f",
    "tags": "a\U000e0041b",
    "undecodable": "lat\udce9",
    "stacked marks": "a" + "\u0301" * 20 + "b",
    # rich and tqdm
    "markup": "[red]x[/red]",
    "closing markup": "x[/]",
    "link": "[link=https://example.org]x[/link]",
    "escaped markup": r"\[bold]x",
    "backslash at the end": "x\\",
    "code of an emoji": ":smile:",
    "bar": "{l_bar}<bar/>{bar}",
    # fonts
    "Chinese": "\u65e5\u672c\u8a9e",
    "Hebrew": "\u05d0\u05d1\u05d2",
    "accents": "S\xe8vres",
    "emoji": "\U0001f52d",
    # spreadsheets and ECSV
    "formula": "=1+1",
    "formula with plus": "+1+1",
    "formula with minus": "-1+1",
    "formula with at": "@SUM(A1)",
    "formula after a tab": "\t=1+1",
    "wide formula": "\uff1d1+1",
    "remark": "#remark",
    "quoted": "'quoted",
    "quotes": '"quo"ted"',
    "ECSV": "%ECSV 1.0",
    "dashes": "--",
    "not a number": "nan",
    "commas": "a,b;c",
    # FITS
    "quote and slash": "it's / a comment",
    "ampersand at the end": "continued&",
    "END": "END",
    # sizes
    "long word": "x" * 3000,
    "long sentence": "many words " * 300,
    "spaces": "  aa   bb",
}
"""Name and text; each text stands for a kind."""

NOT_SHOWN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u034f\u115f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ud800-\udfff]"
)
"""Characters that no output may contain, apart from ends of lines."""

_VOID = {"br", "img", "meta", "link", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page, the texts that a browser shows, and all attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.drawn: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.declarations: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"elements that are not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["text"]:  # a number or a name in a drawing, which is shortened
            self.drawn.append(data)
        elif self._open[-1:] != ["style"]:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.declarations.append(data)

    def unknown_decl(self, data: str) -> None:
        self.declarations.append(data)

    def handle_pi(self, data: str) -> None:
        self.declarations.append(data)

    @property
    def text(self) -> str:
        """The texts in a row, with single spaces."""
        return " ".join("".join(self.texts).split())

    def names(self) -> list[tuple[str, str]]:
        """Elements and names of their attributes."""
        return [(tag, name) for tag, name, _ in self.attributes]

    def assert_closed_in(self) -> None:
        """Assert that the page loads nothing and runs nothing, and that its links lead to places on it."""
        targets = [value for _, name, value in self.attributes if name == "id"]
        assert len(targets) == len(set(targets)), "an id is given twice"
        assert not any(re.search(r"\s", target) or not target for target in targets)
        for tag, name, value in self.attributes:
            assert not name.startswith("on"), (tag, name, value)
            if name in ("src", "href"):
                assert value.startswith("data:image/png;base64,") or value[0] == "#", (tag, name, value[:80])
                assert value[0] != "#" or value[1:] in targets, value
        assert "script" not in self.tags
