"""Python files as text: what they import, and where in the project that is. Nothing is ever imported here."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.python_determinism import is_deterministic, names_interval
from airflow_lake_provider.spec.source import Source, read_source

OWN_PACKAGE = "airflow_lake_provider"


class PythonError(Exception):
    """A Python transform that cannot be used, with the place of what is wrong.

    :param message: what is wrong.
    :param hint: what was expected and what to do; may be empty.
    :param start: the first wrong character: of the reference, or of the file's text where ``source`` is given.
    :param end: one past the last.
    :param source: the Python file that is wrong; ``None`` where the reference is.
    """

    def __init__(self, message: str, hint: str, start: int, end: int, source: Source | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.start, self.end, self.source = message, hint, start, end, source

    @property
    def told(self) -> str:
        """The whole error in one line, with its place where that is in a file."""
        said = "; ".join(part for part in (self.message, self.hint) if part)
        if self.source is None:
            return said
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}: {said}"


@dataclass(frozen=True)
class Import:
    """One import statement: ``level`` dots, ``module``, and the names that are taken from it."""

    module: str
    names: tuple[str, ...]
    level: int


@dataclass(frozen=True)
class Module:
    """A Python file as it is now."""

    source: Source
    tree: ast.Module
    imports: tuple[Import, ...]
    deterministic: bool
    names_interval: bool

    def offset(self, line: int, column: int) -> int:
        """Return the place in the text of a position as ``ast`` gives it: 1-based line, column in bytes."""
        text = self.source.line(line)
        before = text.encode("utf-8")[:column].decode("utf-8", "ignore")
        return self.source.offset(line) + len(before)


def read_module(path: Path) -> Module:
    """Read and parse a file; one that has not changed is read once in a process.

    :raises PythonError: it is not UTF-8, too big, or no Python.
    :raises OSError: it is missing or unreadable.
    """
    return _read(path, stamp(path))


def stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@lru_cache(maxsize=512)
def _read(path: Path, _stamp: tuple[int, ...]) -> Module:
    try:
        source = read_source(path)
    except SpecError as exc:
        found = exc.diagnostics[0]
        assert isinstance(found, Diagnostic)
        raise PythonError(f"{path}:{found.line}:{found.column}: {found.message}", found.hint, 0, 0) from exc
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (SyntaxWarning, DeprecationWarning))
            tree = ast.parse(source.text, filename=source.name)
    except SyntaxError as exc:
        line, column = exc.lineno or 1, exc.offset or 1
        start = source.offset(line) + max(column - 1, 0)
        same_line = exc.end_lineno == line and (exc.end_offset or 0) > column
        end = source.offset(line) + (exc.end_offset or 0) - 1 if same_line else start + 1
        raise PythonError(f"this is not Python: {exc.msg}", "", start, end, source) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        why = str(exc) if isinstance(exc, ValueError) else "it is nested too deeply"
        raise PythonError(f"this is not Python: {why}", "", 0, 1, source) from exc
    return Module(source, tree, tuple(_imports(tree)), is_deterministic(tree), names_interval(tree))


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.module or "", tuple(alias.name for alias in node.names), node.level)


@dataclass(frozen=True)
class ModuleFile:
    """A module by its file: ``base`` is the folder that it is imported from."""

    base: Path
    path: Path

    @property
    def name(self) -> str:
        """The dotted name.

        >>> ModuleFile(Path("/p"), Path("/p/a/b.py")).name, ModuleFile(Path("/p"), Path("/p/a/__init__.py")).name
        ('a.b', 'a')
        """
        parts = self.path.relative_to(self.base).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def unit(self) -> Path:
        """What travels with it: the outermost package that it is in, or the file alone."""
        folder = self.base
        for part in self.path.relative_to(self.base).parts[:-1]:
            folder = folder / part
            if (folder / "__init__.py").is_file():
                return folder
        return self.path

    def imported(self, find: Find, roots: tuple[Path, ...]) -> Iterator[ModuleFile]:
        """Yield the files of the project that importing this one loads, its own packages first.

        :param find: :func:`find_module`, or one that remembers.
        :param roots: the folders that modules are looked for in.
        :raises PythonError: the file cannot be read.
        """
        yield from _files(self.name, find, (self.base,))
        parts = self.name.split(".")
        package = parts if self.path.name == "__init__.py" else parts[:-1]
        for statement in read_module(self.path).imports:
            module = statement.module
            if statement.level:
                above = package[: len(package) - statement.level + 1]
                module = ".".join([*above, *filter(None, [module])])
            if not module:
                continue
            places = (self.base,) if statement.level else roots
            yield from _files(module, find, places)
            for name in statement.names:
                yield from _files(f"{module}.{name}", find, places)


Find = Callable[[str, tuple[Path, ...]], ModuleFile | None]


def find_module(name: str, roots: tuple[Path, ...]) -> ModuleFile | None:
    """Return a module's file: in the first folder that has its first part as a package or a file, as Python does."""
    top, *below = name.split(".")
    for root in roots:
        found = _module_at(root, [top, *below])
        if found is not None:
            return ModuleFile(root, found)
        if _module_at(root, [top]) is not None:
            return None
    return None


def _module_at(root: Path, parts: Sequence[str]) -> Path | None:
    place = root.joinpath(*parts)
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _files(name: str, find: Find, roots: tuple[Path, ...]) -> Iterator[ModuleFile]:
    """Yield the files that importing a dotted name loads, from the outermost package on."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names or parts[0] == OWN_PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        found = find(".".join(parts[:length]), roots)
        if found is not None:
            yield found


def reached(start: ModuleFile, roots: tuple[Path, ...]) -> dict[Path, ModuleFile]:
    """Return the files of the project that importing a module loads, itself among them, by path.

    :param roots: the folders that modules are looked for in; the last is the project's, and nothing outside counts.
    :raises PythonError: one of them cannot be read.
    """
    find = cache(find_module)
    found = {start.path: start}
    waiting = [start]
    while waiting:
        for file in waiting.pop().imported(find, roots):
            if file.path not in found and is_inside(file.path, roots[-1]):
                found[file.path] = file
                waiting.append(file)
    return found


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path lies below a folder when all links are followed."""
    return Path(os.path.realpath(path)).is_relative_to(Path(os.path.realpath(root)))
