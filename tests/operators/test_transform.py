from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import LakeTransformOperator
from airflow_lake_provider.protocol import CheckStep, PythonStep, TransformStep, WriteStep, open_store

OF_THE_DAY = "SELECT * FROM bronze.orders WHERE day = '{{ data_interval_start | ds }}'"


def query(engine: InMemoryEngine) -> TransformStep:
    step = engine.requests[0].tables[0].steps[0]
    assert isinstance(step, TransformStep)
    return step


def test_the_query_is_rendered_and_its_inputs_are_read_from_it(
    task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = task_run(
        LakeTransformOperator, table="silver.orders", sql=OF_THE_DAY, unique_key="id", checks=["row_count > 0"]
    )
    run.run()
    assert query(engine).sql == "SELECT * FROM bronze.orders WHERE day = '2026-01-01'"
    assert (query(engine).inputs, query(engine).names_interval) == (("bronze.orders",), True)
    write, check = engine.requests[0].tables[0].steps[1:3]
    assert write == WriteStep(strategy="merge", unique_key=("id",))
    assert isinstance(check, CheckStep)
    assert [found.text for found in check.checks] == ["row_count > 0"]


def test_a_query_without_a_template_names_no_interval(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    task_run(LakeTransformOperator, table="gold.orders", sql="SELECT 1 AS n").run()
    assert query(engine).names_interval is False


def test_inputs_that_a_plan_knows_win_over_the_query(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    run = task_run(LakeTransformOperator, table="gold.orders", sql="SELECT * FROM silver.orders")
    run.operator.inputs = ("silver.orders", "silver.customers")
    run.run()
    assert query(engine).inputs == ("silver.orders", "silver.customers")


@pytest.mark.parametrize("place", ["dags", "."], ids=["beside the DAG file", "in the project root"])
def test_a_file_gives_the_query_and_is_a_template_too(
    place: str, task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "dags").mkdir()
    (project / place / "orders.sql").write_text(OF_THE_DAY)
    run = task_run(
        LakeTransformOperator,
        table="silver.orders",
        sql_file="orders.sql",
        unique_key="id",
        project_dir=str(project / "dags"),
    )
    run.run()
    assert query(engine).sql == "SELECT * FROM bronze.orders WHERE day = '2026-01-01'"
    assert query(engine).names_interval is True
    assert run.executed.sql == query(engine).sql, "the page of rendered fields shows the query"


def test_a_missing_file_says_where_it_was_looked_for(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = task_run(LakeTransformOperator, table="gold.orders", sql_file="nowhere.sql")
    with pytest.raises(AirflowFailException, match=f"no sql_file 'nowhere.sql'; looked for it in {project}"):
        run.run()


def test_a_file_outside_of_the_project_is_refused(
    task_run: Callable[..., Any], engine: InMemoryEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "q.sql"
    outside.write_text("SELECT 1 AS n")
    with pytest.raises(AirflowFailException, match="lies outside of the project"):
        task_run(LakeTransformOperator, table="gold.orders", sql_file=str(outside)).run()
    assert engine.requests == []


@pytest.mark.parametrize("place", ["dags", "."], ids=["beside the DAG file", "in the project root"])
def test_a_function_is_read_and_its_code_lies_where_the_job_finds_it(
    place: str, task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "dags").mkdir()
    (project / place / "orders.py").write_text(
        "raise SystemExit\ndef build(bronze__orders, context):\n    return context.data_interval_start\n"
    )
    run = task_run(
        LakeTransformOperator,
        table="silver.orders",
        python="{{ params.module }}:build",
        unique_key="id",
        depends_on=["bronze.rates"],
        project_dir=str(project / "dags"),
    )
    run.params = {"module": "orders"}
    run.run()
    step = engine.requests[0].tables[0].steps[0]
    assert isinstance(step, PythonStep)
    assert (step.module, step.function, step.wants) == ("orders", "build", ("context",))
    assert (step.parameters, step.inputs) == ({"bronze__orders": "bronze.orders"}, ("bronze.orders", "bronze.rates"))
    assert (step.deterministic, step.names_interval) == (True, True)
    assert step.code_uri.endswith(f"/jobs/~code/{step.code_sha256}.zip")
    code = open_store(step.code_uri).read(step.code_uri)
    assert code is not None
    assert hashlib.sha256(code).hexdigest() == step.code_sha256


def test_a_function_of_the_interval_may_append_and_is_not_rebuilt_in_one_go(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "orders.py").write_text(
        "def all(bronze__o): ...\ndef daily(context): return context.data_interval_end\n"
    )
    task_run(LakeTransformOperator, table="gold.a", python="orders:daily", write="append").run()
    with pytest.raises(AirflowFailException, match="would add the same rows at each run"):
        task_run(LakeTransformOperator, table="gold.b", python="orders:all", write="append").run()
    run = task_run(LakeTransformOperator, table="gold.a", python="orders.py:daily", write="append")
    run.params = {"lake_full_refresh": True}
    with pytest.raises(AirflowFailException, match="airflow backfill create"):
        run.run()
    assert engine.tables == ["gold.a"]


def test_a_wrong_function_is_told_in_its_file(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "orders.py").write_text("\ndef build(*tables): ...\n")
    with pytest.raises(AirflowFailException, match=r"gold.a: python: .*/orders.py:2:12: `build` takes `\*tables`"):
        task_run(LakeTransformOperator, table="gold.a", python="orders:build").run()
    assert engine.requests == []


def test_a_relative_project_dir_counts_from_the_dag_file(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = task_run(LakeTransformOperator, table="gold.orders", sql_file="q.sql", project_dir="../specs")
    run.operator.dag.fileloc = str(project / "dags" / "orders.py")
    (project / "dags").mkdir()
    (project / "specs").mkdir()
    (project / "specs" / "q.sql").write_text("SELECT 1 AS n")
    run.run()
    assert query(engine).sql == "SELECT 1 AS n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sql": "SELECT 1", "sql_file": "a.sql"}, "sql and sql_file are both given"),
        ({}, "exactly one of"),
        ({"python": "module:function"}, "python: there is no module `module`"),
        ({"python": "{{ dag.dag_id }}"}, "python: `orders` names no function"),
        ({"sql": "SELEC 1"}, "sql"),
        ({"sql": "SELECT * FROM silver.orders", "write": "append"}, "append"),
    ],
    ids=["two sources", "no source", "no module", "no function", "no SQL", "an append that would double"],
)
def test_wrong_arguments_are_refused_before_anything_is_submitted(
    arguments: dict[str, Any], message: str, task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    with pytest.raises(AirflowFailException, match=f"(?s){message}"):
        task_run(LakeTransformOperator, table="gold.orders", **arguments).run()
    assert engine.requests == []


def test_a_full_refresh_of_a_table_of_intervals_is_refused_with_the_command_to_use(
    task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = task_run(LakeTransformOperator, table="silver.orders", sql=OF_THE_DAY, unique_key="id")
    run.params = {"lake_full_refresh": True}
    with pytest.raises(AirflowFailException, match="airflow backfill create"):
        run.run()


def test_a_template_in_a_check_does_not_make_the_rows_the_intervals(
    task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    checks = ["max(day) = '{{ data_interval_start | ds }}'"]
    run = task_run(LakeTransformOperator, table="gold.orders", sql="SELECT * FROM silver.orders", checks=checks)
    run.params = {"lake_full_refresh": True}
    run.run()
    assert engine.requests[0].tables[0].full_refresh
    run = task_run(LakeTransformOperator, table="gold.a", sql="SELECT 1 AS n", write="append", checks=checks)
    with pytest.raises(AirflowFailException, match="would add the same rows at each run"):
        run.run()
