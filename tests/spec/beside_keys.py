"""What stands beside a key where it is used or misused, by path (``lake.yaml`` first: in that file)."""

from __future__ import annotations

from typing import Any

INGEST, QUERY = "bronze.a", "silver.b"
MERGE = {("tables", QUERY, "write", "strategy"): "merge"}
TYPE = {("tables", QUERY, "columns", "id", "type"): "bigint"}
ROW_COUNT: dict[tuple[str, ...], Any] = {("tables", QUERY, "checks"): [{"row_count > 0": {}}]}
USES_PROFILE = {("tables", QUERY, "resource_profile"): "mine"}
ON_CLUSTER = {
    **USES_PROFILE,
    ("lake.yaml", "environments", "local", "engines"): {"default": {"type": "spark_submit", "master": "yarn"}},
}
NO_SOURCE = {("tables", QUERY, "sql"): None}
LOCAL = {("lake.yaml", "environments", "local", "engines", "default", "type"): "local"}
BARE = {("lake.yaml", "environments", "local", "engines", "default", "type"): "spark_submit"}
YARN = {("lake.yaml", "environments", "local", "engines", "default", "master"): "yarn"}
SUBMIT = {**BARE, **YARN}
IN_MEMORY = {("lake.yaml", "environments", "local", "engines", "default", "type"): "in_memory"}
