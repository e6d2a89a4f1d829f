"""An Airflow of the tests' own, and the data plane's Python. Both environments load this file: no heavy import."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stack import MetadataServer

# Airflow reads its configuration when it is imported, which test modules do at collection.
_HOME = Path(tempfile.mkdtemp(prefix="lake-tests-airflow-"))


def _airflow_variables(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }


os.environ.update(_airflow_variables(_HOME))
os.environ.pop("LAKE_ENV", None)
(_HOME / "dags").mkdir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a whole Airflow: a part of the suite of its own."""
    for item in items:
        if not {"metadata_server", "demo"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_database() -> Path:
    """Return an empty metadata database of this Airflow version, to be copied; it is made once."""
    import airflow_environments as environments

    return environments.migrated_database(environments.airflow_environment(environments.OWN_VERSION))


@pytest.fixture(scope="session")
def airflow_db(migrated_database: Path) -> Path:
    """Give this process's Airflow its metadata database; return AIRFLOW_HOME."""
    shutil.copy(migrated_database, _HOME / "airflow.db")
    return _HOME


@pytest.fixture
def dags_folder() -> Iterator[Path]:
    """Return this process's DAGs folder, empty."""
    folder = _HOME / "dags"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def load_dags(airflow_db: Path, dags_folder: Path) -> Callable[[], dict[str, Any]]:
    """Return what parses the DAGs folder and gives its DAGs, ready for ``dag.test()``."""
    from airflow.dag_processing.dagbag import DagBag

    def load() -> dict[str, Any]:
        bag = DagBag(dag_folder=str(dags_folder))
        assert bag.import_errors == {}
        return dict(bag.dags)

    return load


@pytest.fixture
def airflow_home(migrated_database: Path, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return what makes an Airflow for subprocesses: its environment variables, over this process's own."""

    def make(**variables: str) -> dict[str, str]:
        home = tmp_path / "airflow"
        (home / "dags").mkdir(parents=True)
        shutil.copy(migrated_database, home / "airflow.db")
        return {**os.environ, **_airflow_variables(home), **variables}

    return make


@pytest.fixture(scope="session")
def spark_python() -> str:
    """Return the data plane's Python, or fail: only ``LAKE_ALLOW_NO_SPARK`` lets such tests be skipped."""
    from airflow_lake_provider.engines.data_plane import find_data_plane
    from airflow_lake_provider.exceptions import EngineNotInstalled

    try:
        return str(find_data_plane().python)
    except EngineNotInstalled as exc:
        if os.environ.get("LAKE_ALLOW_NO_SPARK"):
            pytest.skip(str(exc))
        pytest.fail(str(exc))


@pytest.fixture(scope="session")
def metadata_server() -> Iterator[MetadataServer]:
    """Return what makes metadata databases for ``stack.airflow_stack``."""
    from stack import metadata_server

    with metadata_server() as server:
        yield server


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the finished demo of ``finished_demo``; its three days take minutes, once."""
    from finished_demo import run_demo

    return run_demo(tmp_path_factory.mktemp("checkout"))
