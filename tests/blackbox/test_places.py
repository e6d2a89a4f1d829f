"""Which files are specs, which project they belong to, and what their names may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def spec(pipeline: str, table: str | None = None, *, more: str = "") -> str:
    return f"pipeline: {pipeline}\ntables:\n  bronze.{table or pipeline}:\n    ingest: {{files: a.csv}}\n{more}"


def test_specs_are_the_yaml_files_with_a_pipeline(write: Callable[..., Path], lake: Callable[..., Any]) -> None:
    root = write(
        {
            "lake.yaml": "",
            "a.yaml": spec("a"),
            "b.yml": spec("b"),
            "deep/er/c.yaml": spec("c"),
            "flow.yaml": '{"pipeline": "d", "tables": {"bronze.d": {"ingest": {"files": "a.csv"}}}}',
            "_part.yaml": spec("no1"),
            ".hidden.yaml": spec("no2"),
            "_parts/e.yaml": spec("no3"),
            ".git/f.yaml": spec("no4"),
            "drafts/g.yaml": spec("no5"),
            "h.bak.yaml": spec("no6"),
            "deep/i.yaml": spec("no7"),
            ".airflowignore": "# ours\ndrafts/\n*.bak.yaml\n",
            "deep/.airflowignore": "i.yaml\n",
            "compose.yaml": "services: {}\n",
            "list.yaml": "- pipeline: x\n",
            "broken_and_not_ours.yaml": "a: [\n  pipeline: x\n",
            "notes.txt": spec("no8"),
        }
    )
    answer = lake("validate", root, "--json")
    assert (answer.exit_code, answer.document) == (0, {"valid": True, "files": 4, "diagnostics": []})


def test_broken_yaml_is_ours_when_a_line_begins_with_pipeline(
    write: Callable[..., Path], validate: Callable[..., Any]
) -> None:
    write({"lake.yaml": "", "a.yaml": spec("a"), "bad.yaml": "tables: [\npipeline: bad\n"})
    (found,) = validate()
    assert (found.where.partition(":")[0], found.code) == ("bad.yaml", "yaml-syntax")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("compose.yaml", "services: {}\n", "expected a file with"),
        ("lake.yaml", "environments: {}\n", "lake.yaml is checked with each spec"),
        ("lake.yaml", "defaults: {retries: 1}\n", "lake.yaml is checked with each spec"),
    ],
)
def test_a_file_that_is_no_spec_is_refused_when_it_is_named(
    write: Callable[..., Path], validate: Callable[..., Any], name: str, text: str, told: str
) -> None:
    write({name: text})
    (found,) = validate(name)
    assert (found.where, found.severity) == (f"{name}:1:1", "error")
    assert found.message == "this is no spec: it has no `pipeline`"
    assert told in found.hint


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"\xff\xfep", "pipeline: p\n".encode("utf-16"), b"- a\n"], ids=repr
)
def test_a_file_that_is_there_but_no_spec_is_invalid(check: Callable[..., Any], content: bytes) -> None:
    (found,) = check(content)
    assert (found.where, found.severity) == ("spec.yaml:1:1", "error")


def test_a_file_that_is_not_there_is_wrong_usage(lake: Callable[..., Any], root: Path) -> None:
    answer = lake("validate", root / "no.yaml", "--json")
    assert (answer.exit_code, answer.out) == (2, "")
    assert "no.yaml" in answer.err


def test_the_nearest_lake_yaml_is_the_projects(write: Callable[..., Path], validate: Callable[..., Any]) -> None:
    write(
        {
            "lake.yaml": "layers: {raw: {like: bronze}}\n",
            "a.yaml": "pipeline: a\ntables:\n  raw.a: {ingest: {files: a.csv}}\n",
            "team/lake.yaml": "layers: {landing: {like: bronze}}\n",
            "team/deep/b.yaml": "pipeline: b\ntables:\n  landing.b: {ingest: {files: a.csv}}\n",
        }
    )
    assert validate() == validate("a.yaml") == validate("team") == validate("team/deep/b.yaml") == []


def test_a_wrong_lake_yaml_spoils_its_own_project_only(
    write: Callable[..., Path], validate: Callable[..., Any]
) -> None:
    write({"lake.yaml": "", "a.yaml": spec("a"), "team/lake.yaml": "enviroments: {}\n"})
    write({"team/b.yaml": spec("b"), "team/c.yaml": spec("c")})
    (found,) = validate()
    assert (found.where, found.text) == ("team/lake.yaml:1:1", "enviroments")


def test_tables_of_another_project_are_not_readable(write: Callable[..., Path], validate: Callable[..., Any]) -> None:
    reader = "pipeline: r\ntables:\n  gold.r: {sql: SELECT * FROM bronze.a}\n"
    write({"lake.yaml": "", "a.yaml": spec("a"), "b.yaml": reader})
    assert validate() == []
    write({"other/lake.yaml": "", "other/c.yaml": reader.replace("r:", "s:").replace(": r", ": s")})
    (found,) = validate()
    assert (found.where, found.code, found.text) == ("other/c.yaml:3:31", "unknown-table", "bronze.a")


def test_project_names_the_project(write: Callable[..., Path], lake: Callable[..., Any]) -> None:
    root = write({"here/lake.yaml": "environments: {dev: {}}\n", "there/a.yaml": spec("a")})
    arguments = ("validate", root / "there/a.yaml", "--env", "dev")
    assert lake(*arguments).exit_code == 2
    assert lake(*arguments, "--project", root / "here").exit_code == 0
    assert lake(*arguments, "--project", root / "nowhere").exit_code == 2


def test_paths_are_shown_as_they_were_given(
    write: Callable[..., Path], lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"my specs/lake.yaml": "", "my specs/dämo/a.yaml": spec("a", more="    retris: 1\n")})
    monkeypatch.chdir(root / "my specs" / "dämo")
    for name in ("a.yaml", "../dämo/a.yaml", str(root / "my specs/dämo/a.yaml")):
        (found,) = lake("validate", name, "--json").document["diagnostics"]
        assert (found["file"], found["line"], found["column"]) == (name, 5, 5)


def test_a_ring_of_links_ends(write: Callable[..., Path], validate: Callable[..., Any]) -> None:
    root = write({"lake.yaml": "", "a/b.yaml": spec("b")})
    (root / "a" / "up").symlink_to(root)
    (root / "gone.yaml").symlink_to(root / "nowhere.yaml")
    assert validate() == []


# --- names


@pytest.mark.parametrize("name", ["p", "a.b-c_D", "2026-01-01", '"1"', "p" * 250])
def test_a_pipelines_name(check: Callable[..., Any], name: str) -> None:
    assert check(spec(name, "t")) == []


@pytest.mark.parametrize("name", ["a b", "ä", "a/b", '""', "p" * 251, "1", "null", "true"])
def test_what_is_no_pipelines_name(check: Callable[..., Any], name: str) -> None:
    (found,) = check(spec(name, "t"))
    assert (found.where, found.text, found.severity) == ("spec.yaml:1:11", name, "error")


@pytest.mark.parametrize("name", ["bronze." + "t" * 128, "l" * 128 + ".t", "_l._t", "bronze.select"])
def test_a_tables_name(check: Callable[..., Any], name: str) -> None:
    assert [found for found in check(f"pipeline: p\ntables:\n  {name}: {{ingest: {{files: a.csv}}, write: append}}\n")
            if found.severity == "error"] == []  # fmt: skip


@pytest.mark.parametrize(
    "name", ["t", "a.b.c", "bronze.1t", "bronze.t-u", "bronze.ä", "bronze." + "t" * 129, "l" * 129 + ".t"]
)
def test_what_is_no_tables_name(check: Callable[..., Any], name: str) -> None:
    (found,) = check(f"pipeline: p\ntables:\n  {name}: {{ingest: {{files: a.csv}}, write: append}}\n")
    assert (found.where, found.text, found.code) == ("spec.yaml:3:3", name, "table-name")


def test_capital_letters_are_a_warning(check: Callable[..., Any]) -> None:
    (found,) = check(spec("p", "Orders"))
    assert (found.severity, found.text) == ("warning", "bronze.Orders")


@pytest.mark.parametrize("other", ["p", "P"])
def test_a_pipelines_name_is_unique_in_the_project(
    write: Callable[..., Path], validate: Callable[..., Any], other: str
) -> None:
    root = write({"lake.yaml": "", "a.yaml": spec("p", "a"), "sub/b.yaml": spec(other, "b")})
    for paths in ((".",), ("a.yaml", "sub/b.yaml")):
        (found,) = validate(*paths)
        assert (found.where, found.text) == ("sub/b.yaml:1:11", other)
        assert f"{root}/a.yaml:1" in found.message


@pytest.mark.parametrize("other", ["t", "T"])
def test_a_table_belongs_to_one_pipeline(write: Callable[..., Path], validate: Callable[..., Any], other: str) -> None:
    root = write({"lake.yaml": "", "a.yaml": spec("p", "t"), "b.yaml": spec("q", other)})
    for paths in ((".",), ("a.yaml", "b.yaml")):
        (found,) = [found for found in validate(*paths) if found.severity == "error"]
        assert (found.where, found.text) == ("b.yaml:3:3", f"bronze.{other}")
        assert f"{root}/a.yaml:3" in found.message


def test_names_that_differ_by_case_only_are_an_error_in_one_spec(check: Callable[..., Any]) -> None:
    found = check(spec("p", "t", more="  bronze.T: {ingest: {files: a.csv}}\n"))
    assert [(each.severity, each.text) for each in found] == [("error", "bronze.T"), ("warning", "bronze.T")]


def test_two_projects_share_no_table_of_one_catalog(write: Callable[..., Path], validate: Callable[..., Any]) -> None:
    write({"a/lake.yaml": "", "a/s.yaml": spec("p", "t"), "b/lake.yaml": "", "b/s.yaml": spec("q", "t")})
    assert [found.where for found in validate()] == ["b/s.yaml:3:3"]
    write({"b/lake.yaml": "environments: {local: {catalog: {name: other}}}\n"})
    assert validate() == []


def test_a_spec_named_twice_is_one(write: Callable[..., Path], lake: Callable[..., Any]) -> None:
    root = write({"a.yaml": spec("a")})
    assert lake("validate", root / "a.yaml", root, "--json").document["files"] == 1


def test_folders_without_a_lake_yaml_are_projects_of_their_own(
    write: Callable[..., Path], validate: Callable[..., Any]
) -> None:
    reader = "pipeline: {0}\ntables:\n  gold.{0}: {{sql: SELECT * FROM bronze.{1}}}\n"
    write({"a.yaml": spec("a"), "below/b.yaml": spec("b"), "r.yaml": reader.format("r", "b")})
    write({"below/s.yaml": reader.format("s", "a")})
    found = validate()
    assert [each.where for each in found] == ["below/s.yaml:3:31", "r.yaml:3:31"]
    assert "below/b.yaml: without a lake.yaml each folder is a project" in found[1].hint
    write({"lake.yaml": ""})
    assert validate() == []


def test_an_environment_that_one_project_lacks_spoils_that_project_only(
    write: Callable[..., Path], lake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a/lake.yaml": "environments: {prod: {}}\n", "a/s.yaml": spec("a")})
    write({"b/lake.yaml": "", "b/s.yaml": spec("b"), "b/t.yaml": spec("c")})
    monkeypatch.setenv("LAKE_ENV", "prod")
    answer = lake("validate", root, "--json")
    (found,) = answer.document["diagnostics"]
    assert (answer.exit_code, found["file"], found["code"]) == (1, f"{root}/b/lake.yaml", "unknown-environment")
    assert lake("validate", root / "b").exit_code == 2
