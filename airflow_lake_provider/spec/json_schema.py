"""The language as JSON Schema, for editors: a whole spec, and ``lake.yaml``, as people write them.

Made from the models and from what each type says beside its validator. Draft 7, for all editors know it. The schema
never refuses what the loader takes; what it cannot say (what concerns several keys, SQL, names) the loader alone tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from airflow_lake_provider.spec.key import key
from airflow_lake_provider.spec.lake_keys import LakeKeys
from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.table import SOURCES, DefaultKeys, TableSpec
from airflow_lake_provider.spec.values import TABLE_NAME_FORM

Schema = dict[str, Any]

PIPELINE, LAKE = "pipeline.schema.json", "lake.schema.json"
_DRAFT = "http://json-schema.org/draft-07/schema#"
_REF = "#/definitions/{model}"
_VARIABLE = {
    "description": "A variable in place of the value: `${name}` or `${env.NAME}`, with `:-default` behind the name.",
    "type": "string",
    "pattern": r"\$\{",
}
_NOT_VARIABLE = {
    "WholeSpec": ("extends", "environment", "variables", "tables"),
    "LakeKeys": ("environments",),
    "EnvironmentKeys": ("variables", "env"),
}
"""The keys in which variables are not put in: they come first."""
_NOT_APPENDED = {"pattern": r"^[^+]", "patternErrorMessage": "`+key` stands only in a spec that extends a file."}
_SAID = ("description", "default", "examples")


class WholeSpec(PipelineKeys):
    """All that may stand in a spec."""

    defaults: DefaultKeys | None = key(
        "Table keys for all tables of the spec; layers and tables go over them.", {"retries": 2, "retry_delay": "1m"}
    )
    tables: dict[str, TableSpec] = key(
        "The tables by their names, `layer.name`; the layer says what a table does by default.",
        {"bronze.orders": {"ingest": {"files": "landing/orders/*.csv"}}},
        default=...,
    )


class _Dumper(yaml.SafeDumper):
    """Leaves dates without quotes: in a spec they are text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        """A key needs no title: it is one."""
        return False

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        """Keep the order in which keys are written: it is the one in which people look for them."""
        return value


def pipeline_schema() -> Schema:
    """Return the schema of a spec."""
    made = _generate(WholeSpec)
    tables = made["properties"]["tables"]
    tables["propertyNames"] = TABLE_NAME_FORM
    tables["minProperties"] = 1
    required = {name: made["definitions"][name].pop("required") for name in ("IngestSpec", "ColumnSpec", "WriteSpec")}
    del made["required"]
    # A spec that extends a file may leave out what that file has, and append by `+key`; what specs extend is a part.
    made["if"] = {"required": ["pipeline"], "not": {"required": ["extends"]}}
    made["then"] = {
        "required": ["tables"],
        "propertyNames": _NOT_APPENDED,
        "properties": {"tables": {"doNotSuggest": True, "additionalProperties": _complete(required)}},
    }
    return _finished(made, "WholeSpec")


def lake_schema() -> Schema:
    """Return the schema of ``lake.yaml``."""
    made = _generate(LakeKeys)
    definitions = made["definitions"]
    for case in definitions["EngineKeys"]["allOf"]:
        name = case["then"]["title"]
        definitions[name] = case["then"]
        case["then"] = {"$ref": _REF.format(model=name)}
    return _finished(made, "LakeKeys")


def schema_text(schema: Schema) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def committed_schema(name: str) -> str:
    """Return the text of a schema that came with the package.

    :param name: :data:`PIPELINE` or :data:`LAKE`.
    """
    return files("airflow_lake_provider.spec").joinpath("schemas", name).read_text(encoding="utf-8")


def _complete(required: Mapping[str, list[str]]) -> Schema:
    """Say what a table cannot do without; editors propose its keys from the table's own schema."""
    parts: Schema = {
        "ingest": {"required": required["IngestSpec"]},
        "write": {"required": required["WriteSpec"]},
        "columns": {"additionalProperties": {"required": required["ColumnSpec"]}},
    }
    return {
        "propertyNames": _NOT_APPENDED,
        "anyOf": [{"required": [source]} for source in SOURCES],
        "properties": {name: {"doNotSuggest": True, **part} for name, part in parts.items()},
    }


def _generate(model: type[BaseModel]) -> Schema:
    made = model.model_json_schema(ref_template=_REF, schema_generator=_Generator)
    made["definitions"] = made.pop("$defs", {})
    return made


def _finished(made: Schema, name: str) -> Schema:
    definitions = made.pop("definitions")
    root = _mapping(made, name, "#")
    models = {model: _mapping(definition, model, f"#/definitions/{model}") for model, definition in definitions.items()}
    _share(models)
    types: Schema = {}
    root, models = _named(root, types), _named(models, types)
    return {
        "$schema": _DRAFT,
        "$comment": "Generated from airflow_lake_provider.spec; `lake schema` prints it.",
        **root,
        "definitions": dict(sorted({**models, **types, "variable": _VARIABLE}.items())),
    }


