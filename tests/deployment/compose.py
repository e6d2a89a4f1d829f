"""A compose file's services as processes of this machine: its commands, environment and health checks as they stand.

Nothing here is a container: what the image or the network of one would give (paths, host names, ports) is replaced in
the file's text, word by word, and that is all that is changed.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")
_SECONDS = {"s": 1, "m": 60}


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Fill in ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` as compose does.

    :raises KeyError: a variable that must be set is not.
    """

    def value(match: re.Match[str]) -> str:
        dollar, name, kind, word = match.groups()
        if dollar:
            return "$"
        if values.get(name):
            return values[name]
        if kind != "-":
            raise KeyError(f"{name} {word}")
        return str(word)

    return _VARIABLE.sub(value, text)


def load_compose(path: Path, values: Mapping[str, str], places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a compose file with its variables filled in.

    :param places: what to put in the place of a text: a path of the image, ``host:port``.
    """

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        return placed(interpolated(node, values), places or {}) if isinstance(node, str) else node

    loaded: dict[str, Any] = filled(yaml.safe_load(path.read_text()))
    return loaded


def placed(text: str, places: Mapping[str, str]) -> str:
    """Put in each place what is there on this machine, the longest first."""
    for place, here in sorted(places.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(place, here)
    return text


def seconds(duration: str) -> int:
    """Return the seconds of a duration of one unit.

    >>> seconds("2m"), seconds("30s")
    (120, 30)
    """
    return int(duration[:-1]) * _SECONDS[duration[-1]]


@dataclass
class Composed:
    """The services of a compose file that run here.

    :param image: the environment that the image gives to all of them.
    :param over: what a machine needs that is no container: log ports, loopback addresses.
    """

    services: Mapping[str, Mapping[str, Any]]
    image: Mapping[str, str]
    over: Mapping[str, str]
    logs: Path
    running: dict[str, psutil.Popen] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """Return what a service sees: the machine's, the image's, its own."""
        foreign = ("AIRFLOW", "LAKE_", "PYTEST_", "no_proxy")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        own = {key: str(value) for key, value in self.services[name].get("environment", {}).items()}
        return {**inherited, **self.image, **own, **self.over}

    def run(self, name: str) -> None:
        """Run a service to its end, once what it depends on is as it should be."""
        self._await_dependencies(name)
        done = subprocess.run(
            self.services[name]["command"],
            env=self.environment(name), cwd=self.logs, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}"

    def start(self, name: str) -> None:
        """Start a service, once what it depends on is as it should be."""
        self._await_dependencies(name)
        with self.log(name).open("wb") as log:
            self.running[name] = psutil.Popen(
                self.services[name]["command"],
                env=self.environment(name), cwd=self.logs, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def await_health(self, name: str) -> None:
        """Run a service's health check until it passes, for as long as compose would."""
        check = self.services[name]["healthcheck"]
        patience = seconds(check.get("start_period", "0s")) + check["retries"] * seconds(check["interval"])
        end = time.monotonic() + patience
        while True:
            assert check["test"][0] == "CMD"
            said = subprocess.run(
                check["test"][1:],
                env=self.environment(name), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=3 * seconds(check["timeout"]),
            )  # fmt: skip
            if said.returncode == 0:
                return
            process = self.running.get(name)
            ended = process is not None and process.poll() is not None
            log = self.log(name).read_text(errors="replace")[-3000:] if process is not None else ""
            assert not ended, f"{name} ended:\n{log}"
            assert time.monotonic() < end, f"{name} is not healthy after {patience} s: {said.stderr}\n{log}"
            time.sleep(2)

    def stop(self) -> dict[str, int]:
        """End all services as compose does, the last started first; return each one's exit code.

        :raises psutil.TimeoutExpired: one is still there after its grace period. It is then killed.
        """
        codes = {}
        for name in reversed(list(self.running)):
            process = self.running.pop(name)
            children = process.children(recursive=True)
            process.terminate()
            try:
                codes[name] = process.wait(seconds(self.services[name]["stop_grace_period"]))
            finally:
                # A container takes all of its processes with it.
                for left in [process, *children]:
                    if left.is_running():
                        left.kill()
        return codes

    def log(self, name: str) -> Path:
        """Return where a service's output goes."""
        return self.logs / f"{name}.log"

    def _await_dependencies(self, name: str) -> None:
        for other, how in self.services[name].get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                self.await_health(other)
