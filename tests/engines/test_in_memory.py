from __future__ import annotations

from contract import EngineContract, until_ended

from airflow_lake_provider.engines import Engine, InMemoryEngine, SparkJob, Status, get_engine
from airflow_lake_provider.exceptions import JobFailed
from airflow_lake_provider.protocol import JobReport, JobRequest, TableReport, from_json, open_store


def report_of(engine: Engine, job: SparkJob) -> JobReport:
    until_ended(engine, engine.submit(job))
    data = open_store(job.request.report_uri).read(job.request.report_uri)
    assert data is not None
    return from_json(JobReport, data, source="report")


class TestInMemoryEngineKeepsTheContract(EngineContract):
    def good(self) -> Engine:
        return InMemoryEngine()

    def bad(self) -> Engine:
        return InMemoryEngine(outcomes={"silver.a": ValueError("no")})

    def endless(self) -> Engine:
        return InMemoryEngine(states=[Status.RUNNING] * 1000)


def test_each_table_is_published_unless_told_otherwise(spark_job: SparkJob) -> None:
    report = report_of(InMemoryEngine(), spark_job)
    assert [(t.table, t.status, t.strategy) for t in report.tables] == [
        ("silver.a", "published", "replace"),
        ("gold.b", "published", None),
    ]
    assert report.tables[0].rows.rows_read is None


def test_exception_fails_the_table_and_takes_its_dependants_along(spark_job: SparkJob) -> None:
    error = JobFailed("the source is gone", retryable=True)
    report = report_of(InMemoryEngine(outcomes={"silver.a": error}), spark_job)
    assert report.status == "failed"
    assert [table.status for table in report.tables] == ["failed", "upstream_failed"]
    assert report.error is not None
    assert (report.error.type, report.error.message, report.error.retryable) == (
        "JobFailed",
        "the source is gone",
        True,
    )


def test_outcome_may_be_a_report_or_a_function_of_the_request(spark_job: SparkJob) -> None:
    def no_op(request: JobRequest) -> TableReport:
        return TableReport(table="", status="no_op", plan=request.pipeline)

    kept = TableReport(table="whatever", status="skip_publish")
    report = report_of(InMemoryEngine(outcomes={"silver.a": kept, "gold.b": no_op}), spark_job)
    assert [(t.table, t.status, t.plan) for t in report.tables] == [
        ("silver.a", "skip_publish", None),
        ("gold.b", "no_op", "flights"),
    ]


def test_what_stands_on_a_skipped_table_is_skipped(spark_job: SparkJob) -> None:
    skipped = TableReport(table="whatever", status="skipped")
    report = report_of(InMemoryEngine(outcomes={"silver.a": skipped}), spark_job)
    assert [(t.table, t.status) for t in report.tables] == [("silver.a", "skipped"), ("gold.b", "skipped")]
    assert report.tables[1].warnings == ("not run, because silver.a was skipped",)


def test_states_come_one_by_one_before_the_end(spark_job: SparkJob) -> None:
    engine = InMemoryEngine(states=[Status.SUBMITTED, Status.RUNNING])
    handle = engine.submit(spark_job)
    assert [engine.state(handle).status for _ in range(3)] == [Status.SUBMITTED, Status.RUNNING, Status.SUCCEEDED]


def test_lost_run_leaves_no_report(spark_job: SparkJob) -> None:
    engine = InMemoryEngine(ends=Status.LOST)
    assert until_ended(engine, engine.submit(spark_job)).status is Status.LOST
    assert open_store(spark_job.request.report_uri).read(spark_job.request.report_uri) is None


def test_it_keeps_what_it_was_asked(spark_job: SparkJob) -> None:
    engine = InMemoryEngine(states=[Status.RUNNING])
    handle = engine.submit(spark_job)
    engine.submit(spark_job)
    engine.cancel(handle)
    assert engine.requests == [spark_job.request]
    assert engine.tables == ["silver.a", "gold.b"]
    assert engine.cancelled == [spark_job.request_id]


def test_installed_engine_serves_every_type_and_only_for_a_while() -> None:
    with InMemoryEngine.installed() as engine:
        assert get_engine("local", {}) is engine
        assert get_engine("in_memory", {}) is engine
    assert get_engine("in_memory", {}) is not engine
