"""Soda checks on the audit branch, with verdicts that never pass what nobody evaluated."""

from __future__ import annotations

from airflow_lake_provider.jobs.quality.checks import run_checks, verdict

__all__ = ["run_checks", "verdict"]
