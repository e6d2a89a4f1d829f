"""Which files a glob names, here and on any Hadoop file system, and which version of each.

One walk serves all file systems: it lists a folder at a time and descends only where the pattern leads.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Pattern, Sequence, Tuple

from airflow_lake_provider.jobs.errors import SourceError

_MAGIC = re.compile(r"[*?\[]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ANY_FOLDERS = "**"

# Hadoop's FileStatus.toString(), the same in all its releases; S3A's adds the eTag.
_STATUS = re.compile(
    r"path=(?P<path>.*?); isDirectory=(?P<folder>true|false)"
    r"(?:; length=(?P<size>\d+); replication=\d+; blocksize=\d+)?; modification_time=(?P<mtime>\d+);",
    re.DOTALL,
)
_ETAG = re.compile(r"\beTag='?([^\s;'}]+)", re.IGNORECASE)


@dataclass(frozen=True)
class SourceFile:
    """One file: ``version`` changes when its content does, ``size`` is in bytes, ``modified`` in ns since 1970."""

    path: str
    version: str
    size: int
    modified: int = 0


@dataclass(frozen=True)
class _Entry:
    """One name in a folder. A file's ``version`` is set, a folder's is not."""

    name: str
    path: str
    is_folder: bool
    size: int = 0
    version: str = ""
    modified: int = 0
    is_link: bool = False


_ListFolder = Callable[[str], List[_Entry]]


def list_files(spark: Any, globs: Sequence[str], *, recursive: bool = False) -> List[SourceFile]:
    """Return the files that any of the globs names, each once, sorted by path.

    ``*``, ``?``, ``[...]`` stay within a folder, ``{a,b}`` is either, ``**`` crosses any number of folders, none
    included, and no links. A path of a folder, and a pattern that ends in ``/``, mean the files right in the
    folders that they name. What begins with ``_`` or ``.`` is not data, nor is a file that Hadoop is still copying. A
    folder that is not there holds no files.

    :param recursive: every folder that a glob names, with a ``/`` at its end or without, means all files below it.
    :param spark: the session; only asked for its Hadoop file systems where a glob is a URI that is not ``file://``.
    :raises SourceError: a glob is relative, or a file system cannot be reached.
    """
    found: Dict[str, SourceFile] = {}
    folders: Dict[str, List[_Entry]] = {}  # each folder is listed once, whatever number of globs looks into it
    for glob in globs:
        for pattern in expand_braces(glob):
            list_folder, root, below = _lister(spark, pattern)

            def listed(folder: str, list_folder: _ListFolder = list_folder) -> List[_Entry]:
                if folder not in folders:
                    folders[folder] = list_folder(folder)
                return folders[folder]

            for entry in _walk(listed, root, below, recursive):
                found[entry.path] = SourceFile(entry.path, entry.version, entry.size, entry.modified)
    return [found[path] for path in sorted(found)]


def fingerprint(files: Sequence[SourceFile]) -> str:
    """Return 64 hex digits that say which files, in which versions, these are; their order does not matter.

    >>> one, two = SourceFile("/a.csv", "1", 1), SourceFile("/b.csv", "7", 2)
    >>> fingerprint([one, two]) == fingerprint([two, one]), fingerprint([one]) == fingerprint([two])
    (True, False)
    """
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.path}\0{file.version}\0{file.size}\n".encode("utf-8"))
    return digest.hexdigest()


def expand_braces(glob: str) -> List[str]:
    """Return the patterns that a glob with ``{a,b}`` stands for; braces nest.

    >>> expand_braces("/in/{a,b{1,2}}.csv")
    ['/in/a.csv', '/in/b1.csv', '/in/b2.csv']
    >>> expand_braces("/in/{x}"), expand_braces("/in/{open")
    (['/in/x'], ['/in/{open'])
    """
    start = glob.find("{")
    if start < 0:
        return [glob]
    depth, begin, choices = 0, start + 1, []
    for at in range(start, len(glob)):
        character = glob[at]
        depth += (character == "{") - (character == "}")
        if (depth == 1 and character == ",") or depth == 0:
            choices.append(glob[begin:at])
            begin = at + 1
        if depth == 0:
            expanded = [glob[:start] + choice + glob[at + 1 :] for choice in choices]
            return [pattern for choice in expanded for pattern in expand_braces(choice)]
    return [glob]  # never closed: a brace like any character


def is_local(path: str) -> bool:
    """Whether a path is on a file system mounted here: a plain path or a ``file:`` URI."""
    scheme = _SCHEME.match(path)
    return scheme is None or scheme[1].lower() == "file"


def _lister(spark: Any, pattern: str) -> Tuple[_ListFolder, str, str]:
    """Return what lists folders of the pattern's file system, its root, and the pattern below that root."""
    if is_local(pattern):
        plain = re.sub(r"^file://", "", pattern, flags=re.IGNORECASE)
        if not plain.startswith("/"):
            raise SourceError(f"{pattern}: a glob is an absolute path or a URI; this one is relative")
        return _local_folder, "/", plain
    scheme, _, rest = pattern.partition("://")
    authority, _, path = rest.partition("/")
    return hadoop_folder(spark), f"{scheme}://{authority}/", f"/{path}"


