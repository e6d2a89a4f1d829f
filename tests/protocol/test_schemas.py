from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from schemas import DOCUMENTS, FOLDER, text  # noqa: E402

GOLDEN = sorted((Path(__file__).parent / "golden").rglob("*.json"))


def committed(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


@pytest.mark.parametrize("name", DOCUMENTS)
def test_committed_schema_is_the_one_of_the_code(name: str) -> None:
    path = FOLDER / f"{name}.schema.json"
    if os.environ.get("LAKE_GOLDEN") == "write":
        path.write_text(text(DOCUMENTS[name]), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text(DOCUMENTS[name]), (
        "the contract changed: run make golden and review the difference"
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(committed(name))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_golden_document_fits_its_schema(path: Path) -> None:
    name = "job-request" if path.name.startswith("request") else "job-report"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert list(jsonschema.Draft202012Validator(committed(name)).iter_errors(document)) == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda document: document.pop("request_id"), id="a required key is missing"),
        pytest.param(lambda document: document.update(try_number="two"), id="text in place of a number"),
        pytest.param(lambda document: document["tables"][0]["steps"][0].update(kind="guess"), id="an unknown step"),
    ],
)
def test_schema_refuses_a_wrong_request(broken: Any) -> None:
    document = json.loads(next(path for path in GOLDEN if path.name == "request-full.json").read_text(encoding="utf-8"))
    broken(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, committed("job-request"))
