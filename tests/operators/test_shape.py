"""The shape that Airflow wants of an operator, and the names that users were promised."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import pytest

from airflow_lake_provider.operators import (
    IcebergMergeOperator,
    LakeIngestOperator,
    LakeQualityCheckOperator,
    LakeTransformOperator,
)
from airflow_lake_provider.operators.base import LakeOperator
from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.spec import TASK_ARGUMENTS, TableSpec
from airflow_lake_provider.spec.table import IngestSpec

OPERATORS = [LakeIngestOperator, LakeTransformOperator, IcebergMergeOperator, LakeQualityCheckOperator]
CLASSES = [*OPERATORS, LakeTableOperator, LakeOperator]
NOT_IN_THE_JOB = {"project_dir", "deferrable", "poll_interval"}
"""Arguments that say how the task runs; they reach no request."""

operators = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
classes = pytest.mark.parametrize("operator", CLASSES, ids=lambda operator: operator.__name__)


def arguments(operator: Any) -> dict[str, inspect.Parameter]:
    """Return the arguments of ours that an operator takes, over its bases."""
    found: dict[str, inspect.Parameter] = {}
    for cls in operator.__mro__:
        if "airflow_lake_provider" in cls.__module__ and "__init__" in vars(cls):
            found.update(inspect.signature(inspect.unwrap(vars(cls)["__init__"])).parameters)
    return {name: parameter for name, parameter in found.items() if name not in ("self", "kwargs")}


@operators
def test_all_arguments_are_keyword_only(operator: Any) -> None:
    kinds = {parameter.kind for parameter in arguments(operator).values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


@classes
def test_init_only_assigns(operator: Any) -> None:
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(vars(operator)["__init__"])))
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    call, *assignments = function.body
    assert isinstance(call, ast.Expr), ast.unparse(call)
    assert ast.unparse(call).startswith("super().__init__(")
    for statement in assignments:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        if ast.unparse(statement) == "self.outlets = [*self.outlets, *_known_aliases(table)]":
            continue
        assert ast.unparse(statement) == f"self.{ast.unparse(statement.value)} = {ast.unparse(statement.value)}"


@operators
def test_every_argument_that_reaches_the_job_is_a_template_field(operator: Any) -> None:
    assert set(operator.template_fields) == set(arguments(operator)) - NOT_IN_THE_JOB
    assert len(operator.template_fields) == len(set(operator.template_fields))


@operators
def test_every_argument_is_documented(operator: Any) -> None:
    documented = "".join(inspect.getdoc(cls) or "" for cls in operator.__mro__ if "lake" in cls.__module__)
    missing = [name for name in arguments(operator) if f":param {name}:" not in documented]
    assert missing == []


@operators
def test_the_arguments_of_every_operator_are_on_each(operator: Any) -> None:
    promised = {"table", "environment", "engine", "resource_profile", "spark_conf", "engine_options", "project_dir"}
    assert promised | {"deferrable"} <= set(arguments(operator))


def test_each_key_of_a_table_is_an_argument_of_the_same_name() -> None:
    """``tags`` and Airflow's own arguments belong to the task; the rest must reach the operators."""
    keys = set(TableSpec.model_fields) - {"tags", "ingest"} - set(TASK_ARGUMENTS)
    ingest = set(IngestSpec.model_fields)
    assert keys - {"sql", "sql_file", "python"} | ingest <= set(arguments(LakeIngestOperator))
    assert keys <= set(arguments(LakeTransformOperator))


@operators
def test_the_example_in_the_docstring_runs_as_it_stands(operator: Any) -> None:
    block = (inspect.getdoc(operator) or "").split(".. code-block:: python\n\n")[1]
    example = textwrap.dedent("\n".join(line for line in block.split("\n\n:param")[0].splitlines()))
    names = {cls.__name__: cls for cls in OPERATORS}
    task = eval(example.split("\n\n")[0], names)
    assert isinstance(task, operator)
