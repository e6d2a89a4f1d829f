"""What is wrong, and where: values, and their rendering for a person.

A position is 1-based, in code points, in the coordinates of the file a person edits; the end is exclusive.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

ERROR = "error"
WARNING = "warning"

_CLIP = 160
_COLORS = {ERROR: "\033[1;31m", WARNING: "\033[1;33m"}
_BOLD, _DIM, _RESET = "\033[1m", "\033[2m", "\033[0m"


MAX_MISTAKES = 500
"""More than anybody reads; a bound on what a file of mistakes can cost."""


@dataclass(frozen=True)
class Diagnostic:
    """One mistake (``severity`` error) or doubt (warning) at one place.

    :param code: a stable word for the kind of mistake, such as ``unknown-key``.
    :param hint: what was expected and what to do; may be empty.
    :param text: the line it points into, for rendering; empty where there is none.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    severity: str
    code: str
    message: str
    hint: str = ""
    text: str = field(default="", repr=False, compare=False)

    @property
    def is_error(self) -> bool:
        """Whether it keeps the spec from being used."""
        return self.severity == ERROR


def in_order(diagnostics: Iterable[Diagnostic], *, main_file: str = "") -> tuple[Diagnostic, ...]:
    """Sort: errors before warnings, each by place; ``main_file`` before other files. Doubles are dropped."""
    unique = dict.fromkeys(diagnostics)
    return tuple(
        sorted(
            unique,
            key=lambda d: (d.severity != ERROR, d.file != main_file, d.file, d.line, d.column, d.code, d.message),
        )
    )


def render_diagnostics(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Render mistakes for a person: place and message, the line with carets below the word, what to do.

    >>> print(render_diagnostics([Diagnostic("a.yaml", 2, 3, 2, 9, "error", "unknown-key",
    ...     "unknown key `tabels`", "did you mean `tables`?", text="  tabels: {}")]))
    a.yaml:2:3: error[unknown-key]: unknown key `tabels`
        2 |   tabels: {}
          |   ^^^^^^
          = did you mean `tables`?
    """
    return "\n".join(_render(diagnostic, color) for diagnostic in diagnostics)


def _render(diagnostic: Diagnostic, color: bool) -> str:
    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if color else text

    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}"
    label = paint(_COLORS[diagnostic.severity], f"{diagnostic.severity}[{diagnostic.code}]")
    lines = [f"{paint(_BOLD, _printable(place))}: {label}: {_printable(diagnostic.message)}"]
    if diagnostic.text:
        shown, pad, carets = _underline(diagnostic)
        lines.append(f"{diagnostic.line:>5} {paint(_DIM, '|')} {shown}")
        lines.append(f"      {paint(_DIM, '|')} {pad}{paint(_COLORS[diagnostic.severity], carets)}")
    lines.extend(f"      {paint(_DIM, '=')} {_printable(part)}" for part in diagnostic.hint.splitlines())
    return "\n".join(lines)


def _underline(diagnostic: Diagnostic) -> tuple[str, str, str]:
    text, start = diagnostic.text, diagnostic.column - 1
    end = diagnostic.end_column - 1 if diagnostic.end_line == diagnostic.line else len(text)
    end = min(max(end, start + 1), max(len(text), start + 1))
    if len(text) > _CLIP:
        first = max(0, min(start - _CLIP // 3, len(text) - _CLIP))
        text = text[first : first + _CLIP]
        start, end = start - first, min(end - first, _CLIP)
    shown = "".join(char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in shown[:start])
    return shown.rstrip(), pad, "^" * max(1, sum(_width(char) for char in shown[start:end].rstrip()))


def _printable(text: str) -> str:
    """Let nothing of a file reach the terminal but what can be seen."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
