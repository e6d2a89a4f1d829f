"""Read hostile projects, each in a process of its own with bounds, and say what came of it, as JSON lines.

``python hostile_run.py FOLDER``: each folder in it is a project, read as ``lake validate`` reads it. The modules that
reading needs are loaded once; each project is then read in a fork, watched by an audit hook.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

MEMORY = 500 * 2**20
SECONDS = 10
"""After so long a reading is ended; what it may take is asserted by the test."""

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "ctypes.", "urllib.")
_LIBRARY = tuple(
    {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))}
    | {"/usr/share/zoneinfo", "/usr/lib", "/dev/null"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Watch:
    """An audit hook: notes what reading a spec must never do."""

    def __init__(self) -> None:
        self.project: str | None = None
        self.found: list[str] = []
        self.package = os.path.realpath(Path(__file__).parents[2] / "airflow_lake_provider")

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.project is None:
            return
        if event.startswith(_FORBIDDEN):
            self.found.append(event)
        elif event in ("open", "os.listdir", "os.scandir"):
            path = arguments[0]
            if not isinstance(path, str | bytes | os.PathLike):
                return
            real = os.path.realpath(os.fsdecode(path))
            is_inside = (real + os.sep).startswith((self.project, self.package))
            if not is_inside and not real.startswith(_LIBRARY):
                self.found.append(f"{event} {real}")
            if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
                self.found.append(f"writes {real}")


def read(project: Path) -> dict[str, Any]:
    """Read a project; what is wrong with it by code."""
    from airflow_lake_provider.exceptions import SpecError
    from airflow_lake_provider.plan import plan_pipeline, plan_project
    from airflow_lake_provider.spec import Diagnostic, render_diagnostics

    spec = Path("spec.yaml")
    try:
        if spec.exists() or spec.is_symlink():
            plan = plan_pipeline(spec)
            return {"tables": len(plan.tables), "codes": [each.code for each in plan.warnings]}
        plans, found = plan_project(Path())
        return {"tables": sum(len(plan.tables) for plan in plans), "codes": [each.code for each in found]}
    except OSError as exc:  # of the spec itself: there is no text to point into
        return {"codes": [str(exc)]}
    except SpecError as exc:
        located = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
        text = render_diagnostics(located)
        return {
            "codes": [each.code for each in located],
            "length": len(text),
            "longest": max(map(len, text.split("\n"))),
        }


def in_a_fork(project: Path, watch: Watch) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of CPU: the machine may be busy
        signal.alarm(6 * SECONDS)
        os.chdir(project)
        modules = set(sys.modules)
        watch.project = os.path.realpath(project) + os.sep
        started = time.process_time()
        try:
            result = read(project)
        except BaseException as exc:  # whatever it is, the test shall name it
            result = {"raised": f"{type(exc).__name__}: {exc}"[:300]}
        result["seconds"] = time.process_time() - started
        new = (getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - modules)
        result["imported"] = [file for file in new if os.path.realpath(file).startswith(watch.project)]
        watch.project = None
        result["forbidden"] = sorted(set(watch.found))
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(result))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        written = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(written) if written else {"raised": f"ended by {status}", "seconds": SECONDS}


def main() -> None:
    import croniter  # noqa: F401
    import jinja2.ext  # noqa: F401
    import sqlglot.optimizer.scope  # noqa: F401

    import airflow_lake_provider.plan  # noqa: F401

    watch = Watch()
    sys.addaudithook(watch)
    for project in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps({"name": project.name, **in_a_fork(project, watch)}), flush=True)


if __name__ == "__main__":
    main()
