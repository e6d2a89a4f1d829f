"""The code of Python transforms below the job root: there before the job, once, whoever else writes it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.plan import table_request
from airflow_lake_provider.protocol import LocalStore, PublishStep, PythonStep, S3Store, TableRequest
from airflow_lake_provider.runs.code import write_code
from airflow_lake_provider.spec import load_project


@pytest.fixture
def request_(tmp_path: Path) -> TableRequest:
    """Return the request of a table that a function makes."""
    (tmp_path / "lake.yaml").write_text("environments: {local: {}}\n")
    (tmp_path / "orders.py").write_text(f"# {tmp_path}\ndef build(bronze__orders): return bronze__orders\n")
    environment = load_project(tmp_path).environment(None)
    return table_request("gold.orders", {"python": "orders:build"}, environment=environment)


def step_of(request: TableRequest) -> PythonStep:
    step = request.steps[0]
    assert isinstance(step, PythonStep)
    return step


def test_code_is_written_once(request_: TableRequest) -> None:
    path = Path(step_of(request_).code_uri.removeprefix("file://"))
    write_code([request_, request_], LocalStore())
    first = path.stat().st_mtime_ns
    write_code([request_], LocalStore())
    assert path.name == f"{step_of(request_).code_sha256}.zip"
    assert path.stat().st_mtime_ns == first


def test_many_writers_at_once_all_succeed(request_: TableRequest) -> None:
    failed: list[Exception] = []

    def write() -> None:
        try:
            write_code([request_], LocalStore())
        except Exception as exc:
            failed.append(exc)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = Path(step_of(request_).code_uri.removeprefix("file://")).parent
    assert (failed, [path.name for path in folder.iterdir()]) == ([], [f"{step_of(request_).code_sha256}.zip"])


def test_code_in_s3_is_written_once_too(request_: TableRequest) -> None:
    step = replace(step_of(request_), code_uri=f"s3://lake/jobs/~code/{step_of(request_).code_sha256}.zip")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="lake")
        store = S3Store(client)
        write_code([replace(request_, steps=(step,))], store)
        write_code([replace(request_, steps=(step,))], store)
        assert not store.create(step.code_uri, b"another writer, at the same time")
        found = store.read(step.code_uri)
    assert found is not None
    assert hashlib.sha256(found).hexdigest() == step.code_sha256


def test_code_that_nobody_has_is_an_error_before_anything_is_submitted(tmp_path: Path) -> None:
    step = PythonStep(module="m", function="f", code_uri=f"{tmp_path}/~code/00.zip", code_sha256="00")
    with pytest.raises(EngineError, match="The code of m:f is not at"):
        write_code([TableRequest(table="gold.a", steps=(step, PublishStep()))], LocalStore())
