"""Python transforms by their text: which file a reference means, and what the function asks for.

The reference is ``package.module:function`` or ``folder/file.py:function``. The file is parsed, never imported: a
parse of specs runs nobody's code.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_lake_provider.spec.problem import did_you_mean
from airflow_lake_provider.spec.python_module import (
    OWN_PACKAGE,
    Module,
    ModuleFile,
    PythonError,
    find_module,
    is_inside,
    reached,
    read_module,
)
from airflow_lake_provider.spec.source import Source
from airflow_lake_provider.spec.values import IDENTIFIER

WANTED = ("context", "spark")
"""What a function gets by these names; every other parameter is a table."""

_MAX_CANDIDATES = 500


@dataclass(frozen=True)
class PythonParameter:
    """A parameter that is a table; characters ``start`` to before ``end`` of the file's text name it."""

    name: str
    table: str
    start: int
    end: int


@dataclass(frozen=True)
class PythonFunction:
    """A function as its source tells it.

    :param module: its dotted name below ``base``.
    :param file: the module's file.
    :param base: the folder that the module is imported from.
    :param root: the project root; nothing outside of it is ever read.
    :param parameters: the tables that it reads.
    :param wants: ``context`` and ``spark``, as far as it asks for them.
    :param deterministic: false where it asks for ``spark``, or where its module or one of the project's that this
        imports uses the clock, chance, or anything that no snapshot identifies.
    :param names_interval: it asks for ``context``, and these modules name the run's interval.
    :param source: the text of the file, for diagnostics.
    """

    module: str
    function: str
    file: Path
    base: Path
    root: Path
    parameters: tuple[PythonParameter, ...]
    wants: tuple[str, ...]
    deterministic: bool
    names_interval: bool
    source: Source = field(repr=False, compare=False)

    @property
    def reference(self) -> str:
        """How messages name it."""
        return f"{self.module}:{self.function}"

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it reads, sorted."""
        return tuple(sorted({parameter.table for parameter in self.parameters}))


def read_python(reference: str, *, folder: Path, root: Path) -> PythonFunction:
    """Find a function and read what it asks for.

    :param reference: ``package.module:function`` or ``folder/file.py:function``.
    :param folder: where it is looked for first (the spec's folder); then in the project root.
    :raises PythonError: with the place of what is wrong, in the reference or in the Python file.
    """
    place, name = _parts(reference)
    folders = tuple(dict.fromkeys(Path(os.path.abspath(path)) for path in (folder, root)))
    root = folders[-1]
    find = _find_file if _is_file(place) else _find_by_name
    found = find(place, folders, root)
    top = found.name.partition(".")[0]
    if top in sys.stdlib_module_names or top == OWN_PACKAGE:
        taken = "Python's own" if top != OWN_PACKAGE else "this provider's"
        raise PythonError(f"`{top}` is the name of {taken} module", "Give the file another name.", 0, len(place))
    try:
        module = read_module(found.path)
        modules = [read_module(path) for path in reached(found, (found.base, root))]
    except OSError as exc:
        raise PythonError(f"{found.path} cannot be read: {exc.strerror}", "", 0, len(place)) from exc
    except PythonError as exc:
        if exc.source is not None:
            raise
        raise PythonError(exc.message, exc.hint, 0, len(place)) from exc
    function = _function(module, name, found, start=len(place) + 1)
    parameters, wants = _parameters(module, function)
    return PythonFunction(
        module=found.name,
        function=name,
        file=found.path,
        base=found.base,
        root=root,
        parameters=parameters,
        wants=wants,
        deterministic="spark" not in wants and all(each.deterministic for each in modules),
        names_interval="context" in wants and any(each.names_interval for each in modules),
        source=module.source,
    )


def _parts(reference: str) -> tuple[str, str]:
    expected = "expected `package.module:function` or `file.py:function`"
    place, colon, name = reference.rpartition(":")
    if not colon:
        raise PythonError(f"`{reference}` names no function", expected, 0, len(reference))
    if not name.isidentifier():
        raise PythonError(f"`{name}` is not a function's name", expected, len(place) + 1, len(reference))
    if not _is_file(place) and not re.fullmatch(r"\w+(?:\.\w+)*", place):
        raise PythonError(f"`{place}` is neither a module nor a file", expected, 0, len(place))
    return place, name


def _is_file(place: str) -> bool:
    return place.endswith(".py") and re.search(r"[{}:\\]", place) is None


def _find_file(place: str, folders: Sequence[Path], root: Path) -> ModuleFile:
    for folder in folders:
        path = Path(os.path.normpath(folder / place))
        if not path.is_file():
            continue
        if not is_inside(path, root):
            hint = f"expected a file below {root}"
            raise PythonError(f"`{place}` lies outside of the project", hint, 0, len(place))
        found = ModuleFile(_base_of(path, root), path)
        wrong = next((part for part in found.name.split(".") if not part.isidentifier()), None)
        if wrong is not None:
            message = f"`{wrong}` cannot be imported"
            raise PythonError(message, "Name it by letters, digits and `_`, no digit first.", 0, len(place))
        return found
    near = [path for folder in folders for path in _files_near(folder, place)]
    raise _missing(f"there is no file `{place}`", place, near, folders)


def _base_of(path: Path, root: Path) -> Path:
    """Return the nearest folder above that is no package: what a file is imported from."""
    base = path.parent
    while base != root and (base / "__init__.py").is_file():
        base = base.parent
    return base


def _find_by_name(place: str, folders: Sequence[Path], root: Path) -> ModuleFile:
    found = next(filter(None, (find_module(place, (folder,)) for folder in folders)), None)
    if found is None:
        near = [name for folder in folders for name in _modules_below(folder)]
        raise _missing(f"there is no module `{place}`", place, near, folders)
    if not is_inside(found.path, root):
        raise PythonError(f"`{place}` lies outside of the project", f"expected it below {root}", 0, len(place))
    return found


def _missing(message: str, place: str, near: Sequence[str], folders: Sequence[Path]) -> PythonError:
    *before, root = folders
    below = [f"`{folder.relative_to(root)}`" if folder.is_relative_to(root) else str(folder) for folder in before]
    looked = ", then ".join((*below, "the project's root"))
    guess = did_you_mean(place, near)
    return PythonError(message, f"looked for in {looked}" + (f"; {guess}" if guess else ""), 0, len(place))


def _files_near(folder: Path, place: str) -> Iterator[str]:
    """Yield the files that may be meant: in the folder of ``place``, and those not far below."""
    parent = os.path.normpath(os.path.dirname(place))
    patterns = ["*.py", "*/*.py"]
    if not parent.startswith(("/", "..")):
        patterns.insert(0, f"{parent}/*.py")
    for pattern in patterns:
        for number, path in enumerate(folder.glob(pattern)):
            if number == _MAX_CANDIDATES:
                break
            yield path.relative_to(folder).as_posix()


def _modules_below(folder: Path) -> Iterator[str]:
    for pattern in ("*.py", "*/*.py", "*/*/*.py"):
        for number, path in enumerate(folder.glob(pattern)):
            if number == _MAX_CANDIDATES:
                break
            yield ModuleFile(folder, path).name


def _function(module: Module, name: str, found: ModuleFile, *, start: int) -> ast.FunctionDef:
    """Return the function's definition: the last of that name outside of any function or class."""
    definitions = {node_name: node for node in _definitions(module.tree.body) for node_name in _names(node)}
    node = definitions.get(name)
    span = (start, start + len(name))
    if isinstance(node, ast.FunctionDef):
        return node
    if node is None:
        functions = [key for key, value in definitions.items() if isinstance(value, ast.FunctionDef)]
        guess = did_you_mean(name, functions)
        listed = ", ".join(f"`{key}`" for key in functions[:10]) or "none"
        hint = f"its functions: {listed}" + (f"; {guess}" if guess else "")
        raise PythonError(f"`{found.path.name}` has no function `{name}`", hint, *span)
    if isinstance(node, ast.ImportFrom | ast.Import):
        hint = "Name the module that defines it."
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            hint = f"Name the module that defines it: `{node.module}:{name}`."
        raise PythonError(f"`{name}` is only imported by {found.path}", hint, *span)
    raise PythonError(f"`{name}` is {_kind(node)}", f"expected a function, by `def {name}(...)`", *span)


def _definitions(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those below ``if``, ``try`` and ``with`` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from _definitions(block)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _kind(node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef):
        return "a class"
    if isinstance(node, ast.AsyncFunctionDef):
        return "an async function"
    return "a lambda" if isinstance(getattr(node, "value", None), ast.Lambda) else "a value"


def _parameters(module: Module, function: ast.FunctionDef) -> tuple[tuple[PythonParameter, ...], tuple[str, ...]]:
    arguments = function.args
    for many, star in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if many is not None:
            hint = "expected each table as a parameter of its own, such as `bronze__flights`"
            raise _at(module, many, f"`{function.name}` takes `{star}{many.arg}`", hint)
    for argument in arguments.posonlyargs:
        hint = "Take out the `/`: parameters are given by name."
        raise _at(module, argument, f"`{argument.arg}` can only be given by position", hint)
    with_default = {argument.arg for argument in arguments.args[len(arguments.args) - len(arguments.defaults) :]}
    with_default |= {a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default}
    tables: list[PythonParameter] = []
    wants: list[str] = []
    for argument in (*arguments.args, *arguments.kwonlyargs):
        if argument.arg in WANTED:
            wants.append(argument.arg)
            continue
        layer, _, name = argument.arg.partition("__")
        if IDENTIFIER.fullmatch(layer) and IDENTIFIER.fullmatch(name):
            start, end = _span(module, argument)
            tables.append(PythonParameter(argument.arg, f"{layer}.{name}", start, end))
        elif argument.arg not in with_default:
            hint = "expected a table such as `bronze__flights`, `context`, `spark`, or a default"
            raise _at(module, argument, f"`{argument.arg}` is no table", hint)
    return tuple(tables), tuple(sorted(wants))


def _span(module: Module, argument: ast.arg) -> tuple[int, int]:
    start = module.offset(argument.lineno, argument.col_offset)
    return start, start + len(argument.arg)


def _at(module: Module, argument: ast.arg, message: str, hint: str) -> PythonError:
    return PythonError(message, hint, *_span(module, argument), module.source)
