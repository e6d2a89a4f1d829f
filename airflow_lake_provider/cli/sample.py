"""The project that ``lake init`` writes: a small shop's orders over three days."""

from __future__ import annotations

from airflow_lake_provider.cli.schema import SCHEMA_FOLDER

LAKE_DAGS = '''\
"""Airflow finds its DAGs here: one per good spec below this folder."""

from airflow_lake_provider import load_lake_dags

load_lake_dags(globals())
'''

LAKE_SPEC_ERRORS = '''\
"""Reports every spec that is wrong, as this file's one import error; the DAGs of the others are not touched."""

from airflow_lake_provider import raise_lake_dag_errors

raise_lake_dag_errors(globals())
'''

LAKE_YAML = f"""\
# yaml-language-server: $schema={SCHEMA_FOLDER}/lake.schema.json
# The project: where tables live and jobs run. Everything has a default; this file also marks the project's root.
default_environment: local
environments:
  local: {{}}   # the embedded catalog and all data in .lake/, Spark on this machine
defaults:
  retries: 2
  retry_delay: 1m
"""

_ORDERS_HEADER = f"# yaml-language-server: $schema=../{SCHEMA_FOLDER}/pipeline.schema.json\n"
ORDERS_YAML = """\
# A shop's orders: files as they arrive -> one row per order -> a figure per day and country.
pipeline: orders
description: Orders of a small shop, from the daily files to the turnover per country
schedule: "@daily"
start_date: 2026-01-01
end_date: 2026-01-03   # the sample has three days; take this line out for a pipeline that goes on
catchup: true

tables:
  # Each run takes the file of its own day; a file that was taken is never taken twice.
  bronze.orders:
    ingest:
      files: "landing/orders/{{ data_interval_start | ds }}.csv"
      options: {header: true}

  # One row per order, the newest state of it. A row that breaks the contract goes to silver.orders__quarantine.
  silver.orders:
    sql: SELECT * FROM bronze.orders
    columns:
      order_id: int not null
      country: string not null
      status: string
      amount: {type: "decimal(10,2)", nullable: false, rule: amount > 0}
      ordered_at: timestamp not null
    unique_key: order_id
    checks:
      - row_count > 0
      - duplicate_count(order_id) = 0
      - invalid_count(status) = 0:
          valid values: [paid, shipped, cancelled]

  gold.turnover:
    sql: |
      SELECT date(ordered_at) AS day, country, count(*) AS orders, sum(amount) AS turnover
      FROM silver.orders
      WHERE status <> 'cancelled'
      GROUP BY 1, 2
"""

_HEADER = "order_id,country,status,amount,ordered_at"
# The second day changes orders of the first; the third has one without an amount.
_DAYS = {
    "2026-01-01": """\
1001,DE,paid,49.90,2026-01-01T07:12:00Z
1002,FR,paid,120.00,2026-01-01T08:30:00Z
1003,DE,paid,15.50,2026-01-01T08:41:00Z
1004,US,paid,230.10,2026-01-01T09:05:00Z
1005,FR,paid,64.00,2026-01-01T10:22:00Z
1006,DE,paid,18.75,2026-01-01T11:47:00Z
1007,US,paid,99.99,2026-01-01T13:03:00Z
1008,FR,paid,42.00,2026-01-01T14:36:00Z
1009,DE,paid,310.00,2026-01-01T16:10:00Z
1010,US,paid,27.30,2026-01-01T17:55:00Z
1011,DE,paid,75.20,2026-01-01T19:28:00Z
1012,FR,paid,11.00,2026-01-01T21:40:00Z
""",
    "2026-01-02": """\
1001,DE,shipped,49.90,2026-01-01T07:12:00Z
1004,US,cancelled,230.10,2026-01-01T09:05:00Z
1009,DE,shipped,310.00,2026-01-01T16:10:00Z
1013,US,paid,58.40,2026-01-02T06:48:00Z
1014,DE,paid,22.90,2026-01-02T08:15:00Z
1015,FR,paid,140.00,2026-01-02T09:33:00Z
1016,DE,paid,36.60,2026-01-02T11:02:00Z
1017,US,paid,81.25,2026-01-02T12:19:00Z
1018,FR,paid,19.90,2026-01-02T14:44:00Z
1019,DE,paid,205.00,2026-01-02T16:31:00Z
1020,US,paid,33.10,2026-01-02T18:57:00Z
1021,FR,paid,68.00,2026-01-02T20:20:00Z
""",
    "2026-01-03": """\
1013,US,shipped,58.40,2026-01-02T06:48:00Z
1015,FR,shipped,140.00,2026-01-02T09:33:00Z
1022,DE,paid,54.00,2026-01-03T07:09:00Z
1023,FR,paid,,2026-01-03T08:26:00Z
1024,US,paid,112.50,2026-01-03T09:50:00Z
1025,DE,paid,29.95,2026-01-03T10:37:00Z
1026,FR,paid,88.00,2026-01-03T12:11:00Z
1027,US,paid,45.60,2026-01-03T13:58:00Z
1028,DE,paid,260.00,2026-01-03T15:24:00Z
1029,FR,paid,17.40,2026-01-03T17:16:00Z
1030,US,paid,72.80,2026-01-03T18:42:00Z
1031,DE,paid,39.90,2026-01-03T21:05:00Z
""",
}

GITIGNORE = """\
.lake/
__pycache__/
"""

SPEC = "dag_specs/orders.yaml"
"""The sample's spec, from the project's root."""


def sample_project() -> dict[str, str]:
    """Return the files of the sample, by their paths from the project's root.

    >>> [path for path in sample_project() if not path.endswith((".csv", ".json"))]
    ['lake_dags.py', 'lake_spec_errors.py', 'lake.yaml', 'dag_specs/orders.yaml', '.gitignore']
    """
    from airflow_lake_provider.spec.json_schema import LAKE, PIPELINE, committed_schema

    return {
        "lake_dags.py": LAKE_DAGS,
        "lake_spec_errors.py": LAKE_SPEC_ERRORS,
        "lake.yaml": LAKE_YAML,
        SPEC: _ORDERS_HEADER + ORDERS_YAML,
        **{f"{SCHEMA_FOLDER}/{name}": committed_schema(name) for name in (PIPELINE, LAKE)},
        ".gitignore": GITIGNORE,
        **{f"landing/orders/{day}.csv": f"{_HEADER}\n{rows}" for day, rows in _DAYS.items()},
    }
