"""The project's code behind a function as one file: what is in it, and that equal code gives equal bytes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import python_archive as archives
from airflow_lake_provider.spec.python_archive import PythonArchive, python_archive
from airflow_lake_provider.spec.python_source import read_python

BUILD = "def build(bronze__flights):\n    return bronze__flights\n"


def put(root: Path, **files: str) -> Path:
    """Write files; ``__`` in a name is a folder."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def package(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    return folder


def archive(root: Path, reference: str) -> PythonArchive:
    return python_archive(read_python(reference, folder=root / "specs", root=root))


def names(root: Path, reference: str) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive(root, reference).data)).namelist()


def test_a_single_file_travels_alone(tmp_path: Path) -> None:
    put(tmp_path, specs__flights=BUILD, specs__other=BUILD)
    assert names(tmp_path, "flights.py:build") == ["flights.py"]


def test_a_package_travels_whole_but_for_what_is_compiled_or_hidden(tmp_path: Path) -> None:
    shop = package(tmp_path, "specs/shop")
    put(tmp_path, specs__shop__flights=BUILD, specs__shop__other="", specs__shop__below__deep="")
    (shop / "rates.csv").write_text("a,b\n")
    for name in ("flights.pyc", "fast.so", ".secret"):
        (shop / name).write_text("no")
    for folder in ("__pycache__", ".git"):
        (shop / folder).mkdir()
        (shop / folder / "x.py").write_text("")
    assert names(tmp_path, "shop.flights:build") == [
        "shop/",
        "shop/__init__.py",
        "shop/below/",
        "shop/below/deep.py",
        "shop/flights.py",
        "shop/other.py",
        "shop/rates.csv",
    ]


def test_what_it_imports_travels_too_all_the_way_down(tmp_path: Path) -> None:
    package(tmp_path, "common")
    put(
        tmp_path,
        specs__flights="import os, pyspark, first\nfrom space import inner\n" + BUILD,
        specs__first="from common.second import x\n",
        specs__space__inner="from . import beside\n",
        specs__space__beside="",
        specs__space__unrelated="",
        common__second="import third.part\n",
        third__part="import flights\n",
        unrelated="",
    )
    assert names(tmp_path, "flights:build") == [
        "common/",
        "common/__init__.py",
        "common/second.py",
        "first.py",
        "flights.py",
        "space/",
        "space/beside.py",
        "space/inner.py",
        "third/",
        "third/part.py",
    ]


def test_the_folder_of_the_module_comes_before_the_project_as_on_pythons_path(tmp_path: Path) -> None:
    package(tmp_path, "common")
    package(tmp_path / "specs", "common")
    put(tmp_path, specs__flights="import common.rates\n" + BUILD, common__rates="ROOT = 1", specs__common__rates="")
    found = zipfile.ZipFile(io.BytesIO(archive(tmp_path, "flights:build").data))
    assert found.read("common/rates.py") == b""


def test_neither_this_package_nor_pythons_own_ever_travel(tmp_path: Path) -> None:
    package(tmp_path, "airflow_lake_provider")
    put(tmp_path, specs__flights="import airflow_lake_provider, json\n" + BUILD, json="")
    assert names(tmp_path, "flights:build") == ["flights.py"]


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shop = package(project / "specs", "shop")
    put(project, specs__shop__flights=BUILD)
    (tmp_path / "secret.txt").write_text("x")
    (shop / "secret.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(SpecError, match="secret.txt is a link out of the project"):
        archive(project, "shop.flights:build")


def test_a_module_behind_a_link_out_of_the_project_is_none(tmp_path: Path) -> None:
    project = put(tmp_path / "project", specs__flights="import outside\n" + BUILD)
    put(tmp_path, outside="SECRET = 1")
    (project / "outside.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(SpecError, match="outside.py is a link out of the project"):
        archive(project, "flights:build")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    shop = package(tmp_path, "specs/shop")
    put(tmp_path, specs__shop__flights=BUILD)
    (shop / "again").symlink_to(shop)
    assert "shop/flights.py" in names(tmp_path, "shop.flights:build")


def test_equal_code_gives_equal_bytes_elsewhere_and_later(tmp_path: Path) -> None:
    package(tmp_path / "a", "specs/shop")
    put(tmp_path / "a", specs__shop__flights=BUILD, specs__shop__x="")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*"):
        os.utime(path, (1, 1))
    code = (
        "import sys; from pathlib import Path; root = Path(sys.argv[1])\n"
        "from airflow_lake_provider.spec.python_archive import python_archive\n"
        "from airflow_lake_provider.spec.python_source import read_python\n"
        "print(python_archive(read_python('shop.flights:build', folder=root / 'specs', root=root)).sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == archive(tmp_path / "a", "shop.flights:build").sha256


def test_code_is_packed_once_until_it_changes(tmp_path: Path) -> None:
    package(tmp_path, "specs/shop")
    put(tmp_path, specs__shop__flights=BUILD, specs__shop__carriers=BUILD)
    first = archive(tmp_path, "shop.flights:build")
    assert archive(tmp_path, "shop.carriers:build") is first
    put(tmp_path, specs__shop__carriers=BUILD + "\n")
    assert archive(tmp_path, "shop.flights:build").sha256 != first.sha256


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MAX_FILES"])
def test_too_much_is_refused_with_the_way_out(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, limit, 3)
    package(tmp_path, "specs/shop")
    put(tmp_path, specs__shop__flights=BUILD, specs__shop__a="", specs__shop__b="")
    with pytest.raises(SpecError, match="Keep data out of the package"):
        archive(tmp_path, "shop.flights:build")


def test_a_file_of_the_package_that_is_no_python_travels_as_it_is(tmp_path: Path) -> None:
    package(tmp_path, "specs/shop")
    put(tmp_path, specs__shop__flights=BUILD, specs__shop__template="def {{ name }}(:\n")
    assert "shop/template.py" in names(tmp_path, "shop.flights:build")
