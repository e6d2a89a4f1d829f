"""Makes the JSON Schemas of the contract from its dataclasses; ``make golden`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import airflow_lake_provider.protocol
from airflow_lake_provider.protocol import PROTOCOL_VERSION, JobReport, JobRequest
from airflow_lake_provider.protocol.request import STEP_KINDS

FOLDER = Path(airflow_lake_provider.protocol.__file__).parent / "schemas"
DOCUMENTS: dict[str, type] = {"job-request": JobRequest, "job-report": JobReport}


def schema(document: type) -> dict[str, Any]:
    """Return the schema of a document; unknown keys are allowed, as readers ignore them."""
    made = TypeAdapter(document).json_schema()
    for kind, step in STEP_KINDS.items():
        definition = made.get("$defs", {}).get(step.__name__)
        if definition is not None:
            definition["properties"]["kind"] = {"const": kind, "title": "Kind"}
            definition["required"] = [*definition.get("required", []), "kind"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Protocol {PROTOCOL_VERSION}, generated from airflow_lake_provider.protocol.",
        **made,
    }


def text(document: type) -> str:
    return json.dumps(schema(document), indent=2, ensure_ascii=False) + "\n"
