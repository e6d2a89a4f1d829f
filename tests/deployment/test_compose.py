"""docker-compose.yaml: what the specification says of it, and its services started by their own commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
from postgresql import PostgreSQL, free_port, postgresql
from stack.api import ApiError
from stack.api3 import Api3
from stack.waiting import wait_until

from deployment.compose import Composed, load_compose, placed
from deployment.dockerfile import ROOT, image_environment

COMPOSE = ROOT / "deploy" / "docker-compose.yaml"
PRODUCTION = ROOT / "docs" / "how-to" / "airflow-in-production.md"
SCHEMA = Path(__file__).with_name("compose-spec.json")
SECRETS = {
    "AIRFLOW_API_SECRET_KEY": "c2Vzc2lvbnM",
    "AIRFLOW_FERNET_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "AIRFLOW_JWT_SECRET": "dG9rZW5z" * 8,
    "POSTGRES_PASSWORD": "s3cret",
}
GIVEN = {**SECRETS, "LAKE_PROJECT": "../my-lake"}
SPEC = """\
pipeline: planets
start_date: 2026-01-01
tables:
  silver.planets:
    sql: SELECT explode(array('Mercury', 'Venus', 'Earth')) AS name
    write: replace
    checks: [row_count = 3]
"""


def test_file_is_what_the_specification_allows() -> None:
    validator = jsonschema.validators.validator_for(schema := json.loads(SCHEMA.read_text()))(schema)
    assert [error.message for error in validator.iter_errors(load_compose(COMPOSE, GIVEN))] == []


def test_schema_is_one_that_refuses_something() -> None:
    wrong = load_compose(COMPOSE, GIVEN)
    wrong["services"]["scheduler"]["commnad"] = "airflow scheduler"
    with pytest.raises(jsonschema.ValidationError, match="commnad"):
        jsonschema.validate(wrong, json.loads(SCHEMA.read_text()))


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client here")
def test_docker_reads_it_the_same_way() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose here")
    done = subprocess.run(
        ["docker", "compose", "--file", str(COMPOSE), "config", "--format", "json"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **GIVEN}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads(done.stdout)["services"], load_compose(COMPOSE, GIVEN)["services"]
    assert {name: service.get("command") for name, service in theirs.items()} == {
        name: service.get("command") for name, service in ours.items()
    }


@pytest.mark.parametrize("name", GIVEN)
def test_a_secret_that_is_missing_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(KeyError, match=f"{name} is missing in deploy/.env"):
        load_compose(COMPOSE, {key: value for key, value in GIVEN.items() if key != name})


def test_the_example_of_the_environment_names_every_variable_and_no_secret() -> None:
    example = (ROOT / "deploy" / "example.env").read_text()
    there = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    read = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert set(there) == read
    assert {there[name] for name in SECRETS} == {""}
    assert "deploy/.env" in (ROOT / ".gitignore").read_text().split()


def test_every_service_s_condition_is_one_that_can_come_true() -> None:
    services = load_compose(COMPOSE, GIVEN)["services"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert services[other]["restart"] == "on-failure"


def test_whoever_runs_or_waits_for_jobs_has_the_lake_and_nobody_outside_reaches_a_port() -> None:
    services = load_compose(COMPOSE, GIVEN)["services"]
    for name in ("scheduler", "triggerer", "dag-processor"):
        mounted = {volume["target"]: volume for volume in services[name]["volumes"]}
        assert mounted[image_environment()["LAKE_HOME"]]["type"] == "volume"
        assert mounted["/opt/airflow/dags"]["read_only"] is True
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8080:8080"]


@dataclass(frozen=True)
class Deployed:
    """The services as they run, the API of the one that serves it, the lake's folder."""

    services: Composed
    api: Api3
    lake: Path
    exit_codes: Mapping[str, int]


class PasswordApi(Api3):
    """The API behind the simple auth manager, which wants a password here."""

    def __init__(self, url: str, passwords: Path) -> None:
        super().__init__(url)
        self._passwords = passwords

    def is_up(self) -> bool:
        account = {"username": "admin", "password": json.loads(self._passwords.read_text())["admin"]}
        self._token = self.request("POST", "/auth/token", account)["access_token"]
        return True


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql(user="airflow", password=SECRETS["POSTGRES_PASSWORD"]) as running:
        running.run("createdb", "airflow")
        yield running