def _walk(list_folder: _ListFolder, root: str, pattern: str, recursive: bool = False) -> Iterator[_Entry]:
    segments = [segment for segment in pattern.split("/") if segment]
    below = [_ANY_FOLDERS, "*"] if recursive else ["*"]
    literal = next((n for n, segment in enumerate(segments) if _MAGIC.search(segment)), len(segments))
    if literal < len(segments):
        start, rest = root + "/".join(segments[:literal]), segments[literal:]
        if not pattern.endswith("/"):
            yield from _descend(list_folder, start, rest)
        if recursive or pattern.endswith("/"):
            yield from _descend(list_folder, start, [*rest, *below])
        return
    if segments and not pattern.endswith("/"):
        *folders, name = segments
        for entry in list_folder(root + "/".join(folders)):
            if entry.name == name and not entry.is_folder:
                if not _is_hidden(name):
                    yield entry
                return
    yield from _descend(list_folder, root + "/".join(segments), below)


def _descend(list_folder: _ListFolder, folder: str, segments: Sequence[str]) -> Iterator[_Entry]:
    """Yield the files below ``folder`` that the segments name."""
    entries = [entry for entry in list_folder(folder) if not _is_hidden(entry.name)]
    if segments[0] != _ANY_FOLDERS:
        yield from _within(list_folder, entries, segments)
        return
    rest = list(itertools.dropwhile(lambda segment: segment == _ANY_FOLDERS, segments)) or ["*"]
    yield from _within(list_folder, entries, rest)
    for entry in entries:
        # A link may lead back up; `**` follows none, so that no file is found under two names.
        if entry.is_folder and not entry.is_link:
            yield from _descend(list_folder, entry.path, segments)


def _within(list_folder: _ListFolder, entries: Sequence[_Entry], segments: Sequence[str]) -> Iterator[_Entry]:
    matches, rest = segment_pattern(segments[0]).fullmatch, segments[1:]
    for entry in entries:
        if not matches(entry.name):
            continue
        if not rest and not entry.is_folder:
            yield entry
        elif (
            rest and entry.is_folder and not (entry.is_link and rest[0] == _ANY_FOLDERS and _MAGIC.search(segments[0]))
        ):
            # Only a link that is named leads to all that is below it: see _descend.
            yield from _descend(list_folder, entry.path, rest)


def _is_hidden(name: str) -> bool:
    # Spark's readers pass over the same names; "._COPYING_" is what `hdfs dfs -put` calls a file until it is whole.
    return name.startswith(("_", ".")) or name.endswith("._COPYING_")


