"""Metadata databases for test stacks: migrated once per Airflow version, then copied."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airflow_environments import AirflowEnvironment
from postgresql import PostgreSQL, postgresql

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".pytest_cache" / "d" / "airflow"
"""Where the dumps lie between two runs of the tests; ``make clean`` takes them away."""

USER, PASSWORD = "admin", "admin"
"""The account of Airflow 2's REST API; on 3.x everybody is an admin."""


@dataclass(frozen=True)
class MetadataServer:
    """A database server that hands out migrated databases, a new one for each stack."""

    server: PostgreSQL
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _templates: set[str] = field(default_factory=set)

    def new_database(self, environment: AirflowEnvironment) -> str:
        """Return the URI of a migrated database; the first of an Airflow version takes 30 seconds."""
        template = f"airflow_{environment.version.replace('.', '_')}"
        if template not in self._templates:
            self._make_template(environment, template)
            self._templates.add(template)
        name = f"stack_{next(self._numbers)}"
        self.server.run("createdb", "-T", template, name)
        return self.server.uri(name)

    def _make_template(self, environment: AirflowEnvironment, template: str) -> None:
        self.server.run("createdb", template)
        dump = KEPT / f"airflow-{environment.version}.sql"
        if dump.exists():
            self.server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", template, "-f", str(dump))
            return
        with tempfile.TemporaryDirectory(prefix="lake-stack-") as home:
            env = {
                **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")},
                **environment.variables,
                "AIRFLOW_HOME": home,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.server.uri(template),
            }
            commands = [["db", "migrate"]]
            if environment.is_airflow_2:
                account = ["-u", USER, "-p", PASSWORD, "-e", "admin@localhost", "-f", USER, "-l", USER]
                commands.append(["users", "create", "-r", "Admin", *account])
            for command in commands:
                done = subprocess.run(
                    [str(environment.python), "-m", "airflow", *command],
                    env=env, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    said = (done.stdout + done.stderr)[-3000:]
                    raise RuntimeError(f"`airflow {' '.join(command)}` of {environment.version} failed:\n{said}")
        KEPT.mkdir(parents=True, exist_ok=True)
        part = dump.with_suffix(f".{os.getpid()}")
        self.server.run("pg_dump", "--no-owner", "-d", template, "-f", str(part))
        os.replace(part, dump)


@contextlib.contextmanager
def metadata_server() -> Iterator[MetadataServer]:
    """Start a database server for any number of stacks."""
    with postgresql(user="airflow", password="airflow") as server:
        yield MetadataServer(server)
