"""Runs in the Python of an Airflow version, with nothing but that environment: says what it finds, as one document.

``look.py OUT hashes`` serializes the DAGs, ``look.py OUT all`` imports, discovers and runs them too. What differs here
between the versions is how Airflow is asked; how the package uses it differs in its ``compat`` module.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sqlite3
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import airflow

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
HOME = Path(os.environ["AIRFLOW_HOME"])
DAY = datetime(2026, 1, 3, 12, tzinfo=UTC)


def warnings_of_ours() -> list[str]:
    """Import every module that Airflow's side may import; return the warnings that our lines cause."""
    import airflow_lake_provider

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for module in pkgutil.walk_packages(airflow_lake_provider.__path__, "airflow_lake_provider."):
            # Spark's side needs pyspark.
            if not module.name.startswith("airflow_lake_provider.jobs") and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return [
        f"{warning.category.__name__}: {warning.filename}:{warning.lineno}: {warning.message}"
        for warning in caught
        if "airflow_lake_provider" in f"{warning.filename} {warning.message}"
    ]


def discovery() -> dict[str, Any]:
    """Return what Airflow's own discovery makes of the installed package."""
    import jsonschema
    from airflow.providers_manager import ProvidersManager

    found = ProvidersManager()
    provider = found.providers.get("airflow-lake-provider")
    schema = json.loads(resources.files("airflow").joinpath("provider_info.schema.json").read_text())
    return {
        "version": provider.version if provider is not None else None,
        "installed_in": str(Path(sys.modules["airflow_lake_provider"].__file__ or "").parents[1]),
        "schema_errors": [
            error.message
            for error in jsonschema.Draft7Validator(schema).iter_errors(dict(provider.data) if provider else {})
        ],
        "extra_links": [name for name in found.extra_links_class_names if "lake" in name],
    }


def load_bag() -> Any:
    """Parse the DAGs folder as the DAG processor does."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    return DagBag(dag_folder=str(HOME / "dags"))


def serialization() -> Any:
    """Return what turns a DAG into a document and back."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
    return DagSerialization


def hash_of(dag: Any) -> str:
    """Return the hash by which Airflow sees whether a DAG has changed."""
    from airflow.models.serialized_dag import SerializedDagModel

    return str(
        SerializedDagModel(dag).dag_hash if IS_AIRFLOW_2 else SerializedDagModel.hash(serialization().to_dict(dag))
    )


def deserialized(dag: Any) -> Any:
    """Return the DAG as the scheduler and the API server have it."""
    return serialization().from_dict(json.loads(json.dumps(serialization().to_dict(dag))))


def intervals(dag: Any) -> list[list[str]]:
    """Return the data intervals of the first two runs that the scheduler makes."""
    from airflow.timetables.base import TimeRestriction

    timetable, last, found = dag.timetable, None, []
    for _ in range(2):
        restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=True)
        last = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction).data_interval
        found.append([last.start.isoformat(), last.end.isoformat()])
    return found


def links(dag: Any) -> dict[str, list[str]]:
    """Return the buttons that each task of a deserialized DAG has on its page."""
    return {task.task_id: list(task.extra_links) for task in dag.tasks}


def run_for(dag: Any, moment: datetime) -> Any:
    """Run the DAG in this process with a logical date."""
    return dag.test(execution_date=moment) if IS_AIRFLOW_2 else dag.test(logical_date=moment)


def run_by_hand(dag: Any) -> Any:
    """Run the DAG as a manual trigger without a date does: Airflow 2 makes one up, Airflow 3 has none."""
    return dag.test() if IS_AIRFLOW_2 else dag.test(run_after=DAY, logical_date=None)


def asked_for(run: Callable[[Any], Any], dag: Any) -> dict[str, Any]:
    """Return the state of a run in which no Spark starts, and what its jobs were asked."""
    from airflow_lake_provider.engines import InMemoryEngine

    with InMemoryEngine.installed() as engine:
        state = str(getattr(run(dag), "state", None))
    return {"state": _word(state), "at": now().isoformat(), "jobs": [_job(request) for request in engine.requests]}


def _job(request: Any) -> dict[str, Any]:
    span = request.interval
    return {
        "table": request.tables[0].table,
        "interval": [span.start, span.end] if span is not None else None,
        "logical_date": request.logical_date,
        "generation": request.task.generation,
        "map_index": request.task.map_index,
        "files": list(request.tables[0].steps[0].files),
    }


def now() -> datetime:
    return datetime.now(UTC)


def _word(state: str) -> str:
    return state.rpartition(".")[2].lower()


def events() -> list[dict[str, Any]]:
    """Return the asset events in Airflow's database, in order; it calls them dataset events in Airflow 2."""
    kind = "dataset" if IS_AIRFLOW_2 else "asset"
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            f"SELECT {kind}.uri, event.extra, event.source_task_id, alias.name FROM {kind}_event AS event"
            f" JOIN {kind} ON {kind}.id = event.{kind}_id"
            f" JOIN {kind}_alias_{kind}_event AS filled ON filled.event_id = event.id"
            f" JOIN {kind}_alias AS alias ON alias.id = filled.alias_id ORDER BY event.id"
        ).fetchall()
    return [{"uri": uri, "extra": json.loads(extra), "task": task, "alias": alias} for uri, extra, task, alias in rows]


def main(out: str, what: str) -> None:
    """Write the document."""
    document: dict[str, Any] = {"airflow": airflow.__version__}
    if what == "all":
        document.update(warnings=warnings_of_ours(), discovery=discovery())
    bag = load_bag()
    document["hashes"] = {name: hash_of(dag) for name, dag in sorted(bag.dags.items())}
    if what == "all":
        document["import_errors"] = sorted(Path(file).name for file in bag.import_errors)
        read = {name: deserialized(dag) for name, dag in bag.dags.items()}
        document["links"] = {name: links(dag) for name, dag in read.items()}
        document["intervals"] = {name: intervals(read[name]) for name in ("orders", "stock")}
        document["dated"] = {"orders": asked_for(lambda dag: run_for(dag, DAY), bag.dags["orders"])}
        document["by_hand"] = {name: asked_for(run_by_hand, bag.dags[name]) for name in ("orders", "stock", "mapped")}
        document["events"] = events()
        run = run_for(bag.dags["orders"], datetime(2026, 1, 5, tzinfo=UTC))
        document["published"] = {
            "state": _word(str(run.state)),
            "entries": {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in run.get_task_instances()},
            "links": {ti.task_id: ti.xcom_pull(task_ids=ti.task_id, key="lake_run") for ti in run.get_task_instances()},
            "events": events()[len(document["events"]) :],
        }
    Path(out).write_text(json.dumps(document, default=str), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
