from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from airflow_lake_provider.engines import job_library, job_library_sha256
from airflow_lake_provider.exceptions import EngineError


def test_library_is_named_by_its_content(tmp_path: Path) -> None:
    library = job_library(cache=tmp_path)
    assert hashlib.sha256(library.path.read_bytes()).hexdigest() == library.sha256 == job_library_sha256()
    assert library.sha256 in library.path.name


def test_library_holds_the_data_plane_and_nothing_of_the_control_plane(tmp_path: Path) -> None:
    names = zipfile.ZipFile(job_library(cache=tmp_path).path).namelist()
    assert {name.split("/")[1] for name in names} == {"__init__.py", "exceptions.py", "jobs", "protocol"}
    assert "airflow_lake_provider/protocol/request.py" in names
    assert names == sorted(names)
    assert not [name for name in names if "__pycache__" in name]


def test_same_sources_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = "from airflow_lake_provider.engines import job_library_sha256; print(job_library_sha256())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == job_library_sha256()


def test_library_is_written_once(tmp_path: Path) -> None:
    first = job_library(cache=tmp_path)
    os.utime(first.path, (1, 1))
    assert job_library(cache=tmp_path) == first
    assert first.path.stat().st_mtime == 1


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    threads = [threading.Thread(target=job_library, kwargs={"cache": tmp_path}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library = job_library(cache=tmp_path)
    assert [path.name for path in library.path.parent.iterdir()] == [library.path.name]
    assert zipfile.ZipFile(library.path).testzip() is None


def test_cache_that_cannot_be_written_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(EngineError, match="LAKE_CACHE"):
        job_library(cache=tmp_path / "cache")


def test_zip_on_the_path_is_importable_without_the_package(tmp_path: Path) -> None:
    library = job_library(cache=tmp_path)
    code = "import airflow_lake_provider.protocol as p; print(p.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(library.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(library.path))
