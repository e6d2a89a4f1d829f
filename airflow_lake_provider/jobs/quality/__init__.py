"""Whether the data is good enough to be published: SodaCL checks, strictly judged."""

from __future__ import annotations

from airflow_lake_provider.jobs.quality.checks import run_checks, verdict

__all__ = ["run_checks", "verdict"]
