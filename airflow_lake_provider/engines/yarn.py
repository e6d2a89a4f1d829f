"""YARN as a master: by its command, by its resource manager's web service, or, without both, by the job's report."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_lake_provider.engines.base import RunState, Status
from airflow_lake_provider.engines.driver_log import cause_of
from airflow_lake_provider.engines.spark_master import Answer, Master, ask
from airflow_lake_provider.engines.spark_target import SparkTarget
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import JobReport, from_json, open_store

REST_SECONDS = 30.0
"""How long the web service may take to answer."""

_APPLICATION = re.compile(r"\bapplication_\d+_\d+\b")
_FIELD = re.compile(r"^\s*([\w-]+(?: [\w-]+)*) : (.*)$", re.MULTILINE)
# org.apache.hadoop.yarn.api.records.YarnApplicationState, before an application runs.
_WAITING = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED")


def yarn_master(target: SparkTarget, environment: Mapping[str, str], *, report_uri: str, request_id: str) -> Master:
    """Return the way to YARN that is there.

    Kerberos is spoken by the command alone, so with a principal that comes before the web service.
    """
    command = shutil.which("yarn", path=environment.get("PATH"))
    if target.resource_manager and not (target.principal and command):
        return YarnWebService(target.resource_manager)
    if command:
        return YarnCommand(command, environment)
    return YarnUnasked(report_uri, request_id)


class _Yarn:
    """What does not depend on how YARN is asked. Applications are tagged with the request id."""

    @property
    def defaults(self) -> Mapping[str, str]:
        """One attempt: tries are the task's business."""
        return {"spark.yarn.maxAppAttempts": "1"}

    @property
    def doubt(self) -> str | None:
        """None."""
        return None

    def submission(self, request_id: str) -> Mapping[str, str]:
        """Tag the application, and do not wait for its end."""
        return {"spark.yarn.tags": _tag(request_id), "spark.yarn.submit.waitAppCompletion": "false"}

    def find(self, request_id: str) -> str | None:
        """Find nothing: there is nobody to ask."""
        return None

    def kill(self, run_id: str) -> None:
        """Stop the application."""
        raise NotImplementedError

    def named(self, request_id: str, output: str) -> str | None:
        """Read the application's id from what YARN's client logs, else look for the tag.

        YARN takes two applications of one tag. Of two workers that submit at the same time, each sees the other's
        now at the latest: the first application stays, and who has submitted another one stops it.
        """
        own = last_application(output)
        try:
            first = self.find(request_id)
        except EngineError:
            if own is None:
                raise
            return own  # a run that is known must not get lost for a question
        if own is not None and first not in (None, own):
            self.kill(own)
        return first or own

    def logs(self, run_id: str) -> str:
        """Name the command that shows them."""
        return f"yarn logs -applicationId {run_id}"


@dataclass(frozen=True)
class YarnCommand(_Yarn):
    """YARN by its command ``yarn``, which brings Hadoop's configuration and Kerberos with it."""

    command: str
    environment: Mapping[str, str]

    def find(self, request_id: str) -> str | None:
        """List the applications that have the tag."""
        listed = self._yarn("-list", "-appStates", "ALL", "-appTags", _tag(request_id))
        return first_application(listed.checked("list applications"))

    def state(self, run_id: str) -> RunState:
        """Read the application's report."""
        done = self._yarn("-status", run_id)
        if "doesn't exist in RM" in done.output:
            return RunState(Status.LOST, f"YARN knows no {run_id}")
        output = done.checked(f"tell the state of {run_id}")
        # The diagnostics come last and may hold anything: of two fields of one name the first is YARN's own.
        fields = {name: value.strip() for name, value in reversed(_FIELD.findall(output))}
        diagnostics = output.partition("Diagnostics :")[2].partition("\n\tUnmanaged Application :")[0]
        return yarn_state(run_id, fields.get("State", ""), fields.get("Final-State", ""), diagnostics)

    def kill(self, run_id: str) -> None:
        """Kill the application."""
        self._yarn("-kill", run_id).checked(f"stop {run_id}")

    def _yarn(self, *arguments: str) -> Answer:
        return ask([self.command, "application", *arguments], self.environment)


