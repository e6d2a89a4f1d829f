"""Feed damaged projects to the language for some minutes: ``python tests/fuzz/fuzz_specs.py --minutes 30``.

Each case is read as ``lake validate`` and the loader read it. It must end in a plan or in located mistakes, within 2
seconds of CPU and 500 MB, and nothing may be imported, started, fetched or read outside of the project. What breaks
this is kept as a project in a folder, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import sys
import sysconfig
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from mutate import as_bytes, damaged  # noqa: E402
from seeds import ROOT, projects  # noqa: E402

CPU_SECONDS = 2.0
MEGABYTES = 500
HANG_SECONDS = 60.0
"""After so long a silence on the clock a worker is taken for hung: the machine may be busy, a case may not."""
_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.", "ctypes.dlopen")


@dataclass(frozen=True)
class Worker:
    """A process that runs cases; the one that it is at lies in ``folder``."""

    process: Any
    pipe: Any
    folder: Path
    kept: Path

    def keep(self, why: str) -> None:
        """Keep the project that it did not come to an end with."""
        shutil.copytree(self.folder, self.kept / f"{why}-{self.process.pid}", dirs_exist_ok=True)


class Watch:
    """Notes what a case does that no parse may do."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.seen: list[str] = []
        self.is_on = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {arguments!r:.200} by {''.join(traceback.format_stack()[-12:-1])}")
        elif event == "open" and isinstance(arguments[0], str | bytes):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith(self.allowed):
                self.seen.append(f"opened {path}")

    @contextlib.contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        """Watch while a project in ``folder`` is read; Python's own files and the package's may be opened too."""
        own = (str(ROOT / "airflow_lake_provider"), *sysconfig.get_paths().values(), sys.prefix, sys.base_prefix)
        self.allowed = tuple(os.path.realpath(path) for path in (folder, *own, "/usr/share/zoneinfo", "/etc/localtime"))
        self.seen, self.is_on = [], True
        try:
            yield
        finally:
            self.is_on = False


def read_project(folder: Path) -> tuple[str, list[Any], float]:
    """Read a project as users do: the whole folder, then the one spec.

    :return: what became of the spec, what was found, and the CPU seconds of the slower reading.
    """
    from airflow_lake_provider.exceptions import SpecError, UnknownName
    from airflow_lake_provider.plan import outline, plan_pipeline, plan_project
    from airflow_lake_provider.spec import Diagnostic, render_diagnostics

    started = time.process_time()
    with contextlib.suppress(UnknownName):
        _, found = plan_project(folder)
        render_diagnostics(found, color=True)
    between = time.process_time()
    located: list[Any] = []
    try:
        plan = plan_pipeline(folder / "spec.yaml")
        outline(plan)
        end, located = "planned", list(plan.warnings)
    except UnknownName:
        end = "unknown environment"
    except SpecError as exc:
        located = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
        end = "refused" if located else "refused without a place"
    return end, located, max(between - started, time.process_time() - between)


def check_places(folder: Path, found: list[Any]) -> None:
    """See that each mistake points into a file of the project, at characters that are there."""
    texts: dict[str, list[str]] = {}
    for mistake in found:
        if mistake.file not in texts:
            path = Path(mistake.file)
            assert path.resolve().is_relative_to(folder.resolve()), mistake
            text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
            texts[mistake.file] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = texts[mistake.file]
        assert mistake.message, mistake
        assert 1 <= mistake.line <= len(lines), mistake
        assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1, mistake
        assert (mistake.end_line, mistake.end_column) >= (mistake.line, mistake.column), mistake


