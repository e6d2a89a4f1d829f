"""Assets, which Airflow 2 calls datasets, and their events."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_lake_provider.compat.authoring import HAS_SDK, Asset, AssetAlias


def make_asset(*, name: str, uri: str) -> Asset:
    """Return the asset; Airflow 2's datasets have no name, there the URI alone says which it is."""
    try:
        return Asset(name=name, uri=uri)
    except TypeError:
        return Asset(uri=uri)


def start_date_by_assets() -> datetime | None:
    """Return the start date of a DAG that assets start: Airflow 2 wants one, and any past one does."""
    return None if HAS_SDK else datetime(1970, 1, 1, tzinfo=UTC)


def add_asset_event(context: Mapping[str, Any], alias: AssetAlias, asset: Asset, extra: dict[str, Any]) -> None:
    """Fill the alias with one event of the asset, for this task run."""
    _make_known(alias)
    context["outlet_events"][alias].add(asset, extra=extra)


def _make_known(alias: AssetAlias) -> None:
    """Put the alias into Airflow 2's database, where the event of one that the parse did not see is a crash.

    A mapped task learns its table when it runs, and ``dag.test()`` runs DAGs that nothing has parsed into the database.
    """
    if HAS_SDK:  # Airflow 3 does so by itself
        return
    from airflow.models.dataset import DatasetAliasModel  # type: ignore[import-not-found]
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import IntegrityError

    # Another task may put it there at the same moment.
    with contextlib.suppress(IntegrityError), create_session() as session:
        if session.scalar(select(DatasetAliasModel.id).where(DatasetAliasModel.name == alias.name)) is None:
            session.add(DatasetAliasModel(name=alias.name))
