from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk import DAG

from airflow_lake_provider.factory import build_dag
from airflow_lake_provider.plan import plan_pipeline

SHOP = """\
pipeline: shop
description: From the orders to the turnover
schedule: 30 6 * * *
timezone: Europe/Berlin
start_date: 2026-01-01
owner: sales
owner_links: {sales: "https://wiki.example/sales", imports: "mailto:imports@example"}
external: [crm.customers]
tables:
  bronze.orders:
    description: Orders as delivered
    owner: imports
    tags: [raw, orders]
    ingest: {files: "landing/*.csv", options: {header: true}}
    columns:
      id: bigint not null
      amount: {type: "decimal(10,2)", rule: "amount >= 0 OR id || 1 = 11", description: a_b}
    quarantine: {max: 5%}
  silver.orders:
    sql: |
      SELECT o.*, '```' AS ticks FROM bronze.orders o JOIN crm.customers c ON c.id = o.id
    unique_key: id
    partition_by: ["bucket(4, id)"]
    write: {strategy: merge, sequence_by: amount}
    checks: [row_count > 0, "missing_count(id) = 0": {on_fail: warn}]
  gold.turnover:
    python: turnover.py:build
"""
SHOP_PAGE = """\
From the orders to the turnover

- Schedule: `30 6 * * *` (Europe/Berlin)
- Environment: `local`
- Spec: `specs/shop.yaml`

| Layer | Table | Written by | Key | Made from |
|---|---|---|---|---|
| `bronze` | `orders` | `append` |  | `landing/*.csv` |
| `silver` | `orders` | `merge` | `id` | `bronze.orders`, `crm.customers` |
| `gold` | `turnover` | `replace` |  | `silver.orders` |
"""
ORDERS_PAGE = """\
Orders as delivered

- Owner: imports
- Tags: orders, raw
- Spec: `specs/shop.yaml`

#### Files

- `landing/*.csv` (csv)

#### Contract

| Column | Type | NULL | Rule | Description |
|---|---|---|---|---|
| `amount` | `decimal(10,2)` | yes | `amount >= 0 OR id \\|\\| 1 = 11` | a\\_b |
| `id` | `bigint` | no |  |  |

Rows that do not fit go to `bronze.orders__quarantine`; with more than 5 % of them nothing is published.

#### Write

- Strategy: `append`
"""
SILVER_PAGE = """\
- Owner: sales
- Reads: `bronze.orders`, `crm.customers`
- Spec: `specs/shop.yaml`

#### Query

````sql
SELECT o.*, '```' AS ticks FROM bronze.orders o JOIN crm.customers c ON c.id = o.id
````

Rows that do not fit go to `silver.orders__quarantine`; with more than 10 % of them nothing is published.

#### Write

- Strategy: `merge`
- Key: `id`
- Partitions: `bucket(4, id)`
- `sequence_by`: `amount`

#### Checks before the publish

- `row_count > 0`
- `missing_count(id) = 0` with `on_fail: warn`
"""


@pytest.fixture
def build(write_spec: Callable[..., Path], folder: Path) -> Callable[[str], DAG]:
    (folder / "lake.yaml").write_text("environments: {local: {env: [TOKEN, N]}}\n")

    def make(text: str) -> DAG:
        path = write_spec("", text, at="specs/shop.yaml")
        (path.parent / "turnover.py").write_text("def build(silver__orders):\n    return silver__orders\n")
        return build_dag(plan_pipeline(path))

    return make


def spec(**keys: str) -> str:
    pipeline = {"pipeline": "p", **keys}
    return "\n".join(f"{key}: {value}" for key, value in pipeline.items()) + "\n"


TABLE = "tables: {gold.a: {sql: SELECT 1 AS one}}\n"


def test_a_pipeline_says_when_it_runs_and_which_tables_it_makes(build: Callable[[str], DAG]) -> None:
    assert build(SHOP).doc_md == SHOP_PAGE