def work(number: int, seed: int, until: float, folder: Path, keep: Path, pipe: Any) -> None:
    """Run cases until the time is over and send figures, a line each second."""
    watch = Watch()
    sys.addaudithook(watch.hook)
    seeds = projects()
    others = [text for project in seeds for text in project.values()]
    # Libraries are loaded before anything is watched or limited: what they do then is not the spec's doing.
    for project in seeds[:3]:
        read_project(_written(project, folder, random.Random(0)))
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limit = _size() + MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    case, told = 0, 0.0
    figures = _no_figures()
    while time.time() < until:
        case += 1
        name = f"{seed}-{number}-{case}"
        chance = random.Random(name)
        project = dict(seeds[0] if chance.random() < 0.5 else chance.choice(seeds))
        for file in project:
            if chance.random() < (0.8 if file == "spec.yaml" else 0.3):
                project[file] = damaged(project[file], chance, others)
        _written(project, folder, chance)
        started = time.process_time()
        try:
            with watch.over(folder):
                end, found, spent = read_project(folder)
            assert end != "refused without a place", end
            check_places(folder, found)
            assert spent < CPU_SECONDS, f"took {spent:.1f} s of CPU"
            assert not watch.seen, watch.seen
        except BaseException as exc:  # whatever it is, it is what is looked for
            end, found, spent = "broken", [], time.process_time() - started
            figures["failures"].append(f"{name}: {exc.__class__.__name__}: {exc}"[:3000])
            shutil.copytree(folder, keep / name, dirs_exist_ok=True)
            (keep / name / "traceback.txt").write_text(traceback.format_exc())
        figures["cases"] += 1
        figures["ends"][end] += 1
        figures["codes"].update(mistake.code for mistake in found)
        figures["slowest"] = max(figures["slowest"], spent)
        figures["grown"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
        if time.time() - told > 1:
            pipe.send(figures)
            told = time.time()
    pipe.send(figures)
    pipe.close()


def _no_figures() -> dict[str, Any]:
    return {"cases": 0, "slowest": 0.0, "failures": [], "ends": Counter(), "codes": Counter(), "grown": 0.0}


def _written(project: dict[str, str], folder: Path, chance: random.Random) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in project.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(text, chance))
    return folder


def _size() -> int:
    """Return the size of this process's address space in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Run the workers, watch that none hangs, print the figures; 1 when anything broke."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same cases")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "lake-fuzz", help="for what breaks")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    for name in ("LAKE_ENV", "LAKE_HOME", "BUCKET", "LIMIT"):
        os.environ.pop(name, None)
    print(f"seed {options.seed}, {options.workers} workers, {options.minutes:g} minutes", flush=True)
    context = multiprocessing.get_context("spawn")
    until = time.time() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="lake-fuzz-") as scratch:
        workers = []
        for number in range(options.workers):
            ours, theirs = context.Pipe(duplex=False)
            arguments = (number, options.seed, until, Path(scratch) / str(number), options.keep, theirs)
            process = context.Process(target=work, args=arguments, daemon=True)
            process.start()
            theirs.close()
            workers.append(Worker(process, ours, Path(scratch) / str(number), options.keep))
        figures = _follow(workers)
    return _tell(figures, options.keep)


def _follow(workers: list[Worker]) -> list[dict[str, Any]]:
    """Take the workers' figures until all have ended; one that is silent for too long is killed, its project kept."""
    last = {worker.pipe: _no_figures() for worker in workers}
    heard = {worker.pipe: time.monotonic() for worker in workers}
    working = {worker.pipe: worker for worker in workers}
    while working:
        for pipe in wait(list(working), timeout=1):
            try:
                last[pipe] = pipe.recv()
                heard[pipe] = time.monotonic()
            except EOFError:
                worker = working.pop(pipe)
                worker.process.join()
                if worker.process.exitcode:
                    last[pipe]["failures"].append(f"a worker died with exit code {worker.process.exitcode}")
                    worker.keep("died")
        for pipe, worker in list(working.items()):
            if time.monotonic() - heard[pipe] > HANG_SECONDS:
                del working[pipe]
                worker.process.kill()
                last[pipe]["failures"].append(f"a case did not end in {HANG_SECONDS:.0f} s")
                worker.keep("hung")
    return list(last.values())


def _tell(figures: list[dict[str, Any]], keep: Path) -> int:
    ends: Counter[str] = sum((each["ends"] for each in figures), Counter())
    codes: Counter[str] = sum((each["codes"] for each in figures), Counter())
    failures = [failure for each in figures for failure in each["failures"]]
    total = sum(each["cases"] for each in figures)
    summary = {
        "cases": total,
        **dict(ends.most_common()),
        "mistakes": sum(codes.values()),
        "kinds of mistakes": len(codes),
        "slowest case, CPU seconds": round(max(each["slowest"] for each in figures), 2),
        "memory grown, MB": round(max(each["grown"] for each in figures)),
        "failures": len(failures),
    }
    print(json.dumps(summary, indent=2))
    for failure in failures[:20]:
        print("FAILED", failure)
    if failures:
        print(f"the projects are in {keep}")
    return 1 if failures or not total else 0


if __name__ == "__main__":
    sys.exit(main())
