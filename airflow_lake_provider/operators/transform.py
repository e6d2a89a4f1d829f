"""A query into a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.operators.failure import airflow_exception, no_interval
from airflow_lake_provider.operators.interval import has_interval
from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.plan import names_interval
from airflow_lake_provider.spec import Project

_FILE = re.compile(r"[^\s]+\.sql")


class LakeTransformOperator(LakeTableOperator):
    """Runs one SELECT, or one Python function, and publishes its rows.

    .. code-block:: python

        LakeTransformOperator(
            task_id="silver__orders",
            table="silver.orders",
            sql="SELECT * FROM bronze.orders",
            unique_key="order_id",
            checks=["row_count > 0"],
        )

    Give one of ``sql``, ``sql_file`` and ``python``.

    :param table: ``layer.name``; further arguments in :class:`LakeTableOperator` and :class:`LakeOperator`.
    :param sql: one SELECT in Spark's dialect; tables are ``layer.name``.
    :param sql_file: a file that holds it; a relative one is looked for in the DAG file's folder (``project_dir`` where
        given), then in the project root. Its text is a template too.
    :param python: a function that returns a DataFrame, ``package.module:function`` or ``file.py:function``; looked for
        as ``sql_file`` is. Its parameters are the tables that it reads: ``bronze__orders`` is ``bronze.orders``.
    """

    template_fields: Sequence[str] = (*LakeTableOperator.template_fields, "sql", "sql_file", "python")
    template_fields_renderers = {"sql": "sql"}
    source_fields = ("sql",)

    def __init__(
        self,
        *,
        table: str,
        sql: str | None = None,
        sql_file: str | None = None,
        python: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, **kwargs)
        self.sql = sql
        self.sql_file = sql_file
        self.python = python

    def source_settings(self, project: Project, context: Any) -> Mapping[str, Any]:
        """Return the keys ``sql`` and ``python``; the text of a ``sql_file`` is the ``sql``."""
        if isinstance(self.sql, str) and _FILE.fullmatch(self.sql.strip()):
            raise SpecError(f"{self.task_id}: sql is the name of a file; give it as sql_file={self.sql.strip()!r}.")
        if self.sql_file is None:
            return {"sql": self.sql, "python": self.python}
        if self.sql is not None:
            raise SpecError(f"{self.task_id}: sql and sql_file are both given; expected one of them.")
        return {"sql": self._read(self.sql_file, project, context), "python": self.python}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Refuse a function before Airflow calls it, as it does with those in templated fields."""
        if parent is self and callable(self.python):
            raise airflow_exception(
                SpecError(
                    f"{self.task_id}: python is a function; expected its place, such as 'transforms.py:"
                    f"{getattr(self.python, '__name__', 'function')}', for Spark's Python imports it, not Airflow's."
                )
            )
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)

    def _read(self, name: str, project: Project, context: Any) -> str:
        path = _find(name, (self.base_dir, project.root), task_id=self.task_id)
        if not path.resolve().is_relative_to(project.root.resolve()):
            raise SpecError(
                f"{self.task_id}: sql_file {name!r} lies outside of the project {project.root}; move it there."
            )
        text = path.read_text(encoding="utf-8")
        if names_interval(text) and not has_interval(context):
            raise no_interval(self.task_id, [f"sql_file {name}"], context["run_id"])
        self._names_interval = self._names_interval or names_interval(text)
        self.sql = str(self.render_template(text, context))
        self.overwrite_rtif_after_execution = True  # the page of rendered fields shows the query, not its file's name
        return self.sql


def _find(name: str, folders: Sequence[Path], *, task_id: str) -> Path:
    for folder in folders:
        path = folder / name
        if path.is_file():
            return path
    looked = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    raise SpecError(f"{task_id}: there is no sql_file {name!r}; looked for it in {looked}.")
