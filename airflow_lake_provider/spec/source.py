"""The text of a file with its lines, and reading one safely."""

from __future__ import annotations

import bisect
import errno
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import ERROR, Diagnostic, render_diagnostics

MAX_BYTES = 1_000_000
"""More than any spec needs; a bound on what a parse can cost."""

_MOST = 2_000
"""Characters of a message, or of its hint; what is quoted in it may be as long as a file."""

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Source:
    """A file's text; ``name`` is how messages call it."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        r"""Return line and column (1-based, code points) of a character.

        >>> Source("a", "ab\ncd").position(4)
        (2, 2)
        """
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int) -> int:
        r"""Return the place of a line's first character; of a line past the last, the end of the text.

        >>> Source("a", "ab\ncd").offset(2)
        3
        """
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def line(self, number: int) -> str:
        """Return a line without its end; the same object each time, for a thousand mistakes may stand in one."""
        if number not in self._lines:
            self._lines[number] = self._line(number)
        return self._lines[number]

    @cached_property
    def places(self) -> dict[tuple[int, int, str], list[tuple[int, int]] | None]:
        """For texts of the file, by their place and style, where each of their characters stands."""
        return {}

    @cached_property
    def _lines(self) -> dict[int, str]:
        return {}

    def _line(self, number: int) -> str:
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def diagnostic(
        self, start: int, end: int, *, code: str, message: str, hint: str = "", severity: str = ERROR
    ) -> Diagnostic:
        """Make a diagnostic of the characters from ``start`` to before ``end``."""
        message, hint = (said if len(said) <= _MOST else f"{said[:_MOST]}..." for said in (message, hint))
        start = min(max(start, 0), len(self.text))
        end = min(max(end, start), len(self.text))
        line, column = self.position(start)
        end_line, end_column = self.position(end)
        return Diagnostic(
            file=self.name,
            line=line,
            column=column,
            end_line=end_line,
            end_column=end_column,
            severity=severity,
            code=code,
            message=message,
            hint=hint,
            text=self.line(line),
        )


def read_source(path: Path) -> Source:
    """Read a UTF-8 file (a byte order mark is skipped).

    :raises SpecError: it is not UTF-8 (with the place of the first wrong byte), or too big.
    :raises OSError: it is missing or unreadable.
    """
    if path.exists() and not path.is_file():  # to open a pipe would wait for its writer
        raise OSError(errno.EINVAL, "is no file", str(path))
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _unreadable(path, 1, 1, "too-big", f"the file is bigger than {MAX_BYTES:,} bytes", "Split it.")
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        before = Source(str(path), data[: exc.start].decode("utf-8"))
        line, column = before.position(len(before.text))
        raise _unreadable(
            path, line, column, "not-utf-8", f"byte 0x{data[exc.start]:02x} is not UTF-8", "Save the file as UTF-8."
        ) from exc
    return Source(str(path), text)


def _unreadable(path: Path, line: int, column: int, code: str, message: str, hint: str) -> SpecError:
    diagnostic = Diagnostic(str(path), line, column, line, column + 1, ERROR, code, message, hint)
    return SpecError(render_diagnostics([diagnostic]), diagnostics=(diagnostic,))
