"""Specs that change while Airflow runs: what its database and its API say all the time, on Airflow 3 and on 2.11.

A sampler asks the database ten times a second for the DAGs that nobody touches: whatever happens to other specs, these
are neither stale nor missing, nor do they have an import error, at any moment.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2
import pytest
from stack import Stack, wait_until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]

REPORTER = "from airflow_lake_provider import raise_lake_dag_errors\n\nraise_lake_dag_errors(globals())\n"
SPEC = """\
pipeline: {name}
tables:
  bronze.{table}:
    ingest: {{files: "landing/{table}.csv"}}
  gold.{table}:
    sql: SELECT count(*) AS n FROM bronze.{table}
"""
WITNESSES = ("orders", "returns", "visits")
FAR_LOADER = "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals(), specs='../elsewhere')\n"
QUIET_SECONDS = 16
"""Longer than a DAG that is missing stays."""


def spec(name: str, table: str | None = None, more: str = "") -> str:
    return SPEC.format(name=name, table=table or name) + more


@dataclass
class Sampler:
    """Asks again and again how the DAGs are that nobody touches; ``bad`` holds what was not as it must be."""

    stack: Stack
    samples: int = 0
    bad: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Sampler:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(timeout=30)

    def _watch(self) -> None:
        stale = "NOT d.is_active" if self.stack.is_airflow_2 else "d.is_stale"
        sql = (
            f"SELECT d.dag_id, {stale}, d.has_import_errors, s.dag_id IS NOT NULL "
            "FROM dag d LEFT JOIN serialized_dag s ON s.dag_id = d.dag_id WHERE d.dag_id = ANY(%s)"
        )
        connection = psycopg2.connect(self.stack.database.replace("postgresql+psycopg2", "postgresql"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop.wait(0.1):
                cursor.execute(sql, (list(WITNESSES),))
                found = {name: tuple(state) for name, *state in cursor.fetchall()}
                self.samples += 1
                if found != dict.fromkeys(WITNESSES, (False, False, True)):
                    self.bad.append(f"{time.strftime('%X')}: {found}")
        connection.close()


@dataclass
class Work:
    """An Airflow at work on a project of specs."""

    stack: Stack
    project: Path

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def error(self) -> str:
        """The import error of the reporter, the only file that may have one."""
        errors = {Path(name).name: text for name, text in self.stack.api.import_errors().items()}
        assert set(errors) <= {"lake_spec_errors.py"}, errors
        return errors.get("lake_spec_errors.py", "")

    def is_there(self, dag_id: str) -> bool:
        dag = self.stack.api.dag(dag_id)
        return dag is not None and (dag["is_active"] if self.stack.is_airflow_2 else not dag["is_stale"])

    def tasks(self, dag_id: str) -> list[str]:
        found = self.stack.api.get(f"/dags/{dag_id}/tasks")
        return sorted(task["task_id"] for task in found["tasks"]) if found else []

    def until(self, condition: Callable[[], Any], what: str) -> None:
        wait_until(
            condition, seconds=120, what=lambda: f"{what}; errors: {self.error!r}\n{self.stack.tail('dag-processor')}"
        )

    def until_there(self, *dag_ids: str) -> None:
        self.until(lambda: all(map(self.is_there, dag_ids)), f"the DAGs {dag_ids}")

    def until_gone(self, dag_id: str) -> None:
        self.until(lambda: not self.is_there(dag_id), f"the end of {dag_id}")

    def until_error(self, *words: str) -> None:
        self.until(lambda: all(word in self.error for word in words), f"an error with {words}")

    def until_no_error(self) -> None:
        self.until(lambda: not self.error, "no error")


@pytest.fixture(scope="module")
def running(stack: Stack) -> Work:
    work = Work(stack, stack.dags / "shop")
    (stack.dags / "lake_spec_errors.py").write_text(REPORTER)
    (stack.dags / "lake.yaml").write_text("environments: {local: {engines: {default: {type: in_memory}}}}\n")
    for name in WITNESSES:
        work.write(f"{name}.yaml", spec(name))
    stack.start("dag-processor")
    work.until_there(*WITNESSES)
    return work


@pytest.fixture
def work(running: Work) -> Iterator[Work]:
    with Sampler(running.stack) as sampler:
        yield running
        running.stack.check()
    assert sampler.samples > 20
    assert sampler.bad == [], f"{len(sampler.bad)} of {sampler.samples} samples"


def test_a_spec_that_is_dropped_in_is_a_dag_and_one_that_is_deleted_is_none(work: Work) -> None:
    path = work.write("dropped.yaml", spec("dropped"))
    work.until_there("dropped")
    assert work.tasks("dropped") == ["bronze__dropped", "gold__dropped"]
    path.unlink()
    work.until_gone("dropped")
    assert work.error == ""


def test_an_edited_spec_is_another_dag_and_a_remark_is_not(work: Work) -> None:
    api, path = work.stack.api, work.write("edited.yaml", spec("edited"))
    work.until_there("edited")
    api.trigger("edited", logical_date=datetime(2026, 1, 1, tzinfo=UTC))
    # Airflow changes a version that no run has: from here on it has to make another one.
    first = len(api.versions("edited"))
    text = "# A remark, and the keys in another order.\ntables:\n" + path.read_text().partition("tables:\n")[2]
    path.write_text(f"{text}pipeline: edited\n")
    if work.stack.is_airflow_2:
        assert "load_lake_dags" in api.source("edited")
    else:
        work.until(lambda: api.source("edited") == path.read_text(), "the remark in the Code tab")
        assert len(api.versions("edited")) == first == 1
    path.write_text(spec("edited").replace("count(*)", "count(1)"))
    if not work.stack.is_airflow_2:
        work.until(lambda: len(api.versions("edited")) == 2, "a version of the DAG with another query")
        assert api.source("edited") == path.read_text()
    path.write_text(spec("edited", more="  gold.more: {sql: SELECT * FROM gold.edited}\n"))
    work.until(lambda: "gold__more" in work.tasks("edited"), "the new table")
    path.unlink()


def test_a_renamed_file_is_the_same_dag(work: Work) -> None:
    path = work.write("renamed.yaml", spec("renamed"))
    work.until_there("renamed")
    (work.project / "deep").mkdir()
    moved = path.rename(work.project / "deep" / "other_name.yml")
    until = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < until:
        assert work.is_there("renamed")
        time.sleep(0.5)
    assert work.error == ""
    # Under another id it is another DAG, and the one of the old id goes.
    moved.write_text(spec("renamed_too", "renamed"))
    work.until_there("renamed_too")
    work.until_gone("renamed")
    moved.unlink()


def test_a_broken_spec_is_reported_where_it_is_wrong_until_it_is_mended(work: Work) -> None:
    path = work.write("broken.yaml", spec("broken"))
    work.until_there("broken")
    path.write_text(spec("broken").replace("ingest:", "ingset:"))
    other = work.write("deep/also.yaml", "pipeline: also\ntables: [\n")
    work.until_error(f"{path}:4:5: error[unknown-key]", "did you mean `ingest`", f"{other}:")
    work.until_gone("broken")
    path.write_text(spec("broken"))
    other.write_text(spec("also"))
    work.until_there("broken", "also")
    work.until_no_error()
    assert work.is_there("broken")
    path.unlink()
    other.unlink()


def test_a_file_that_is_written_in_two_parts_ends_as_a_dag(work: Work) -> None:
    cuts = {"no_table": "bronze", "no_end": "landing", "no_source": "FROM"}
    texts = {name: spec(name) for name in cuts}
    for name, text in texts.items():
        work.write(f"{name}.yaml", text[: text.index(cuts[name]) + 9])
    work.until_error(*(f"{name}.yaml" for name in cuts))
    for name, text in texts.items():
        with (work.project / f"{name}.yaml").open("a") as file:
            file.write(text[text.index(cuts[name]) + 9 :])
    work.until_there(*cuts)
    work.until_no_error()
    assert all(map(work.is_there, cuts))
    for name in cuts:
        (work.project / f"{name}.yaml").unlink()


def test_a_pipeline_moves_from_one_file_to_another(work: Work) -> None:
    old = work.write("b_old.yaml", spec("moving"))
    work.until_there("moving")
    new = work.write("c_new.yaml", spec("moving"))
    work.until_error(f"{new}:1:11: error[duplicate-pipeline]", f"the pipeline `moving` is also in {old}:1")
    assert work.is_there("moving")
    old.unlink()
    work.until_no_error()
    assert work.is_there("moving")
    new.unlink()


def test_of_two_specs_of_one_pipeline_the_first_by_path_is_the_dag(work: Work) -> None:
    second = work.write("twice_b.yaml", spec("twice", "twice_b"))
    work.until_there("twice")
    assert work.tasks("twice") == ["bronze__twice_b", "gold__twice_b"]
    first = work.write("twice_a.yaml", spec("twice", "twice_a"))
    work.until_error(f"{second}:1:11: error[duplicate-pipeline]", str(first))
    work.until(lambda: work.tasks("twice") == ["bronze__twice_a", "gold__twice_a"], "the first one's tables")
    first.unlink()
    work.until_no_error()
    work.until(lambda: work.tasks("twice") == ["bronze__twice_b", "gold__twice_b"], "the second one's tables")
    second.unlink()


def test_specs_come_and_go_at_any_moment(work: Work) -> None:
    """Deleting in the moment between the parse and Airflow's look at the file is the hard one: so, many times."""
    until, number = time.monotonic() + 30, 0
    while time.monotonic() < until:
        number += 1
        path = work.write(f"brief_{number % 7}.yaml", spec(f"brief_{number % 7}", more=f"# {number}\n"))
        time.sleep(0.6)
        path.unlink()
    for number in range(7):
        work.until_gone(f"brief_{number}")
    assert work.error == ""


