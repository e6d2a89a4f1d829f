"""Python transforms by their text: which file is meant, what the function asks for, and that nothing is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airflow_lake_provider.spec.python_module import PythonError
from airflow_lake_provider.spec.python_source import PythonFunction, read_python


def put(root: Path, place: str, text: str = "") -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


BUILD = "def build(bronze__flights):\n    return bronze__flights\n"


def read(reference: str, root: Path, folder: Path | None = None) -> PythonFunction:
    return read_python(reference, folder=folder or root / "specs", root=root)


def refused(reference: str, root: Path) -> PythonError:
    with pytest.raises(PythonError) as caught:
        read(reference, root)
    return caught.value


@pytest.mark.parametrize(
    ("reference", "place", "base", "module"),
    [
        ("flights:build", "specs/flights.py", "specs", "flights"),
        ("flights:build", "flights.py", ".", "flights"),
        ("shop.flights:build", "specs/shop/flights.py", "specs", "shop.flights"),
        ("flights.py:build", "specs/flights.py", "specs", "flights"),
        ("python/flights.py:build", "specs/python/flights.py", "specs/python", "flights"),
        ("python/flights.py:build", "python/flights.py", "python", "flights"),
        ("../python/flights.py:build", "python/flights.py", "python", "flights"),
    ],
)
def test_a_reference_is_looked_for_from_the_spec_then_from_the_project(
    reference: str, place: str, base: str, module: str, tmp_path: Path
) -> None:
    path = put(tmp_path, place, BUILD)
    (tmp_path / "specs").mkdir(exist_ok=True)
    found = read(reference, tmp_path)
    assert (found.module, found.function, found.file, found.base) == (module, "build", path, tmp_path / base)


def test_the_specs_folder_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "flights.py", "def build(bronze__of_the_root): ...\n")
    put(tmp_path, "specs/flights.py", BUILD)
    assert read("flights:build", tmp_path).tables == ("bronze.flights",)


def test_a_package_and_a_file_inside_of_one_are_imported_by_their_full_names(tmp_path: Path) -> None:
    put(tmp_path, "specs/shop/__init__.py", BUILD)
    put(tmp_path, "specs/shop/daily/__init__.py")
    put(tmp_path, "specs/shop/daily/flights.py", BUILD)
    assert read("shop:build", tmp_path).file == tmp_path / "specs/shop/__init__.py"
    found = read("shop/daily/flights.py:build", tmp_path)
    assert (found.module, found.base) == ("shop.daily.flights", tmp_path / "specs")


def test_parameters_are_tables_and_what_is_wanted(tmp_path: Path) -> None:
    text = "def build(\n    silver__a, context, limit=3, *, bronze__b__quarantine, spark=None, n__m=None): ...\n"
    path = put(tmp_path, "specs/f.py", text)
    found = read("f:build", tmp_path)
    assert [(p.name, p.table) for p in found.parameters] == [
        ("silver__a", "silver.a"),
        ("bronze__b__quarantine", "bronze.b__quarantine"),
        ("n__m", "n.m"),
    ]
    assert [path.read_text()[p.start : p.end] for p in found.parameters] == [p.name for p in found.parameters]
    assert found.wants == ("context", "spark")
    assert found.tables == ("bronze.b__quarantine", "n.m", "silver.a")


def test_places_count_characters_also_behind_others_than_ascii(tmp_path: Path) -> None:
    text = "# Zürich €\r\ndef build(größe='€', bronze__flüge=1, bronze__flights=None): ...\r\n"
    put(tmp_path, "specs/f.py", text).write_bytes(text.encode())
    (parameter,) = (p for p in read("f:build", tmp_path).parameters if p.name == "bronze__flights")
    assert text[parameter.start : parameter.end] == "bronze__flights"


@pytest.mark.parametrize(
    ("reference", "message", "wrong"),
    [
        ("flights", "names no function", "flights"),
        ("flights:", "is not a function's name", ""),
        ("flights:a-b", "is not a function's name", "a-b"),
        ("fli ghts:build", "neither a module nor a file", "fli ghts"),
        ("a..b:build", "neither a module nor a file", "a..b"),
        ("{{ ds }}.py:build", "neither a module nor a file", "{{ ds }}.py"),
        ("nowhere:build", "there is no module `nowhere`", "nowhere"),
        ("nowhere.py:build", "there is no file `nowhere.py`", "nowhere.py"),
        ("flights:buld", "has no function `buld`", "buld"),
        ("flights:Build", "is a class", "Build"),
        ("flights:slow", "is an async function", "slow"),
        ("flights:short", "is a lambda", "short"),
        ("flights:number", "is a value", "number"),
        ("flights:join", "is only imported", "join"),
        ("json:dumps", "is the name of Python's own module", "json"),
    ],
)
def test_a_wrong_reference_is_told_with_its_wrong_characters(
    reference: str, message: str, wrong: str, tmp_path: Path
) -> None:
    put(tmp_path, "specs/json.py", "def dumps(): ...\n")
    put(
        tmp_path,
        "specs/flights.py",
        BUILD + "class Build: ...\nasync def slow(): ...\nshort = lambda: 1\nnumber = 1\nfrom os.path import join\n",
    )
    error = refused(reference, tmp_path)
    assert message in error.message
    assert (reference[error.start : error.end], error.source) == (wrong, None)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("flihgts:build", "did you mean `flights`?"),
        ("shop.flihgts:build", "did you mean `shop.flights`?"),
        ("flihgts.py:build", "did you mean `flights.py`?"),
        ("shop/flihgts.py:build", "did you mean `shop/flights.py`?"),
        ("flights:buidl", "did you mean `build`?"),
        ("flights:join", "`os.path:join`"),
    ],
)
def test_what_is_near_is_named(reference: str, hint: str, tmp_path: Path) -> None:
    put(tmp_path, "specs/flights.py", BUILD + "from os.path import join\n")
    put(tmp_path, "specs/shop/flights.py", BUILD)
    assert hint in refused(reference, tmp_path).hint


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    assert "looked for in `specs`, then the project's root" in refused("nowhere:build", tmp_path).hint


@pytest.mark.parametrize("link", [False, True], ids=["by its path", "by a link"])
def test_a_file_outside_of_the_project_is_refused(link: bool, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    outside = put(tmp_path, "outside.py", BUILD)
    if link:
        (project / "specs" / "inside.py").symlink_to(outside)
    for reference in ("inside:build", "inside.py:build") if link else ("../../outside.py:build", f"{outside}:build"):
        assert "outside of the project" in refused(reference, project).message


def test_a_project_behind_a_link_is_inside_of_itself(tmp_path: Path) -> None:
    put(tmp_path, "real/specs/flights.py", BUILD)
    (tmp_path / "current").symlink_to(tmp_path / "real")
    assert read("flights.py:build", tmp_path / "current").module == "flights"


@pytest.mark.parametrize(
    ("parameters", "message", "wrong"),
    [
        ("*bronze__flights", "takes `*bronze__flights`", "bronze__flights"),
        ("bronze__a, **more", "takes `**more`", "more"),
        ("bronze__a, /", "`bronze__a` can only be given by position", "bronze__a"),
        ("bronze__a, flights", "`flights` is no table", "flights"),
        ("bronze__a, __x", "`__x` is no table", "__x"),
        ("bronze__a, *, df", "`df` is no table", "df"),
    ],
)
def test_a_wrong_parameter_is_told_in_the_python_file(
    parameters: str, message: str, wrong: str, tmp_path: Path
) -> None:
    path = put(tmp_path, "specs/f.py", f"X = 1\ndef build({parameters}): ...\n")
    error = refused("f:build", tmp_path)
    assert error.source is not None
    assert message in error.message
    assert error.source.text[error.start : error.end] == wrong
    assert error.told.startswith(f"{path}:2:{error.source.position(error.start)[1]}: ")


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [("def build(:\n", 1, ":"), ("x = 1\n    y = 2\n", 2, None), ("def f():\n  return 'a\n", 2, "'"), ("(", 1, "(")],
)
def test_a_syntax_error_is_told_in_the_python_file(text: str, line: int, wrong: str | None, tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", text)
    error = refused("f:build", tmp_path)
    assert error.source is not None
    assert error.message.startswith("this is not Python: ")
    assert error.source.position(error.start)[0] == line
    assert wrong is None or error.source.text[error.start : error.end] == wrong
    assert error.end > error.start


def test_a_syntax_error_in_what_the_module_imports_is_told_there(tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", "from helpers import x\n" + BUILD)
    path = put(tmp_path, "helpers.py", "def (\n")
    error = refused("f:build", tmp_path)
    assert error.source is not None
    assert error.source.name == str(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"x = '\xff'\n", "f.py:1:6: byte 0xff is not UTF-8"), (b"#" * 1_000_001, "bigger than 1,000,000 bytes")],
    ids=["Latin-1", "too big"],
)
def test_a_file_that_cannot_be_read_is_told_at_the_reference(data: bytes, message: str, tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py").write_bytes(data)
    error = refused("f:build", tmp_path)
    assert message in error.message
    assert (error.start, error.end) == (0, 1)


def test_the_last_definition_counts_also_below_an_if(tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", "try:\n    import x\nexcept ImportError:\n    def build(bronze__a): ...\n")
    assert read("f:build", tmp_path).tables == ("bronze.a",)
    put(tmp_path, "specs/f.py", BUILD + "def build(bronze__second): ...\n")
    assert read("f:build", tmp_path).tables == ("bronze.second",)


def test_a_module_is_read_and_never_imported(tmp_path: Path) -> None:
    effect = tmp_path / "effect"
    text = f"open({str(effect)!r}, 'w').write('ran')\nraise SystemExit\n"
    put(tmp_path, "specs/shop/__init__.py", text)
    put(tmp_path, "specs/shop/flights.py", text + BUILD)
    assert read("shop.flights:build", tmp_path).tables == ("bronze.flights",)
    assert not effect.exists()
    assert not {"shop", "shop.flights"} & set(sys.modules)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", BUILD)
    assert read("f:build", tmp_path) is not None
    put(tmp_path, "specs/f.py", BUILD.replace("flights", "carriers"))
    assert read("f:build", tmp_path).tables == ("bronze.carriers",)


@pytest.mark.parametrize(
    ("module", "helper", "deterministic"),
    [
        ("from pyspark.sql import functions as F\n", "", True),
        ("import random\n", "", False),
        ("from shop.helper import x\n", "import datetime\nNOW = datetime.datetime.now()\n", False),
        ("from . import helper\n", "import requests\n", False),
        ("from .helper import x\n", "def x(): return 1\n", True),
        ("", "import requests\n", True),
    ],
    ids=["pure", "chance", "the clock in a helper", "I/O in a sibling", "a pure helper", "a sibling nobody imports"],
)
def test_what_the_module_imports_decides_with_it(module: str, helper: str, deterministic: bool, tmp_path: Path) -> None:
    put(tmp_path, "specs/shop/__init__.py")
    put(tmp_path, "specs/shop/helper.py", helper)
    put(tmp_path, "specs/shop/flights.py", module + BUILD)
    assert read("shop.flights:build", tmp_path).deterministic is deterministic


def test_a_function_that_asks_for_spark_may_read_anything(tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", "def build(spark): ...\n")
    assert read("f:build", tmp_path).deterministic is False


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def build(context):\n    return context.data_interval_start\n", True),
        ("def build(context):\n    return getattr(context, 'data_interval_end')\n", True),
        ("def build(context):\n    return context.run_id\n", False),
        ("def build(bronze__a):\n    return bronze__a.data_interval_start\n", False),
    ],
)
def test_who_asks_the_context_for_the_interval_names_it(text: str, named: bool, tmp_path: Path) -> None:
    put(tmp_path, "specs/f.py", text)
    assert read("f:build", tmp_path).names_interval is named
