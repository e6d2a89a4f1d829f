from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.runs import prepare_lake_home
from airflow_lake_provider.spec import Environment


def test_folder_carries_its_own_ignore_files(environment: Environment) -> None:
    prepare_lake_home(environment)
    assert (environment.lake_home / ".gitignore").read_text() == "*\n"
    pattern = (environment.lake_home / ".airflowignore").read_text().strip()
    assert re.match(pattern, "catalog.db")
    prepare_lake_home(environment)


def test_environment_that_keeps_nothing_there_makes_no_folder(environment: Environment) -> None:
    elsewhere = replace(environment, catalog=Catalog("lake", "glue", "s3://lake/warehouse"), job_root="s3://lake/jobs")
    prepare_lake_home(elsewhere)
    assert not environment.lake_home.exists()


def test_checkout_of_a_bundle_version_is_refused(environment: Environment, tmp_path: Path) -> None:
    home = tmp_path / "dag_bundles" / "main" / "versions" / "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567" / ".lake"
    with pytest.raises(SpecError, match="Set LAKE_HOME to a folder that stays"):
        prepare_lake_home(replace(environment, lake_home=home, job_root=f"{home}/jobs"))
    assert not home.exists()


def test_folder_in_a_container_of_mwaa_is_refused(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", "Amazon_MWAA_331")
    with pytest.raises(SpecError, match=r"no other worker sees it.*Name a catalog and a job_root in S3"):
        prepare_lake_home(environment)
    assert not environment.lake_home.exists()

    monkeypatch.setenv("LAKE_LOCAL_ON_MWAA", "true")
    prepare_lake_home(environment)
    assert environment.lake_home.exists()


def test_folder_whose_name_ends_early_for_a_database_is_refused(environment: Environment, tmp_path: Path) -> None:
    home = tmp_path / "why?" / ".lake"
    with pytest.raises(SpecError, match=r"has a '\?' in its path"):
        prepare_lake_home(replace(environment, lake_home=home, job_root=f"{home}/jobs"))
    assert not home.exists()


def test_folder_that_cannot_be_written_is_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / ".lake"
    with pytest.raises(SpecError, match=r"cannot be written: Not a directory\. LAKE_HOME names another one"):
        prepare_lake_home(replace(environment, lake_home=home, job_root=f"{home}/jobs"))