def test_a_task_says_what_its_table_is_made_of_and_how_it_is_written(build: Callable[[str], DAG]) -> None:
    dag = build(SHOP)
    assert dag.get_task("bronze__orders").doc_md == ORDERS_PAGE
    assert dag.get_task("silver__orders").doc_md == SILVER_PAGE
    assert "#### Function\n\n`turnover.py:build`\n" in str(dag.get_task("gold__turnover").doc_md)


def test_owners_are_links(build: Callable[[str], DAG]) -> None:
    dag = build(SHOP)
    assert dag.owner_links == {"sales": "https://wiki.example/sales", "imports": "mailto:imports@example"}
    assert {task.owner for task in dag.tasks} == {"sales", "imports"}


def test_a_pipelines_own_text_takes_the_place_of_the_made_one(build: Callable[[str], DAG]) -> None:
    assert build(spec(doc="'### Ask *sales*'") + TABLE).doc_md == "### Ask *sales*"


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("null", "none, runs are started by hand"),
        ("6h", "every `6:00:00`"),
        ("'@once'", "`@once`"),
        ("{assets: [crm.a]}", "when `crm.a` is updated"),
        ("{any: [crm.a, {all: [crm.b, 's3://c/d']}]}", "when `crm.a` or (`crm.b` and `s3://c/d` are) is updated"),
    ],
)
def test_every_schedule_is_said_in_words(schedule: str, said: str, build: Callable[[str], DAG]) -> None:
    text = spec(schedule=schedule, start_date="2026-01-01", external="[crm.a, crm.b]") + TABLE
    assert f"- Schedule: {said}\n" in str(build(text).doc_md)


def test_what_environment_variables_give_is_shown_by_their_names(
    build: Callable[[str], DAG], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.setenv("N", "31")
    head = spec(
        description="about ${env.TOKEN}",
        variables="{word: 'x${env.TOKEN}', list: ['${env.TOKEN}'], plain: in clear}",
        schedule="{assets: ['s3://${env.TOKEN}/ready']}",
        defaults="{owner: '${env.TOKEN}', description: '${plain} ${env.TOKEN}'}",
    )
    dag = build(f"""{head}
tables:
  bronze.a:
    ingest: {{files: "landing/${{env.TOKEN}}.csv"}}
    tags: ${{list}}
    checks: ["row_count > ${{env.N}}": {{on_fail: warn, name: "${{word}}"}}, "row_count > ${{env.N}}"]
    columns: {{id: {{type: bigint, rule: "id <> ${{env.N}}", description: "${{env.TOKEN}}"}}}}
  gold.b:
    sql: SELECT '${{env.TOKEN}}' AS a, ${{env.N}} AS n, '${{plain}}' AS p, '$${{no}}' AS q FROM bronze.a
""")
    assert dag.description == "about ${env.TOKEN}"
    texts = [str(dag.doc_md), *(str(task.doc_md) for task in dag.tasks)]
    assert [text for text in texts if "hunter2" in text or "31" in text] == []
    bronze, gold = (str(dag.get_task(name).doc_md) for name in ("bronze__a", "gold__b"))
    assert "when `s3://${env.TOKEN}/ready` is updated" in str(dag.doc_md)
    assert "`landing/${env.TOKEN}.csv`" in bronze
    assert "`row_count > ${env.N}` with `name: x${env.TOKEN}, on_fail: warn`" in bronze
    assert "in clear ${env.TOKEN}" in bronze
    assert "SELECT '${env.TOKEN}' AS a, ${env.N} AS n, 'in clear' AS p, '${no}' AS q FROM bronze.a" in gold
    assert dag.get_task("gold__b").sql == "SELECT 'hunter2' AS a, 31 AS n, 'in clear' AS p, '${no}' AS q FROM bronze.a"


def test_no_page_names_a_place_of_this_machine(build: Callable[[str], DAG], folder: Path) -> None:
    dag = build(SHOP)
    assert [
        page for page in (dag.doc_md, *(task.doc_md for task in dag.tasks)) if str(folder.parent) in str(page)
    ] == []
