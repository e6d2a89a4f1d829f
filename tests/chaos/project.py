"""What a round runs: the unchanged flights spec on real landing files, in the folder of a test's Airflow."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DAG_ID = "flights"
LOADER = """\
from airflow_lake_provider import load_lake_dags

load_lake_dags(globals(), specs="../dag_specs")
"""
# The spec's own end is a day later. Everything else is its own: the base is a copy to the byte.
SPEC = "pipeline: flights\nextends: _flights.yaml\nend_date: {last}\n"
LAKE_YAML = """\
environments:
  local:
    base_path: ../data
    engines:
      default: {{type: local, master: "local[2]", driver_memory: 1g, deferrable: {deferrable}}}
defaults: {{retries: 3, retry_delay: 2s}}
"""


def write_project(home: Path, *, days: int, deferrable: bool) -> Path:
    """Write specs, settings, landing files and the loader into an Airflow's home; return the project's folder."""
    landing = _landing()
    project, dags = home / "dag_specs", home / "dags"
    project.mkdir()
    (project / "_flights.yaml").write_bytes((ROOT / "dag_specs" / "flights.yaml").read_bytes())
    (project / "flights.yaml").write_text(SPEC.format(last=landing.days(days)[-1]))
    (project / "lake.yaml").write_text(LAKE_YAML.format(deferrable=str(deferrable).lower()))
    landing.land(home / "data" / "landing", days)
    (dags / "lake_dags.py").write_text(LOADER)
    return project


def days_of(count: int) -> list[str]:
    """Return the days whose files lie there."""
    found: list[str] = _landing().days(count)
    return found


def _landing() -> ModuleType:
    """Load the demo's script that splits the flights into files by day."""
    spec = importlib.util.spec_from_file_location("landing", ROOT / "demo" / "landing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