@pytest.fixture(scope="module")
def deployed(server: PostgreSQL, spark_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    root = tmp_path_factory.mktemp("opt")
    project, port, health_port = root / "airflow" / "dags", str(free_port()), str(free_port())
    for folder in ("airflow/logs", "airflow/state", "lake", "logs"):
        (root / folder).mkdir(parents=True)
    places = {
        "/opt/airflow-env": sys.prefix,
        "/opt/spark-env/bin/python": spark_python,
        "/opt/airflow": str(root / "airflow"),
        "/opt/lake-cache": str(root / "lake-cache"),
        "/opt/lake": str(root / "lake"),
        "postgres:5432": f"127.0.0.1:{server.port}",
        "api-server:8080": f"127.0.0.1:{port}",
        "localhost:8080": f"localhost:{port}",
        ":8080:8080": f":{port}:{port}",
        "localhost:8974": f"localhost:{health_port}",
    }
    file = load_compose(COMPOSE, {**SECRETS, "LAKE_PROJECT": str(project)}, places)
    for volume in file["services"]["scheduler"]["volumes"]:
        assert Path(volume["target"]).parent.exists()
    _make_project(project)
    over = {
        # A container has a network of its own, and its own ports in it.
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": health_port,
        "NO_PROXY": "localhost,127.0.0.1",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
    }
    image = {name: placed(value, places) for name, value in image_environment().items()}
    image["PATH"] = image["PATH"].replace("$PATH", f"{server.programs}:/usr/bin:/bin")
    services = Composed(services=file["services"], image=image, over=over, logs=root / "logs")
    codes: dict[str, int] = {}
    try:
        services.run("migrate")
        for name in ("api-server", "dag-processor", "scheduler", "triggerer"):
            services.start(name)
        api = PasswordApi(f"http://127.0.0.1:{port}", root / "airflow" / "state" / "passwords.json")
        yield Deployed(services, api, root / "lake", codes)
    finally:
        codes.update(services.stop())


def _make_project(folder: Path) -> None:
    lake = Path(sys.executable).parent / "lake"
    subprocess.run([str(lake), "init", str(folder)], check=True, capture_output=True)
    for spec in (folder / "dag_specs").glob("*.yaml"):
        spec.unlink()
    (folder / "dag_specs" / "planets.yaml").write_text(SPEC)


@pytest.mark.airflow
@pytest.mark.spark
@pytest.mark.timeout(900)
class TestServices:
    """One after another, on one deployment."""

    def test_all_become_healthy_by_their_own_checks(self, deployed: Deployed) -> None:
        checked = [name for name, service in deployed.services.services.items() if "healthcheck" in service]
        assert {"postgres", "api-server", "scheduler", "dag-processor", "triggerer"} == set(checked)
        for name in checked:
            deployed.services.await_health(name)

    def test_nobody_comes_in_without_a_password(self, deployed: Deployed) -> None:
        status = _status(deployed.api, "GET", "/api/v2/dags")
        assert status == 401
        assert _status(deployed.api, "POST", "/auth/token", {"username": "admin", "password": "admin"}) == 401
        assert deployed.api.is_up()

    def test_a_spec_of_the_project_runs_to_a_published_table(self, deployed: Deployed) -> None:
        deployed.api.is_up()
        deployed.api.wait_for_dags("planets", seconds=400)
        deployed.api.unpause("planets")
        run = deployed.api.trigger("planets")
        ended = deployed.api.wait_for_run("planets", run.run_id, seconds=300)
        assert ended.state == "success", deployed.services.log("scheduler").read_text()[-3000:]
        result = deployed.api.result("planets", run.run_id, "silver__planets")
        assert (result["status"], result["rows_applied"]) == ("published", 3)
        assert [path.name for path in (deployed.lake / "warehouse").iterdir() if path.name == "silver"] == ["silver"]

    def test_the_task_s_log_is_read_by_the_api_server(self, deployed: Deployed) -> None:
        deployed.api.is_up()
        (run,) = deployed.api.runs("planets")
        path = f"/dags/planets/dagRuns/{run.run_id}/taskInstances/silver__planets/logs/1"
        assert "silver.planets: published (3 read, 3 applied)" in json.dumps(deployed.api.get(path))

    def test_job_folders_of_ended_runs_may_be_removed(self, deployed: Deployed) -> None:
        deployed.api.is_up()
        (run,) = deployed.api.runs("planets")
        folders = {path.name: path for path in (deployed.lake / "jobs" / "planets").iterdir()}
        assert len(folders) == 2, "the run's, and the index of open starts"
        for path in folders.values():
            os.utime(path, (0, 0))
        (remove,) = re.findall(r"^\$ (find .*)$", PRODUCTION.read_text(), re.MULTILINE)
        subprocess.run(remove.replace("/mnt/lake", str(deployed.lake)), shell=True, check=True)
        assert [name for name, path in folders.items() if path.exists()] == ["~open"]
        deployed.api.clear_run("planets", run.run_id)
        ended = deployed.api.wait_for_run("planets", run.run_id, seconds=300)
        assert ended.state == "success"
        result = deployed.api.result("planets", run.run_id, "silver__planets")
        assert result["status"] == "no_op", "the table's ledger lies with the table, not in the job folder"

    def test_all_end_within_their_grace_period(self, deployed: Deployed) -> None:
        pids = [process.pid for process in deployed.services.running.values()]
        codes = deployed.services.stop()
        assert set(codes) == {"api-server", "dag-processor", "scheduler", "triggerer"}
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), seconds=10, what="the end of all")


def _status(api: Api3, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
    with pytest.raises(ApiError) as refused:
        api.request(method, path, body)
    return refused.value.status
