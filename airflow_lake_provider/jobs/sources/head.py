"""The first record of many text files: their headers, read without starting Spark on whole files."""

from __future__ import annotations

import codecs
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List, Optional, Sequence

from airflow_lake_provider.jobs.errors import SourceChanged, SourceError
from airflow_lake_provider.jobs.sources.files import SourceFile, is_local

_CHUNK = 64 * 1024
_LONGEST = 16 * 1024 * 1024
_THREADS = 16
# What Hadoop's codecs decompress by the ending of the name.
_COMPRESSED = (".gz", ".bz2", ".deflate", ".lz4", ".snappy", ".zst")


def first_records(
    spark: Any, files: Sequence[SourceFile], *, encoding: str, quote: str, comment: str, line_separator: str
) -> List[Optional[str]]:
    """Return the first record of each file that is neither blank nor a comment, ``None`` for a file without one.

    A record goes on over line breaks within quotes. It is decompressed as Spark would do it.

    :raises SourceError: the encoding is unknown, or a file cannot be read.
    """
    try:
        codecs.lookup(encoding)
    except LookupError as exc:
        raise SourceError(
            f"options: encoding '{encoding}' is not known; use its name as in Python, e.g. cp1252"
        ) from exc

    def record(file: SourceFile) -> Optional[str]:
        size = _CHUNK
        while True:
            data = _beginning(spark, file.path, size)
            text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(data).lstrip("\ufeff")
            found, whole = _first_record(text, quote, comment, line_separator)
            if whole or len(data) < size or size > _LONGEST:
                if found is not None and "\ufffd" in found:
                    raise SourceError(
                        f"{file.path}: its first line is not {encoding}; name another encoding in `options`"
                    )
                return found
            size *= 16

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(record, files))


def _first_record(text: str, quote: str, comment: str, line_separator: str) -> "tuple[Optional[str], bool]":
    """Return the first record and whether its end was seen."""
    separator = re.escape(line_separator) if line_separator else r"\r\n|\r|\n"
    parts = re.split(f"({separator})", text)
    record, n = "", 0
    while n < len(parts):
        line = parts[n]
        blank = not record and (not line.strip(" \r\n") or (comment and line.startswith(comment)))
        if not blank:
            record += line
            if not quote or record.count(quote) % 2 == 0:
                return record, n + 1 < len(parts)
            record += parts[n + 1] if n + 1 < len(parts) else ""
        n += 2
    return (record or None), False


def _beginning(spark: Any, path: str, size: int) -> bytes:
    if is_local(path) and not path.endswith(_COMPRESSED):
        try:
            with open(re.sub("^file://", "", path), "rb") as file:
                return file.read(size)
        except FileNotFoundError:
            raise SourceChanged.gone(path) from None
        except OSError as exc:
            raise SourceError(f"Cannot read {path}: {exc.strerror}") from exc
    return _hadoop_beginning(spark, path, size)


def _hadoop_beginning(spark: Any, path: str, size: int) -> bytes:
    from py4j.protocol import Py4JJavaError

    jvm = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    try:
        place = jvm.org.apache.hadoop.fs.Path(f"file://{path}" if path.startswith("/") else path)
        stream = place.getFileSystem(configuration).open(place)
        try:
            codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(place)
            if codec is not None:
                stream = codec.createInputStream(stream)
            return bytes(stream.readNBytes(size))
        finally:
            stream.close()
    except Py4JJavaError as exc:
        cause = exc.java_exception
        if cause.getClass().getSimpleName() == "EOFException":
            return b""  # a compressed file of no bytes at all
        if cause.getClass().getSimpleName() == "FileNotFoundException":
            raise SourceChanged.gone(path) from None
        raise SourceError(f"Cannot read {path}: {cause.getClass().getSimpleName()}: {cause.getMessage()}") from None
