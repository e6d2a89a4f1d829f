"""One table's rendered settings as a request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan import check_request, names_interval, plan_pipeline, table_request
from airflow_lake_provider.protocol import (
    Check,
    CheckStep,
    Column,
    IngestStep,
    PublishStep,
    Quarantine,
    TableRequest,
    TransformStep,
    WriteStep,
    from_json,
    to_json,
)
from airflow_lake_provider.spec import Environment

INGEST = {"ingest": {"files": "landing/*.csv", "options": {"header": True}}}
QUERY = {"sql": "SELECT * FROM bronze.flights", "write": "replace"}


def test_an_ingest(environment: Environment, tmp_path: Path) -> None:
    request = table_request(
        "bronze.flights",
        {
            **INGEST,
            "description": "As delivered",
            "columns": {"id": "long not null", "price": {"type": "double", "rule": "price > 0", "description": "Paid"}},
            "partition_by": "bucket(4,id)",
            "properties": {"format-version": 2},
            "tags": ["raw"],
        },
        environment=environment,
    )
    assert request == TableRequest(
        table="bronze.flights",
        steps=(
            IngestStep(files=(f"{tmp_path}/landing/*.csv",), format="csv", options={"header": "true"}),
            WriteStep(strategy="append"),
            PublishStep(),
        ),
        columns=(
            Column("id", "bigint", nullable=False),
            Column("price", "double", description="Paid", rule="price > 0"),
        ),
        description="As delivered",
        partition_by=("bucket(4, id)",),
        properties={"format-version": "2"},
        quarantine=Quarantine(table="bronze.flights__quarantine"),
        spec_sha256=request.spec_sha256,
    )


def test_a_query_with_checks(environment: Environment) -> None:
    request = table_request(
        "silver.flights",
        {
            "sql": "SELECT * FROM lake.bronze.flights f JOIN Raw.Airlines USING (carrier) -- all\n;\n",
            "unique_key": "id",
            "write": {"strategy": "merge", "sequence_by": "at"},
            "depends_on": ["bronze.days"],
            "checks": [
                "row_count > 0",
                {"max(x) < 5": {"on_fail": "warn", "name": "small"}},
                {"row_count same as bronze.days": {"on_fail": "skip_publish", "on_error": "warn"}},
                {"failed rows": {"fail query": "SELECT * FROM silver.flights JOIN gold.limits"}},
                {"min(x) > 0": None},
            ],
            "quarantine": {"max": "20%", "table": "bad"},
        },
        environment=environment,
        upstream=["bronze.flights"],
        names_interval=True,
    )
    assert request.steps == (
        TransformStep(
            sql="SELECT * FROM lake.bronze.flights f JOIN Raw.Airlines USING (carrier) -- all",
            inputs=("Raw.Airlines", "bronze.days", "bronze.flights"),
            names_interval=True,
        ),
        WriteStep(strategy="merge", unique_key=("id",), sequence_by="at"),
        CheckStep(
            checks=(
                Check("row_count > 0"),
                Check("max(x) < 5", body={"name": "small"}, on_fail="warn", on_error="warn"),
                Check("row_count same as bronze.days", on_fail="skip_publish", on_error="warn"),
                Check("failed rows", body={"fail query": "SELECT * FROM silver.flights JOIN gold.limits"}),
                Check("min(x) > 0"),
            ),
            inputs=("bronze.days", "gold.limits"),
        ),
        PublishStep(),
    )
    assert request.quarantine == Quarantine(table="silver.bad", max_fraction=0.2)
    assert request.upstream == ("bronze.flights",)


def test_inputs_that_are_known_are_taken(environment: Environment) -> None:
    request = table_request("gold.a", QUERY, environment=environment, inputs=("x.y",))
    assert isinstance(request.steps[0], TransformStep)
    assert request.steps[0].inputs == ("x.y",)


@pytest.mark.parametrize(
    ("settings", "quarantine"),
    [
        ({}, Quarantine(table="bronze.flights__quarantine")),
        ({"quarantine": True}, Quarantine(table="bronze.flights__quarantine")),
        ({"quarantine": False}, Quarantine(enabled=False, table="bronze.flights__quarantine")),
        ({"quarantine": {"max": 0}}, Quarantine(table="bronze.flights__quarantine", max_fraction=0.0)),
        ({"quarantine": {"table": "other.bad"}}, Quarantine(table="other.bad")),
    ],
)
def test_quarantine(environment: Environment, settings: dict[str, Any], quarantine: Quarantine) -> None:
    assert table_request("bronze.flights", {**INGEST, **settings}, environment=environment).quarantine == quarantine


@pytest.mark.parametrize(
    ("table", "settings", "strategy"),
    [
        ("bronze.a", INGEST, "append"),
        ("silver.a", {**INGEST, "unique_key": ["id"]}, "merge"),
        ("gold.a", {"sql": "SELECT 1 AS id"}, "replace"),
        ("other.a", INGEST, "append"),
        ("other.a", QUERY, "replace"),
        ("gold.a", {**INGEST, "write": "append"}, "append"),
    ],
)
def test_the_layer_writes_unless_the_table_says(
    environment: Environment, table: str, settings: dict[str, Any], strategy: str
) -> None:
    (write,) = [s for s in table_request(table, settings, environment=environment).steps if isinstance(s, WriteStep)]
    assert write.strategy == strategy


@pytest.mark.parametrize(
    "settings",
    [
        {"sql": "SELECT now() AS at"},
        {"sql": "SELECT 1 AS at", "columns": {"at": {"type": "timestamp", "rule": "at < current_timestamp"}}},
        {
            "sql": "SELECT 1 AS id, 2 AS ends",
            "unique_key": "id",
            "write": {"strategy": "merge", "delete_when": "ends < current_date()"},
        },
    ],
)
def test_the_clock_makes_a_query_not_deterministic(environment: Environment, settings: dict[str, Any]) -> None:
    request = table_request("gold.a", settings, environment=environment)
    assert isinstance(request.steps[0], TransformStep)
    assert not request.steps[0].deterministic


def test_what_is_only_doubtful_in_a_spec_runs(environment: Environment) -> None:
    assert table_request("gild.a", QUERY, environment=environment).strategy == "replace"


def test_data_paths_are_below_the_base_path(environment: Environment) -> None:
    settings = {"ingest": {"files": ["a.csv", "/b/c.csv", "s3://d/e.csv"]}}
    request = table_request("bronze.a", settings, environment=replace(environment, base_path="s3://lake"))
    assert isinstance(request.steps[0], IngestStep)
    assert request.steps[0].files == ("s3://lake/a.csv", "/b/c.csv", "s3://d/e.csv")


@pytest.mark.parametrize(
    ("files", "format_"),
    [
        (["a.csv", "b/*.CSV.gz"], "csv"),
        (["a.json", "b.jsonl", "c.ndjson.bz2"], "json"),
        (["day=2026-01-01/part.0001.parquet"], "parquet"),
    ],
)
def test_the_ending_tells_the_format(environment: Environment, files: list[str], format_: str) -> None:
    request = table_request("bronze.a", {"ingest": {"files": files}}, environment=environment)
    assert isinstance(request.steps[0], IngestStep)
    assert request.steps[0].format == format_


def test_a_sql_file_is_read_below_the_project(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT * FROM x.y")
    request = table_request("gold.a", {"sql_file": "a.sql"}, environment=environment)
    assert isinstance(request.steps[0], TransformStep)
    assert (request.steps[0].sql, request.steps[0].inputs) == ("SELECT * FROM x.y", ("x.y",))
    for name, said in (("b.sql", "cannot be read"), ("../a.sql", "outside of the project")):
        with pytest.raises(SpecError, match=said):
            table_request("gold.a", {"sql_file": name}, environment=environment)


def test_normal_settings_give_the_same_request_as_the_users(environment: Environment) -> None:
    spec = Path(__file__).parent / "outlines" / "every_key.yaml"
    for table in plan_pipeline(spec).tables:
        arguments: dict[str, Any] = {"environment": environment, "names_interval": names_interval(table.settings)}
        request = table_request(table.table, table.settings, **arguments)
        read_again = from_json(TableRequest, to_json(request), source="test")
        assert read_again == request


def test_only_what_decides_the_content_makes_the_hash(environment: Environment) -> None:
    def sha256(**more: Any) -> str:
        return table_request("gold.a", {**QUERY, **more}, environment=environment).spec_sha256

    base = sha256()
    assert len(base) == 64
    same = [
        {"description": "x"},
        {"tags": ["x"]},
        {"engine": "default"},
        {"retries": 3},
        {"write": {"strategy": "replace"}},
    ]
    assert {sha256(**more) for more in same} == {base}
    other = [
        {"sql": "SELECT 2 AS a"},
        {"columns": {"a": "int"}},
        {"write": "merge", "unique_key": "a"},
        {"partition_by": ["a"]},
        {"checks": ["row_count > 0"]},
        {"quarantine": False},
    ]
    assert len({base, *(sha256(**more) for more in other)}) == len(other) + 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown setting": ({**QUERY, "unique_keys": ["a"]}, r"unique_keys: unknown key .* did you mean `unique_key`\?"),
    "a setting of later": (
        {**QUERY, "incremental": "bronze.a"},
        "incremental: `incremental` is not supported yet",
    ),
    "a wrong type": (
        {**INGEST, "columns": {"a": "bigit"}},
        r"columns.a.type: `bigit` is not .* did you mean `bigint`\?",
    ),
    "no source": ({"write": "append"}, "the table has no source"),
    "two sources": ({**INGEST, **QUERY}, "sql: `sql` stands beside `ingest`"),
    "an append from a query": ({"sql": "SELECT 1 AS a", "write": "append"}, "write: an `append` from a query"),
    "a merge without a key": ({"sql": "SELECT 1 AS a", "write": "merge"}, "write: `merge` needs `unique_key`"),
    "wrong SQL": ({"sql": "SELECT\nFROM WHERE"}, r"sql: the SQL does not parse .*\(line 2 of the query\)"),
    "an insert": ({"sql": "INSERT INTO a.b SELECT 1"}, "sql: `INSERT` is not a SELECT"),
    "a wrong check": ({**QUERY, "checks": ["row_cnt > 0"]}, r"checks.0: `row_cnt` is not a metric.*`row_count`\?"),
    "a wrong format": ({"ingest": {"files": "a.csv", "format": "xml"}}, "ingest.format: `format` is `xml`"),
    "a wrong key in the contract": (
        {**QUERY, "columns": {"a": "int"}, "unique_key": "b"},
        "unique_key.0: `unique_key` names `b`",
    ),
}


@pytest.mark.parametrize(("settings", "said"), WRONG.values(), ids=WRONG.keys())
def test_wrong_settings_name_the_argument(environment: Environment, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        table_request("gold.a", settings, environment=environment)
    assert all(line.startswith("gold.a: ") for line in str(caught.value).splitlines())


def test_all_wrong_settings_are_said_at_once(environment: Environment) -> None:
    settings = {**INGEST, "retries": "many", "columns": {"a": "bigit", "b": "strng"}, "pool_slots": 0}
    with pytest.raises(SpecError) as caught:
        table_request("bronze.a", settings, environment=environment)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "retries",
        "pool_slots",
        "columns.a.type",
        "columns.b.type",
    ]


def test_a_rendered_append_of_the_interval_is_one(environment: Environment) -> None:
    settings = {"sql": "SELECT 1 AS a WHERE '2026-01-01' > ''", "write": "append"}
    request = table_request("gold.a", settings, environment=environment, names_interval=True)
    assert WriteStep(strategy="append") in request.steps


def test_a_full_refresh_of_an_interval_is_refused_with_the_command(environment: Environment) -> None:
    assert table_request("gold.a", QUERY, environment=environment, full_refresh=True).full_refresh
    with pytest.raises(SpecError, match="airflow backfill create"):
        table_request("gold.a", QUERY, environment=environment, names_interval=True, full_refresh=True)


@pytest.mark.parametrize("table", ["flights", "a.b.c", "a-b.c", ""])
def test_a_wrong_table_name_is_named(environment: Environment, table: str) -> None:
    with pytest.raises(SpecError, match="table: .*expected `layer.name`"):
        table_request(table, QUERY, environment=environment)
    with pytest.raises(SpecError, match="table: .*expected `layer.name`"):
        check_request(table, ["row_count > 0"], environment=environment)


def test_python_values_are_taken_as_yaml_would_give_them(environment: Environment) -> None:
    settings = {"sql": "SELECT 1 AS a", "write": "merge", "unique_key": ("a",), "checks": ("row_count > 0",)}
    request = table_request("gold.a", settings, environment=environment)
    assert WriteStep(strategy="merge", unique_key=("a",)) in request.steps


def test_checks_only(environment: Environment) -> None:
    checks = ["row_count > 0", {"values in (a) must exist in lake.raw.b (a)": {"on_fail": "warn"}}]
    request = check_request("gold.a", checks, environment=environment)
    assert request.steps == (
        CheckStep(
            checks=(
                Check("row_count > 0"),
                Check("values in (a) must exist in lake.raw.b (a)", on_fail="warn", on_error="warn"),
            ),
            inputs=("raw.b",),
        ),
    )
    assert request.spec_sha256 != check_request("gold.a", checks[:1], environment=environment).spec_sha256


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([], "checks: there is no check"),
        ([{"row_count > 0": {"on_fail": "quarantine"}}], "not supported yet"),
        ([3], "a check is `3`"),
    ],
)
def test_wrong_checks_are_refused(environment: Environment, checks: list[Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        check_request("gold.a", checks, environment=environment)
