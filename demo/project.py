"""Where the demo's parts lie, and the Airflow that runs them: everything below one folder of the checkout.

.demo/landing   the files that the runs take in
.demo/lake      catalog, warehouse and job folders
.demo/airflow   Airflow's home: database, logs
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
LANDING = HOME / "landing"
AIRFLOW_HOME = HOME / "airflow"
DAGS = ROOT / "example_dags"
SPEC = ROOT / "dag_specs" / "flights.yaml"
BIN = Path(sys.executable).parent


def environment(*, port: int) -> dict[str, str]:
    """Return the environment in which Airflow and ``lake`` work on the demo's project.

    :param port: where Airflow's API and pages are served, on this machine only.
    """
    AIRFLOW_HOME.mkdir(parents=True, exist_ok=True)
    settings = {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(AIRFLOW_HOME / "jwt_secret"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "LAKE_HOME": str(HOME / "lake"),
        # What a proxy of the environment cannot reach.
        "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", "127.0.0.1"])),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    # Another Airflow's settings in this shell are not the demo's.
    foreign = ("AIRFLOW", "LAKE_ENV", "no_proxy")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)} | settings


def command(arguments: Sequence[str], *, env: Mapping[str, str]) -> str:
    """Run a program of the environment to its end and return what it printed.

    :raises SystemExit: it failed; its own words come before.
    """
    program = [str(BIN / arguments[0]), *arguments[1:]]
    done = subprocess.run(program, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\n`{' '.join(arguments)}` ended with exit code {done.returncode}")
    return done.stdout


def _secret(path: Path) -> str:
    """Return the text that Airflow's processes sign their tokens with; made once."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()
