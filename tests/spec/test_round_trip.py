"""For random specs: what is explained makes the same plan, and accounts for every value at its place.

``LAKE_EXAMPLES=5000`` draws that many new ones; without it the same few are tried each time.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from drawn_specs import ENV, Drawn, projects
from hypothesis import HealthCheck, Phase, given, settings

from airflow_lake_provider.plan import PipelinePlan, plan_spec
from airflow_lake_provider.spec import PipelineSpec, load_spec
from airflow_lake_provider.spec.document import typed
from airflow_lake_provider.spec.explain import Explained, Value, Variable, explain

EXAMPLES = os.environ.get("LAKE_EXAMPLES")
SIZE_CONF = ("spark.driver.", "spark.executor.", "spark.cores.max")
drawn_anew = settings(
    max_examples=int(EXAMPLES or 100),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.generate, Phase.shrink],
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    for name in ("LAKE_ENV", "LAKE_HOME", "DRAWN_NOTHING"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def read(project: Drawn, folder: Path) -> PipelineSpec:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (folder / "sql").mkdir()
    for name, text in project.files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return load_spec(folder / "spec.yaml", environment=project.environment)


def read_again(text: str, project: Drawn, folder: Path) -> PipelineSpec:
    (folder / "again.yaml").write_text(text, encoding="utf-8", newline="")
    return load_spec(folder / "again.yaml", environment=project.environment)


def bare(spec: PipelineSpec) -> PipelinePlan:
    """Return the plan without what says where and how it was written, and what is only doubtful."""
    plan = plan_spec(spec)
    tables = tuple(replace(table, folder=Path(), shown={}) for table in plan.tables)
    return replace(plan, source=Path(), warnings=(), tables=tables, shown={})


@given(projects())
@drawn_anew
def test_what_is_explained_makes_the_same_plan(folder: Path, project: Drawn) -> None:
    spec = read(project, folder)
    explained = explain(spec, asked=project.environment)
    again = read_again(explained.yaml(), project, folder)
    assert bare(again) == bare(spec)
    twice = explain(again, asked=project.environment)
    assert told(twice) == told(explained)
    assert ENV["DRAWN_PASSWORD"] not in explained.yaml()


@given(projects())
@settings(drawn_anew, max_examples=int(EXAMPLES or 25))
def test_what_everybody_may_see_names_environment_variables_and_holds_none(folder: Path, project: Drawn) -> None:
    read(project, folder)
    secret = "${env.DRAWN_PASSWORD}"
    put = [f"{key}=of {secret}" for key in ("doc", "description", "defaults.description", "defaults.owner")]
    plan = plan_spec(load_spec(folder / "spec.yaml", environment=project.environment, overrides=put))
    seen = repr((plan.shown, [table.shown for table in plan.tables]))
    assert f"of {secret}" in seen
    assert ENV["DRAWN_PASSWORD"] not in seen
    for table in plan.tables:
        assert set(table.shown) - {"owner"} == set(table.settings)


def told(explained: Explained) -> dict[tuple[str | int, ...], Any]:
    return {value.path: value.value for value in explained.values()}


@given(projects())
@drawn_anew
def test_each_value_is_accounted_for_and_stands_where_it_is_said(folder: Path, project: Drawn) -> None:
    spec = read(project, folder)
    explained = explain(spec, asked=project.environment)
    values = list(explained.values())
    assert ENV["DRAWN_PASSWORD"] not in str(values)
    rebuilt = as_yaml(structure(values))
    assert bare(read_again(rebuilt, project, folder)) == bare(spec)
    for value in values:
        if value.file is None:
            assert value.origin in ("built in", "--env")
            continue
        stands_there(value)


def structure(values: list[Value]) -> Any:
    """Put values together again, by their paths alone."""
    root: dict[Any, Any] = {}
    for value in values:
        node: Any = root
        for step, following in zip(value.path, (*value.path[1:], None), strict=True):
            here: Any = escaped(value.value) if following is None else [] if isinstance(following, int) else {}
            if isinstance(step, int):
                if step == len(node):
                    node.append(here)
                node = node[step]
            else:
                node = node.setdefault(escaped(step), here)
    return root


def escaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    whole = value.replace("${", "$${")
    return whole.replace("$${env.DRAWN_PASSWORD}", "${env.DRAWN_PASSWORD}")


def as_yaml(value: Any) -> str:
    """Write JSON that YAML reads: letters beyond 16 bits by one escape, and YAML's word for infinity."""
    text = json.dumps(value)
    text = re.sub(r"\\u(d[89ab]..)\\u(d[c-f]..)", letter, text)
    return re.sub(r"(?<=[:\[,] )(-?)Infinity|(?<=\[)(-?)Infinity", r"\1\2.inf", text)


def letter(pair: re.Match[str]) -> str:
    code = 0x10000 + ((int(pair[1], 16) - 0xD800) << 10) + (int(pair[2], 16) - 0xDC00)
    return f"\\U{code:08x}"


@cache
def parsed(text: str) -> dict[tuple[int, int], list[yaml.Node]]:
    """Return the nodes of a YAML file by where they begin, by another parser than the package's own reader."""
    found: dict[tuple[int, int], list[yaml.Node]] = {}

    def walk(node: yaml.Node) -> None:
        # PyYAML's own line numbers count U+2028 too, which no editor does.
        at = node.start_mark.index
        place = (text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        found.setdefault(place, []).append(node)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(key)
                walk(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item)

    walk(yaml.compose(text, Loader=yaml.SafeLoader))
    return found


def stands_there(value: Value) -> None:
    """Fail unless the place holds the value's own words, or a variable whose place holds its name."""
    text = Path(value.file or "").read_text(encoding="utf-8")
    for variable in value.variables:
        if variable.file is None:
            assert variable.name.startswith("env.")
        else:
            assert names(variable, Path(variable.file).read_text(encoding="utf-8"))
    if str(value.file).endswith(".sql"):
        assert (value.line, value.column, value.path[-1]) == (1, 1, "sql")
        assert text.replace("$${", "${") == value.value
        return
    nodes = parsed(text)[value.line or 0, value.column or 0]
    assert any(is_of(node, value) for node in nodes), (value, nodes)


def names(variable: Variable, text: str) -> bool:
    """Whether the line of a variable holds its name, or a text begins there that uses it with a default."""
    if variable.name in text.split("\n")[(variable.line or 0) - 1]:
        return True
    begun = (node for (line, _), nodes in parsed(text).items() if line == variable.line for node in nodes)
    return any(isinstance(node, yaml.ScalarNode) and f"${{{variable.name}:-" in node.value for node in begun)


def is_of(node: yaml.Node, value: Value) -> bool:
    if not isinstance(node, yaml.ScalarNode):
        return node.value == [] and value.value in ([], {})
    if "${" in node.value.replace("$${", ""):
        return any(f"${{{variable.name}" in node.value for variable in value.variables)
    written = node.value.replace("$${", "${")
    if written == value.value if node.style else typed(written) == value.value:
        return True
    # A profile's size as Spark's property is its text; the cores of all executors are a product.
    is_size = value.path[-2] == "spark_conf" and str(value.path[-1]).startswith(SIZE_CONF)
    return is_size and (value.path[-1] == "spark.cores.max" or str(typed(written)) == value.value)
