from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.exceptions import ProtocolError
from airflow_lake_provider.protocol import (
    PROTOCOL_VERSION,
    Catalog,
    DataInterval,
    JobReport,
    JobRequest,
    TaskIdentity,
    TransformStep,
    from_json,
    to_json,
    to_plain,
)

GOLDEN = sorted((Path(__file__).parent / "golden").rglob("*.json"))


def document_type(path: Path) -> type:
    return JobRequest if path.name.startswith("request") else JobReport


def golden(name: str) -> Any:
    path = next(path for path in GOLDEN if path.name == name)
    return from_json(document_type(path), path.read_bytes(), source=str(path))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_golden_document_loads_for_ever(path: Path) -> None:
    document = from_json(document_type(path), path.read_bytes(), source=str(path))
    again = from_json(document_type(path), to_json(document), source="again")
    assert again == document


@pytest.mark.parametrize(
    "name", ["request-full.json", "report-full.json", "request-full-1.1.json", "report-full-1.1.json"]
)
def test_nothing_of_a_full_document_is_lost(name: str) -> None:
    path = next(path for path in GOLDEN if path.name == name)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert is_part(written, to_plain(golden(name)))


def is_part(old: Any, new: Any) -> bool:
    """Whether all that the old document says is said by the new one, which may say more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and is_part(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(is_part, old, new))
    return bool(old == new)


@pytest.mark.parametrize(("name", "cls"), [("request", JobRequest), ("report", JobReport)])
def test_full_document_of_this_version_has_every_field_set(name: str, cls: type) -> None:
    document = golden(f"{name}-full-{PROTOCOL_VERSION}.json")
    unset = [f.name for f in dataclasses.fields(cls) if getattr(document, f.name) in (None, (), {})]
    assert unset == []


def test_absent_keys_take_the_defaults() -> None:
    request = golden("request-least.json")
    assert (request.try_number, request.interval, request.spark_conf) == (1, None, {})
    assert request.task == TaskIdentity("d", "r", "t", map_index=-1, generation=1, submission=1)


def test_keys_of_a_later_minor_version_are_ignored() -> None:
    request, report = golden("request-of-a-later-minor.json"), golden("report-of-a-later-minor.json")
    assert request.tables[0].steps[0] == TransformStep("SELECT 1")
    assert report.tables[0].rows.rows_read == 0
    assert report.runtime.spark_version == "4.1.0"


def with_changes(**changes: Any) -> str:
    path = next(path for path in GOLDEN if path.name == "request-least.json")
    return json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "request.json is not JSON: Expecting property name", id="broken JSON"),
        pytest.param("[]", "request.json holds list, expected a JSON object", id="no object"),
        pytest.param(
            with_changes(protocol_version="2.0"),
            "request.json is of protocol version 2.0; this package reads 1.x. Use the same major version",
            id="another major version",
        ),
        pytest.param("{}", "request.json: $.request_id is missing", id="a missing key"),
        pytest.param(
            with_changes(try_number="2"), 'request.json: $.try_number is "2", expected an integer', id="a wrong type"
        ),
        pytest.param(
            with_changes(try_number=True), "request.json: $.try_number is true, expected an integer", id="a truth value"
        ),
        pytest.param(
            with_changes(tables=[{"table": "a.b", "steps": [{"kind": "guess"}]}]),
            'request.json: $.tables[0].steps[0].kind is "guess", expected one of ingest, transform, python, '
            "write, check, publish",
            id="an unknown step",
        ),
        pytest.param(
            with_changes(spark_conf={"spark.a": 1}),
            "request.json: $.spark_conf.spark.a is 1, expected text",
            id="a wrong value in a mapping",
        ),
        pytest.param(with_changes(tables={}), "request.json: $.tables is {}, expected a list", id="no list"),
        pytest.param(
            with_changes(catalog="lake"), 'request.json: $.catalog is "lake", expected an object', id="no mapping"
        ),
    ],
)
def test_wrong_document_is_named_with_the_place(text: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        from_json(JobRequest, text, source="request.json")
    assert str(caught.value).startswith(message)


def test_secret_free_error_shows_no_more_than_a_glimpse() -> None:
    with pytest.raises(ProtocolError) as caught:
        from_json(JobRequest, with_changes(catalog="x" * 5000), source="request.json")
    assert len(str(caught.value)) < 200


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json({"value": float("nan")})


# Ids


def test_request_id_is_the_same_in_another_process() -> None:
    code = "from airflow_lake_provider.protocol import *; print(TaskIdentity('d', 'r', 't', 3, 2, 1).request_id)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "9"}, capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == TaskIdentity("d", "r", "t", 3, 2, 1).request_id


def test_every_part_of_the_identity_counts() -> None:
    base = TaskIdentity("d", "r", "t")
    others = [
        dataclasses.replace(base, **{field: value})
        for field, value in [
            ("dag_id", "e"), ("run_id", "s"), ("task_id", "u"), ("map_index", 0), ("generation", 2), ("submission", 2),
        ]
    ]  # fmt: skip
    assert len({identity.request_id for identity in [base, *others]}) == 7


def test_parts_of_the_identity_do_not_run_together() -> None:
    assert TaskIdentity("ab", "c", "t").request_id != TaskIdentity("a", "bc", "t").request_id


def test_interval_key_is_what_the_ledger_keeps() -> None:
    assert DataInterval("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00").key == (
        "2026-01-01T00:00:00+00:00/2026-01-02T00:00:00+00:00"
    )


def test_documents_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Catalog("lake", "glue", "s3://w").name = "other"  # type: ignore[misc]
