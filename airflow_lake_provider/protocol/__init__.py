"""The contract between the planes: request, report, job folder.

Python 3.9 syntax and the standard library only. Versioned; the JSON Schemas beside this file are generated from the
dataclasses, and the golden documents in the tests must load for ever.
"""

from __future__ import annotations

from airflow_lake_provider.protocol.checks import check_failure, failed_checks
from airflow_lake_provider.protocol.document import from_json, from_plain, to_json, to_plain
from airflow_lake_provider.protocol.report import (
    CheckResult,
    Commit,
    JobError,
    JobReport,
    Rows,
    Runtime,
    TableReport,
)
from airflow_lake_provider.protocol.request import (
    METADATA_COLUMNS,
    PROTOCOL_VERSION,
    Catalog,
    Check,
    CheckStep,
    Column,
    DataInterval,
    IngestStep,
    JobRequest,
    Provenance,
    PublishStep,
    PythonStep,
    Quarantine,
    Step,
    Submissions,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
)
from airflow_lake_provider.protocol.store import JobFolder, LocalStore, S3Store, Store, open_store, submissions

__all__ = [
    "METADATA_COLUMNS",
    "PROTOCOL_VERSION",
    "Catalog",
    "Check",
    "CheckResult",
    "CheckStep",
    "Column",
    "Commit",
    "DataInterval",
    "IngestStep",
    "JobError",
    "JobFolder",
    "JobReport",
    "JobRequest",
    "LocalStore",
    "Provenance",
    "PublishStep",
    "PythonStep",
    "Quarantine",
    "Rows",
    "Runtime",
    "S3Store",
    "Step",
    "Store",
    "Submissions",
    "TableReport",
    "TableRequest",
    "TaskIdentity",
    "TransformStep",
    "WriteStep",
    "check_failure",
    "failed_checks",
    "from_json",
    "from_plain",
    "open_store",
    "submissions",
    "to_json",
    "to_plain",
]
