"""What all operators do alike, shown on one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_lake_provider.engines import InMemoryEngine, Status
from airflow_lake_provider.exceptions import (
    EngineError,
    EngineNotAllowed,
    EngineNotInstalled,
    JobCancelled,
    JobFailed,
    JobReportMissing,
    JobTimedOut,
    LakeError,
    ProtocolError,
    QualityCheckFailed,
    SpecError,
)
from airflow_lake_provider.operators import LakeTransformOperator
from airflow_lake_provider.operators.failure import airflow_exception
from airflow_lake_provider.operators.link import LakeRunLink
from airflow_lake_provider.operators.waiting import generation
from airflow_lake_provider.protocol import CheckResult, CheckStep, Rows, TableReport
from airflow_lake_provider.runs import table_entry

TABLE = "gold.delays"
PUBLISHED = TableReport(
    table=TABLE, status="published", snapshot_id=42, rows=Rows(rows_read=3, rows_applied=3, rows_written=3)
)
FAILED_CHECK = TableReport(
    table=TABLE,
    status="failed",
    checks=(CheckResult("row_count > 1000", "fail", 842), CheckResult("missing_count(day) = 0", "pass", 0)),
)


@pytest.fixture
def transform(task_run: Callable[..., Any]) -> Callable[..., Any]:
    def make(**arguments: Any) -> Any:
        return task_run(LakeTransformOperator, **{"table": TABLE, "sql": "SELECT 1 AS day", **arguments})

    return make


def job_folders(project: Path) -> list[str]:
    """Return the starts of all task runs: ``g1-s1`` and so on."""
    return sorted(path.parent.name for path in (project / ".lake" / "jobs").rglob("request.json"))


def is_delivered(project: Path) -> bool:
    return any((project / ".lake" / "jobs").rglob("delivered"))


# --- what comes back


def test_execute_returns_the_tables_entry_of_the_run_document(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    engine.outcomes[TABLE] = PUBLISHED
    entry = transform().run()
    report_uri = next((project / ".lake" / "jobs").rglob("report.json"))
    assert entry == table_entry(PUBLISHED, str(report_uri))
    assert json.loads(json.dumps(entry)) == entry


def test_the_result_is_marked_as_delivered(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    transform().run()
    assert is_delivered(project)


def test_a_skipped_table_skips_the_task_and_is_delivered(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    engine.outcomes[TABLE] = TableReport(table=TABLE, status="skipped")
    with pytest.raises(AirflowSkipException, match=TABLE):
        transform().run()
    assert is_delivered(project)


def test_failed_checks_fail_the_task_without_retry_and_name_the_check_first(
    transform: Callable[..., Any], engine: InMemoryEngine
) -> None:
    engine.outcomes[TABLE] = FAILED_CHECK
    with pytest.raises(AirflowFailException) as error:
        transform().run()
    first_line = str(error.value).splitlines()[0]
    assert first_line == "1 of 2 checks failed on gold.delays: row_count > 1000 (was 842)"


def test_a_job_folder_out_of_reach_is_named_and_tried_again(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / ".lake").mkdir()
    (project / ".lake" / "jobs").write_text("a file where the folder of jobs belongs")
    with pytest.raises(AirflowException, match="job folder cannot be read or written.*jobs") as error:
        transform().run()
    assert not isinstance(error.value, AirflowFailException)


def test_a_job_that_says_another_try_helps_is_retried(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.outcomes[TABLE] = JobFailed("the catalog was locked", retryable=True)
    with pytest.raises(AirflowException, match="the catalog was locked") as error:
        transform().run()
    assert not isinstance(error.value, AirflowFailException)


def test_wrong_arguments_fail_the_task_before_anything_is_submitted(
    transform: Callable[..., Any], engine: InMemoryEngine
) -> None:
    with pytest.raises(AirflowFailException, match="bigitn"):
        transform(columns={"day": "bigitn"}).run()
    assert engine.requests == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (JobFailed("x", retryable=True), AirflowException),
        (JobFailed("x", retryable=False), AirflowFailException),
        (JobCancelled("x"), AirflowException),
        (JobReportMissing("x"), AirflowException),
        (JobTimedOut("x"), AirflowTaskTimeout),
        (EngineError("x"), AirflowException),
        (EngineNotAllowed("x"), AirflowFailException),
        (EngineNotInstalled("x"), AirflowFailException),
        (QualityCheckFailed("x"), AirflowFailException),
        (SpecError("x"), AirflowFailException),
        (ProtocolError("x"), AirflowFailException),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else f"{type(value).__name__} to",
)
def test_each_error_has_its_airflow_exception(error: LakeError, kind: type[BaseException]) -> None:
    assert type(airflow_exception(error)) is kind
    assert str(airflow_exception(error)) == "x"


def test_engine_options_reach_the_engine_as_they_are(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    options = {"queue": "etl", "num-executors": 4, "conf": ["a=b"]}
    transform(engine_options=options).run()
    assert engine.options == [options]


def test_the_connection_of_an_engine_is_airflow_s(
    transform: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ETL", '{"conn_type": "spark", "host": "yarn", "extra": {"spark-binary": "evil"}}')
    (project / "lake.yaml").write_text(
        "environments: {local: {engines: {default: {type: spark_submit, conn_id: etl}}}}\n"
    )
    with pytest.raises(AirflowException, match="Connection 'etl': `spark-binary` is 'evil'; expected one of spark-sub"):
        transform().run()
    assert job_folders(project) == []


def test_an_unknown_engine_names_those_there_are(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match="engine 'heavy' is none of the environment 'local'; .* default"):
        transform(engine="heavy").run()


def test_an_unknown_environment_names_those_there_are(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match="prod.*local"):
        transform(environment="prod").run()


# --- one task run, many tries


@pytest.mark.parametrize(
    ("max_tries", "retries", "expected"),
    [(0, 0, 1), (2, 2, 1), (5, 2, 4), (1, 3, 1), (4, None, 5)],
    ids=["first", "a retry keeps max_tries", "a clear raises it", "never below one", "no retries"],
)
def test_generation_changes_with_a_clear_only(max_tries: int, retries: int | None, expected: int) -> None:
    assert generation(max_tries=max_tries, retries=retries) == expected


def test_a_retry_after_success_returns_the_same_report(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    engine.outcomes[TABLE] = PUBLISHED
    run = transform(retries=2)
    run.max_tries = 2
    first = run.run()
    run.try_number = 2
    assert run.run() == first
    assert job_folders(project) == ["g1-s1"]


def test_a_retry_after_a_dead_run_submits_again(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    engine.ends = Status.LOST
    run = transform(retries=2)
    run.max_tries = 2
    with pytest.raises(AirflowException):
        run.run()
    engine.ends, run.try_number = None, 2
    run.run()
    assert job_folders(project) == ["g1-s1", "g1-s2"]


def test_a_clear_always_submits(transform: Callable[..., Any], engine: InMemoryEngine, project: Path) -> None:
    run = transform(retries=2)
    run.max_tries = 2
    run.run()
    run.try_number, run.max_tries = 2, 3
    run.run()
    assert job_folders(project) == ["g1-s1", "g2-s1"]


def test_the_copies_of_a_mapped_task_do_not_share_a_job(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = transform()
    for run.map_index in (0, 1, None):
        run.run()
    assert len({request.request_id for request in engine.requests}) == 3


# --- kill


def test_on_kill_cancels_the_run(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    engine.states = (Status.RUNNING,) * 1000
    run = transform()
    operator = run.operator
    errors: list[Exception] = []
    started = threading.Event()

    def work() -> None:
        try:
            run.run()
        except AirflowException as exc:
            errors.append(exc)

    run.operator.prepare_for_execution = lambda: operator
    run.xcoms = _Signalling(started)
    worker = threading.Thread(target=work)
    worker.start()
    assert started.wait(10)
    operator.on_kill()
    worker.join(10)
    assert engine.cancelled == [engine.requests[0].request_id]
    assert "cancelled" in str(errors[0])


class _Signalling(dict[str, Any]):
    """Tells when the first XCom is pushed: the run is known then."""

    def __init__(self, started: threading.Event) -> None:
        super().__init__()
        self.started = started

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self.started.set()


def test_a_kill_during_the_submit_cancels_what_was_submitted(
    transform: Callable[..., Any], engine: InMemoryEngine
) -> None:
    engine.states = (Status.RUNNING,) * 1000
    run = transform()
    operator = run.operator
    run.operator.prepare_for_execution = lambda: operator
    operator.on_kill()
    with pytest.raises(AirflowException, match="cancelled"):
        run.run()
    assert engine.cancelled == [engine.requests[0].request_id]


def test_on_kill_before_anything_was_submitted_does_nothing(
    transform: Callable[..., Any], engine: InMemoryEngine
) -> None:
    transform().operator.on_kill()
    assert engine.cancelled == []


# --- link


def test_the_link_leads_to_the_job_folder_where_the_platform_has_no_page(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    run = transform()
    run.run()
    folder = next((project / ".lake" / "jobs").rglob("request.json")).parent
    assert run.xcoms[LakeRunLink().xcom_key] == str(folder)
    assert [link.name for link in run.operator.operator_extra_links] == ["Lake run"]


# --- request


def test_spark_conf_adds_to_the_environments_and_none_removes(
    transform: Callable[..., Any], engine: InMemoryEngine, project: Path
) -> None:
    (project / "lake.yaml").write_text("environments: {local: {spark_conf: {spark.a: '1', spark.b: '2'}}}\n")
    transform(spark_conf={"spark.a": None, "spark.c": 3, "spark.d": True}).run()
    assert dict(engine.requests[0].spark_conf) == {"spark.b": "2", "spark.c": "3", "spark.d": "true"}


def test_the_request_names_the_task_run_and_its_interval(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    transform().run()
    request = engine.requests[0]
    assert (request.pipeline, request.task.task_id, request.task.run_id) == ("orders", "t", "manual__1")
    assert request.interval is not None
    assert request.interval.key == "2026-01-01T00:00:00+00:00/2026-01-02T00:00:00+00:00"
    assert request.provenance.spec_sha256 == request.tables[0].spec_sha256 != ""


def test_a_check_with_settings_is_rendered_too(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    transform(checks=[{"row_count > {{ 2 + 3 }}": {"name": "{{ 'some' }}"}}]).run()
    step = next(step for step in engine.requests[0].tables[0].steps if isinstance(step, CheckStep))
    assert [(check.text, check.body) for check in step.checks] == [("row_count > 5", {"name": "some"})]


def test_a_template_that_is_no_jinja_fails_without_retry(transform: Callable[..., Any], engine: InMemoryEngine) -> None:
    with pytest.raises(AirflowFailException, match="t: a template cannot be rendered"):
        transform(sql="SELECT {{ 1").run()
    assert engine.requests == []


@pytest.mark.parametrize("asked", [True, False])
def test_the_dag_param_asks_for_a_full_refresh(
    transform: Callable[..., Any], engine: InMemoryEngine, asked: bool
) -> None:
    run = transform()
    run.params = {"lake_full_refresh": asked}
    run.run()
    assert engine.requests[0].tables[0].full_refresh is asked
