"""Everything that README and docs show is tried out: specs, Python, commands, JSON, links, lists of names."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import click
import pytest
import yaml

from airflow_lake_provider import protocol
from airflow_lake_provider.cli import lake
from airflow_lake_provider.plan import plan_pipeline
from airflow_lake_provider.spec import load_project

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
TUTORIAL = ROOT / "docs" / "tutorial.md"
SPEC_MEANING = ROOT / "docs" / "how-to" / "see-what-a-spec-means.md"
DAG_TESTS = ROOT / "docs" / "how-to" / "test-your-dag-without-java.md"
PYTHON = ROOT / "docs" / "how-to" / "transform-in-python.md"
SHARED = ROOT / "docs" / "how-to" / "share-keys-between-specs.md"
PROJECTS = (PYTHON, SHARED)
"""Pages whose examples are the files of one project: the first line of each names it."""

BIN = Path(sys.executable).parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TABLE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")
# What a reader runs that a test does not: it builds environments, or serves until somebody stops it.
NOT_RUN = ("pip install", "lake spark install", "airflow standalone", "make")
SHELL_WORDS = ("cat", "cd", "cp", "diff", "docker", "export", "find", "ls", "mkdir", "pip", "git", "airflow")


@dataclass(frozen=True)
class Block:
    """One fenced example."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            block = Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2])
            if not languages or block.language in languages:
                found.append(block)
    return found


def commands(block: Block) -> list[str]:
    return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]


def test_every_example_is_of_a_kind_that_is_tried_out() -> None:
    assert {block.language for block in blocks()} <= {"yaml", "python", "console", "json", "sql", "text"}


def as_spec(text: str) -> str:
    """Make a whole spec of tables that stand alone: what they read is somebody else's."""
    tables = yaml.safe_load(text)
    assert all(TABLE.fullmatch(name) for name in tables), f"neither a spec, nor lake.yaml, nor tables: {list(tables)}"
    read = {name for name in TABLE.findall(text) if name.partition(".")[0] in ("bronze", "silver", "gold")}
    head = {"pipeline": "example", "schedule": "@daily", "start_date": "2026-01-01"}
    return yaml.safe_dump({**head, "external": sorted(read - set(tables)), "tables": tables}, sort_keys=False)


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.page not in PROJECTS], ids=str)
def test_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    keys = set(yaml.safe_load(block.text))
    if keys & {"environments", "defaults", "default_environment"}:
        (tmp_path / "lake.yaml").write_text(block.text)
        project = load_project(tmp_path)
        assert [project.environment(name).name for name in project.environment_names]
        return
    text = block.text if "pipeline" in keys else as_spec(block.text)
    spec = tmp_path / "example.yaml"
    spec.write_text(text)
    plan = plan_pipeline(spec)
    assert {table.table for table in plan.tables} == set(yaml.safe_load(text)["tables"])


@pytest.mark.parametrize(
    "block", [block for block in blocks("python") if block.page not in (DAG_TESTS, PYTHON)], ids=str
)
def test_python_runs(block: Block) -> None:
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(block.text, str(block), "exec"), names)
    assert len(names) > 2, "the example defines nothing"


@pytest.mark.airflow
def test_the_dag_tests_of_the_guide_pass(airflow_home: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    page = [block for block in blocks() if block.page == DAG_TESTS]
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(next(b.text for b in page if b.language == "yaml"))
    (tmp_path / "dags" / "lake_dags.py").write_text(
        "from airflow_lake_provider import load_lake_dags\n\nload_lake_dags(globals())\n"
    )
    module = "\n\n".join(b.text for b in page if b.language == "python")
    (tmp_path / "test_orders.py").write_text(module)
    env = airflow_home(AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "dags"), PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "test_orders.py"],
        cwd=tmp_path,
        env=env,
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{module.count('def test_')} passed" in done.stdout


def written(page: Path, folder: Path) -> Path:
    """Write the examples of a page as the files that their first lines name."""
    for block in blocks("yaml", "python"):
        if block.page == page:
            path = folder / block.text.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    return folder


@pytest.fixture
def python_guide(tmp_path: Path) -> Path:
    return written(PYTHON, tmp_path)


