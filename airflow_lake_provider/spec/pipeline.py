"""What reading a whole spec gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.lake import Environment
from airflow_lake_provider.spec.node import Node
from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.project import Project
from airflow_lake_provider.spec.python_source import PythonFunction
from airflow_lake_provider.spec.table import TableSpec

__all__ = ["PipelineKeys", "PipelineSpec"]


@dataclass(frozen=True)
class PipelineSpec:
    """A spec that is right.

    :param environment: the one to use; its variables are in the tables' keys.
    :param node: the tree of the resolved spec: each value at the place that it came from.
    :param tables: each table's keys over those of its layer and all defaults, in the spec's order; ``sql_file`` is
        read into ``sql``, and ``write`` is what the layer does unless the table says otherwise.
    :param functions: the Python function of each table that has one.
    :param inputs: for each table all tables that it reads, sorted.
    :param upstream: for each table those of this spec that must be done first, sorted.
    :param warnings: what may be wrong.
    """

    path: Path
    project: Project
    environment: Environment
    node: Node
    keys: PipelineKeys
    tables: Mapping[str, TableSpec]
    functions: Mapping[str, PythonFunction] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    upstream: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def pipeline(self) -> str:
        """The pipeline's name, the DAG id."""
        return self.keys.pipeline