def segment_pattern(segment: str) -> Pattern[str]:
    """Return the regular expression of one folder's or file's name in a glob.

    >>> bool(segment_pattern("x[!0-3]?.csv").fullmatch("x4a.csv")), bool(segment_pattern("a**").fullmatch("a/b"))
    (True, False)
    """
    expression, at = [], 0
    while at < len(segment):
        character = segment[at]
        at += 1
        if character == "*":
            expression.append("[^/]*")
        elif character == "?":
            expression.append("[^/]")
        elif character == "[":
            close = segment.find("]", at + 1 + (segment[at : at + 1] in ("!", "^")))
            if close < 0:
                expression.append(re.escape(character))
                continue
            inside, at = segment[at:close], close + 1
            negated = inside[:1] in ("!", "^")
            inside = inside[1:] if negated else inside
            escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside)
            expression.append(f"[{'^' if negated else ''}{escaped}]")
        else:
            expression.append(re.escape(character))
    try:
        return re.compile("".join(expression), re.DOTALL)
    except re.error as exc:
        raise SourceError(f"{segment} in a glob cannot be understood: {exc}") from exc


def _local_folder(folder: str) -> List[_Entry]:
    entries = []
    try:
        with os.scandir(folder) as scan:
            for item in scan:
                try:
                    if item.is_dir():
                        entries.append(
                            _Entry(item.name, os.path.join(folder, item.name), True, is_link=item.is_symlink())
                        )
                        continue
                    status = item.stat()
                except FileNotFoundError:
                    continue  # gone since, or a link to nothing
                path = os.path.join(folder, item.name)
                version = f"{status.st_size}-{status.st_mtime_ns}"
                entries.append(_Entry(item.name, path, False, status.st_size, version, status.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise SourceError(f"Cannot list {folder}: {exc.strerror}") from exc
    return entries


def hadoop_folder(spark: Any) -> _ListFolder:
    """Return what lists one folder by the Hadoop file system of its URI.

    A folder crosses from the JVM as one text: asking each of 100,000 statuses for three values takes half a minute.
    """
    jvm, configuration = spark._jvm, spark._jsparkSession.sessionState().newHadoopConf()

    def list_folder(folder: str) -> List[_Entry]:
        from py4j.protocol import Py4JJavaError

        try:
            path = jvm.org.apache.hadoop.fs.Path(folder)
            iterator = path.getFileSystem(configuration).listStatusIterator(path)
            statuses = jvm.org.apache.hadoop.util.functional.RemoteIterators.toList(iterator)
        except Py4JJavaError as exc:
            name = exc.java_exception.getClass().getSimpleName()
            if name == "FileNotFoundException":
                return []
            raise SourceError(f"Cannot list {folder}: {name}: {exc.java_exception.getMessage()}") from None
        entries = _parse_statuses(statuses.toString())
        if len(entries) == statuses.size():
            return entries
        return [_hadoop_entry(status) for status in statuses]  # a file system that words its statuses in its own way

    return list_folder


def _parse_statuses(text: str) -> List[_Entry]:
    matches = list(_STATUS.finditer(text))
    entries = []
    for n, match in enumerate(matches):
        end = matches[n + 1].start() if n + 1 < len(matches) else len(text)
        etag = _ETAG.search(text, match.end(), end)
        entries.append(
            _entry_of(
                match["path"], match["folder"] == "true", int(match["size"] or 0), match["mtime"], etag and etag[1]
            )
        )
    return entries


def _hadoop_entry(status: Any) -> _Entry:
    return _entry_of(
        status.getPath().toString(), status.isDirectory(), status.getLen(), status.getModificationTime(), None
    )


def _entry_of(path: str, is_folder: bool, size: int, mtime: Any, etag: Optional[str]) -> _Entry:
    name = path.rstrip("/").rpartition("/")[2]
    version = etag if etag and etag != "null" else f"{size}-{mtime}"
    return _Entry(name, path, True) if is_folder else _Entry(name, path, False, size, version, int(mtime) * 1_000_000)
