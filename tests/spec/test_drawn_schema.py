"""For random good specs: the JSON Schema refuses none of their files."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from drawn_specs import Drawn, projects
from hypothesis import HealthCheck, given, settings

from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.json_schema import LAKE, PIPELINE, committed_schema
from airflow_lake_provider.spec.source import Source


@cache
def validator(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(committed_schema(name)))


def plain_of(name: str, text: str) -> Any:
    root, wrong = compose(Source(name, text))
    assert root is not None
    assert wrong == []
    return root.plain()


@given(projects())
@settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_files_of_a_good_spec_fit(project: Drawn) -> None:
    for name, text in project.files.items():
        if not name.endswith(".yaml"):
            continue
        schema = validator(LAKE if name == "lake.yaml" else PIPELINE)
        found = schema.iter_errors(plain_of(name, text))
        assert [f"{name}: {error.json_path}: {error.message}" for error in found] == []
