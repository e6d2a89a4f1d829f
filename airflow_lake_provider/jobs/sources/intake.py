"""Which of the files that are there a run takes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.errors import FileReplaced, NoNewFile, SourceError
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.protocol import IngestStep

_EXAMPLES = 3


@dataclass(frozen=True)
class Intake:
    """The files of one run.

    ``fresh`` are the files to read: those that the table has not taken in, or all of them where the table is replaced
    by what they give. ``replaced`` are the paths among them that it holds in another version. ``left`` new files wait
    for the next run. ``seen`` are all files that the table holds after this run: they identify its outcome, so that a
    run that leaves some behind is not mistaken for the one that takes them.
    """

    fresh: Tuple[SourceFile, ...] = ()
    replaced: Tuple[str, ...] = ()
    left: int = 0
    seen: Tuple[SourceFile, ...] = ()


def take_in(
    step: IngestStep,
    listed: Sequence[SourceFile],
    known: Mapping[str, str],
    *,
    strategy: Optional[str],
    full_refresh: bool = False,
) -> Intake:
    """Choose the files of a run.

    A full refresh takes in all files whatever ``files_per_run`` says: no table is published by halves.

    :param known: the files that the table has taken in, by path, each with its version.
    :raises SourceError: an option makes no sense with the strategy.
    :raises FileReplaced: a known file has other content and ``on_replaced`` is fail.
    """
    _check(step, strategy)
    unseen = [file for file in listed if known.get(file.path) != file.version]
    if step.on_replaced == "fail":
        _refuse_replaced([file.path for file in unseen if file.path in known])
    left: List[SourceFile] = []
    if strategy == "replace":
        chosen = list(listed)
    elif step.files_per_run is None or full_refresh:
        chosen = unseen
    else:
        # Files without a byte do not count: where nothing says what their columns are, they are never done with, and
        # would stand before the others for ever.
        oldest_first = sorted(unseen, key=lambda file: (file.modified, file.path))
        left = [file for file in oldest_first if file.size][step.files_per_run :]
        chosen = oldest_first
    waiting = {file.path for file in left}
    return Intake(
        fresh=tuple(file for file in chosen if file.path not in waiting),
        replaced=tuple(file.path for file in unseen if file.path in known and file.path not in waiting),
        left=len(left),
        seen=tuple(file for file in listed if file.path not in waiting),
    )


def without_files(step: IngestStep, *, table: str) -> Optional[str]:
    """Return why a run without a file to take in is skipped, ``None`` where it goes on.

    :raises NoNewFile: ``on_empty`` is fail.
    """
    what = f"no new file for {named(step.files)}"
    if step.on_empty == "fail":
        raise NoNewFile(
            f"{table}: {what}, and on_empty is fail. Is the delivery late, or the glob wrong? With `retries` the task "
            "waits for files; on_empty: skip or succeed lets the run go on without."
        )
    return f"{what}, and on_empty is skip" if step.on_empty == "skip" else None


def require_source_file(step: IngestStep, rows: Any, replaced: Sequence[str], *, table: str) -> None:
    """See that the old rows of replaced files can be told from others.

    :param rows: the table as it is.
    :raises FileReplaced: not all of them say which file they are of.
    """
    tells = "_source_file" in step.metadata_columns and "_source_file" in rows.columns
    if tells and rows.where("`_source_file` IS NULL").isEmpty():
        return
    add = "" if "_source_file" in rows.columns else "add the column (ALTER TABLE ... ADD COLUMN _source_file string), "
    raise FileReplaced(
        f"{named(replaced)} came again with other content, and the old rows cannot be taken away: not all rows of "
        f"{table} say in _source_file which file they are of. Nothing was written. Take _source_file into "
        f"metadata_columns, {add}and rebuild the table with --full-refresh; or set on_replaced: append (the old rows "
        "stay) or fail."
    )


def named(paths: Sequence[str]) -> str:
    """Return up to three of some files, and how many there are.

    >>> named(["/a"]), named(["/a", "/b", "/c", "/d"])
    ('/a', '/a, /b, /c, ... (4 files)')
    """
    shown = ", ".join(paths[:_EXAMPLES])
    return shown if len(paths) <= _EXAMPLES else f"{shown}, ... ({len(paths)} files)"


def _check(step: IngestStep, strategy: Optional[str]) -> None:
    if strategy == "replace" and step.files_per_run is not None:
        raise SourceError(
            "files_per_run does not go with write: replace: the table is what all of its files give, so each run reads "
            "all of them. Leave files_per_run out, or write with append or merge."
        )
    if strategy == "replace" and step.on_replaced == "append":
        raise SourceError(
            "on_replaced: append does not go with write: replace: the table is what its files give now, so rows of a "
            "file's old content cannot stay. Leave on_replaced out, or write with append."
        )
    if step.files_per_run is not None and step.files_per_run < 1:
        raise SourceError(f"files_per_run is {step.files_per_run}; expected 1 or more")


def _refuse_replaced(paths: Sequence[str]) -> None:
    if not paths:
        return
    verb, they = ("has", "it") if len(paths) == 1 else ("have", "they")
    raise FileReplaced(
        f"{named(paths)} {verb} other content than when {they} came in, and on_replaced is fail; nothing was "
        "written. Give new content a path of its own, or say what to do with the old rows: on_replaced: replace takes "
        "them away, append keeps them; --full-refresh rebuilds the table from the files that are there."
    )
