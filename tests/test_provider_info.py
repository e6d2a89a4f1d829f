from __future__ import annotations

import importlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from airflow_lake_provider.get_provider_info import get_provider_info


def dotted_names(info: dict[str, Any]) -> list[str]:
    modules = [name for group in info["operators"] for name in group["python-modules"]]
    return modules + info["extra-links"]


def test_provider_info_fits_the_schema_of_the_installed_airflow() -> None:
    schema = json.loads(resources.files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    assert set(get_provider_info()) - {"versions"} <= set(schema["properties"])


def test_the_entry_point_leads_here_under_the_name_that_airflow_expects() -> None:
    """Airflow refuses a provider whose ``package-name`` is not the name of its distribution."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    module, _, function = project["entry-points"]["apache_airflow_provider"]["provider_info"].partition(":")
    assert getattr(importlib.import_module(module), function) is get_provider_info
    assert get_provider_info()["package-name"] == project["name"]


@pytest.mark.parametrize("name", dotted_names(get_provider_info()))
def test_every_name_in_the_provider_info_can_be_imported(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), attribute), f"{module} has no {attribute}"


def test_every_operator_module_is_listed() -> None:
    import airflow_lake_provider.operators as operators

    exported = {getattr(operators, name).__module__ for name in operators.__all__}
    assert exported <= set(dotted_names(get_provider_info()))


def test_every_integration_that_is_referred_to_is_described() -> None:
    info = get_provider_info()
    described = {integration["integration-name"] for integration in info["integrations"]}
    assert {group["integration-name"] for group in info["operators"]} <= described
