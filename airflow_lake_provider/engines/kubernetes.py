"""Kubernetes as a master: by spark-submit's own ``--status`` and ``--kill``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_lake_provider.engines.base import RunState, Status
from airflow_lake_provider.engines.driver_log import cause_of
from airflow_lake_provider.engines.spark_command import conf_words
from airflow_lake_provider.engines.spark_master import Answer, ask
from airflow_lake_provider.exceptions import EngineError

_FIELD = re.compile(r"^\s+([\w ]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class KubernetesMaster:
    """The driver's pod is named by the request id, so that a second submission of the same one is refused.

    A run is ``<namespace>:<pod>``, as spark-submit takes it.

    :param access: the properties by which the API is reached, see :func:`~.spark_target.access_conf`.
    """

    spark_submit: str
    url: str
    namespace: str
    environment: Mapping[str, str]
    access: Mapping[str, str] = field(default_factory=dict)

    @property
    def defaults(self) -> Mapping[str, str]:
        """Nothing: a pod is never restarted."""
        return {}

    @property
    def doubt(self) -> str | None:
        """None."""
        return None

    def submission(self, request_id: str) -> Mapping[str, str]:
        """Name namespace and pod, and do not wait for the end."""
        return {
            "spark.kubernetes.namespace": self.namespace,
            "spark.kubernetes.driver.pod.name": self._pod(request_id),
            "spark.kubernetes.submission.waitAppCompletion": "false",
        }

    def find(self, request_id: str) -> str | None:
        """Look for the pod of the request."""
        run_id = f"{self.namespace}:{self._pod(request_id)}"
        return None if self.state(run_id).status is Status.LOST else run_id

    def named(self, request_id: str, output: str) -> str | None:
        """Return the pod; its name is settled beforehand."""
        return f"{self.namespace}:{self._pod(request_id)}"

    def state(self, run_id: str) -> RunState:
        """Read the pod's phase."""
        output = self._spark_submit("--status", run_id).checked(f"tell the state of {run_id}")
        if "Application not found" in output or "No applications found" in output:
            return RunState(Status.LOST, f"there is no pod {run_id}")
        fields = {name: value.strip() for name, value in _FIELD.findall(output)}
        match fields.get("phase"):
            case "Succeeded":
                return RunState(Status.SUCCEEDED)
            case "Failed":
                return RunState(Status.FAILED, _why(fields))
            case "Pending":
                return RunState(Status.SUBMITTED)
            case "Running" | "Unknown":  # the latter: Kubernetes cannot reach the pod's node at this moment
                return RunState(Status.RUNNING)
        raise EngineError(f"spark-submit --status {run_id} did not say the pod's phase: {cause_of(output)}")

    def kill(self, run_id: str) -> None:
        """Delete the pod; its executors go with it."""
        self._spark_submit("--kill", run_id).checked(f"stop {run_id}")

    def logs(self, run_id: str) -> str:
        """Name the command that shows them."""
        namespace, _, pod = run_id.partition(":")
        return f"kubectl logs --namespace {namespace} {pod}"

    @staticmethod
    def _pod(request_id: str) -> str:
        return f"lake-{request_id}-driver"

    def _spark_submit(self, *arguments: str) -> Answer:
        words = [self.spark_submit, "--master", self.url, *conf_words(self.access), *arguments]
        return ask(words, self.environment)


def _why(fields: Mapping[str, str]) -> str:
    code = fields.get("exit code")
    said = [fields.get("termination reason"), f"(exit code {code})" if code else None]
    return " ".join(["the driver's pod failed:", *(word for word in said if word)]).rstrip(":")
