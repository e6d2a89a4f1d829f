from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import airflow_lake_provider


def exporting_modules() -> list[str]:
    """Return the packages that say what is theirs; jobs run in the data plane's environment and are left out."""
    names = ["airflow_lake_provider"]
    for module in pkgutil.iter_modules(airflow_lake_provider.__path__, "airflow_lake_provider."):
        if module.name.rpartition(".")[2] != "jobs" and hasattr(importlib.import_module(module.name), "__all__"):
            names.append(module.name)
    return names


@pytest.fixture(params=exporting_modules())
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def is_sorted(names: list[str]) -> bool:
    """Constants, classes, functions: the order that ruff gives an ``__all__``."""
    return names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_exported_names_are_sorted_and_unique(module: ModuleType) -> None:
    assert is_sorted(list(module.__all__)), list(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_exported_name_is_there(module: ModuleType) -> None:
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_every_exported_class_and_function_is_documented(module: ModuleType) -> None:
    exported = {name: getattr(module, name) for name in module.__all__}
    undocumented = [
        name
        for name, value in exported.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and not (value.__doc__ or "").strip()
    ]
    assert undocumented == []


def test_the_root_exports_the_operators_and_the_loader_pair() -> None:
    assert airflow_lake_provider.__all__ == [
        "IcebergMergeOperator",
        "LakeIngestOperator",
        "LakeQualityCheckOperator",
        "LakeTransformOperator",
        "load_lake_dags",
        "raise_lake_dag_errors",
    ]


def test_an_unknown_name_of_the_root_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="LakeIngestOperater"):
        getattr(airflow_lake_provider, "LakeIngestOperater")  # noqa: B009