@pytest.mark.parametrize(
    ("environment", "files", "least"),
    [("dev", "data/sample/orders/*.csv", 1), ("prod", "s3://acme-landing/orders/*.csv", 1000)],
)
def test_the_specs_of_the_guide_to_sharing_mean_what_it_says(
    environment: str, files: str, least: int, tmp_path: Path
) -> None:
    plan = plan_pipeline(written(SHARED, tmp_path) / "specs" / "orders.yaml", environment=environment)
    bronze, staging = plan.table("bronze.orders"), plan.table("staging.orders")
    assert plan.dag_arguments["tags"] == ["shop", "orders"]
    assert bronze.settings["ingest"]["files"] == [files]
    assert bronze.settings["checks"] == ["row_count > 0", {f"row_count >= {least}": {"on_fail": "warn"}}]
    assert (bronze.task_arguments["retries"], staging.task_arguments["retries"]) == (2, 5)
    assert staging.settings["write"] == {"strategy": "merge"}
    assert staging.settings["quarantine"] is False
    assert staging.settings["spark_conf"]["spark.sql.shuffle.partitions"] == "400"
    assert staging.settings["spark_conf"]["spark.driver.memory"] == "4g"


def test_the_python_transforms_of_the_guide_are_read(python_guide: Path) -> None:
    plan = plan_pipeline(python_guide / "flights.yaml")
    table = plan.table("silver.flights")
    assert (table.inputs, table.upstream) == (("bronze.flights",), ("bronze.flights",))
    assert table.names_interval


