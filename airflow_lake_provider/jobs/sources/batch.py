"""What every reader of files hands on, and what they share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from airflow_lake_provider.jobs.batch import FILE, RAW, REASONS
from airflow_lake_provider.jobs.cast import Formats
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.files import SourceFile, is_local
from airflow_lake_provider.jobs.tables import quoted_column


@dataclass(frozen=True)
class SourceBatch:
    """The rows of some files.

    ``df``: the data columns, the metadata columns asked for, ``_lake_raw`` and ``_lake_reasons``. ``formats`` say how
    values that are still text are written. ``left_out`` are further columns that are not in ``df``, ``absent`` columns
    of the contract that some file lacks, each with such a file.
    """

    df: Any
    formats: Formats = Formats()
    left_out: Tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)


def reader_paths(files: Sequence[SourceFile]) -> List[str]:
    """Return what names exactly these files to Spark's readers, which take every path for a glob."""
    paths = []
    for file in files:
        name = file.path.rpartition("/")[2]
        if is_local(file.path) and ":" in name:
            raise SourceError(f"{file.path}: Hadoop's local file system reads no file with ':' in its name; rename it")
        escaped = re.sub(r"([\\\[\]{}*?])", r"\\\1", file.path)
        paths.append(f"file://{escaped}" if escaped.startswith("/") else escaped)
    return paths


def file_column(df: Any) -> Any:
    """Return the column with the path of each row's file; for a DataFrame right from a reader."""
    from pyspark.sql import functions as F

    # Spark gives a URI: percent-encoded, with one slash or three after `file:`, depending on its version. This is
    # evaluated for every row, so what few files need is behind a look for it.
    encoded = "input_file_name()" if "_metadata" in df.columns else "_metadata.file_path"
    decoded = f"CASE WHEN contains({encoded}, '%') THEN url_decode(replace({encoded}, '+', '%2B')) ELSE {encoded} END"
    plain = (
        f"CASE WHEN startswith({encoded}, 'file:///') THEN substring({decoded}, 8)"
        f" WHEN startswith({encoded}, 'file:/') THEN substring({decoded}, 6) ELSE {decoded} END"
    )
    return F.expr(plain).alias(FILE)


def no_reasons() -> Any:
    """Return the column of a row that the reader finds nothing wrong with."""
    from pyspark.sql import functions as F

    return F.array().cast("array<string>").alias(REASONS)


def unparsed(bad: Any, text: Any, reason: Any) -> Tuple[Any, Any]:
    """Return the two columns of rows that may not have parsed: the text where they have not, and the reasons."""
    from pyspark.sql import functions as F

    raw = F.when(bad, valid_utf8(text)).alias(RAW)
    return raw, F.when(bad, F.array(reason)).otherwise(F.array().cast("array<string>")).alias(REASONS)


def valid_utf8(text: Any) -> Any:
    """Return text whose bytes every reader of the quarantine table can decode."""
    from pyspark.sql import functions as F

    return F.decode(text.cast("binary"), "UTF-8")


def stack(parts: Sequence[Any]) -> Any:
    """Return the rows of several DataFrames; columns meet by name, whatever their case, and are NULL where absent.

    The first spelling of a name stays. Types are equal already.
    """
    from pyspark.sql import functions as F

    if len(parts) == 1:
        return parts[0]
    kinds: Dict[str, Tuple[str, Any]] = {}
    for part in parts:
        for there in part.schema.fields:
            kinds.setdefault(there.name.lower(), (there.name, there.dataType))
    aligned = []
    for part in parts:
        have = {name.lower(): name for name in part.columns}
        aligned.append(
            part.select(
                *(
                    F.col(quoted_column(have[key])).alias(name) if key in have else F.lit(None).cast(kind).alias(name)
                    for key, (name, kind) in kinds.items()
                )
            )
        )
    return reduce(lambda one, other: one.union(other), aligned)


def require_distinct(names: Sequence[str], file: str) -> None:
    """See that no column is there twice.

    :raises SourceError: two names are equal, or differ only by case, which Spark takes for equal.
    """
    seen: Dict[str, int] = {}
    for n, name in enumerate(names, start=1):
        first = seen.setdefault(name.lower(), n)
        if first != n:
            raise SourceError(
                f"{file}: column {n} has the same name as column {first}, '{name}' (case does not count). "
                "Give one of them another name."
            )
