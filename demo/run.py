"""Run the flights of three days through Airflow: scheduler, workers and all. Then show what was published.

    python demo/run.py            the three days, then a summary
    python demo/run.py --serve    the same project in `airflow standalone`, until Ctrl-C

Run again, it clears the three runs: every job is submitted again and finds its data published already.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from landing import land
from project import AIRFLOW_HOME, BIN, LANDING, ROOT, command, environment
from rich.console import Console
from services import Api, Dag, Services, free_port, services
from summary import passed, print_summary

DAG_ID = "flights"
DAYS = 3
RUN_SECONDS = 45 * 60
"""When the demo gives up; on two cores it takes about seven minutes."""

FINISHED = ("success", "failed", "upstream_failed", "skipped", "removed")

# Where nobody looks at it in a terminal, no width may cut the lines.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """Parse the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Run three days of flights through Airflow.")
    parser.add_argument("--serve", action="store_true", help="open the project in `airflow standalone` instead")
    parser.add_argument("--port", type=int, default=8080, help="where --serve listens (default 8080)")
    arguments = parser.parse_args()
    port = arguments.port if arguments.serve else free_port()
    env = environment(port=port)
    land(LANDING, DAYS)
    command(["airflow", "db", "migrate"], env=env)
    if arguments.serve:
        console.print(f"Airflow is starting; it will be at [bold]http://localhost:{port}[/] (Ctrl-C ends it)")
        sys.stdout.flush()
        os.chdir(ROOT)
        os.execve(BIN / "airflow", ["airflow", "standalone"], env)
    console.print("[bold]Three days of flights through Airflow[/] (scheduler, workers, one Spark job a table)")
    results: dict[str, dict[str, Any]] = {}
    with services(env) as running:
        good = run_days(running, Api(port), results)
    if not good:
        console.print(f"[red]Not every task succeeded.[/] Logs: {AIRFLOW_HOME / 'logs'}")
        return 1
    print_summary(env, results, console=console)
    console.print("Look around: [bold]make airflow[/]. Run it again: every table is a no_op.")
    return 0


def run_days(running: Services, api: Api, results: dict[str, dict[str, Any]]) -> bool:
    """Let Airflow run the days and print each task as it ends; return whether all went well.

    :param results: gets what the newest task of each table gave back.
    """
    running.start("api-server")
    api.wait(running)
    dag = Dag(api, DAG_ID)
    if dag.runs():
        dag.clear()
    running.start("dag-processor")
    running.start("scheduler")
    end = time.monotonic() + RUN_SECONDS
    wait_for_dag(dag, api, running)
    dag.unpause()
    told: set[tuple[str, str]] = set()
    while True:
        running.check()
        runs = dag.runs()
        for run in runs:
            tell(dag, run, told, results)
        if len(runs) >= DAYS and all(run["state"] in FINISHED for run in runs):
            return all(run["state"] == "success" for run in runs)
        if time.monotonic() > end:
            raise SystemExit(f"The runs did not end within {RUN_SECONDS // 60} minutes. Logs: {AIRFLOW_HOME / 'logs'}")
        time.sleep(2)


def wait_for_dag(dag: Dag, api: Api, running: Services) -> None:
    """Wait until the spec has become a DAG.

    :raises SystemExit: it cannot be imported, or took three minutes.
    """
    end = time.monotonic() + 180
    while not dag.is_known():
        running.check()
        errors = api.get("/importErrors")["import_errors"]
        if errors:
            raise SystemExit("\n".join(error["stack_trace"] for error in errors))
        if time.monotonic() > end:
            raise SystemExit(f"Airflow did not find the DAG {DAG_ID}: {running.log('dag-processor')}")
        time.sleep(1)


def tell(dag: Dag, run: Mapping[str, Any], told: set[tuple[str, str]], results: dict[str, dict[str, Any]]) -> None:
    """Print one line for each task of the run that has ended since the last call."""
    tasks = [task for task in dag.tasks(run) if task["state"] in FINISHED]
    for task in sorted(tasks, key=lambda task: str(task["end_date"])):
        key = (run["dag_run_id"], task["id"])
        if key in told:
            continue
        told.add(key)
        result = dag.result(run, task)
        if result is not None:
            # A run that had nothing to do judged nothing: what was last found stays true.
            before = results.get(result["table"], result)
            results[result["table"]] = {**result, "checks": result["checks"] or before["checks"]}
        console.print(line(run["data_interval_start"][:10], task, result))


def line(day: str, task: Mapping[str, Any], result: Mapping[str, Any] | None) -> str:
    """Say in one line what a task did."""
    table = task["task_id"].replace("__", ".")
    if task["state"] != "success" or result is None:
        return f"  {day}  {table:<25} [red]{task['state']}[/]"
    colour = "green" if result["status"] == "published" else "cyan"
    words = [f"{result['rows_applied'] or 0:>5} rows"]
    if result["rows_quarantined"]:
        words.append(f"[yellow]{result['rows_quarantined']} set aside[/]")
    if result["checks"]:
        words.append(f"checks {passed(result['checks'])}")
    for check in result["checks"]:
        if check["outcome"] != "pass":
            words.append(f"[yellow]{check['check']} (was {check['value']})[/]")
    return f"  {day}  {table:<25} [{colour}]{result['status']:<9}[/] {', '.join(words)}"


if __name__ == "__main__":
    sys.exit(main())
