"""The projects that fuzzing starts from: file name to text, the spec under test is ``spec.yaml``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LAKE = """\
default_environment: dev
environments:
  dev:
    namespace_prefix: dev_
    variables: {min_rows: 7, folder: "landing/${env.BUCKET:-local}"}
    env: [BUCKET, LIMIT]
    spark_conf: {spark.sql.shuffle.partitions: 8, spark.a: b}
    engine_options: {queue: etl}
    engines:
      heavy: {type: spark_submit, master: "spark://127.0.0.1:7077", deploy_mode: client}
  prod:
    base_path: s3://lake
    catalog: {name: lake, type: rest, uri: "http://127.0.0.1:8181", warehouse: w}
    job_root: s3://lake/jobs
resource_profiles:
  small: {driver_memory: 3g, executors: 2, spark_conf: {spark.a: null}}
defaults: {retries: 2, retry_delay: 1m, retry_exponential_backoff: true, properties: {a: b}}
layers:
  staging: {like: silver, quarantine: false}
"""

BASE = """\
variables: {min_rows: 1, day: null, keys: [id, day], folder: landing}
tags: [a]
timezone: Europe/Berlin
tables:
  bronze.orders:
    ingest:
      files: ["${folder}/{{ data_interval_start | ds }}/*.csv", "late/**/*.csv"]
      options: {header: true}
      recursive: true
      on_empty: skip
      on_replaced: append
      metadata_columns: [_source_file, _ingested_at]
      files_per_run: 100
    checks: [row_count > 0]
"""

SPEC = """\
pipeline: orders
description: Orders of the shop
doc: |
  # Orders
  With **Markdown**.
extends: base.yaml
+tags: [b]
schedule: "0 6 * * 1-5"
start_date: 2026-01-01
end_date: 2026-12-31T06:00:00
catchup: false
max_active_runs: 3
dagrun_timeout: 1h30m
params: {least: 10, deep: {a: [1, 2.5, null]}}
environment: dev
external: [crm.customers]
layers: {stage: {like: staging, engine: heavy}}
defaults: &defaults {pool: spark, execution_timeout: 2h}
tables:
  bronze.orders:
    +checks:
      - row_count > ${min_rows}: {on_fail: warn, name: "enough rows"}
    resource_profile: small
  bronze.items:
    <<: *defaults
    ingest: {files: "items/*.avro", on_empty: fail}
    write: {strategy: merge, sequence_by: at, mode: merge_on_read, delete_when: "op = 'D'", exclude_columns: [made]}
    unique_key: id
    columns:
      id: bigint not null
      at: timestamp
      made: {type: date, nullable: false, description: "when it was made"}
      price: {type: "decimal(10,2)", rule: price >= 0 AND price < 1e6}
      parts: "array<struct<a: int, b: map<string, double>>>"
    partition_by: [day(at), "bucket(16, id)", "truncate(4, id)"]
    quarantine: {table: bad_items, max: 25%}
  stage.orders:
    sql: >
      SELECT o.*, c.name, i.price
      FROM bronze.orders AS o
        LEFT JOIN crm.customers c ON c.id = o.customer
        JOIN bronze.items i USING (id)

      WHERE o.amount > ${min_rows} AND o.day = '{{ data_interval_start | ds }}'
    unique_key: ${keys}
    spark_conf: {spark.a: "1", spark.b: null}
    engine_options: {conf: [x=y], verbose: true}
    depends_on: [bronze.items]
    tags: [x]
    checks:
      - missing_count(id) = 0
      - invalid_percent(name) < ${env.LIMIT:-5}:
          valid min length: 2
      - failed rows:
          fail query: SELECT * FROM stage.orders WHERE id < 0
      - row_count same as bronze.orders
  gold.days: {sql_file: queries/days.sql, properties: {write.format.default: parquet, a: null}}
  gold.model:
    python: transforms/model.py:train
    write: replace
    retries: 0
    trigger_rule: all_done
"""

DAYS = "WITH d AS (\n  SELECT day, count(*) AS n\n  FROM stage.orders -- ${folder}\n  GROUP BY 1\n)\nSELECT * FROM d\n"
MODEL = """\
import os

os.abort()  # nobody imports this at parse


def train(stage__orders, context):
    return stage__orders
"""


def projects() -> list[dict[str, str]]:
    """Return the projects, the richest first; the bad specs of the suite are among them."""
    rich = {
        "lake.yaml": LAKE,
        "base.yaml": BASE,
        "spec.yaml": SPEC,
        "queries/days.sql": DAYS,
        "transforms/model.py": MODEL,
    }
    by_assets = SPEC.replace('"0 6 * * 1-5"', "{any: [crm.customers, {all: [crm.customers, 's3://a/b']}]}")
    flights = ROOT / "dag_specs"
    found = [rich, {**rich, "spec.yaml": by_assets}]
    found.append(
        {"lake.yaml": (flights / "lake.yaml").read_text(), "spec.yaml": (flights / "flights.yaml").read_text()}
    )
    found.append({"spec.yaml": (ROOT / "tests" / "plan" / "outlines" / "every_key.yaml").read_text()})
    for bad in sorted((ROOT / "tests" / "spec" / "errors").glob("*.yaml")):
        found.append({"spec.yaml": bad.read_bytes().decode("utf-8", errors="surrogateescape")})
    return found
