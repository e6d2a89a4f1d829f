"""The demo, run once as a reader runs it, in a copy of the checkout's folders: what several tests look at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Demo:
    """A finished demo: its copy of the project, its environment, its catalog, what it printed."""

    root: Path
    env: dict[str, str]
    output: str

    def lake(self, *arguments: str) -> str:
        """Run ``lake`` in the copy; return what it printed."""
        lake = Path(sys.executable).parent / "lake"
        done = subprocess.run(
            [str(lake), *arguments], cwd=self.root, env=self.env, text=True, capture_output=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def airflow_environment(self, port: int) -> dict[str, str]:
        """Return the demo's own environment of Airflow's processes, as if they served on a port."""
        code = f"import json, project; print(json.dumps(project.environment(port={port})))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root, env={**self.env, "PYTHONPATH": str(self.root / "demo")}, text=True, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout)
        return {key: value for key, value in found.items() if key != "PYTHONPATH"}

    @property
    def catalog(self) -> Catalog:
        """The demo's catalog, opened by PyIceberg."""
        found = json.loads(self.lake("catalog", "--project", "dag_specs", "--json"))
        return load_catalog(found["name"], **found["properties"])

    def growth(self, table: str) -> list[int]:
        """The table's rows after each snapshot of main that changed their number, the oldest first."""
        loaded = self.catalog.load_table(table)
        counts = []
        snapshot = loaded.current_snapshot()
        while snapshot is not None:
            assert snapshot.summary is not None
            counts.append(int(snapshot.summary["total-records"] or 0))
            parent = snapshot.parent_snapshot_id
            snapshot = loaded.snapshot_by_id(parent) if parent is not None else None
        counts.reverse()
        return [count for n, count in enumerate(counts) if count and (n == 0 or count != counts[n - 1])]

    def snapshots(self) -> dict[str, int]:
        """The current snapshot of each table, those of the quarantine included."""
        catalog = self.catalog
        names = [".".join(name) for layer in catalog.list_namespaces() for name in catalog.list_tables(layer)]
        current = {name: catalog.load_table(name).current_snapshot() for name in names}
        return {name: snapshot.snapshot_id for name, snapshot in current.items() if snapshot is not None}


def run_demo(root: Path) -> Demo:
    """Copy the demo's folders of the checkout into ``root``, and run it there."""
    for folder in ("demo", "dag_specs", "example_dags"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", ".lake"))
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "LAKE_ENV"))}
    done = subprocess.run(
        [sys.executable, "demo/run.py"],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2400,
    )
    assert done.returncode == 0, done.stdout
    return Demo(root=root, env=env | {"LAKE_HOME": str(root / ".demo" / "lake")}, output=done.stdout)
