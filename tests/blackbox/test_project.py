"""``lake.yaml``, layers, defaults, variables, ``extends``, environments: what ``lake explain`` says they come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INGEST = "tables:\n  bronze.a:\n    ingest: {files: a.csv}\n"


@pytest.fixture
def value(lake: Callable[..., Any], root: Path) -> Callable[..., Any]:
    """Return what tells one value of the spec as it is in the end, and ``file:line`` where it is from."""

    def value(key: str, *options: str, spec: str = "spec.yaml") -> tuple[Any, str]:
        answer = lake("explain", root / spec, key, *options, "--json")
        assert answer.exit_code == 0, answer.err
        (entry,) = answer.document["values"]
        file = Path(entry["file"]).relative_to(root).as_posix() if entry["file"] else entry["origin"]
        return entry["value"], f"{file}:{entry['line']}" if entry["line"] else file

    return value


def test_the_nearest_word_counts(write: Callable[..., Path], value: Callable[..., Any]) -> None:
    write(
        {
            "lake.yaml": "defaults: {retries: 1, pool: l, queue: l, retry_delay: 1s, owner: l}\n",
            "spec.yaml": """\
pipeline: p
defaults: {retries: 2, pool: d, queue: d, retry_delay: 2s}
layers:
  raw: {like: bronze, retries: 3, pool: r}
  mine: {like: raw, retries: 4}
tables:
  mine.a:
    ingest: {files: a.csv}
    retries: 5
""",
        }
    )
    seen = {key: value(f"tables.mine.a.{key}") for key in ("retries", "pool", "queue", "owner", "write")}
    assert seen == {
        "retries": (5, "spec.yaml:9"),
        "pool": ("r", "spec.yaml:4"),
        "queue": ("d", "spec.yaml:2"),
        "owner": ("l", "lake.yaml:1"),
        "write": ("append", "built in"),
    }


def test_extends_merges_maps_replaces_lists_and_appends(write: Callable[..., Path], value: Callable[..., Any]) -> None:
    write(
        {
            "lake.yaml": "",
            "shared/_root.yaml": "tags: [z]\nowner: root\ndefaults: {retries: 1, pool: x}\n",
            "shared/_base.yaml": "extends: _root.yaml\n+tags: [a]\ndefaults: {retries: 2}\nparams: {a: [1, 2]}\n",
            "spec.yaml": f"pipeline: p\nextends: shared/_base.yaml\n+tags: b\nparams: {{a: [3]}}\n{INGEST}",
        }
    )
    assert value("tags.0") == ("z", "shared/_root.yaml:1")
    assert value("tags.1") == ("a", "shared/_base.yaml:2")
    assert value("tags.2") == ("b", "spec.yaml:3")
    assert value("owner") == ("root", "shared/_root.yaml:2")
    assert value("params.a.0") == (3, "spec.yaml:4")
    assert value("tables.bronze.a.retries") == (2, "shared/_base.yaml:3")
    assert value("tables.bronze.a.pool") == ("x", "shared/_root.yaml:3")


@pytest.mark.parametrize(
    ("base", "where", "told"),
    [
        ("retris: 1\n", "_b.yaml:1:1", "unknown key `retris`"),
        ("defaults:\n  retries: x\n", "_b.yaml:2:12", "whole number"),
        ("a: [\n", "_b.yaml:2:1", "not closed"),
        ("extends: spec.yaml\n", "_b.yaml:1:10", "circle"),
        ("extends: _c.yaml\n", "_b.yaml:1:10", "no file `_c.yaml`"),
        ("extends: ../../x.yaml\n", "_b.yaml:1:10", "outside of the project"),
        ("- a\n", "_b.yaml:1:1", "expected a mapping"),
    ],
)
def test_a_mistake_in_an_extended_file_is_placed_there(
    write: Callable[..., Path], validate: Callable[..., Any], base: str, where: str, told: str
) -> None:
    write({"lake.yaml": "", "_b.yaml": base, "spec.yaml": f"pipeline: p\nextends: _b.yaml\n{INGEST}"})
    (found,) = validate("spec.yaml")
    assert (found.where, found.severity) == (where, "error")
    assert told in f"{found.message} {found.hint}"


def test_a_pipelines_name_is_its_own(write: Callable[..., Path], validate: Callable[..., Any]) -> None:
    write({"_b.yaml": "pipeline: p\n", "spec.yaml": f"extends: _b.yaml\n{INGEST}"})
    (found,) = validate("spec.yaml")
    assert (found.where, "of its own" in found.message) == ("spec.yaml:1:1", True)


def test_to_append_there_must_be_a_list(check: Callable[..., Any]) -> None:
    (found,) = check(f"pipeline: p\n+tags: [a]\n{INGEST}")
    assert (found.where, found.text) == ("spec.yaml:2:1", "+tags")
    assert "`extends`" in found.hint


LAKE = """\
default_environment: dev
environments:
  dev: {variables: {n: 7}}
  prod: {variables: {n: 9}, env: [TEAM], catalog: {name: acme, warehouse: /w}}
