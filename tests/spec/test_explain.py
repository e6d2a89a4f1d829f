"""What a spec comes to: the text, the places, parts of it, and that secrets stay out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.exceptions import SpecError, UnknownName
from airflow_lake_provider.plan import outline, plan_pipeline, plan_spec
from airflow_lake_provider.spec import load_spec
from airflow_lake_provider.spec.explain import Explained
from airflow_lake_provider.spec.explain import explain as explained

LAKE = """\
default_environment: dev
environments:
  dev:
    variables: {min_rows: 5, note: "a $${b}"}
    env: [BUCKET, DB_PASSWORD, DSN]
    spark_conf: {spark.sql.shuffle.partitions: 4}
defaults: {retries: 2}
resource_profiles: {tiny: {driver_memory: 1g}}
"""
BASE = """\
schedule: "@daily"
start_date: 2026-01-01
defaults: {owner: base}
tags: [a]
"""
QUERY = "SELECT *\nFROM bronze.orders -- $${x}\n"
SPEC = """\
pipeline: orders
extends: base.yaml
variables: {min_rows: 1, note: x, key: [id, day], url: "u:${env.DB_PASSWORD}@h"}
+tags: [b, 'true']
params: {note: "${note}", url: "${url}-$${k}", bucket: "${env.BUCKET}", typed: "${env.DB_PASSWORD}", empty: {}}
layers: {staging: {like: silver, pool: staging}}
tables:
  bronze.orders:
    ingest: {files: "landing/{{ data_interval_start | ds }}.csv"}
    resource_profile: tiny
    spark_conf: {spark.hadoop.fs.s3a.secret.key: "${env.BUCKET}"}
  staging.orders:
    sql_file: sql/orders.sql
    unique_key: ${key}
    columns: {id: bigint not null, day: date}
    checks:
      - row_count > ${min_rows}
      - "row_count between ${min_rows} and 9": {on_fail: warn, name: "x: y"}
"""
TEXT = """\
pipeline: orders  # {0}/orders.yaml:1
schedule: "@daily"  # {0}/base.yaml:1
timezone: UTC  # built in
start_date: 2026-01-01  # {0}/base.yaml:2
catchup: false  # built in
max_active_runs: 1  # built in
tags:
  - a  # {0}/base.yaml:4
  - b  # {0}/orders.yaml:4
  - "true"  # {0}/orders.yaml:4
params:
  note: a $${{b}}  # {0}/orders.yaml:5, ${{note}} from {0}/lake.yaml:4
  url: u:${{env.DB_PASSWORD}}@h-$${{k}}  # {0}/orders.yaml:5, ${{url}} from {0}/orders.yaml:3
  bucket: s3://b  # {0}/orders.yaml:5, ${{env.BUCKET}} from the environment
  typed: "${{env.DB_PASSWORD}}"  # {0}/orders.yaml:5, ${{env.DB_PASSWORD}} from the environment
  empty: {{}}  # {0}/orders.yaml:5
environment: dev  # {0}/lake.yaml:1
tables:
  bronze.orders:
    ingest:
      files: landing/{{{{ data_interval_start | ds }}}}.csv  # {0}/orders.yaml:9
      format: csv  # built in
      recursive: false  # built in
      on_empty: succeed  # built in
      on_replaced: replace  # built in
      metadata_columns:
        - _source_file  # built in
        - _ingested_at  # built in
        - _run_id  # built in
    write: append  # built in
    quarantine: true  # built in
    on_schema_change: fail  # built in
    engine: default  # built in
    resource_profile: tiny  # {0}/orders.yaml:10
    spark_conf:
      spark.sql.shuffle.partitions: 4  # {0}/lake.yaml:6
      spark.driver.memory: 1g  # {0}/lake.yaml:8
      spark.hadoop.fs.s3a.secret.key: "${{env.BUCKET}}"  # {0}/orders.yaml:11, ${{env.BUCKET}} from the environment
    retries: 2  # {0}/lake.yaml:7
    owner: base  # {0}/base.yaml:3
  staging.orders:
    sql: |  # {0}/sql/orders.sql:1
      SELECT *
      FROM bronze.orders -- $${{x}}
    columns:
      id: bigint not null  # {0}/orders.yaml:15
      day: date  # {0}/orders.yaml:15
    unique_key:
      - id  # {0}/orders.yaml:3
      - day  # {0}/orders.yaml:3
    write: merge  # built in
    checks:
      - row_count > 5  # {0}/orders.yaml:17, ${{min_rows}} from {0}/lake.yaml:4
      - row_count between 5 and 9:  # {0}/orders.yaml:18, ${{min_rows}} from {0}/lake.yaml:4
          on_fail: warn  # {0}/orders.yaml:18
          name: "x: y"  # {0}/orders.yaml:18
    quarantine: true  # built in
    on_schema_change: fail  # built in
    engine: default  # built in
    spark_conf:
      spark.sql.shuffle.partitions: 4  # {0}/lake.yaml:6
    retries: 2  # {0}/lake.yaml:7
    pool: staging  # {0}/orders.yaml:6
    owner: base  # {0}/base.yaml:3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUCKET", "s3://b")
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    monkeypatch.setenv("DSN", "postgresql://me:hunter3@db/lake")
    monkeypatch.delenv("LAKE_ENV", raising=False)
    (tmp_path / "sql").mkdir()
    files = {"lake.yaml": LAKE, "base.yaml": BASE, "sql/orders.sql": QUERY, "orders.yaml": SPEC}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def explain(folder: Path) -> Callable[..., Explained]:
    def make(text: str = SPEC, **arguments: Any) -> Explained:
        (folder / "orders.yaml").write_text(text)
        return explained(load_spec(folder / "orders.yaml", **arguments), asked=arguments.get("environment"))

    return make


