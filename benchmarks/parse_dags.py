"""How long Airflow's parse of specs takes, and how big the DAGs are: from a folder of specs to serialized DAGs.

    python benchmarks/parse_dags.py [--rounds 3] [--peers DIR]

Two projects, and what Airflow does with each of their files in a new process: import the loader file, build the DAGs,
serialize them.

- ``wide``: one pipeline of 200 tables, in three layers;
- ``many``: 300 pipelines of three tables.

For each there is, in the same run: the loader (``lake``); what a worker does before a task, which is to build the one
DAG that it asks for (``lake, worker``); the same tasks and edges with the same operators, written by hand in one Python
file (``by hand``), which is what Airflow itself costs; and dag-factory, with as many tasks of Airflow's EmptyOperator
and the same edges, where ``--peers`` names a folder that ``pip install --no-deps --target DIR dag-factory`` made.

Seconds are processor time of the whole process, its imports included; bytes are those of the serialized DAGs as JSON,
before Airflow compresses or stores them. The median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOADER = "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"
PARSE = """
import json, logging, runpy, sys
logging.disable(logging.CRITICAL)
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
found = {value.dag_id: value for value in runpy.run_path(sys.argv[1]).values() if isinstance(value, DAG)}
texts = [json.dumps(DagSerialization.to_dict(dag)) for dag in found.values()]
tasks = sum(len(dag.tasks) for dag in found.values())
print(json.dumps({"dags": len(found), "tasks": tasks, "bytes": sum(map(len, texts))}))
"""
BY_HAND = """\
from airflow.sdk import DAG
from airflow_lake_provider import LakeIngestOperator, LakeTransformOperator

"""
PEER = """\
import pathlib
import dagfactory

for path in sorted(pathlib.Path(__file__).parent.glob("*.yml")):
    dagfactory.load_yaml_dags(globals_dict=globals(), config_filepath=str(path))
"""

Tables = dict[str, list[str]]
"""A pipeline's tables, each with those of the same pipeline that it is made from."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure how long Airflow's parse of specs takes.")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--peers", type=Path, help="a folder with dag-factory, installed by pip --target")
    given = arguments.parse_args()
    print(f"{'':24}{'DAGs':>6}{'tasks':>7}{'seconds':>9}{'KB':>9}   median of {given.rounds}")
    projects = {
        "wide": {"wide": wide(200)},
        "many": {f"many_{number}": small(number) for number in range(300)},
    }
    for name, pipelines in projects.items():
        with tempfile.TemporaryDirectory(prefix="parse-dags-") as folder:
            for what, file, variables in contenders(Path(folder), pipelines, given.peers):
                rounds = [parse(file, variables, home=Path(folder)) for _ in range(given.rounds)]
                first, seconds = rounds[0][0], statistics.median(seconds for _, seconds in rounds)
                line = f"{first['dags']:6}{first['tasks']:7}{seconds:9.2f}{first['bytes'] / 1000:9.0f}"
                print(f"{f'{name}, {what}':24}{line}", flush=True)