"""


def test_a_variables_value(
    write: Callable[..., Path], value: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"lake.yaml": LAKE})
    write({"spec.yaml": "pipeline: p\nvariables: {n: 3, m: null, t: x}\n" + INGEST})
    spec = (write({}) / "spec.yaml").read_text()
    text = spec + "    retries: ${n}\n    pool: a-${m:-b}-${t}-$${n}\n"
    write({"spec.yaml": text})
    monkeypatch.setenv("TEAM", "ours")
    assert value("tables.bronze.a.retries")[0] == 7
    assert value("tables.bronze.a.retries", "--env", "prod")[0] == 9
    assert value("tables.bronze.a.retries", "--env", "local")[0] == 3
    assert value("tables.bronze.a.retries", "--env", "local", "--set", "variables.n=4")[0] == 4
    assert value("tables.bronze.a.pool")[0] == "a-b-x-${n}"
    write({"spec.yaml": spec + "    owner: ${env.TEAM}\n"})
    assert value("tables.bronze.a.owner", "--env", "prod")[0] == "ours"


@pytest.mark.parametrize(
    ("variables", "use", "where", "told"),
    [
        ("{n: x}", "retries: ${n}", "spec.yaml:6:14", "whole number"),
        ("{n: null}", "pool: ${n}", "spec.yaml:6:13", "no value"),
        ("{num: 1}", "pool: a ${nun}", "spec.yaml:6:15", "did you mean `num`?"),
        ("{}", "pool: ${n:-x}", "spec.yaml:6:13", "Declare it"),
        ("{}", "pool: ${env.HOME}", "spec.yaml:6:13", "not declared"),
        ("{n: [a]}", "pool: x${n}", "spec.yaml:6:12", "a list inside of a text"),
        ("{n: 1}", "pool: ${n", "spec.yaml:6:11", "closes"),
        ("{a-b: 1}", "pool: x", "spec.yaml:2:13", "variable's name"),
    ],
)
def test_a_wrong_variable(check: Callable[..., Any], variables: str, use: str, where: str, told: str) -> None:
    (found,) = check(f"pipeline: p\nvariables: {variables}\n{INGEST}    {use}\n")
    assert (found.where, found.severity) == (where, "error")
    assert told in f"{found.message} {found.hint}"


def test_the_environment_is_the_first_that_is_named(
    write: Callable[..., Path], lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"lake.yaml": "environments: {a: {}, b: {}, c: {}, d: {}}\n"})

    def chosen(*options: str) -> str:
        return str(lake("explain", root / "spec.yaml", "pipeline", *options, "--json").document["environment"])

    write({"spec.yaml": f"pipeline: p\n{INGEST}"})
    assert chosen() == "local"
    write({"lake.yaml": "default_environment: d\nenvironments: {a: {}, b: {}, c: {}, d: {}}\n"})
    assert chosen() == "d"
    monkeypatch.setenv("LAKE_ENV", "c")
    assert chosen() == "c"
    write({"spec.yaml": f"pipeline: p\nenvironment: b\n{INGEST}"})
    assert chosen() == "b"
    assert chosen("--env", "a") == "a"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("defaultenvironment: x\n", "1:1", "did you mean `default_environment`?"),
        ("default_environment: prd\nenvironments: {prod: {}}\n", "1:22", "did you mean `prod`?"),
        ("environments: {local: {basepath: x}}\n", "1:24", "did you mean `base_path`?"),
        ("environments: {local: {catalog: {type: rets}}}\n", "1:40", "`rest`"),
        ("environments: {local: {catalog: {type: glue}}}\n", "1:40", "not supported yet"),
        ("environments: {local: {engines: {default: {type: glue}}}}\n", "1:50", "not supported yet"),
        ("environments: {local: {engines: {x: {type: emr_serverless}}}}\n", "1:44", "not supported yet"),
        ("environments: {local: {engines: {x: {type: local, y: 1}}}}\n", "1:51", "unknown key `y`"),
        ("environments: {local: {namespace_prefix: a-}}\n", "1:42", "letters, digits and `_`"),
        ("resource_profiles: {tiny: {drivermemory: 1g}}\n", "1:28", "did you mean `driver_memory`?"),
        ("resource_profiles: {tiny: {driver_memory: much}}\n", "1:43", "`4g`"),
        ("defaults: {retris: 1}\n", "1:12", "did you mean `retries`?"),
        ("defaults: {sql: SELECT 1}\n", "1:12", "a key of a table"),
        ("defaults: {incremental: bronze.a}\n", "1:12", "not supported yet"),
        ("layers: {raw: {like: bronz}}\n", "1:22", "did you mean `bronze`?"),
        ("variables: {a: 1}\n", "1:1", "of an environment"),
        ("- a\n", "1:1", "expected a mapping"),
    ],
)
def test_a_mistake_in_lake_yaml_is_placed_there(
    write: Callable[..., Path], validate: Callable[..., Any], text: str, where: str, told: str
) -> None:
    write({"lake.yaml": text, "deep/spec.yaml": f"pipeline: p\n{INGEST}"})
    for path in ("deep/spec.yaml", "."):
        (found,) = validate(path)
        assert (found.where, found.severity) == (f"lake.yaml:{where}", "error")
        assert told in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "environments: {local: , dev: {}}\nresource_profiles: {}\ndefaults: {}\nlayers: {}\n",
        "environments: {local: {base_path: s3://b, job_root: s3://b/jobs, env: [A], spark_conf: {spark.x: 1}}}\n",
        "environments: {local: {engines: {default: {type: spark_submit, master: yarn}, t: {type: in_memory}}}}\n",
        "environments: {local: {catalog: {type: rest, uri: 'https://c', warehouse: w, header.x: y}}}\n",
        "resource_profiles: {small: {driver_memory: 2g, executor_memory: 2g, executors: 1}}\n",
        "defaults: {retries: 2, retry_delay: 1m, retry_exponential_backoff: true}\nlayers: {raw: {like: bronze}}\n",
    ],
)
def test_a_good_lake_yaml(write: Callable[..., Path], validate: Callable[..., Any], text: str) -> None:
    write({"lake.yaml": text, "spec.yaml": f"pipeline: p\n{INGEST}"})
    assert validate("spec.yaml") == []


def test_files_are_looked_for_beside_the_spec_and_then_in_the_root(
    write: Callable[..., Path], validate: Callable[..., Any]
) -> None:
    spec = "pipeline: p\nextends: _base.yaml\ntables:\n  gold.a: {sql_file: q.sql}\n"
    write({"lake.yaml": "", "deep/spec.yaml": spec, "_base.yaml": "owner: me\n", "q.sql": "SELECT 1 AS a\n"})
    assert validate("deep/spec.yaml") == []
    write({"deep/q.sql": "SELECT 1 FROM\n"})
    assert [found.where.partition(":")[0] for found in validate("deep/spec.yaml")] == ["deep/q.sql"]
    write({"deep/_base.yaml": "ownr: me\n"})
    assert "deep/_base.yaml:1:1" in [found.where for found in validate("deep/spec.yaml")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("layers: {staging: {}}\ntables: {staging.a: {sql: SELECT 1}}\n", "`like`"),
        ("tables: {stagin.a: {sql: SELECT 1}}\n", "no `write`"),
        ("layers: {a: {like: b}, b: {like: a}}\n" + INGEST, "circle"),
    ],
)
def test_a_layer_says_how_it_writes(check: Callable[..., Any], text: str, told: str) -> None:
    found = check("pipeline: p\n" + text)
    assert any(told in f"{each.message} {each.hint}" for each in found if each.severity == "error")
