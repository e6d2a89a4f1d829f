"""What ``.airflowignore`` files leave out, as Airflow's default (gitignore-like globs) reads them."""

from __future__ import annotations

import re
from pathlib import Path

IGNORE_FILE = ".airflowignore"


class Ignored:
    """The patterns met on the way down a tree of folders.

    Airflow 3 reads globs, Airflow 2 regular expressions unless it is told otherwise; a line that is no glob (it has
    ``.*`` or anchors) is read as a regular expression, so that one file serves both.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._patterns: list[tuple[Path, bool, re.Pattern[str], bool]] = []
        self._entered: set[Path] = set()

    def enter(self, folder: Path) -> None:
        """Read the folder's ignore file, if it has one."""
        if folder in self._entered:
            return
        self._entered.add(folder)
        try:
            lines = (folder / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            negated = text.startswith("!")
            text = text.removeprefix("!")
            pattern = _compile(text)
            if pattern is not None:
                self._patterns.append((folder, negated, pattern, text.endswith("/")))

    def matches(self, path: Path, *, is_dir: bool = False) -> bool:
        """Whether the last pattern that fits a file or folder leaves it out."""
        out = False
        for folder, negated, pattern, folders_only in self._patterns:
            if folders_only and not is_dir:
                continue
            if folder in path.parents and pattern.search(path.relative_to(folder).as_posix()):
                out = not negated
        return out


def _compile(text: str) -> re.Pattern[str] | None:
    if re.search(r"\.\*|\\|[\^$+()|]", text):
        try:
            return re.compile(text)
        except re.error:
            return None
    anchored = "/" in text.rstrip("/")
    body = re.escape(text.strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
    body = body.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    body = re.sub(r"\\\[(!)?(.+?)\\\]", _character_class, body)
    try:
        return re.compile(rf"^{body}$" if anchored else rf"(?:^|/){body}$")
    except re.error:  # a range from high to low: no name fits
        return None


def _character_class(escaped: re.Match[str]) -> str:
    members = escaped[2].replace(r"\-", "-")
    return f"[{'^' if escaped[1] else ''}{members}]"
