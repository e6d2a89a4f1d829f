"""Each key beside ``tables``: its uses, its misuses, and how wrong ones are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TABLES = "tables:\n  bronze.a:\n    ingest: {files: a.csv}\n"
START = "start_date: 2026-01-01"


@pytest.mark.parametrize(
    "keys",
    [
        "description: x\ndoc: |\n  # Title\n",
        "schedule: null",
        "schedule:",
        f"schedule: 0 6 * * 1-5\n{START}T06:00:00",
        f'schedule: "0 0 1 jan,jul *"\n{START}',
        *(f'schedule: "@{name}"\n{START}' for name in ("hourly", "daily", "weekly", "monthly", "yearly", "once")),
        f"schedule: 6h\n{START}",
        f"schedule: 1h30m\n{START} 06:00",
        "schedule: {assets: [silver.x, s3://b/x]}\nexternal: silver.x",
        "schedule: {any: [s3://b/x, {all: [s3://b/y, s3://b/z]}]}",
        f"timezone: Europe/Berlin\n{START}T00:00:00+02:00\nend_date: 2026-12-31",
        "catchup: true\nmax_active_runs: 5\nmax_consecutive_failed_dag_runs: 3",
        "tags: one\nowner: me\nparams: {a: 1, b: [x], c: null}",
        "dagrun_timeout: 1d12h\ndag_display_name: Ä b",
        "environment: local",
        "variables: {a: 1, b: [x], c: {d: e}}",
        "defaults: {retries: 1, checks: [row_count > 0], properties: {x: y}}",
        "layers: {raw: {like: bronze, retries: 3}, silver: {retries: 2}, empty: }",
        "external: [crm.a, crm.b]",
        "defaults:\nlayers:\nvariables:\nparams:\ntags:\nexternal:",
    ],
    ids=lambda keys: keys.partition("\n")[0],
)
def test_a_key_is_used(check: Callable[..., Any], keys: str) -> None:
    assert check(f"pipeline: p\n{keys}\n{TABLES}") == []


@pytest.mark.parametrize(
    ("keys", "text", "told"),
    [
        ("schedule_interval: null", "schedule_interval", "did you mean `schedule`?"),
        ("Pipeline: q", "Pipeline", "did you mean `pipeline`?"),
        ("default_args: {}", "default_args", "did you mean `defaults`?"),
        ("retries: 1", "retries", "key of a table"),
        ("description: 1", "1", "quote it"),
        ('schedule: "@daily"', "schedule", "`start_date`"),
        ("schedule: 6h", "schedule", "`start_date`"),
        (f'schedule: "@dayly"\n{START}', '"@dayly"', "did you mean `@daily`?"),
        (f"schedule: 0 25 * * *\n{START}", "25", "0 to 23"),
        (f"schedule: 0 0 31 2 *\n{START}", "0 0 31 2 *", "never comes"),
        (f"schedule: daily\n{START}", "daily", "a preset such as `@daily`"),
        (f"schedule: 0s\n{START}", "0s", "more than zero"),
        ("schedule: {assets: []}", "assets", "is empty"),
        ("schedule: {assets: [bronze.b]}", "bronze.b", "there is no table"),
        ("schedule: {any: [bronze.a]}", "bronze.a", "cannot wait for itself"),
        ("schedule: {some: [bronze.a]}", "schedule", "`{any: [...]}`"),
        ("timezone: Europe/Berln", "Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("start_date: yesterday", "yesterday", "`2026-01-31`"),
        ("start_date: 2026-02-30", "2026-02-30", "`2026-01-31`"),
        (f"{START}\nend_date: 2025-01-01", "2025-01-01", "before `start_date`"),
        ("catchup: yes", "yes", "`true` or `false`"),
        ("max_active_runs: 0", "0", "at least 1"),
        ("max_active_runs: 99999999999", "99999999999", "at most 2147483647"),
        (f'schedule: "@continuous"\n{START}\nmax_active_runs: 2', "2", "expected `1`"),
        ("max_consecutive_failed_dag_runs: -1", "-1", "at least 0"),
        ("tags: [1]", "1", "quote it"),
        ("params: [a]", "params", "expected a mapping"),
        ("params: {lake_full_refresh: true}", "lake_full_refresh", "another name"),
        ("dagrun_timeout: 90", "90", "`90s`"),
        ("dagrun_timeout: PT2H", "PT2H", "`1h30m`"),
        ("environment: prod", "prod", "expected `local`"),
        ("environment: ${x}", "${x}", "no variables"),
        ("variables: [a]", "variables", "expected a mapping"),
        ("defaults: {retris: 1}", "retris", "did you mean `retries`?"),
        ("defaults: {ingest: {files: x}}", "ingest", "key of a table"),
        ("layers: {raw: {like: bronz}}", "bronz", "did you mean `bronze`?"),
        ("external: [crm]", "crm", "`layer.name`"),
        ("extends: no.yaml", "no.yaml", "there is no file"),
        ("extends: [a.yaml]", "[a.yaml]", "one YAML file"),
    ],
    ids=lambda value: value.partition("\n")[0],
)
def test_a_misused_key_is_marked(check: Callable[..., Any], keys: str, text: str, told: str) -> None:
    (found,) = check(f"pipeline: p\n{keys}\n{TABLES}")
    assert (found.severity, found.text) == ("error", text)
    assert told in f"{found.message} {found.hint}"


@pytest.mark.parametrize("tables", ["", "tables:\n", "tables: {}\n", "tables: []\n", "tables: x\n"])
def test_there_is_a_table(check: Callable[..., Any], tables: str) -> None:
    (found,) = check(f"pipeline: p\n{tables}")
    assert "at least one table" in found.hint


def test_a_template_of_the_interval_needs_runs_with_one(check: Callable[..., Any]) -> None:
    text = f"pipeline: p\nschedule: {{any: [s3://b/x]}}\n{TABLES}"
    (found,) = check(text.replace("a.csv", '"{{ data_interval_start | ds }}.csv"'))
    assert (found.severity, found.code, found.text) == ("warning", "no-interval", "schedule")
