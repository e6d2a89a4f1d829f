"""The project around the specs: root, lake.yaml, environments, which files are specs."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.spec import (
    Diagnostic,
    EngineConfig,
    Environment,
    Project,
    find_specs,
    is_spec,
    load_project,
    load_spec,
)

SPEC = "pipeline: p\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_ENV", raising=False)
    monkeypatch.delenv("LAKE_HOME", raising=False)


def lake_yaml(folder: Path, text: str) -> Path:
    (folder / "lake.yaml").write_text(text)
    return folder


def test_the_root_is_the_nearest_folder_with_a_lake_yaml(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    spec = tmp_path / "a" / "b" / "p.yaml"
    spec.write_text(SPEC)
    assert load_project(spec).root == tmp_path / "a" / "b"
    lake_yaml(tmp_path, "")
    assert load_project(spec).root == tmp_path
    lake_yaml(tmp_path / "a", "")
    assert load_project(spec).root == tmp_path / "a"
    assert load_project(tmp_path / "a" / "b").root == tmp_path / "a"


def test_the_local_environment_needs_no_word(tmp_path: Path) -> None:
    home = tmp_path / ".lake"
    assert Project(tmp_path).environment() == Environment(
        name="local",
        project_root=tmp_path,
        lake_home=home,
        base_path=str(tmp_path),
        catalog=Catalog("lake", "sqlite", f"file://{home}/warehouse", {"path": str(home / "catalog.db")}),
        job_root=str(home / "jobs"),
        engines={"default": EngineConfig("local", {})},
        spark_conf={},
    )


def test_lake_home_moves_the_local_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "elsewhere"))
    environment = Project(tmp_path / "project").environment()
    assert environment.lake_home == tmp_path / "elsewhere"
    assert environment.catalog.warehouse == f"file://{tmp_path}/elsewhere/warehouse"
    assert environment.job_root == f"{tmp_path}/elsewhere/jobs"
    assert environment.base_path == str(tmp_path / "project")


def test_an_environment_with_every_key(tmp_path: Path) -> None:
    lake_yaml(
        tmp_path,
        """\
default_environment: test
environments:
  local:
  test:
    base_path: data
    catalog: {name: shop, type: hadoop, warehouse: house, io-impl: org.example.FileIO, cache-enabled: false}
    engines:
      default: {type: in_memory}
      big: {type: local, python: /opt/spark/bin/python, master: "local[8]"}
    job_root: jobs
    spark_conf: {spark.sql.shuffle.partitions: 4, spark.ui.enabled: false, spark.x: null}