def test_the_code_tab_shows_the_spec_and_of_other_dags_their_file(work: Work) -> None:
    other = work.stack.dags / "by_hand.py"
    other.write_text("from airflow_lake_provider.compat import DAG\n\ndag = DAG('by_hand', schedule=None)\n")
    outside = work.stack.home / "elsewhere"
    outside.mkdir()
    (outside / "far.yaml").write_text(spec("far"))
    (work.stack.dags / "far_dags.py").write_text(FAR_LOADER)
    work.until_there("by_hand", "far")
    assert work.stack.api.source("by_hand") == other.read_text()
    shown = work.stack.api.source("orders"), work.stack.api.source("far")
    if work.stack.is_airflow_2:
        assert ["load_lake_dags" in text for text in shown] == [True, True]
    else:
        assert shown == ((work.project / "orders.yaml").read_text(), (outside / "far.yaml").read_text())
    # The two files stay: 2.11's DAG processor dies when a Python file goes away while it reads it.


def test_airflows_own_commands_find_the_dags(running: Work) -> None:
    """No sampler here: 2.11's ``reserialize`` begins by taking all DAGs away."""
    stack = running.stack
    stack.airflow("dags", "reserialize")
    running.until_there(*WITNESSES)
    assert "orders" in stack.airflow("dags", "list", "--output", "plain")
    stack.airflow("dags", "test", "orders", "2026-01-05")
    stack.airflow("tasks", "test", "returns", "gold__returns", "2026-01-05")
    if not stack.is_airflow_2:
        assert stack.api.source("orders") == (running.project / "orders.yaml").read_text()
        report = stack.airflow("dags", "report", "--output", "json")
        files = {entry["file"].rpartition("/")[2] for entry in json.loads(report[report.index("[{") :])}
        assert "lake_dags.py" in files
        assert [name for name in files if not name.endswith(".py")] == [], "what is reported are loaders, not specs"
    running.until_there(*WITNESSES)


def test_a_broken_lake_yaml_takes_its_projects_dags_away_until_it_is_mended(running: Work) -> None:
    """The one file that all specs of a project share: no sampler here, its project's DAGs do go."""
    lake_yaml = running.stack.dags / "lake.yaml"
    good = lake_yaml.read_text()
    apart = running.project.parent / "apart"
    apart.mkdir()
    (apart / "lake.yaml").write_text("")
    (apart / "apart.yaml").write_text(spec("apart"))
    running.until_there("apart")
    lake_yaml.write_text("enviroments: {}\n")
    running.until_error(f"{lake_yaml}:1:1: error[unknown-key]", "did you mean `environments`")
    for name in WITNESSES:
        running.until_gone(name)
    assert running.is_there("apart"), "a project below with a lake.yaml of its own goes on"
    lake_yaml.write_text(good)
    running.until_no_error()
    running.until_there(*WITNESSES, "apart")
    (apart / "apart.yaml").unlink()
