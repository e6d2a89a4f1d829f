"""Predicates of users over one row: rules of columns and ``delete_when``."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Sequence

from airflow_lake_provider.jobs.errors import ContractError


def predicates(stage: Any, texts: Mapping[str, str], there: Sequence[str], table: str) -> Dict[str, Any]:
    """Return predicates by what they are, each seen to be one over a single row. ``there``: what users may name."""
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    try:
        read = {what: F.expr(text) for what, text in texts.items()}
        # Beside another column an aggregate is refused, which would judge the batch and not the row.
        judged = stage.select("_lake_text", *(each.alias(f"r{n}") for n, each in enumerate(read.values())))
        kinds = [field.dataType.simpleString() for field in judged.schema.fields[1:]]
    except (AnalysisException, ParseException) as exc:
        if len(texts) > 1:
            for what, text in texts.items():
                predicates(stage, {what: text}, there, table)
        what, text = next((what, " ".join(text.split())) for what, text in texts.items())
        raise ContractError(f"{table}: {what} cannot be understood: {text}: {_why_not(exc, there)}") from exc
    for (what, text), kind in zip(texts.items(), kinds):
        if kind != "boolean":
            raise ContractError(f"{table}: {what} gives a {kind}, not a boolean: {' '.join(text.split())}")
    return read


def _why_not(error: Any, there: Sequence[str]) -> str:
    """Return Spark's reason in a sentence; of a column that is not there, what there is (Spark would name our own)."""
    if str(error.getErrorClass()).startswith("UNRESOLVED_COLUMN"):
        return f"there is no column {error.getMessageParameters()['objectName']}; there are: {', '.join(there)}"
    return re.sub(r"\s+", " ", str(error).split(";")[0].split("== SQL")[0]).strip()
