"""What people hand to operators in DAGs of their own: other tasks' results, paths, functions, and their slips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.operators import LakeIngestOperator, LakeQualityCheckOperator, LakeTransformOperator
from airflow_lake_provider.protocol import IngestStep, WriteStep


class Results(Sequence[str]):
    """The results of a mapped task as Airflow hands them over: a sequence that is neither list nor tuple."""

    def __init__(self, *results: str) -> None:
        self._results = results

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)


def files_of(engine: InMemoryEngine) -> tuple[str, ...]:
    step = engine.requests[0].tables[0].steps[0]
    assert isinstance(step, IngestStep)
    return step.files


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (Path("/landing/a.csv"), ("/landing/a.csv",)),
        ([Path("/landing/a.csv"), "/landing/b.csv"], ("/landing/a.csv", "/landing/b.csv")),
        (Results("/landing/a.csv", "/landing/b.csv"), ("/landing/a.csv", "/landing/b.csv")),
        ("/landing/[ab].csv", ("/landing/[ab].csv",)),
    ],
    ids=["a path", "paths and texts", "a mapped task's results", "a glob with brackets"],
)
def test_files_are_what_python_has(
    files: Any, expected: tuple[str, ...], task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    task_run(LakeIngestOperator, table="bronze.orders", files=files).run()
    assert files_of(engine) == expected


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ("['landing/a.csv', 'landing/b.csv']", "files is the text .*makes text of what a task gave.*files=task.output"),
        ("None", "'None' is the result of a task that gave none"),
        ("", "files is the text ''"),
        ("LazyXComSelectSequence([2 items])", "render_template_as_native_obj=True"),
        ([], "files is empty: the task before found none.*short_circuit"),
        (Results(), "files is empty"),
        ((name for name in ["a.csv"]), "files is a generator, which can be read once only.*files=list"),
    ],
    ids=["a list as text", "None", "nothing", "lazy results", "no file", "no results", "a generator"],
)
def test_a_result_that_got_lost_on_its_way_is_no_pattern_that_matches_no_file(
    files: Any, told: str, task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    with pytest.raises(AirflowFailException, match=f"(?s){told}"):
        task_run(LakeIngestOperator, table="bronze.orders", files=files, format="csv").run()
    assert engine.requests == []


def test_a_function_is_asked_for_by_its_place(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    def doubled(bronze__orders: Any) -> Any:
        return bronze__orders

    with pytest.raises(AirflowFailException, match=r"python is a function; expected .*'transforms.py:doubled'"):
        task_run(LakeTransformOperator, table="gold.orders", python=doubled).run()
    assert engine.requests == []


def test_the_name_of_a_file_is_no_query(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match="give it as sql_file='sql/orders.sql'"):
        task_run(LakeTransformOperator, table="gold.orders", sql="sql/orders.sql").run()


def test_one_check_is_a_list_of_one(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match=r"`checks` is a text; expected a list, such as \['row_count > 0'\]"):
        task_run(LakeQualityCheckOperator, table="gold.orders", checks="row_count > 0").run()


def test_an_environment_is_not_looked_for_in_a_file_that_is_not_there(
    task_run: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "lake.yaml").unlink()
    with pytest.raises(AirflowFailException, match=f"no environment `prod`, for {project} has no lake.yaml"):
        task_run(LakeQualityCheckOperator, table="gold.a", checks=["row_count > 0"], environment="prod").run()


# --- outlets


def test_the_outlets_of_the_user_stay_beside_the_tables() -> None:
    own = Asset("report")
    with DAG("outlets"):
        one = LakeIngestOperator(task_id="one", table="bronze.a", files="a.csv", outlets=own)
        many = LakeIngestOperator(task_id="many", table="bronze.a", files="a.csv", outlets=[own])
    assert one.outlets == many.outlets == [own, AssetAlias("lake:bronze.a")]


def test_a_table_that_is_not_known_yet_has_no_outlet_until_it_is_published(
    task_run: Callable[..., Any], engine: InMemoryEngine
) -> None:
    run = task_run(LakeIngestOperator, table="bronze.{{ params.name }}", files="a.csv")
    run.params = {"name": "orders"}
    assert run.operator.outlets == []
    run.run()
    assert run.executed.outlets == [AssetAlias("lake:bronze.orders")]
    assert [event.dest_asset_key.name for event in run.events] == ["lake.bronze.orders"]


def test_a_table_that_another_task_names_is_not_asked_for_its_text_when_the_dag_is_read() -> None:
    with DAG("named"):

        @task
        def name() -> str:
            return "bronze.a"

        @task_group
        def load(table: Any) -> None:
            LakeIngestOperator(task_id="copy", table=table, files="a.csv")

        one = LakeIngestOperator(task_id="one", table=name(), files="a.csv")  # type: ignore[arg-type]
        load.expand(table=["bronze.a", "bronze.b"])
    assert one.outlets == []
    assert one.dag.get_task("load.copy").outlets == []


# --- several tasks, one table


def writer(engine: InMemoryEngine) -> str | None:
    step = engine.requests[-1].tables[0].steps[1]
    assert isinstance(step, WriteStep)
    return step.writer


def test_tasks_that_append_to_one_table_are_told_apart(task_run: Callable[..., Any], engine: InMemoryEngine) -> None:
    appends = {"table": "gold.a", "sql": "SELECT '{{ data_interval_start | ds }}' AS day", "write": "append"}
    run = task_run(LakeTransformOperator, **appends)
    run.run()
    assert writer(engine) == "orders.t"
    run.map_index = 3
    run.run()
    assert writer(engine) == "orders.t[3]"
    task_run(LakeTransformOperator, **{**appends, "task_id": "other", "write": "replace"}).run()
    assert writer(engine) is None, "whoever replaces a table replaces all of it"
    task_run(LakeIngestOperator, task_id="files", table="bronze.a", files="a.csv").run()
    assert writer(engine) is None, "an ingest knows its files, not its interval"
