"""How an operator's templated fields are rendered: the run's interval first, and the keys of mappings too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from airflow_lake_provider.compat import BaseOperator
from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.operators.failure import airflow_exception, no_interval
from airflow_lake_provider.operators.interval import fill_interval, has_interval
from airflow_lake_provider.plan import names_interval

if TYPE_CHECKING:
    import jinja2


class RenderedOperator(BaseOperator):
    """Renders its fields for a run; keeps the run's context for whoever ends the task."""

    source_fields: Sequence[str] = ()
    """The fields that say which rows are read: only there a template of the interval makes the rows the interval's."""

    _context: Any = None
    _names_interval: bool = False

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Settle the run's interval before any field is rendered: Airflow's hook for mapped tasks and plain ones."""
        if parent is self:
            self._context = context
            context.setdefault("dag_id", self.dag_id)
            fill_interval(context)
            self._check_interval(template_fields, context)
        try:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        except TemplateError as exc:
            raise airflow_exception(SpecError(f"{self.task_id}: a template cannot be rendered: {exc}")) from exc

    def render_template(
        self, content: Any, context: Any, jinja_env: jinja2.Environment | None = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render the keys of mappings too, which Airflow leaves alone: a check with settings is a key."""
        rendered = super().render_template(content, context, jinja_env, seen_oids)
        if not isinstance(rendered, dict):
            return rendered
        render = super().render_template
        return {
            render(key, context, jinja_env) if isinstance(key, str) and "{" in key else key: value
            for key, value in rendered.items()
        }

    def _check_interval(self, template_fields: Iterable[str], context: Any) -> None:
        named = [field for field in template_fields if names_interval(getattr(self, field))]
        self._names_interval = not set(named).isdisjoint(self.source_fields)
        if named and not has_interval(context):
            raise airflow_exception(no_interval(self.task_id, named, context["run_id"]))
