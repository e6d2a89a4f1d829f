"""What loads what, seen from fresh processes: import-linter reads the source, this sees the effect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

WATCHED = "airflow, boto3, pandas, pydantic, pyspark, soda, sqlglot, yaml"

ALL_OF = """
import importlib, pkgutil
package = importlib.import_module("{0}")
for module in pkgutil.walk_packages(package.__path__, "{0}."):
    importlib.import_module(module.name)
"""


def loaded_by(code: str) -> set[str]:
    """Run the code in a fresh process and return which of the watched packages it loaded."""
    watched = WATCHED.split(", ")
    script = f"{code}\nimport sys\nprint(*[name for name in {watched!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        pytest.param("import airflow_lake_provider", set(WATCHED.split(", ")), id="the package root loads nothing"),
        pytest.param(
            "from airflow_lake_provider.get_provider_info import get_provider_info; get_provider_info()",
            set(WATCHED.split(", ")),
            id="provider discovery loads nothing",
        ),
        pytest.param(
            ALL_OF.format("airflow_lake_provider.protocol"), set(WATCHED.split(", ")), id="the contract is stdlib only"
        ),
        pytest.param(
            ALL_OF.format("airflow_lake_provider.jobs"),
            {"airflow", "boto3", "pydantic", "soda", "sqlglot", "yaml"},
            id="the job library knows nothing of the control plane",
        ),
        pytest.param(
            ALL_OF.format("airflow_lake_provider.cli"),
            {"airflow", "boto3", "pandas", "pyspark", "soda"},
            id="the command line starts without Airflow",
        ),
        pytest.param(
            ALL_OF.format("airflow_lake_provider.runs") + ALL_OF.format("airflow_lake_provider.plan"),
            {"airflow", "boto3", "pandas", "pyspark", "soda"},
            id="plans and runs need no Airflow",
        ),
        pytest.param(
            "import airflow_lake_provider.factory, airflow_lake_provider.operators",
            {"pandas", "pyspark", "soda"},
            id="a DAG file loads nothing of the data plane",
        ),
    ],
)
def test_imports_stay_light(code: str, forbidden: set[str]) -> None:
    assert loaded_by(code) & forbidden == set()


def test_the_watch_sees_what_is_loaded() -> None:
    assert loaded_by("import airflow, yaml") >= {"airflow", "yaml"}


def test_every_import_contract_is_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