def _share(models: Mapping[str, Schema]) -> None:
    """Let tables, layers and defaults point to the keys that they share, in place of three copies."""
    shared = models["DefaultKeys"]["properties"]
    for model in (models[name]["properties"] for name in ("LayerKeys", "TableSpec") if name in models):
        for word, value in model.items():
            if shared.get(word) == value:
                model[word] = {"$ref": f"#/definitions/DefaultKeys/properties/{word}"}


def _mapping(model: Schema, name: str, place: str) -> Schema:
    """Return a model's schema: variables in place of values, ``+key`` beside each key that takes a list."""
    made = {word: value for word, value in model.items() if word not in ("title", "description")}
    fixed = _NOT_VARIABLE.get(name, ())
    properties = {word: _value(value, may_vary=word not in fixed) for word, value in model["properties"].items()}
    made["properties"] = properties
    if isinstance(model.get("additionalProperties"), dict):
        made["additionalProperties"] = _value(model["additionalProperties"])
    if model.get("additionalProperties") is False:
        appended = {rf"^\+{word}$": {"$ref": f"{place}/properties/{word}"} for word in _lists(properties)}
        made["patternProperties"] = {r"\$\{": {}, **appended}
    return made


def _value(schema: Schema, *, may_vary: bool = True) -> Schema:
    """Return the schema of a value: its forms side by side, a variable among them where text would not do."""
    said = _said(schema)
    forms = list(_forms(schema))
    if may_vary and not any(map(_is_any_text, forms)):
        forms.insert(len(forms) - (forms[-1] == {"type": "null"}), {"$ref": _REF.format(model="variable")})
    if len(forms) == 1 and "title" not in forms[0]:
        return {**said, **forms[0]}
    return {**said, "anyOf": forms}


def _said(schema: Schema) -> Schema:
    """Return what is said of a value.

    Editors label an example by its text, which only a word has, and show it as the key's; all others become snippets.
    """
    said = {word: schema[word] for word in _SAID if word in schema and schema[word] not in (None, "")}
    if "description" in said:
        said["markdownDescription"] = said["description"]
    examples = said.pop("examples", [])
    plain = [example for example in examples if "description" in said and not isinstance(example, dict | list)]
    snippets = [{"label": flow(example), "body": example} for example in examples if example not in plain]
    if plain:
        said["examples"] = plain
    if snippets:
        said["defaultSnippets"] = snippets
        if "description" in said:
            said["markdownDescription"] += "".join(f"\n\nExample: `{snippet['label']}`" for snippet in snippets)
    return said


def flow(value: Any) -> str:
    """Return a value as YAML on one line.

    >>> flow({"strategy": "merge", "update_columns": ["status"]})
    '{strategy: merge, update_columns: [status]}'
    """
    if isinstance(value, str) and "\n" in value:
        return json.dumps(value, ensure_ascii=False)
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _forms(schema: Schema) -> Iterator[Schema]:
    """Yield the forms of a value that may be written in several ways."""
    if "anyOf" in schema and "title" not in schema:
        for form in schema["anyOf"]:
            yield from _forms(form)
        return
    form = {word: value for word, value in schema.items() if word not in _SAID}
    parts = {word: _value(form[word]) for word in ("items", "additionalProperties") if isinstance(form.get(word), dict)}
    if "properties" in form:
        parts["properties"] = {name: _value(value) for name, value in form["properties"].items()}
    yield {**form, **parts}


def _is_any_text(schema: Schema) -> bool:
    kinds = schema.get("type", ())
    free = "pattern" not in schema or schema["pattern"] == r"\S"
    return not schema or (
        free and "enum" not in schema and ("string" in ([kinds] if isinstance(kinds, str) else kinds))
    )


def _lists(properties: Schema) -> Iterator[str]:
    for name, schema in properties.items():
        if any(form.get("type") == "array" for form in schema.get("anyOf", [schema])):
            yield name


def _named(node: Any, types: Schema) -> Any:
    """Move each type that has a title to the definitions, under it; nothing but a title stands for the type."""
    if isinstance(node, list):
        return [_named(item, types) for item in node]
    if not isinstance(node, dict):
        return node
    made = {word: _named(value, types) for word, value in node.items()}
    title = made.get("title")
    if not isinstance(title, str):
        return made
    name = title.replace(" ", "-").replace(",", "").replace("`", "")
    if len(made) > 1:
        made.pop("title")  # hover would show it as a heading
        assert types.setdefault(name, made) == made, f"two types are called {title}"
    return {"$ref": _REF.format(model=name)}