defaults: {retries: 2, retry_delay: 1m}
""",
    )
    project = load_project(tmp_path)
    environment = project.environment()
    assert environment.name == "test"
    assert environment.base_path == f"{tmp_path}/data"
    assert environment.catalog == Catalog(
        "shop", "hadoop", f"file://{tmp_path}/data/house", {"io-impl": "org.example.FileIO", "cache-enabled": "false"}
    )
    assert environment.engines == {
        "default": EngineConfig("in_memory", {}),
        "big": EngineConfig("local", {"python": "/opt/spark/bin/python", "master": "local[8]"}),
    }
    assert environment.job_root == f"{tmp_path}/jobs"
    assert environment.spark_conf == {"spark.sql.shuffle.partitions": "4", "spark.ui.enabled": "false"}
    assert project.environment("local").catalog.type == "sqlite"


def test_places_that_are_absolute_stay(tmp_path: Path) -> None:
    lake_yaml(
        tmp_path,
        "environments:\n  local:\n    base_path: s3://lake/raw\n    job_root: s3://lake/jobs\n"
        "    catalog: {type: sqlite, path: state/catalog.db, warehouse: /mnt/warehouse}\n",
    )
    environment = load_project(tmp_path).environment()
    assert environment.data_path("landing/*.csv") == "s3://lake/raw/landing/*.csv"
    assert environment.data_path("s3://other/*.csv") == "s3://other/*.csv"
    assert environment.data_path("file:/tmp/a.csv") == "file:/tmp/a.csv"
    assert environment.job_root == "s3://lake/jobs"
    assert environment.catalog.warehouse == "file:///mnt/warehouse"
    assert environment.catalog.properties == {"path": f"{tmp_path}/state/catalog.db"}


def test_folder_whose_braces_a_glob_cannot_say_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "{a,b}"
    root.mkdir()
    environment = load_project(root).environment()
    with pytest.raises(SpecError, match="braces would be read as alternatives"):
        environment.data_path("in/*.csv")
    assert environment.data_path("/in/{a,b}.csv") == "/in/{a,b}.csv"


def test_warehouse_below_a_number_sign_is_no_uri(tmp_path: Path) -> None:
    root = tmp_path / "c#"
    root.mkdir()
    assert load_project(root).environment().catalog.warehouse == f"{root}/.lake/warehouse"


def test_folders_above_the_data_are_no_globs(tmp_path: Path) -> None:
    root = tmp_path / "a[1] *"
    root.mkdir()
    environment = load_project(root).environment()
    assert environment.data_path("in/*.csv") == f"{tmp_path}/a[[]1] [*]/in/*.csv"
    assert environment.data_path("/in/[ab].csv") == "/in/[ab].csv"


def test_data_may_lie_outside_of_the_project(tmp_path: Path) -> None:
    lake_yaml(tmp_path, "environments: {local: {base_path: ../data}}")
    environment = load_project(tmp_path).environment()
    assert environment.base_path == f"{tmp_path.parent}/data"
    assert environment.data_path("../other/./a.csv") == f"{tmp_path.parent}/other/./a.csv"


def test_the_first_named_environment_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake_yaml(tmp_path, "default_environment: d\nenvironments: {a: {}, b: {}, c: {}, d: {}}\n")
    project = load_project(tmp_path)
    assert project.environment().name == "d"
    monkeypatch.setenv("LAKE_ENV", "c")
    assert project.environment().name == "c"
    assert project.environment(spec_environment="b").name == "b"
    assert project.environment("a", spec_environment="b").name == "a"
    assert project.environment("local").name == "local"


def test_an_unknown_environment_is_named_with_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake_yaml(tmp_path, "environments: {prod: {}}\n")
    monkeypatch.setenv("LAKE_ENV", "prd")
    with pytest.raises(SpecError, match=r"no environment `prd` \(LAKE_ENV\) in .*lake.yaml; .*did you mean `prod`\?"):
        load_project(tmp_path).environment()


WRONG = {
    "an unknown key": ("default_enviroment: x", [("unknown-key", 1, 1)]),
    "an unknown environment": ("default_environment: prd\nenvironments: {prod: {}}", [("unknown-environment", 1, 22)]),
    "a catalog of later": ("environments: {prod: {catalog: {type: glue}}}", [("not-supported-yet", 1, 39)]),
    "an unknown catalog": ("environments: {prod: {catalog: {type: sqlit}}}", [("wrong-value", 1, 39)]),
    "a catalog without a warehouse": ("environments: {prod: {catalog: {type: hadoop}}}", [("missing-key", 1, 23)]),
    "an engine of later": ("environments: {e: {engines: {default: {type: glue}}}}", [("not-supported-yet", 1, 46)]),
    "an engine without a type": ("environments: {e: {engines: {default: {}}}}", [("missing-key", 1, 30)]),
    "an unknown engine": ("environments: {e: {engines: {default: {type: loca}}}}", [("wrong-value", 1, 46)]),
    "a cluster without an address": (
        "environments: {e: {engines: {default: {type: spark_submit}}}}",
        [("engine", 1, 30)],
    ),
    "a cluster with two addresses": (
        "environments: {e: {engines: {default: {type: spark_submit, master: yarn, conn_id: a}}}}",
        [("engine", 1, 30)],
    ),
    "a wrong default": ("defaults: {retries: many, sql: SELECT 1}", [("wrong-type", 1, 21), ("unknown-key", 1, 27)]),
    "a list": ("- a", [("wrong-type", 1, 1)]),
    "a variable": ("environments: {local: {base_path: '${HOME}'}}", [("unknown-variable", 1, 38)]),
    "no environments": ("environments: 3", [("wrong-type", 1, 15)]),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_lake_yaml_is_located(tmp_path: Path, text: str, expected: list[tuple[str, int, int]]) -> None:
    lake_yaml(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_project(tmp_path)
    found = [each for each in caught.value.diagnostics if isinstance(each, Diagnostic)]
    assert [(each.code, each.line, each.column) for each in found] == expected
    assert all(each.file == str(tmp_path / "lake.yaml") for each in found)


def test_nearer_defaults_win_and_maps_merge(tmp_path: Path) -> None:
    lake_yaml(
        tmp_path,
        "defaults: {retries: 1, pool: lake, owner: platform, spark_conf: {a: 1, b: 1, c: 1}, properties: {p: 1}}\n",
    )
    (tmp_path / "p.yaml").write_text(
        "pipeline: p\n"
        "defaults: {retries: 2, pool: spec, spark_conf: {b: 2}}\n"
        "tables:\n"
        "  bronze.a:\n    ingest: {files: a.csv}\n"
        "  bronze.b:\n    ingest: {files: b.csv}\n    retries: 3\n    spark_conf: {c: null}\n    pool:\n"
    )
    tables = load_spec(tmp_path / "p.yaml").tables
    assert (tables["bronze.a"].retries, tables["bronze.a"].pool, tables["bronze.a"].owner) == (2, "spec", "platform")
    assert tables["bronze.a"].spark_conf == {"a": "1", "b": "2", "c": "1"}
    assert (tables["bronze.b"].retries, tables["bronze.b"].pool) == (3, None)
    assert tables["bronze.b"].spark_conf == {"a": "1", "b": "2", "c": None}
    assert tables["bronze.b"].properties == {"p": "1"}


def test_which_files_are_specs(tmp_path: Path) -> None:
    files = {
        "a.yaml": SPEC,
        "b.yml": SPEC,
        "sub/c.yaml": SPEC,
        "flow.yaml": "{pipeline: x, tables: {}}",
        "quoted.yaml": "'pipeline': x\n",
        "broken.yaml": "tables: [\npipeline: x\n",
        "lake.yaml": "pipeline: x\n",
        "sub/lake.yaml": "pipeline: x\n",
        "_draft.yaml": SPEC,
        ".hidden.yaml": SPEC,
        "_drafts/d.yaml": SPEC,
        ".git/e.yaml": SPEC,
        "other.yaml": "a: {pipeline: x}\n",
        "below.yaml": "a:\n  pipeline: x\n",
        "list.yaml": "- pipeline: x\n",
        "brokenother.yaml": "a: [\n  pipeline: x\n",
        "a.json": SPEC,
        "empty.yaml": "",
        "ignored/f.yaml": SPEC,
        "sub/g_test.yaml": SPEC,
        "sub/deep/h.yaml": SPEC,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".airflowignore").write_text("# not these\nignored/\n*_test.yaml\n")
    (tmp_path / "sub" / ".airflowignore").write_text("deep/h.yaml\n")
    found = [path.relative_to(tmp_path).as_posix() for path in find_specs(tmp_path)]
    assert found == ["a.yaml", "b.yml", "broken.yaml", "flow.yaml", "quoted.yaml", "sub/c.yaml"]
    assert not is_spec(tmp_path / "other.yaml")
    assert not is_spec(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("*.yaml", True),
        ("spec.yaml", True),
        ("dags/spec.yaml", True),
        ("/dags/*.yaml", True),
        ("**/spec.yaml", True),
        ("dags", True),
        ("dags/", True),
        ("[!.]*", True),
        ("spe[a-c].yaml", True),
        ("spe[d-z].yaml", False),
        ("spe[z-a].yaml", False),
        (r"spec\.yaml$", True),
        (r".*/spec", True),
        ("spec.yml", False),
        ("spec", False),
        ("*.yaml\n!spec.yaml", False),
        ("# spec.yaml", False),
        ("[", False),
        ("(", False),
    ],
)
def test_patterns_of_airflowignore(tmp_path: Path, pattern: str, ignored: bool) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "spec.yaml").write_text(SPEC)
    (tmp_path / ".airflowignore").write_text(pattern + "\n")
    assert (find_specs(tmp_path) == []) is ignored


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert find_specs(tmp_path) == [tmp_path / "a.yaml"]


def test_a_spec_that_reads_its_own_tables_opens_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker parses one DAG: what all the project's other specs hold would be read at the start of each task."""
    (tmp_path / "other.yaml").write_text("pipeline: other\ntables:\n  gold.other: {sql: SELECT 1 AS id}\n")
    text = "pipeline: own\ntables:\n  gold.a: {sql: SELECT 1 AS id}\n  gold.b: {sql: SELECT id FROM gold.a}\n"
    (tmp_path / "own.yaml").write_text(text)
    (tmp_path / "far.yaml").write_text(text.replace("own", "far").replace("gold.a}", "gold.other}"))
    opened: list[str] = []
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *given, **more: opened.append(self.name) or real(self, *given, **more)
    )
    load_spec(tmp_path / "own.yaml")
    assert "other.yaml" not in opened
    assert load_spec(tmp_path / "far.yaml").inputs["gold.b"] == ("gold.other",)
    assert "other.yaml" in opened
