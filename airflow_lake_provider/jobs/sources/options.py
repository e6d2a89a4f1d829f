"""The reader options of an ingest: Spark's own words, whatever their case, passed on as they are."""

from __future__ import annotations

import difflib
from typing import Any, Dict, Mapping, Optional, Tuple

from airflow_lake_provider.jobs.cast import Formats
from airflow_lake_provider.jobs.errors import SourceError

_REFUSED = {
    "pathglobfilter": "the ledger would take files for read that were not; name them in `files`",
    "modifiedbefore": "the ledger would take files for read that were not; name them in `files`",
    "modifiedafter": "the ledger would take files for read that were not; name them in `files`",
    "ignorecorruptfiles": "rows would be lost without a word",
    "ignoremissingfiles": "rows would be lost without a word",
    "columnnameofcorruptrecord": "rows that do not parse go to the quarantine table, with their text in _raw",
    "path": "name the files in `files`",
    "paths": "name the files in `files`",
    "locale": "months and days are read in English",
    "recursivefilelookup": "say `recursive: true` beside `files`",
}
_MODES = {
    "DROPMALFORMED": "it loses rows without a word; leave it out: rows that do not parse go to the quarantine table",
    "FAILFAST": "leave it out and say `quarantine: false` on the table: then one bad row fails the run",
}


class Options:
    """Reader options by name in any case.

    >>> options = Options({"SEP": ";", "header": "True"})
    >>> options.text("sep", "delimiter", default=","), options.flag("header"), options.flag("multiLine")
    (';', True, False)

    :raises SourceError: an option would lose rows, or would be accepted and do nothing.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given: Dict[str, str] = {str(name).lower(): _word(value) for name, value in given.items()}
        for name in given:
            if str(name).lower() in _REFUSED:
                raise SourceError(f"options: {name} is not for an ingest: {_REFUSED[str(name).lower()]}")
        mode = self.text("mode", default="PERMISSIVE").upper()
        if mode != "PERMISSIVE":
            raise SourceError(f"options: mode {mode}: " + _MODES.get(mode, "Spark knows no such mode; leave it out"))

    def text(self, *names: str, default: str = "") -> str:
        """Return the first of several spellings that is given."""
        return next((self._given[name.lower()] for name in names if name.lower() in self._given), default)

    def flag(self, name: str) -> bool:
        """Whether an option is given and true."""
        return self.text(name).strip().lower() == "true"

    def given(self, name: str) -> Optional[str]:
        """Return an option, ``None`` where it is not given."""
        return self._given.get(name.lower())

    def without(self, *names: str) -> Dict[str, str]:
        """Return all options for Spark but those named."""
        dropped = {name.lower() for name in (*names, "mode")}
        return {name: value for name, value in self._given.items() if name not in dropped}

    def formats(self, *, base64: bool = False) -> Formats:
        """Return how dates and times are written as text."""
        return Formats(
            date=self.given("dateFormat"),
            timestamp=self.given("timestampFormat"),
            timestamp_ntz=self.given("timestampNTZFormat"),
            time_zone=self.given("timeZone"),
            base64=base64,
        )


_SPARKS = {
    "csv": "catalyst.csv.CSVOptions",
    "json": "catalyst.json.JSONOptions",
    "parquet": "execution.datasources.parquet.ParquetOptions",
    "orc": "execution.datasources.orc.OrcOptions",
    "avro": "avro.AvroOptions",
}
# What this package reads itself, where Spark's list of a format does not have it.
_OURS = ("timestampNTZFormat", "dateFormat", "timestampFormat", "timeZone")


def unknown_options(spark: Any, format: str, given: Mapping[str, str]) -> Tuple[str, ...]:
    """Return a warning for each option that the format's reader does not know, by Spark's own list."""
    if not given or format not in _SPARKS:
        return ()
    place = spark._jvm.org.apache.spark.sql
    try:
        for part in _SPARKS[format].split("."):
            place = getattr(place, part)
        known = [*str(place.getAllOptions().mkString(",")).split(","), *_OURS]
    except Exception:  # a Spark that keeps its list elsewhere, or has no such reader: then nobody can tell
        return ()
    spellings = {name.lower(): name for name in known}
    warnings = []
    for name in given:
        if name.lower() in spellings:
            continue
        near = difflib.get_close_matches(name.lower(), spellings, n=1)
        meant = f"; did you mean {spellings[near[0]]}?" if near else ""
        warnings.append(f"options: the reader of {format} knows no {name}, so it has no effect{meant}")
    return tuple(warnings)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
