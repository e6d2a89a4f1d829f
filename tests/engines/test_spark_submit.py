"""``spark_submit`` at the border of this process: its command lines, and what it makes of the programs' answers.

The programs are played by ``fake_spark.py``; ``test_standalone_cluster.py`` and ``test_kubernetes.py`` have the real
ones.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract import EngineContract, until_ended, until_running
from fake_spark import Cluster, install, resource_manager
from scripted import ENDLESS, FAIL, REPORT

from airflow_lake_provider.engines import (
    Connection,
    Engine,
    RunHandle,
    SparkJob,
    SparkSubmitEngine,
    Status,
    get_engine,
    spark_cluster,
)
from airflow_lake_provider.exceptions import EngineError, EngineNotInstalled
from airflow_lake_provider.protocol import IngestStep, JobReport, PublishStep, TableRequest, open_store, to_json

MakeEngine = Callable[..., SparkSubmitEngine]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The folder of the fake cluster; what still runs in it goes with the test."""
    folder = tmp_path / "fake-cluster"
    yield folder
    for pid in folder.glob("*/pid"):
        try:
            os.killpg(int(pid.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.fixture
def make(tmp_path: Path, state: Path) -> MakeEngine:
    def made(job: str = REPORT, *, programs: tuple[str, ...] = ("spark-submit", "yarn"), **options: Any) -> Any:
        bin_folder = install(tmp_path / "-".join(["bin", *programs]), *programs)
        env = {
            "FAKE_CLUSTER": str(state),
            "FAKE_JOB": job,
            "PATH": f"{bin_folder}{os.pathsep}/usr/bin{os.pathsep}/bin",
            **options.pop("env", {}),
        }
        options = {"poll_interval": 0.02, "spark_binary": str(bin_folder / "spark-submit"), **options}
        if "conn_id" not in options:
            options = {"master": "spark://head:7077", **options}
        return SparkSubmitEngine(cache=tmp_path / "cache", env=env, **options)

    return made


def calls(state: Path, program: str = "spark-submit") -> list[list[str]]:
    lines = (state / "calls.jsonl").read_text().splitlines() if (state / "calls.jsonl").exists() else []
    return [words[1:] for words in map(json.loads, lines) if words[0] == program]


def submitted(state: Path) -> list[str]:
    (words,) = [words for words in calls(state) if "--request-uri" in words]
    return words


def values(words: list[str], option: str) -> list[str]:
    return [value for name, value in zip(words, words[1:], strict=False) if name == f"--{option}"]


def conf(words: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in values(words, "conf"))


class _Contract(EngineContract):
    options: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _make(self, make: MakeEngine) -> None:
        self.make = make

    def good(self) -> Engine:
        return self.make(REPORT, **self.options)

    def bad(self) -> Engine:
        return self.make(FAIL, **self.options)

    def endless(self) -> Engine:
        return self.make(ENDLESS, **self.options)


class TestClientModeKeepsTheContract(_Contract):
    options = {"master": "spark://head:7077"}  # noqa: RUF012

    def forget(self, handle: RunHandle) -> RunHandle:
        extras = {**handle.extras, "pid": "1", "folder": handle.extras["folder"] + "/elsewhere"}
        return replace(handle, request_id="0" * 32, extras=extras)


class TestYarnByItsCommandKeepsTheContract(_Contract):
    options = {"master": "yarn", "deploy_mode": "cluster"}  # noqa: RUF012

    def forget(self, handle: RunHandle) -> RunHandle:
        return replace(handle, run_id="application_1_0009", request_id="0" * 32)


class TestYarnByItsWebServiceKeepsTheContract(TestYarnByItsCommandKeepsTheContract):
    @pytest.fixture(autouse=True)
    def _connection(self, state: Path) -> Iterator[None]:
        with resource_manager(Cluster(state)) as url:
            extra = {"deploy-mode": "cluster", "yarn_resourcemanager_webapp_address": url}
            found = Connection("etl", "spark", "yarn", extra=extra)
            self.options = {"conn_id": "etl", "find_connection": lambda _: found, "programs": ("spark-submit",)}
            yield


class TestKubernetesKeepsTheContract(_Contract):
    options = {"master": "k8s://https://head:443", "deploy_mode": "cluster", "namespace": "etl"}  # noqa: RUF012

    def forget(self, handle: RunHandle) -> RunHandle:
        return replace(handle, run_id="etl:another-driver", request_id="0" * 32)


def test_client_mode_submits_library_entry_and_request(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make(queue="etl", principal="lake@EXAMPLE", keytab="/etc/lake.keytab", python="/opt/python3", packages=[])
    job = replace(spark_job, request=replace(spark_job.request, spark_conf=dict(engine.spark_conf)))
    until_ended(engine, engine.submit(job))
    words = submitted(state)
    assert words[:4] == ["--master", "spark://head:7077", "--deploy-mode", "client"]
    assert values(words, "name") == ["lake flights lake_run"]
    assert values(words, "queue") == ["etl"]
    assert (values(words, "principal"), values(words, "keytab")) == (["lake@EXAMPLE"], ["/etc/lake.keytab"])
    assert conf(words) == {"spark.pyspark.python": "/opt/python3", "spark.executorEnv.TZ": "UTC"}
    assert values(words, "packages") == []
    entry, *arguments = words[-3:]
    assert arguments == ["--request-uri", spark_job.request_uri]
    assert "airflow_lake_provider.jobs" in Path(entry).read_text()
    (library,) = values(words, "py-files")
    assert Path(library).parent == Path(entry).parent
    assert library.endswith(".zip")


def test_a_table_s_options_are_spark_submit_s_own(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make(queue="default", jars=["/opt/iceberg.jar"])
    options = {
        "queue": "etl", "num-executors": 4, "verbose": True, "supervise": False, "jars": "/opt/more.jar",
        "conf": ["a=1", "b=2"], "properties-file": None, "py-files": ["/opt/own.zip"], "files": ["/a.txt", "/b.txt"],
    }  # fmt: skip
    until_ended(engine, engine.submit(replace(spark_job, options=options)))
    words = submitted(state)
    assert values(words, "queue") == ["etl"]
    assert values(words, "num-executors") == ["4"]
    assert "--verbose" in words
    assert "--supervise" not in words
    assert "--properties-file" not in words
    assert values(words, "jars") == ["/opt/iceberg.jar,/opt/more.jar"]
    assert {"a": "1", "b": "2"}.items() <= conf(words).items()
    assert values(words, "files") == ["/a.txt,/b.txt"], "of two --files spark-submit takes the last one alone"
    assert values(words, "py-files")[0].endswith(".zip,/opt/own.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--queue": "etl"}, "engine_options: '--queue' is spark-submit's option without dashes, 'queue'"),
        ({"master": "yarn"}, "engine_options: 'master' is not a table's to set"),
        ({"master=yarn": True}, "engine_options: 'master=yarn' is no name of an option"),
        ({"queue": {"a": 1}}, "engine_options: 'queue' is {'a': 1}; expected a text, a number or a list of them"),
        ({"queue": True}, "engine_options: 'queue' is True; expected a text, a number or a list of them"),
        ({"verbose": "/tmp/x.py"}, "engine_options: 'verbose' is '/tmp/x.py'; it has no value, expected true or false"),
    ],
    ids=["dashes", "another place", "the same in one word", "a mapping", "no value", "a value of a flag"],
)
def test_options_that_cannot_be_are_refused(
    make: MakeEngine, state: Path, spark_job: SparkJob, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError) as caught:
        make().submit(replace(spark_job, options=options))
    assert str(caught.value).startswith(message)
    assert calls(state) == []


def test_spark_submit_s_own_refusal_is_the_reason(make: MakeEngine, spark_job: SparkJob) -> None:
    engine = make(queue="closed")
    ended = until_ended(engine, engine.submit(spark_job))
    assert ended.status is Status.FAILED
    assert ended.detail == "the driver ended with exit code 1: Error: No such queue: closed"
    with pytest.raises(EngineError, match="cannot submit the job: .* exit code 1: Error: No such queue: closed"):
        make(master="yarn", deploy_mode="cluster", queue="closed").submit(spark_job)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Engine 'spark_submit' has neither conn_id and master; it needs one"),
        ({"conn_id": "a", "master": "yarn"}, "Engine 'spark_submit' has both conn_id and master; it needs one"),
        ({"master": "yarn", "deploy_mode": "remote"}, "deploy_mode is 'remote'; expected client or cluster"),
        (
            {"master": "spark://head:7077", "deploy_mode": "cluster"},
            "deploy_mode 'cluster' on spark://head:7077: Spark's standalone clusters take no Python application",
        ),
        ({"master": "local[*]", "deploy_mode": "cluster"}, "deploy_mode 'cluster' on local[*]: it works on yarn and"),
        ({"master": "yarn", "jars": 5}, "Engine 'spark_submit': 'jars' is 5; expected a list of texts"),
        ({"master": "yarn", "qeue": "etl"}, "Engine 'spark_submit' has no option 'qeue'; it has: conn_id, master,"),
    ],
    ids=["no cluster", "two clusters", "no such mode", "python on standalone", "local", "no list", "no such option"],
)
def test_wrong_engine_options_are_refused_before_anything_runs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError) as caught:
        get_engine("spark_submit", options)
    assert str(caught.value).startswith(message)


