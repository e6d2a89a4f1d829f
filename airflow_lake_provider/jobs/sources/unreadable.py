"""Which file it was: Spark says that a block cannot be read and seldom of which file."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional, Sequence
from urllib.parse import unquote

from airflow_lake_provider.jobs.errors import SourceChanged, SourceError, StepError
from airflow_lake_provider.jobs.sources.batch import reader_paths
from airflow_lake_provider.jobs.sources.files import SourceFile
from airflow_lake_provider.jobs.sources.intake import named
from airflow_lake_provider.protocol import IngestStep
from airflow_lake_provider.protocol.stack import condense

# How Spark reads the bytes of a text format, decompressed and split as the job does it.
_BYTES = {"csv": "text", "json": "text"}
_GONE = re.compile(r"File (.+?) does not exist|Path does not exist: (.+?)\.?$", re.MULTILINE)
_FAILED = re.compile(r"Job aborted due to stage failure")
_MOST = 20  # readings of ever fewer files until the one is found


@contextmanager
def naming_files(spark: Any, step: Optional[IngestStep], files: Sequence[SourceFile]) -> Iterator[None]:
    """Turn a failure to read files into one that names them.

    :raises SourceChanged: a file is gone since the folder was listed.
    :raises SourceError: a file cannot be read to its end.
    """
    try:
        yield
    except StepError:
        raise
    except Exception as exc:
        if step is None or not files:
            raise
        text = str(exc)
        gone = _GONE.search(text)
        if gone is not None:
            path = re.sub(r"^file:/+", "/", gone[1] or gone[2])
            spellings = {path, unquote(path)}
            raise SourceChanged.gone(next((f.path for f in files if f.path in spellings), path)) from exc
        if not _FAILED.search(text):
            raise
        bad = _find_bad(spark, step, files)
        if bad is None:
            raise
        raise SourceError(
            f"{named([file.path for file in bad])} cannot be read to the end: {condense(text)}. Nothing was written. "
            "Bring it anew, or take it away."
        ) from exc


def _find_bad(spark: Any, step: IngestStep, files: Sequence[SourceFile]) -> Optional[List[SourceFile]]:
    """Return the fewest files that show the failure, ``None`` where reading files alone does not show it."""
    suspects = [file for file in files if file.size]
    if _is_readable(spark, step, suspects):
        return None
    for _ in range(_MOST):
        if len(suspects) == 1:
            break
        half = suspects[: len(suspects) // 2]
        suspects = suspects[len(suspects) // 2 :] if _is_readable(spark, step, half) else half
    # Files may only be unreadable together, of different types as they are: then no single one is to blame.
    return None if _is_readable(spark, step, suspects) else suspects


def _is_readable(spark: Any, step: IngestStep, files: Sequence[SourceFile]) -> bool:
    from pyspark.sql import functions as F

    try:
        rows = spark.read.format(_BYTES.get(step.format, step.format)).load(reader_paths(files))
        # A hash needs every column of every row, and nothing is kept of it.
        rows.select(F.xxhash64(F.to_json(F.struct("*"))).alias("h")).agg(F.max("h")).collect()
    except Exception:
        return False
    return True
