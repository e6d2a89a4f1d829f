"""The code of Python transforms, put where the jobs find it."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import PythonStep, Store, TableRequest
from airflow_lake_provider.spec.python_archive import archive_of


def write_code(tables: Iterable[TableRequest], store: Store) -> None:
    """Write what these requests run below the job root, as far as it is not there yet.

    The name of a file is the hash of its content: whoever writes it at the same time writes the same.

    :raises EngineError: the code is neither there nor packed by this process.
    """
    steps = {step.code_uri: step for table in tables for step in table.steps if isinstance(step, PythonStep)}
    for uri, step in steps.items():
        folder, _, name = uri.rpartition("/")
        if name in store.documents(folder):
            continue
        archive = archive_of(step.code_sha256)
        if archive is None:
            raise EngineError(
                f"The code of {step.module}:{step.function} is not at {uri}, and this process has not packed it: make "
                "the request anew from its spec."
            )
        store.create(uri, archive.data)
