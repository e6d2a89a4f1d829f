"""The tables of keys in the reference pages are made of the models; the prose around them is written by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from airflow_lake_provider.spec.engine_keys import LocalEngineKeys, SparkSubmitEngineKeys
from airflow_lake_provider.spec.json_schema import WholeSpec, flow, lake_schema, pipeline_schema
from airflow_lake_provider.spec.lake_keys import CatalogKeys, EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.profiles import BUILT_IN_PROFILES
from airflow_lake_provider.spec.table import (
    SOURCES,
    TASK_ARGUMENTS,
    ColumnSpec,
    IngestSpec,
    QuarantineSpec,
    TableSpec,
    WriteSpec,
)

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = re.compile(r"(?P<first><!-- made of the models: (?P<name>[\w ]+) -->\n).*?(?P<last>\n<!-- end -->)", re.DOTALL)
REQUIRED = {"pipeline", "tables", "files", "strategy"}
LINKED = {
    "IngestSpec": "[mapping](#ingest)",
    "ColumnSpec": "[mapping](#columns)",
    "WriteSpec": "[mapping](#write)",
    "QuarantineSpec": "[mapping](#quarantine)",
    "TableSpec": "[table keys](#table-keys)",
    "DefaultKeys": "[table keys](spec.md#table-keys)",
    "LayerKeys": "[table keys](spec.md#table-keys) and `like`",
    "EnvironmentKeys": "[mapping](#environments)",
    "CatalogKeys": "[mapping](#catalog)",
    "EngineKeys": "[mapping](#engines)",
    "ProfileKeys": "[mapping](#resource-profiles)",
}
SCHEMAS = {"spec.md": pipeline_schema(), "lake-yaml.md": lake_schema()}


def kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    """Say what a value may be, one form after the other."""
    for form in schema.get("anyOf", [schema]):
        name = str(form.get("$ref", "")).rpartition("/")[2]
        if name and name != "variable":
            yield LINKED.get(name, name.replace("-", " "))
        elif "const" in form or "enum" in form:
            yield from (f"`{word}`" for word in form.get("enum", [form.get("const")]))
        elif "type" in form:
            for word in [form["type"]] if isinstance(form["type"], str) else form["type"]:
                yield from KINDS[word](form)


def whole_number(form: Mapping[str, Any]) -> list[str]:
    return [f"whole number from {form['minimum']}" if "minimum" in form else "whole number"]


def mapping(form: Mapping[str, Any]) -> list[str]:
    inside = form.get("additionalProperties")
    values = kind(inside) if isinstance(inside, dict) else "mapping"
    return [f"mapping of names to {values}" if values != "mapping" else values]


KINDS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "null": lambda form: [],
    "boolean": lambda form: ["`true`", "`false`"],
    "string": lambda form: ["text"],
    "number": lambda form: ["number"],
    "integer": whole_number,
    "array": lambda form: [f"list of {kind(form['items'])}"],
    "object": mapping,
}


def kind(schema: Mapping[str, Any]) -> str:
    """Say in words what a value may be."""
    found = list(dict.fromkeys(kinds(schema)))
    if found and found[-1].startswith("list of ") and joined(found[:-1]).endswith(found[-1].removeprefix("list of ")):
        return f"{joined(found[:-1])}, or a list"
    return joined(found)


def joined(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:]))) or "any value"


def table(schema: Mapping[str, Any], model: type[BaseModel], keys: list[str], properties: Mapping[str, Any]) -> str:
    lines = ["| key | type | default | meaning | examples |", "|---|---|---|---|---|"]
    for key in keys:
        field = model.model_fields[key]
        default = "required" if key in REQUIRED or field.is_required() else ""
        if not default and field.default not in (None, ""):
            default = f"`{flow(field.default)}`"
        examples = " · ".join(f"`{flow(example)}`" for example in field.examples or ())
        kinds = kind(resolved(schema, properties[key]))
        cells = (f"`{key}`", kinds, default, str(field.description), examples)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def resolved(schema: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a key that stands for another definition's."""
    reference = str(value.get("$ref", ""))
    found: Any = schema
    if "/properties/" not in reference:
        return value
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return resolved(schema, found)


def made_tables() -> dict[str, str]:
    """All generated parts, by page and name."""
    spec, lake = SCHEMAS["spec.md"], SCHEMAS["lake-yaml.md"]
    keys = list(TableSpec.model_fields)
    own = [key for key in keys if key not in TASK_ARGUMENTS]
    groups = {
        "spec.md keys of a pipeline": (WholeSpec, spec, None),
        "spec.md keys of a table": (TableSpec, spec, [*SOURCES, *(key for key in own if key not in SOURCES)]),
        "spec.md arguments of the task": (TableSpec, spec, list(TASK_ARGUMENTS)),
        "spec.md keys of ingest": (IngestSpec, spec, None),
        "spec.md keys of a column": (ColumnSpec, spec, None),
        "spec.md keys of write": (WriteSpec, spec, None),
        "spec.md keys of quarantine": (QuarantineSpec, spec, None),
        "lake-yaml.md keys of the file": (LakeKeys, lake, None),
        "lake-yaml.md keys of an environment": (EnvironmentKeys, lake, None),
        "lake-yaml.md keys of a catalog": (CatalogKeys, lake, None),
        "lake-yaml.md keys of the local engine": (LocalEngineKeys, lake, None),
        "lake-yaml.md keys of spark submit": (SparkSubmitEngineKeys, lake, None),
        "lake-yaml.md keys of a profile": (ProfileKeys, lake, None),
    }
    made = {}
    for name, (model, schema, chosen) in groups.items():
        own_schema = schema["definitions"].get(model.__name__, schema)
        shown = chosen or [key for key in model.model_fields if key in own_schema["properties"]]
        made[name] = table(schema, model, shown, own_schema["properties"])
    return {**made, "lake-yaml.md built in profiles": profiles()}


def profiles() -> str:
    sizes = list(dict.fromkeys(size for profile in BUILT_IN_PROFILES.values() for size in profile))
    lines = [f"| profile | {' | '.join(f'`{size}`' for size in sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    for name, profile in BUILT_IN_PROFILES.items():
        lines.append(f"| `{name}` | {' | '.join(str(profile.get(size, '')) for size in sizes)} |")
    return "\n".join(lines)


@pytest.mark.parametrize("page", SCHEMAS)
def test_the_tables_of_a_page_are_those_of_the_models(page: str) -> None:
    path = REFERENCE / page
    made = {name.partition(" ")[2]: text for name, text in made_tables().items() if name.startswith(page)}
    text = path.read_text(encoding="utf-8")
    assert sorted(match["name"] for match in MADE.finditer(text)) == sorted(made), "a table is missing, or twice there"
    wanted = MADE.sub(lambda match: match["first"] + made[match["name"]] + match["last"], text)
    if os.environ.get("LAKE_GOLDEN") == "write":
        path.write_text(wanted, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == wanted, "run make golden and review the difference"