@pytest.mark.spark
def test_the_python_transforms_of_the_guide_pass_their_tests(python_guide: Path, spark_python: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [spark_python, "-m", "pytest", "-q", "--rootdir", str(python_guide), "-p", "no:cacheprovider"],
        cwd=python_guide,
        env={**environment, "SPARK_LOCAL_IP": "127.0.0.1"},
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_parses(block: Block) -> None:
    assert json.loads(block.text)


def subcommand(words: list[str]) -> tuple[click.Command, list[str]]:
    """Follow the words of a `lake` command line to its command; return what is left."""
    command: click.Command = lake
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.commands.get(name)
        assert found is not None, f"`lake` has no command {name!r}"
        command = found
    return command, rest


@pytest.mark.parametrize(
    ("block", "line"), [(b, line) for b in blocks("console") for line in commands(b)], ids=lambda value: str(value)[:60]
)
def test_commands_exist_with_their_options(block: Block, line: str) -> None:
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(word in targets or "=" in word for word in words[1:])
    elif program == "lake":
        command, rest = subcommand(words)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert [word for word in rest if word.startswith("-") and word.partition("=")[0] not in known] == []
    elif program == "python":
        assert words[1] == "-m"
        assert words[2:4] in (["airflow_lake_provider.jobs", "--request-uri"], ["zipfile", "--create"])
    else:
        assert program in SHELL_WORDS, f"{block}: is `{program}` there for a reader?"


@pytest.mark.spark
@pytest.mark.timeout(1800)
def test_the_tutorial_works_from_top_to_bottom(tmp_path: Path) -> None:
    lines = [line for b in blocks("console") if b.page == TUTORIAL for line in commands(b)]
    run = [line for line in lines if not line.startswith(NOT_RUN)]
    assert run
    env = {key: value for key, value in os.environ.items() if key not in ("LAKE_HOME", "LAKE_ENV")}
    done = subprocess.run(
        ["bash", "-ex", "-c", "\n".join(run)],
        cwd=tmp_path,
        env=env | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = "\n".join(b.text for b in blocks("text") if b.page == TUTORIAL)
    names = set(re.findall(r"\b(?:bronze|silver|gold)\.\w+", shown))
    assert names
    assert sorted(name for name in names if name not in done.stdout + done.stderr) == []


def test_the_guide_to_a_specs_meaning_shows_what_the_commands_say(tmp_path: Path) -> None:
    page = [block for block in blocks() if block.page == SPEC_MEANING]
    lake_yaml, spec = (block.text for block in page if block.language == "yaml")
    (tmp_path / "lake.yaml").write_text(lake_yaml)
    (tmp_path / "orders.yaml").write_text(spec)
    env = {key: value for key, value in os.environ.items() if key not in ("LAKE_HOME", "LAKE_ENV")}
    tried = 0
    for block, after in itertools.pairwise(page):
        if block.language != "console" or after.language != "text":
            continue
        (line,) = commands(block)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=env | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert (done.stdout, done.stderr) == (after.text, ""), line
        tried += 1
    assert tried == 5


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target in LINK.findall(text):
            if not re.match(r"[a-z]+:", target):
                yield page, target


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("page", "target"), list(links()), ids=lambda value: value if isinstance(value, str) else value.stem
)
def test_links_lead_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    assert place.exists()
    assert place.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(place)


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        waiting += [
            (page.parent / target.partition("#")[0]).resolve()
            for p, target in links()
            if p == page and target[0] != "#"
        ]
    assert [str(page) for page in PAGES if page.name != "CHANGELOG.md" and page not in reached] == []


def words_in_code(page: str) -> set[str]:
    """All words in backquotes of a reference page."""
    text = FENCE.sub("", (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8"))
    return {word for span in re.findall(r"`([^`]+)`", text) for word in re.findall(r"-*\w[\w-]*", span)}


def test_the_spec_reference_names_every_key() -> None:
    from airflow_lake_provider.spec.pipeline import PipelineKeys
    from airflow_lake_provider.spec.table import ColumnSpec, IngestSpec, QuarantineSpec, TableSpec, WriteSpec

    models = (PipelineKeys, TableSpec, IngestSpec, ColumnSpec, WriteSpec, QuarantineSpec)
    keys = {key for model in models for key in model.model_fields} - {"enabled"}
    assert sorted(keys - words_in_code("spec.md")) == []


def test_the_reference_of_lake_yaml_names_every_key() -> None:
    from airflow_lake_provider.spec.engine_keys import ENGINE_KEYS
    from airflow_lake_provider.spec.lake_keys import CatalogKeys, EnvironmentKeys, LakeKeys, ProfileKeys

    models = (LakeKeys, EnvironmentKeys, CatalogKeys, ProfileKeys, *ENGINE_KEYS.values())
    keys = {key for model in models for key in model.model_fields}
    assert sorted(keys - words_in_code("lake-yaml.md")) == []


def test_the_protocol_reference_names_every_field() -> None:
    documents = (
        protocol.JobRequest, protocol.TaskIdentity, protocol.DataInterval, protocol.TableRequest, protocol.Column,
        protocol.Quarantine, protocol.IngestStep, protocol.TransformStep, protocol.PythonStep, protocol.WriteStep,
        protocol.CheckStep, protocol.Check, protocol.Catalog, protocol.Submissions, protocol.Provenance,
        protocol.JobReport, protocol.TableReport, protocol.Rows, protocol.Commit, protocol.CheckResult,
        protocol.Runtime, protocol.JobError,
    )  # fmt: skip
    names = {field.name for document in documents for field in fields(document)}
    assert sorted(names - words_in_code("job-protocol.md")) == []


def test_the_operator_reference_names_every_argument() -> None:
    import inspect

    from airflow_lake_provider import operators

    names: set[str] = set()
    for name in operators.__all__:
        for cls in getattr(operators, name).__mro__:
            if cls.__module__.startswith("airflow_lake_provider.") and "__init__" in vars(cls):
                names |= set(inspect.signature(cls.__init__).parameters)
    assert sorted(names - {"self", "kwargs", "outlets"} - words_in_code("operators.md")) == []
    assert set(operators.__all__) <= words_in_code("operators.md")


def test_the_command_line_reference_names_every_command_and_option() -> None:
    def walk(command: click.Command, name: str) -> Iterator[str]:
        yield name
        for parameter in command.params:
            yield from (option for option in parameter.opts if option.startswith("--") and option != "--help")
        if isinstance(command, click.Group):
            for child in command.commands.values():
                yield from walk(child, str(child.name))

    assert sorted(set(walk(lake, "lake")) - words_in_code("command-line.md")) == []


def test_the_environment_reference_names_every_variable() -> None:
    sources = [path.read_text() for path in (ROOT / "airflow_lake_provider").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r"""(?:get\(|environ\[)["'](LAKE_[A-Z_]+)["']""", text)}
    assert read
    assert sorted(read - words_in_code("environment-variables.md")) == []
