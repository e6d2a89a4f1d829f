"""The example DAGs on each Airflow version: as they are on Airflow 3, with the lines that the guide names on 2.11."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from airflow_environments import ROOT, airflow_environment, migrated_database

pytestmark = pytest.mark.versions

OLDEST = ("2.11.2", "3.0.6")
"""Of each major version; the newest runs the examples in a test of its own."""
GUIDE = ROOT / "docs" / "how-to" / "write-dags-by-hand.md"
LOADERS = ("lake_dags", "lake_spec_errors")
HAND_WRITTEN = sorted(path.stem for path in (ROOT / "example_dags").glob("*.py") if path.stem not in LOADERS)
ROW = re.compile(r"^\| `(.+)` \| `(.+)` \|$", re.MULTILINE)
RUN = """\
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
from airflow_lake_provider.engines import InMemoryEngine

bag = DagBag(sys.argv[1])
states = {}
with InMemoryEngine.installed():
    for name, dag in sorted(bag.dags.items()):
        run = dag.test()
        states[name] = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()}
open(sys.argv[2], "w").write(json.dumps({"errors": bag.import_errors, "states": states}))
"""


def guide() -> tuple[dict[str, str], dict[str, str]]:
    """Return what the guide says: for each name of ``airflow.sdk`` its import there, and other texts to change."""
    names: dict[str, str] = {}
    texts: dict[str, str] = {}
    for there, here in ROW.findall(GUIDE.read_text(encoding="utf-8").partition("## On Airflow 2.11")[2]):
        module, imports, listed = there.partition(" import ")
        if module != "from airflow.sdk":
            texts[there] = here
            continue
        old_module, _, old_names = here.partition(imports)
        for name, old_name in zip(listed.split(", "), old_names.split(", "), strict=True):
            names[name] = f"{old_module}{imports}{old_name}"
    return names, texts


def rewritten(text: str) -> str:
    """Change an example as the guide says."""
    names, texts = guide()
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module == "airflow.sdk":
            lines[node.lineno - 1] = "\n".join(names[alias.name] for alias in node.names)
            lines[node.lineno : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno)
    text = "\n".join(lines)
    for there, here in texts.items():
        text = text.replace(there, here)
    assert "airflow.sdk" not in text
    return text


@pytest.mark.parametrize("version", OLDEST)
def test_the_examples_run_where_the_guide_says_so(version: str, tmp_path: Path) -> None:
    environment = airflow_environment(version)
    dags = tmp_path / "dags"
    shutil.copytree(
        ROOT / "example_dags", dags, ignore=shutil.ignore_patterns(*(f"{name}.py" for name in LOADERS), ".lake")
    )
    for name in HAND_WRITTEN if environment.is_airflow_2 else ():
        path = dags / f"{name}.py"
        path.write_text(rewritten(path.read_text()))
    shutil.copy(migrated_database(environment), tmp_path / "airflow.db")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKE_HOME"))}
    done = subprocess.run(
        [str(environment.python), "-c", RUN, str(dags), str(tmp_path / "out.json")],
        cwd=tmp_path,
        env={
            **kept,
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            **environment.variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["errors"] == {}
    assert sorted(found["states"]) == HAND_WRITTEN
    skipped = {"after.look_at_quarantine[-1]"}
    wrong = {
        f"{dag}.{task}": state
        for dag, tasks in found["states"].items()
        for task, state in tasks.items()
        if state != ("skipped" if task in skipped else "success")
    }
    assert wrong == {}
    assert {f"ingest[{index}]" for index in (0, 1)} <= set(found["states"]["lake_mapped"])