def spec_of(table: str, head: str = "") -> str:
    return f"pipeline: p\n{head}tables:\n  gold.a:\n{table}"


def test_the_whole_spec_with_all_places(explain: Callable[..., Explained], folder: Path) -> None:
    assert explain().yaml() == TEXT.format(folder)


def test_what_is_shown_makes_the_same_pipeline(explain: Callable[..., Explained], folder: Path) -> None:
    found = explain()
    (folder / "again.yaml").write_text(found.yaml())
    assert outline(plan_pipeline(folder / "again.yaml")) == outline(plan_spec(found.spec))


def test_each_value_has_its_place(explain: Callable[..., Explained], folder: Path) -> None:
    values = {value.path: value for value in explain().values()}
    check = values["tables", "staging.orders", "checks", 0]
    assert (check.value, check.file, check.line, check.column, check.origin) == (
        "row_count > 5", str(folder / "orders.yaml"), 17, 9, "written",
    )  # fmt: skip
    assert [(each.name, each.file, each.line) for each in check.variables] == [
        ("min_rows", str(folder / "lake.yaml"), 4)
    ]
    nested = values["tables", "staging.orders", "checks", 1, "row_count between 5 and 9", "on_fail"]
    assert [each.name for each in nested.variables] == ["min_rows"]
    assert values["params", "empty"].value == {}
    write = values["tables", "staging.orders", "write"]
    assert (write.value, write.file, write.line, write.column, write.origin) == ("merge", None, None, None, "built in")
    assert values["params", "bucket"].variables[0].file is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tables.staging.orders.write", "write: merge  # built in\n"),
        ("tables.staging.orders.unique_key.1", "- day  # {0}/orders.yaml:3\n"),
        ("tables.staging.orders.checks.1.row_count between 5 and 9.on_fail", "on_fail: warn  # {0}/orders.yaml:18\n"),
        ("tables.bronze.orders.spark_conf.spark.driver.memory", "spark.driver.memory: 1g  # {0}/lake.yaml:8\n"),
        ("params.empty", "empty: {{}}  # {0}/orders.yaml:5\n"),
        ("tags", 'tags:\n  - a  # {0}/base.yaml:4\n  - b  # {0}/orders.yaml:4\n  - "true"  # {0}/orders.yaml:4\n'),
    ],
)
def test_a_part(explain: Callable[..., Explained], folder: Path, path: str, text: str) -> None:
    part = explain().part(path)
    assert part.yaml() == text.format(folder)
    assert all(".".join(map(str, value.path)).startswith(path) for value in part.values())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tables.staging.orders.wirte", "has no `wirte` in `tables.staging.orders`; did you mean `write`?"),
        ("tables.staging.order", "did you mean `staging.orders`?"),
        ("staging.orders.write", "did you mean `tables.staging.orders`?"),
        ("tags.3", "the list has 3 items, the first is 0"),
        ("pipeline.x", "nothing stands below it"),
        ("variables.min_rows", "what it says stands where it counts"),
        ("params.zzz", "it has: note, url, bucket, typed, empty"),
    ],
)
def test_a_part_that_is_not_there(explain: Callable[..., Explained], path: str, said: str) -> None:
    with pytest.raises(UnknownName) as caught:
        explain().part(path)
    assert said in str(caught.value)