@dataclass(frozen=True)
class YarnWebService(_Yarn):
    """YARN by the web service of its resource manager, without authentication."""

    url: str

    def find(self, request_id: str) -> str | None:
        """List the applications that have the tag."""
        answer = self._call(f"/ws/v1/cluster/apps?applicationTags={_tag(request_id)}")
        return first_application(json.dumps(answer))

    def state(self, run_id: str) -> RunState:
        """Read the application's report."""
        answer = self._call(f"/ws/v1/cluster/apps/{run_id}")
        if answer is None:
            return RunState(Status.LOST, f"YARN knows no {run_id}")
        app = answer.get("app") or {}
        return yarn_state(run_id, app.get("state", ""), app.get("finalStatus", ""), app.get("diagnostics", ""))

    def kill(self, run_id: str) -> None:
        """Kill the application."""
        self._call(f"/ws/v1/cluster/apps/{run_id}/state", put={"state": "KILLED"})

    def _call(self, path: str, put: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Call the service; ``None`` when it says that there is no such application."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(put).encode() if put is not None else None,
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            method="PUT" if put is not None else "GET",
        )
        try:
            with urllib.request.urlopen(request, timeout=REST_SECONDS) as response:
                answer: dict[str, Any] = json.loads(response.read() or b"{}")
                return answer
        except urllib.error.HTTPError as exc:
            if exc.code == 404 and b"NotFoundException" in exc.read():
                return None
            # Any other page that is not there is a wrong address, and says nothing of the application.
            raise EngineError(f"YARN's resource manager refused {self.url}{path}: HTTP {exc.code}") from exc
        except (OSError, ValueError) as exc:
            raise EngineError(f"YARN's resource manager does not answer at {self.url}{path}: {exc}") from exc


@dataclass(frozen=True)
class YarnUnasked(_Yarn):
    """YARN where nothing here can ask it: what is known of a run is what the job itself reports."""

    report_uri: str
    request_id: str

    @property
    def doubt(self) -> str | None:
        """Say what is missing."""
        return (
            "YARN cannot be asked from here: there is no command `yarn` on the PATH, and the connection has no "
            "yarn_resourcemanager_webapp_address"
        )

    def state(self, run_id: str) -> RunState:
        """Read the job's report; until it is final the run counts as running."""
        data = open_store(self.report_uri).read(self.report_uri)
        report = from_json(JobReport, data, source=self.report_uri) if data is not None else None
        if report is None or report.request_id != self.request_id or report.status == "running":
            return RunState(Status.RUNNING)
        return RunState(Status.SUCCEEDED if report.status == "succeeded" else Status.FAILED)

    def kill(self, run_id: str) -> None:
        """Refuse."""
        raise EngineError(f"{run_id} cannot be stopped: {self.doubt}. Stop it there: yarn application -kill {run_id}")


def yarn_state(run_id: str, state: str, final: str, diagnostics: str) -> RunState:
    """Map YARN's two words, the application's state and its own verdict, to ours.

    :raises EngineError: the state is none of YARN's.
    """
    if state in _WAITING:
        return RunState(Status.SUBMITTED)
    if state == "RUNNING":
        return RunState(Status.RUNNING)
    if "KILLED" in (state, final):
        return RunState(Status.CANCELLED, cause_of(diagnostics) or "killed in YARN")
    if (state, final) == ("FINISHED", "SUCCEEDED"):
        return RunState(Status.SUCCEEDED)
    if state in ("FINISHED", "FAILED"):
        return RunState(Status.FAILED, cause_of(diagnostics) or f"YARN says {state}, {final or 'UNDEFINED'}")
    raise EngineError(f"YARN says of {run_id} a state that is unknown here: {state or 'none at all'}")


def last_application(output: str) -> str | None:
    """Return the application that a text names last.

    >>> last_application("INFO Client: Submitted application application_1700000000000_0042")
    'application_1700000000000_0042'
    """
    return next(reversed(_APPLICATION.findall(output)), None)


def first_application(output: str) -> str | None:
    """Return, of the applications that a text names, the one that was submitted first.

    >>> first_application("application_1700000000000_10000 application_1700000000000_9999")
    'application_1700000000000_9999'
    """

    def number(name: str) -> list[int]:
        return [int(part) for part in name.split("_")[1:]]

    return min(_APPLICATION.findall(output), default=None, key=number)


def tracking_url(output: str) -> str | None:
    """Return the page of the application that YARN's client tells of, if it does.

    >>> tracking_url("tracking URL: http://rm:8088/proxy/application_1_2/")
    'http://rm:8088/proxy/application_1_2/'
    """
    match = re.search(r"tracking URL: (https?://\S+)", output)
    return match[1] if match else None


def _tag(request_id: str) -> str:
    return f"lake-{request_id}"