def test_where_the_job_runs_is_not_a_matter_of_spark_conf(make: MakeEngine, spark_job: SparkJob) -> None:
    for setting in ({"spark.master": "local[*]"}, {"spark.submit.deployMode": "cluster"}):
        with pytest.raises(EngineError, match=next(iter(setting))):
            make().submit(replace(spark_job, request=replace(spark_job.request, spark_conf=setting)))


def test_a_spark_submit_that_is_not_there_is_named(make: MakeEngine, spark_job: SparkJob, tmp_path: Path) -> None:
    with pytest.raises(EngineNotInstalled, match="There is no spark9-submit to submit with"):
        make(spark_binary="spark9-submit").submit(spark_job)


def test_iceberg_is_fetched_where_nothing_brings_it(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make()
    until_ended(engine, engine.submit(spark_job))
    (packages,) = values(submitted(state), "packages")
    assert [package.split(":")[1] for package in packages.split(",")] == [
        "iceberg-spark-runtime-3.5_2.12",
        "sqlite-jdbc",
    ]


@pytest.mark.parametrize("place", [{"master": "spark://head:7077"}, {"master": "yarn", "deploy_mode": "cluster"}])
def test_avro_is_brought_for_a_table_that_reads_it(
    make: MakeEngine, state: Path, spark_job: SparkJob, place: dict[str, str]
) -> None:
    steps = (IngestStep(files=("/in/*.avro",), format="avro"), PublishStep())
    request = replace(spark_job.request, tables=(TableRequest(table="bronze.a", steps=steps),))
    engine = make(**place)
    until_ended(engine, engine.submit(replace(spark_job, request=request)))
    (packages,) = values(submitted(state), "packages")
    assert "org.apache.spark:spark-avro_2.12:3.5.7" in packages.split(",")


def test_another_worker_finds_the_run_of_the_request(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    for options in ({"master": "yarn"}, {"master": "k8s://https://head:443"}):
        first = make(ENDLESS, deploy_mode="cluster", **options).submit(spark_job)
        again = make(ENDLESS, deploy_mode="cluster", **options).submit(spark_job)
        assert again.run_id == first.run_id
    assert len([words for words in calls(state) if "--request-uri" in words]) == 2


def test_an_application_whose_name_nobody_said_is_found_by_its_tag(
    make: MakeEngine, state: Path, spark_job: SparkJob
) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster", env={"FAKE_QUIET": "1"})
    assert engine.submit(spark_job).run_id == "application_1700000000000_0001"


def test_a_submission_that_failed_on_its_way_out_is_a_run_nevertheless(make: MakeEngine, spark_job: SparkJob) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster", env={"FAKE_SUBMIT_STATUS": "1"})
    handle = engine.submit(spark_job)
    until_running(engine, handle)
    assert handle.run_id == "application_1700000000000_0001"


def test_of_two_workers_that_submit_at_once_to_yarn_one_application_stays(
    make: MakeEngine, state: Path, spark_job: SparkJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"master": "yarn", "deploy_mode": "cluster", "packages": []}
    handles: list[RunHandle] = []
    real = spark_cluster.ask

    def while_another_submits(command: Any, environment: Any, **more: Any) -> Any:
        """Between the other's look and its submission this worker's own application appears."""
        monkeypatch.setattr(spark_cluster, "ask", real)
        handles.append(make(ENDLESS, **options).submit(spark_job))
        return real(command, environment, **more)

    monkeypatch.setattr(spark_cluster, "ask", while_another_submits)
    engine = make(ENDLESS, **options)
    handles.append(engine.submit(spark_job))
    assert [handle.run_id for handle in handles] == ["application_1700000000000_0001"] * 2
    cluster = Cluster(state)
    assert cluster.ended("application_1700000000000_0001") is None
    assert cluster.ended("application_1700000000000_0002") == "killed"
    until_running(engine, handles[1])


@pytest.mark.parametrize("master", ["yarn", "k8s://https://head:443"])
def test_an_interrupt_of_the_submission_stops_what_it_has_started(
    make: MakeEngine, state: Path, spark_job: SparkJob, monkeypatch: pytest.MonkeyPatch, master: str
) -> None:
    real = spark_cluster.ask

    def interrupted(*given: Any, **more: Any) -> Any:
        real(*given, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(spark_cluster, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(ENDLESS, master=master, deploy_mode="cluster").submit(spark_job)
    (started,) = [path.parent.name for path in state.glob("*/pid")]
    assert Cluster(state).ended(started) == "killed"


def test_whoever_asks_kubernetes_reaches_it_as_the_submission_did(
    make: MakeEngine, state: Path, spark_job: SparkJob
) -> None:
    access = {"spark.kubernetes.context": "prod", "spark.kubernetes.authenticate.submission.caCertFile": "/ca.pem"}
    place: dict[str, Any] = {"master": "k8s://https://head:443", "deploy_mode": "cluster"}
    engine = make(ENDLESS, **place, spark_conf={**access, "spark.kubernetes.container.image": "lake:1"})
    job = replace(spark_job, request=replace(spark_job.request, spark_conf=dict(engine.spark_conf)))
    handle = engine.submit(job)
    engine.cancel(handle)
    questions = [words for words in calls(state) if "--request-uri" not in words]
    assert {word for words in questions for word in ("--status", "--kill") if word in words} == {"--status", "--kill"}
    assert [conf(words) for words in questions] == [access] * len(questions)
    assert access.items() <= conf(submitted(state)).items()

    with pytest.raises(EngineError, match=r"spark_conf sets spark.kubernetes.context.*spark_conf of the engine itself"):
        make(**place).submit(job)
    with pytest.raises(EngineError, match=r"spark_conf sets spark.kubernetes.context"):
        make(**place).submit(replace(spark_job, options={"conf": "spark.kubernetes.context=prod"}))


def test_yarn_gets_tag_environment_and_no_wait(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make(master="yarn", deploy_mode="cluster", env={"REGION": "eu"}, packages=[])
    handle = engine.submit(spark_job)
    found = conf(submitted(state))
    assert found["spark.yarn.tags"] == f"lake-{spark_job.request_id}"
    assert found["spark.yarn.submit.waitAppCompletion"] == "false"
    assert found["spark.yarn.maxAppAttempts"] == "1"
    assert (found["spark.yarn.appMasterEnv.REGION"], found["spark.yarn.appMasterEnv.TZ"]) == ("eu", "UTC")
    assert handle.url == "http://head:8088/proxy/application_1700000000000_0001/"
    assert engine.describe(handle) == (
        "application_1700000000000_0001 on yarn, log: yarn logs -applicationId application_1700000000000_0001"
    )
    until_ended(engine, handle)


def test_a_pod_reads_the_library_from_the_staging(
    make: MakeEngine, state: Path, spark_job: SparkJob, tmp_path: Path
) -> None:
    engine = make(master="k8s://https://head:443", deploy_mode="cluster", namespace="etl", packages=[])
    handle = engine.submit(spark_job)
    words = submitted(state)
    found = conf(words)
    assert found["spark.kubernetes.namespace"] == "etl"
    assert found["spark.kubernetes.driver.pod.name"] == f"lake-{spark_job.request_id}-driver"
    assert found["spark.kubernetes.submission.waitAppCompletion"] == "false"
    assert found["spark.kubernetes.driverEnv.TZ"] == "UTC"
    staging = tmp_path / "jobs" / "~library"
    assert values(words, "py-files")[0].startswith(f"local://{staging}/airflow_lake_provider-")
    assert words[-3].startswith(f"local://{staging}/lake-job-")
    assert len(list(staging.iterdir())) == 2
    assert handle.run_id == f"etl:lake-{spark_job.request_id}-driver"
    assert "kubectl logs --namespace etl" in engine.describe(handle)
    until_ended(engine, handle)


def test_a_failed_pod_says_why(make: MakeEngine, spark_job: SparkJob) -> None:
    engine = make(FAIL, master="k8s://https://head:443", deploy_mode="cluster")
    assert until_ended(engine, engine.submit(spark_job)).detail == "the driver's pod failed: Error (exit code 1)"


def test_an_application_killed_in_yarn_is_cancelled(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster")
    handle = engine.submit(spark_job)
    Cluster(state).kill(handle.run_id)
    ended = until_ended(engine, handle)
    assert (ended.status, ended.detail) == (Status.CANCELLED, "Application killed by user.")


def test_another_process_learns_that_a_pod_was_cancelled(make: MakeEngine, spark_job: SparkJob) -> None:
    options = {"master": "k8s://https://head:443", "deploy_mode": "cluster"}
    engine = make(ENDLESS, **options)
    handle = engine.submit(spark_job)
    engine.cancel(handle)
    assert make(ENDLESS, **options).state(handle).status is Status.CANCELLED


def test_a_master_that_is_silent_for_a_moment_ends_no_run(
    make: MakeEngine, state: Path, spark_job: SparkJob, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster", poll_interval=0)
    handle = engine.submit(spark_job)
    until_running(engine, handle)
    program = next(state.parent.glob("bin-*/yarn"))
    words = program.read_text()
    program.write_text("#!/bin/sh\necho 'Error: no route to host' >&2\nexit 1\n")
    for _ in range(spark_cluster.SILENCES - 1):
        assert engine.state(handle).status is Status.RUNNING
    assert "no route to host (4 of 5 times in a row)" in caplog.text
    with pytest.raises(EngineError, match="cannot tell the state of application_.*no route to host"):
        engine.state(handle)
    program.write_text(words)
    assert engine.state(handle).status is Status.RUNNING


def test_a_master_is_asked_no_more_often_than_told(make: MakeEngine, state: Path, spark_job: SparkJob) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster", poll_interval=60)
    handle = engine.submit(spark_job)
    for _ in range(5):
        engine.state(handle)
        time.sleep(0.01)
    assert len([words for words in calls(state, "yarn") if "-status" in words]) == 1


def test_where_yarn_cannot_be_asked_the_report_tells_the_state(
    make: MakeEngine, state: Path, spark_job: SparkJob, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make(ENDLESS, master="yarn", deploy_mode="cluster", programs=("spark-submit",))
    caplog.set_level(logging.WARNING)
    handle = engine.submit(spark_job)
    assert "there is no command `yarn` on the PATH" in caplog.text
    assert "execution_timeout" in caplog.text
    assert engine.state(handle).status is Status.RUNNING
    with pytest.raises(EngineError, match="cannot be stopped: YARN cannot be asked from here.*yarn application -kill"):
        engine.cancel(handle)
    report = JobReport(request_id=spark_job.request_id, status="succeeded", started_at="")
    open_store(spark_job.request.report_uri).write(spark_job.request.report_uri, to_json(report).encode())
    assert until_ended(engine, handle).status is Status.SUCCEEDED


def test_a_web_service_at_the_wrong_address_does_not_lose_the_run(
    make: MakeEngine, state: Path, spark_job: SparkJob
) -> None:
    with resource_manager(Cluster(state)) as url:
        extra = {"deploy-mode": "cluster", "yarn_resourcemanager_webapp_address": f"{url}/elsewhere"}
        found = Connection("etl", "spark", "yarn", extra=extra)
        with pytest.raises(EngineError, match="YARN's resource manager refused .*/elsewhere/.*: HTTP 404"):
            make(conn_id="etl", find_connection=lambda _: found).submit(spark_job)
    assert calls(state) == []


def test_the_driver_sees_nothing_of_airflow_and_the_cluster_s_own_spark(
    make: MakeEngine, spark_job: SparkJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ETL", "spark://user:secret@head")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("SPARK_HOME", "/opt/spark")
    monkeypatch.setenv("SPARK_CONF_DIR", "/etc/spark")
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    engine = make("import json, os; json.dump(dict(os.environ), open('env.json', 'w'))", env={"REGION": "eu"})
    handle = engine.submit(spark_job)
    until_ended(engine, handle)
    seen = json.loads((Path(handle.extras["folder"]) / "env.json").read_text())
    assert not [name for name in seen if name.startswith("AIRFLOW")]
    assert seen["PYTHONPATH"].endswith(".zip")
    expected = {"SPARK_HOME": "/opt/spark", "SPARK_CONF_DIR": "/etc/spark", "HADOOP_CONF_DIR": "/etc/hadoop"}
    assert {**expected, "REGION": "eu", "TZ": "UTC"}.items() <= seen.items()


def test_keytab_and_principal_are_in_no_message(
    make: MakeEngine, spark_job: SparkJob, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    extra = {"principal": "lake@EXAMPLE", "keytab": "c2VjcmV0", "deploy-mode": "cluster"}
    found = Connection("etl", "spark", "yarn", extra=extra)
    engine = make(conn_id="etl", find_connection=lambda _: found)
    handle = engine.submit(spark_job)
    said = caplog.text + engine.describe(handle) + to_json(handle)
    assert "c2VjcmV0" not in said
    assert "lake@EXAMPLE" not in said
    until_ended(engine, handle)


def test_python_of_this_test_is_no_data_plane(spark_job: SparkJob, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("LAKE_SPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = SparkSubmitEngine(master="spark://head:7077", cache=tmp_path)
    with pytest.raises(EngineNotInstalled, match="There is no spark-submit on the PATH and no data plane with one"):
        engine.submit(spark_job)
