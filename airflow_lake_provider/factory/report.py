"""Wrong specs where nobody installed the file that raises them."""

from __future__ import annotations

import ast
from pathlib import Path

from airflow_lake_provider.compat import DAG
from airflow_lake_provider.spec.values import ERROR_DAG

_REPORTER = "raise_lake_dag_errors"


def error_dag(text: str) -> DAG:
    """Return a paused DAG without tasks whose documentation lists the mistakes."""
    return DAG(
        dag_id=ERROR_DAG,
        description="Lake specs that make no DAG because they are wrong",
        doc_md=f"### Wrong specs\n\nTheir DAGs are missing until they are mended.\n\n```text\n{text.strip()}\n```\n",
        schedule=None,
        catchup=False,
        is_paused_upon_creation=True,
        tags=["spec-error"],
    )


def has_reporter(loader: Path, specs: Path) -> bool:
    """Say whether a Python file in the loader's folder, the loader included, reports the mistakes of ``specs``."""
    return any(_reports(path, specs) for path in sorted(loader.resolve().parent.glob("*.py")))


def _reports(path: Path, specs: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text) if _REPORTER in text else None
    except (OSError, ValueError, SyntaxError):
        return False
    return tree is not None and any(
        _folder_of(node, path) in (specs, None)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name_of(node.func) == _REPORTER
    )


def _name_of(function: ast.expr) -> str | None:
    """Return the last name of what is called, as in ``lake.raise_lake_dag_errors``."""
    return getattr(function, "attr", None) or getattr(function, "id", None)


def _folder_of(call: ast.Call, path: Path) -> Path | None:
    """Return the folder that the call reads; ``None`` when only running the file could tell."""
    for keyword in call.keywords:
        if keyword.arg == "specs":
            if not isinstance(keyword.value, ast.Constant):
                return None
            return (path.parent / str(keyword.value.value or "")).resolve()
    return path.parent.resolve()
