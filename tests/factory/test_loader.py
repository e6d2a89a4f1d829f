"""What the two loader files bring, call by call; ``test_dag_processor`` shows it in Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_lake_provider import load_lake_dags, raise_lake_dag_errors
from airflow_lake_provider.exceptions import SpecError

WRONG = """\
pipeline: wrong
tabels:
  bronze.wrong:
    ingest: {files: landing/*.csv}
"""
REPORTER = "from airflow_lake_provider import raise_lake_dag_errors\nraise_lake_dag_errors(globals(){})\n"


@pytest.fixture
def load(folder: Path) -> Callable[..., dict[str, DAG]]:
    """Return what runs the first loader file and gives the DAGs it brings."""

    def run(*, at: Path | None = None, **arguments: Any) -> dict[str, DAG]:
        module = {"__file__": str((at or folder) / "lake_dags.py")}
        load_lake_dags(module, **arguments)
        return {name: value for name, value in module.items() if isinstance(value, DAG)}

    return run


@pytest.fixture
def report(folder: Path) -> Callable[..., None]:
    """Return what runs the second loader file."""

    def run(**arguments: Any) -> None:
        raise_lake_dag_errors({"__file__": str(folder / "lake_spec_errors.py")}, **arguments)

    return run


@pytest.fixture
def on_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes Airflow ask for one DAG only, as a worker does."""
    return lambda dag_id: monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)


# --- the DAGs


def test_each_spec_becomes_a_dag(load: Callable[..., Any], write_spec: Callable[..., Path]) -> None:
    write_spec("orders")
    write_spec("web-shop", at="shop/web.yml")
    dags = load()
    assert {name: dag.dag_id for name, dag in dags.items()} == {"orders": "orders", "web-shop": "web-shop"}


def test_a_pipeline_of_200_tables_is_read_well_within_airflow_s_time(load: Callable[..., Any], folder: Path) -> None:
    tables = [
        f"  bronze.t{n}: {{ingest: {{files: {n}.csv}}}}\n"
        f"  silver.t{n}: {{sql: 'SELECT * FROM bronze.t{n} JOIN bronze.t{(n + 1) % 100} USING (id)', unique_key: id}}\n"
        for n in range(100)
    ]
    (folder / "wide.yaml").write_text("pipeline: wide\ntables:\n" + "".join(tables))
    started = time.process_time()
    dags = load()
    assert len(dags["wide"].tasks) == 200
    assert time.process_time() - started < 5, "Airflow ends a parse after 30 seconds, on machines that may be slower"


def test_specs_names_another_folder_seen_from_the_loader(
    load: Callable[..., Any], write_spec: Callable[..., Path], folder: Path
) -> None:
    write_spec("orders", at="../dag_specs/orders.yaml")
    write_spec("beside")
    assert list(load(specs="../dag_specs")) == ["orders"]


def test_a_folder_of_specs_that_is_not_there_is_an_error_in_the_loader(load: Callable[..., Any]) -> None:
    with pytest.raises(SpecError, match=r"specs='../nowhere' is not a folder"):
        load(specs="../nowhere")


def test_what_is_ignored_makes_no_dag(load: Callable[..., Any], write_spec: Callable[..., Path], folder: Path) -> None:
    (folder / ".airflowignore").write_text("drafts/\n*.old.yaml\n")
    write_spec("orders")
    for hidden in ("_orders.yaml", ".orders.yaml", "_later/orders.yaml", "drafts/orders.yaml", "orders.old.yaml"):
        write_spec(f"hidden{len(hidden)}", at=hidden)
    write_spec("other", "services: {web: {image: nginx}}\n", at="compose.yaml")
    assert list(load()) == ["orders"]


def test_a_wrong_spec_leaves_the_others_and_is_reported(
    load: Callable[..., Any], report: Callable[..., None], write_spec: Callable[..., Path], folder: Path
) -> None:
    write_spec("orders")
    wrong = write_spec("wrong", WRONG)
    (folder / "lake_spec_errors.py").write_text(REPORTER.format(""))
    assert list(load()) == ["orders"]
    with pytest.raises(SpecError) as error:
        report()
    assert f"{wrong.name}:2:1: error[unknown-key]" in str(error.value)
    assert "did you mean `tables`" in str(error.value)


def test_all_wrong_specs_share_one_error(report: Callable[..., None], write_spec: Callable[..., Path]) -> None:
    write_spec("wrong", WRONG)
    write_spec("broken", "pipeline: broken\ntables: [\n")
    with pytest.raises(SpecError) as error:
        report()
    assert "wrong.yaml:2:1" in str(error.value)
    assert "broken.yaml:" in str(error.value)
    assert len(error.value.diagnostics) >= 2


def test_a_spec_of_an_unknown_environment_leaves_the_others(
    load: Callable[..., Any], report: Callable[..., None], write_spec: Callable[..., Path]
) -> None:
    write_spec("orders")
    wrong = write_spec("wrong")
    wrong.write_text(wrong.read_text() + "environment: prodd\n")
    assert "orders" in load()
    with pytest.raises(SpecError, match="prodd"):
        report()


def test_two_pipelines_of_one_name_are_reported_and_one_of_them_loads(
    load: Callable[..., Any], report: Callable[..., None], write_spec: Callable[..., Path]
) -> None:
    write_spec("orders", at="a.yaml")
    write_spec("orders", at="b.yaml")
    assert "orders" in load()
    with pytest.raises(SpecError, match=r"b\.yaml:1:.*orders"):
        report()


def test_good_specs_are_nothing_to_report(report: Callable[..., None], write_spec: Callable[..., Path]) -> None:
    write_spec("orders")
    assert report() is None


def test_warnings_are_nothing_to_report(report: Callable[..., None], write_spec: Callable[..., Path]) -> None:
    text = write_spec("orders").read_text().replace("landing/orders.csv", '"landing/{{ ds }}.csv"')
    write_spec("orders", text)
    assert report() is None


def test_what_airflow_alone_refuses_is_reported_and_leaves_the_others(
    load: Callable[..., Any], report: Callable[..., None], write_spec: Callable[..., Path], monkeypatch: Any
) -> None:
    import airflow_lake_provider.factory.loader as loader

    build = loader.build_dag

    def refuse_orders(plan: Any) -> DAG:
        if plan.pipeline == "orders":
            raise ValueError("the pool is unknown")
        return build(plan)

    monkeypatch.setattr(loader, "build_dag", refuse_orders)
    write_spec("orders")
    write_spec("returns")
    assert "returns" in load()
    with pytest.raises(SpecError, match=r"orders\.yaml:1:1: .*Airflow refuses the DAG orders: the pool is unknown"):
        report()


def test_a_wrong_lake_yaml_is_reported_and_not_raised_by_the_first_file(
    load: Callable[..., Any], report: Callable[..., None], write_spec: Callable[..., Path], folder: Path
) -> None:
    write_spec("orders")
    (folder / "lake.yaml").write_text("enviroments: {}\n")
    (folder / "lake_spec_errors.py").write_text(REPORTER.format(""))
    assert load() == {}
    with pytest.raises(SpecError, match=r"lake\.yaml:1:1"):
        report()


# --- where nobody installed the second file


def test_without_a_reporter_the_errors_are_a_paused_dag(
    load: Callable[..., Any], write_spec: Callable[..., Path]
) -> None:
    write_spec("orders")
    write_spec("wrong", WRONG)
    dags = load()
    assert sorted(dags) == ["lake_spec_errors", "orders"]
    shown = dags["lake_spec_errors"]
    assert (shown.tags, shown.is_paused_upon_creation, shown.schedule) == ({"spec-error"}, True, None)
    assert "wrong.yaml:2:1" in shown.doc_md


def test_without_errors_there_is_no_such_dag(load: Callable[..., Any], write_spec: Callable[..., Path]) -> None:
    write_spec("orders")
    assert list(load()) == ["orders"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(REPORTER.format(""), False, id="it reports this folder"),
        pytest.param(REPORTER.format(", specs='.'"), False, id="it reports this folder by name"),
        pytest.param(REPORTER.format(", specs='../' + 'dags'"), False, id="only running it could tell"),
        pytest.param(
            "import airflow_lake_provider as lake\nlake.raise_lake_dag_errors(globals())", False, id="by module"
        ),
        pytest.param(REPORTER.format(", specs='../other'"), True, id="it reports another folder"),
        pytest.param("# raise_lake_dag_errors(globals())\n", True, id="it is commented out"),
        pytest.param("raise_lake_dag_errors(globals(\n", True, id="it is no Python"),
    ],
)
def test_a_reporter_is_a_file_that_calls_it_for_the_same_folder(
    text: str, shown: bool, load: Callable[..., Any], write_spec: Callable[..., Path], folder: Path
) -> None:
    write_spec("wrong", WRONG)
    (folder / "errors_dag.py").write_text(text)
    assert ("lake_spec_errors" in load()) is shown


def test_in_one_file_with_the_dags_the_reporter_shows_and_does_not_raise(
    write_spec: Callable[..., Path], folder: Path
) -> None:
    write_spec("orders")
    write_spec("wrong", WRONG)
    module: dict[str, Any] = {"__file__": str(folder / "lake_dags.py")}
    (folder / "lake_dags.py").write_text(REPORTER.format(""))
    load_lake_dags(module)
    raise_lake_dag_errors(module)
    assert {name for name, value in module.items() if isinstance(value, DAG)} == {"orders", "lake_spec_errors"}


# --- on a worker


def test_a_worker_builds_only_the_dag_it_asks_for(
    load: Callable[..., Any], write_spec: Callable[..., Path], on_worker: Callable[[str], None]
) -> None:
    write_spec("orders")
    write_spec("orders2")
    write_spec("wrong", WRONG)
    on_worker("orders")
    assert list(load()) == ["orders"]


@pytest.mark.parametrize(
    "line", ["pipeline: orders", "pipeline:   'orders'  # the shop's", 'pipeline: "orders"', "'pipeline': orders"]
)
def test_a_worker_finds_the_dag_however_the_spec_writes_its_name(
    line: str, load: Callable[..., Any], write_spec: Callable[..., Path], on_worker: Callable[[str], None]
) -> None:
    write_spec("other")
    text = write_spec("orders").read_text()
    write_spec("orders", text.replace("pipeline: orders", line))
    on_worker("orders")
    assert "orders" in load()


def test_a_worker_of_a_wrong_spec_says_what_is_wrong(
    load: Callable[..., Any], write_spec: Callable[..., Path], on_worker: Callable[[str], None]
) -> None:
    write_spec("wrong", WRONG)
    on_worker("wrong")
    with pytest.raises(SpecError, match="tabels"):
        load()


def test_a_worker_never_meets_the_reporters_error(
    report: Callable[..., None], write_spec: Callable[..., Path], on_worker: Callable[[str], None]
) -> None:
    write_spec("wrong", WRONG)
    on_worker("orders")
    assert report() is None
