from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.engines import SparkJob
from airflow_lake_provider.protocol import (
    Catalog,
    JobFolder,
    JobRequest,
    PublishStep,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
    open_store,
    to_json,
)
from airflow_lake_provider.protocol.store import REPORT, REQUEST


@pytest.fixture
def spark_job(tmp_path: Path) -> SparkJob:
    """A request for two tables, the second standing on the first, written to its job folder."""
    folder = JobFolder(str(tmp_path / "jobs"), TaskIdentity(dag_id="flights", run_id="r 1", task_id="lake_run"))
    request = JobRequest(
        request_id=folder.task.request_id,
        task=folder.task,
        pipeline="flights",
        tables=(
            TableRequest(table="silver.a", steps=(TransformStep("SELECT 1"), WriteStep("replace"), PublishStep())),
            TableRequest(table="gold.b", steps=(TransformStep("SELECT 2"), PublishStep()), upstream=("silver.a",)),
        ),
        catalog=Catalog(name="lake", type="sqlite", warehouse=f"file://{tmp_path}/warehouse"),
        report_uri=folder.document(REPORT),
    )
    open_store(folder.uri).write(folder.document(REQUEST), to_json(request).encode())
    return SparkJob(request=request, request_uri=folder.document(REQUEST))
