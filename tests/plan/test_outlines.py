"""The plan of each spec, as a text that is compared; ``make golden`` writes it anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_lake_provider.plan import outline, plan_pipeline

OUTLINES = Path(__file__).parent / "outlines"
ROOT = Path(__file__).resolve().parents[2]
SPECS = {path.stem: path for path in [*sorted(OUTLINES.glob("*.yaml")), ROOT / "dag_specs" / "flights.yaml"]}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_gives_exactly_this_plan(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_ENV", raising=False)
    plan = plan_pipeline(SPECS[name])
    assert plan.warnings == ()
    golden = OUTLINES / f"{name}.txt"
    if os.environ.get("LAKE_GOLDEN") == "write":
        golden.write_text(outline(plan), encoding="utf-8")
    assert outline(plan) == golden.read_text(encoding="utf-8")


def test_a_plan_is_the_same_in_every_process() -> None:
    program = (
        "import sys; from pathlib import Path; from airflow_lake_provider.plan import outline, plan_pipeline;"
        "plan = plan_pipeline(Path(sys.argv[1])); print(outline(plan), repr(plan))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(SPECS["every_key"])],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