def wide(count: int) -> Tables:
    """Return half as many ingests as tables, most of the others made of one each, and a few of many."""
    bronze = [f"bronze.t{number}" for number in range(count // 2)]
    silver = {name.replace("bronze", "silver"): [name] for name in bronze[: count // 2 - 10]}
    gold = {f"gold.t{number}": sorted(silver)[number * 9 : number * 9 + 9] for number in range(10)}
    return {**dict.fromkeys(bronze, []), **silver, **gold}


def small(number: int) -> Tables:
    """Return a pipeline of three tables."""
    bronze, silver, gold = (f"{layer}.orders_{number}" for layer in ("bronze", "silver", "gold"))
    return {bronze: [], silver: [bronze], gold: [silver]}


def contenders(
    folder: Path, pipelines: dict[str, Tables], peers: Path | None
) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Write the same pipelines for each contender; yield its name, the file to parse, and environment variables."""
    lake = folder / "lake"
    lake.mkdir()
    (lake / "lake_dags.py").write_text(LOADER)
    for name, tables in pipelines.items():
        (lake / f"{name}.yaml").write_text(spec(name, tables))
    yield "lake", lake / "lake_dags.py", {}
    yield "lake, worker", lake / "lake_dags.py", {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": sorted(pipelines)[-1]}
    hand = folder / "by_hand.py"
    hand.write_text(BY_HAND + "".join(by_hand(name, tables) for name, tables in pipelines.items()))
    yield "by hand", hand, {}
    if peers is not None:
        peer = folder / "peer"
        peer.mkdir()
        (peer / "load.py").write_text(PEER)
        for name, tables in pipelines.items():
            (peer / f"{name}.yml").write_text(json.dumps(peer_dag(name, tables)))
        yield "dag-factory", peer / "load.py", {"PYTHONPATH": str(peers.resolve())}


def spec(pipeline: str, tables: Tables) -> str:
    """Return a pipeline's YAML."""
    lines = [f'pipeline: {pipeline}\nschedule: "0 6 * * *"\nstart_date: 2026-01-01\ntables:\n']
    for name, inputs in tables.items():
        lines.append(f"  {name}:\n")
        if not inputs:
            lines.append(f"    ingest: {{files: 'landing/{name}/*.csv', options: {{header: true}}}}\n")
            lines.append("    columns: {id: bigint not null, amount: 'decimal(10,2)', at: timestamp}\n")
            continue
        lines.append(f"    sql: |\n      {query(inputs)}\n")
        if name.startswith("silver"):
            lines.append("    unique_key: id\n    checks: [row_count > 0]\n")
    return "".join(lines)


def query(inputs: list[str]) -> str:
    """Return a query that reads some tables."""
    return " UNION ALL ".join(f"SELECT t.id, t.amount, t.at FROM {name} t WHERE t.amount > 0" for name in inputs)


def by_hand(pipeline: str, tables: Tables) -> str:
    """Return the Python of the same DAG."""
    names = {name: name.replace(".", "__") for name in tables}
    lines = [f"with DAG({pipeline!r}, schedule='0 6 * * *', start_date=None, catchup=False) as {pipeline}:\n"]
    for name, inputs in tables.items():
        head = f"    {names[name]} = Lake"
        if not inputs:
            columns = "columns={'id': 'bigint not null', 'amount': 'decimal(10,2)', 'at': 'timestamp'}"
            lines.append(
                f"{head}IngestOperator(task_id={names[name]!r}, table={name!r}, files='{name}/*.csv', {columns})\n"
            )
            continue
        more = ", unique_key='id', checks=['row_count > 0']" if name.startswith("silver") else ""
        lines.append(
            f"{head}TransformOperator(task_id={names[name]!r}, table={name!r}, sql={query(inputs)!r}{more})\n"
            f"    [{', '.join(names[other] for other in inputs)}] >> {names[name]}\n"
        )
    return "".join(lines) + "\n"


def peer_dag(pipeline: str, tables: Tables) -> dict[str, Any]:
    """Return the same tasks and edges for dag-factory."""
    tasks = [
        {
            "task_id": name.replace(".", "__"),
            "operator": "airflow.providers.standard.operators.empty.EmptyOperator",
            "dependencies": [other.replace(".", "__") for other in inputs],
        }
        for name, inputs in tables.items()
    ]
    start = {"default_args": {"start_date": "2026-01-01"}, "schedule": "0 6 * * *", "catchup": False}
    return {pipeline: {**start, "tasks": tasks}}


def parse(file: Path, variables: dict[str, str], *, home: Path) -> tuple[dict[str, int], float]:
    """Parse a file in a new process; return what came out, and the processor time of all of it."""
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "LAKE_CACHE": str(home / "cache"),
        **variables,
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(file)], env=env, capture_output=True, text=True, check=False, timeout=600
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{file.name}: {done.stderr[-2000:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout.splitlines()[-1]), seconds


if __name__ == "__main__":
    main()
