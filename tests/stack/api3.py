"""Airflow 3's REST API: v2, with a token."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from stack.api import MANY, Api, ApiError, Run
from stack.waiting import wait_until


class Api3(Api):
    """The API of 3.x, where the simple auth manager takes everybody for an admin."""

    prefix = "/api/v2"
    _token: str | None = None

    def is_up(self) -> bool:
        """Whether there is a token to be had."""
        self._token = None
        with contextlib.suppress(OSError, ApiError):
            self._token = self.request("GET", "/auth/token")["access_token"]
        return self._token is not None

    def headers(self) -> dict[str, str]:
        """Return the token's header."""
        return {"Authorization": f"Bearer {self._token}"}

    def trigger(
        self,
        dag_id: str,
        *,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a run by hand; without a logical date it has none."""
        body: dict[str, Any] = {"logical_date": logical_date, "conf": dict(conf or {})}
        if run_id is not None:
            body["dag_run_id"] = run_id
        return Run.read(self.call("POST", f"/dags/{quote(dag_id, safe='')}/dagRuns", body))

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear all tasks of a run; the API's default are the failed ones."""
        path = f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}/clear"
        self.call("POST", path, {"dry_run": False, "only_failed": False})

    def backfill(
        self,
        dag_id: str,
        start: datetime,
        end: datetime,
        *,
        reprocess: str = "none",
        backwards: bool = False,
        max_active_runs: int = 3,
        seconds: float = 300,
    ) -> None:
        """Create a backfill and wait until it has completed."""
        body = {
            "dag_id": dag_id,
            "from_date": start,
            "to_date": end,
            "run_backwards": backwards,
            "reprocess_behavior": reprocess,
            "max_active_runs": max_active_runs,
        }
        number = self.call("POST", "/backfills", body)["id"]
        wait_until(
            lambda: self.call("GET", f"/backfills/{number}")["completed_at"],
            seconds=seconds,
            what=lambda: f"backfill {number} of {dag_id}: {self.runs(dag_id)}",
        )

    def asset_events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events of assets, oldest first."""
        events: list[dict[str, Any]] = self.get(f"/assets/events?limit={MANY}")["asset_events"]
        events.sort(key=lambda event: event["id"])
        return [event for event in events if name is None or str(event.get("name") or event["uri"]).endswith(name)]

    def source(self, dag_id: str) -> str:
        """Return what the Code tab shows."""
        content: str = self.call("GET", f"/dagSources/{quote(dag_id, safe='')}")["content"]
        return content

    def versions(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the DAG's versions, oldest first."""
        found = self.get(f"/dags/{quote(dag_id, safe='')}/dagVersions?limit={MANY}")
        return sorted((found or {"dag_versions": []})["dag_versions"], key=lambda entry: int(entry["version_number"]))