def test_the_value_of_a_secret_is_nowhere(explain: Callable[..., Explained]) -> None:
    head = 'params: {a: "x ${env.DSN}", b: "${env.DB_PASSWORD:-none}"}\n'
    for found in (explain(), explain(spec_of("    sql: SELECT 1 AS one\n", head))):
        shown = found.yaml() + "".join(str(value) for value in found.values())
        assert "hunter" not in shown
        assert "env.DB_PASSWORD" in shown
    with pytest.raises(SpecError) as caught:
        explain(spec_of("    sql: SELECT 1 AS one\n    retry_delay: ${env.DB_PASSWORD}\n"))
    assert "`${env.DB_PASSWORD}` is from the environment" in str(caught.value)
    assert "`${env.DB_PASSWORD}` is not a duration" in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_a_secret_that_is_a_number_stays_a_reference(
    explain: Callable[..., Explained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "1234567")
    text = explain(spec_of("    sql: SELECT 1 AS one\n", "params:\n  a: ${env.DB_PASSWORD}\n")).yaml()
    assert "a: ${env.DB_PASSWORD}  #" in text
    assert "1234567" not in text


def test_a_value_of_set(explain: Callable[..., Explained]) -> None:
    found = explain(overrides=["tables.staging.orders.retries=7", "variables.min_rows=3"])
    values = {value.path[1:]: value for value in found.values()}
    assert (values["staging.orders", "retries"].origin, values["staging.orders", "retries"].file) == ("--set", None)
    assert "retries: 7  # --set\n" in found.yaml()
    assert "row_count > 3  # " in found.yaml()
    assert "${min_rows} from --set\n" in found.yaml()


def origin(found: Explained) -> tuple[Any, ...]:
    (value,) = found.part("environment").values()
    return value.value, value.origin, Path(value.file or "").name


def test_who_chose_the_environment(
    explain: Callable[..., Explained], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = spec_of("    sql: SELECT 1 AS one\n")
    assert origin(explain(plain)) == ("dev", "written", "lake.yaml")
    assert origin(explain(plain, environment="local")) == ("local", "--env", "")
    assert origin(explain(f"environment: dev\n{plain}")) == ("dev", "written", "orders.yaml")
    monkeypatch.setenv("LAKE_ENV", "local")
    assert origin(explain(plain)) == ("local", "environment", "")
    monkeypatch.delenv("LAKE_ENV")
    (folder / "lake.yaml").unlink()
    assert origin(explain(plain)) == ("local", "built in", "")


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "~", "null", "true", "12", "0x1f", "1.5", ".inf", "no", "on", "12:30", "2026-01-01", "a: b", "a #b",
        "- a", "#a", "&a", "*a", "!a", "|", ">", "{a}", "[a]", "'a'", '"a"', "a\nb", "a\nb\n", "a\n\n", "\na", " a\nb",
        "a\n b\n", "a\n\n\nb", "a\n  \nb", "a\r\nb", "a\tb", "\ta", "ä ö", "\u2028", "😀", "${x}", "$${x}", "a\\b",
        "...", "--- a", "a:", "? a", "%a", "@a", "`a`", "<<", "=", "a, b", "x" * 3000, "\x7f", "\ufeffa", "\x85",
    ],
)  # fmt: skip
def test_each_text_reads_as_itself(explain: Callable[..., Explained], folder: Path, value: str) -> None:
    found = explain(spec_of("    sql: SELECT 1 AS one\n", "params:\n  a: x\n"))
    for _, node in found.spec.node.walk():
        if node.value == "x":
            node.value = value
    params = found.spec.node.get("params")
    assert params is not None
    key, node = params.entries["a"]
    if "$" not in value:
        params.entries[value] = (key, node)
    (folder / "again.yaml").write_text(explained(found.spec).yaml(), encoding="utf-8", newline="")
    read = load_spec(folder / "again.yaml").keys.params
    assert read == {"a": value} | ({value: value} if "$" not in value else {})


def test_a_default_that_may_not_be_said_is_left_out(explain: Callable[..., Explained], folder: Path) -> None:
    text = spec_of("    ingest: {files: a.csv, metadata_columns: false}\n    write: append\n")
    found = explain(text)
    assert "on_replaced" not in found.yaml()
    (folder / "again.yaml").write_text(found.yaml())
    assert outline(plan_pipeline(folder / "again.yaml")) == outline(plan_spec(found.spec))
