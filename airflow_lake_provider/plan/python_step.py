"""A Python function as a step of a request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import PythonStep
from airflow_lake_provider.protocol.store import code_uri
from airflow_lake_provider.spec.python_archive import python_archive
from airflow_lake_provider.spec.python_module import PythonError
from airflow_lake_provider.spec.python_source import PythonFunction, read_python


def python_step(
    function: PythonFunction,
    *,
    job_root: str,
    inputs: Iterable[str] | None = None,
    deterministic: bool = True,
    names_interval: bool = False,
) -> PythonStep:
    """Return the step that calls a function; its code is packed here and written by whoever submits the job.

    :param job_root: the environment's; the code lies below it.
    :param inputs: all tables that the table is made from, by their declared names; by default the parameters' tables.
    :param deterministic: false where something beside the function makes rows differ from run to run.
    :param names_interval: the settings beside the function name the run's interval.
    :raises SpecError: the code cannot be packed.
    """
    archive = python_archive(function)
    named = {*function.tables} if inputs is None else {*inputs}
    declared = {name.lower(): name for name in named}
    return PythonStep(
        module=function.module,
        function=function.function,
        code_uri=code_uri(job_root, archive.sha256),
        code_sha256=archive.sha256,
        parameters={each.name: declared.get(each.table.lower(), each.table) for each in function.parameters},
        wants=function.wants,
        inputs=tuple(sorted(named)),
        deterministic=deterministic and function.deterministic,
        names_interval=names_interval or function.names_interval,
    )


def read_function(table: str, reference: str, *, folder: Path, root: Path) -> PythonFunction:
    """Read the function that a table's ``python`` names.

    :param folder: where it is looked for first; then in the project root.
    :raises SpecError: there is no such function, or it cannot be called with tables.
    """
    try:
        return read_python(reference, folder=folder, root=root)
    except PythonError as exc:
        raise SpecError(f"{table}: python: {exc.told}") from exc
