"""From nodes to models: validate a mapping by a model and give every mistake its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import project as lake
from airflow_lake_provider.spec import table as words
from airflow_lake_provider.spec.diagnostic import Diagnostic, in_order, render_diagnostics
from airflow_lake_provider.spec.document import MAPPING, SCALAR, Node, compose
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, problems_of, show
from airflow_lake_provider.spec.source import Source, read_source

M = TypeVar("M", bound=BaseModel)

_MEANT = re.compile(r"did you mean `(\w+)`")
_VARIABLE = re.compile(r"(?<!\$)\$\{[^}]*\}?")


@dataclass(frozen=True)
class Place:
    """What a mapping of the language takes.

    :param later: keys that are not built yet, with what to do until then.
    :param what: how messages call the mapping.
    :param others: keys that it takes too, too many to list.
    """

    keys: tuple[str, ...]
    later: Mapping[str, str] = field(default_factory=dict)
    what: str = ""
    others: str = ""


def locate(problem: Problem, root: Node) -> Diagnostic:
    """Give a problem its place in the file."""
    node, key, reached = root, None, 0
    for part in problem.path:
        if isinstance(part, int) and node.kind == "list" and part < len(node.items):
            node, key = node.items[part], None
        elif isinstance(part, str) and part in node.entries:
            key, node = node.entries[part]
        else:
            break
        reached += 1
    start, end = _span(problem, node, key, whole=reached == len(problem.path))
    return node.source.diagnostic(
        start, end, code=problem.code, message=problem.message, hint=problem.hint, severity=problem.severity
    )


def locate_key(path: Path, keys: KeyPath, *, at_key: bool) -> Diagnostic:
    """Return the place of a key, or of its value, in a file that was read before; its start when that changed."""
    try:
        source = read_source(path)
        root, _ = compose(source)
    except (SpecError, OSError):
        source, root = Source(str(path), ""), None
    return locate(Problem(keys, "", "", at_key=at_key), root or Node(MAPPING, source, 0, 0))


def _span(problem: Problem, node: Node, key: Node | None, *, whole: bool) -> tuple[int, int]:
    target = key if problem.at_key and key is not None else node
    if problem.span is not None and target.kind == SCALAR:
        return target.span(*problem.span)
    if target.kind != SCALAR and key is not None:
        target = key
    return target.first_line()


def read_root(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """Compose a file whose root must be a mapping."""
    root, wrong = compose(source)
    if root is None and not wrong:
        wrong.append(source.diagnostic(0, 1, code="empty", message="the file is empty", hint="expected a mapping"))
    if root is not None and root.kind != MAPPING:
        hint = "expected a mapping: `key: value` lines"
        wrong.append(
            source.diagnostic(
                *root.first_line(), code="wrong-type", message=f"the file holds {show(root.plain())}", hint=hint
            )
        )
        root = None
    return root, wrong


def variable_problems(root: Node) -> Iterable[Problem]:
    """Yield each ``${...}``: they are the language's, and not built yet."""
    for path, node in root.walk():
        if node.kind == SCALAR and "${" in node.text:
            escaped = [match.start() for match in re.finditer(r"\$\$\{", node.text)]
            for problem in variables_in(node.text, path):
                first, last = problem.span or (0, 0)
                before = sum(1 for place in escaped if place < first)
                yield replace(problem, span=(first - before, last - before))


def variables_in(text: str, path: KeyPath) -> Iterable[Problem]:
    """Yield each ``${...}`` of a text."""
    for match in _VARIABLE.finditer(text):
        hint = "Write the value out; `$${` stands for `${` itself."
        message = f"variables such as {show(match[0])} are not supported yet"
        yield Problem(path, "not-supported-yet", message, hint, span=match.span())


def validate(
    model: type[M],
    plain: Mapping[str, Any],
    *,
    places: Mapping[tuple[str, ...], Place],
    what: str,
    spoilt: Iterable[str] = (),
) -> tuple[M | None, set[str], list[Problem]]:
    """Validate a mapping by a model; where parts are wrong, read the rest without them.

    :param places: the mappings of the language inside this one, by path (``*`` stands for any name).
    :param spoilt: keys that are not in ``plain`` because their YAML is wrong.
    :return: the model (``None`` when nothing can be made of it), the keys that were wrong, the problems.
    """
    problems: list[Problem] = []
    broken = set(spoilt)
    rest = dict(plain)
    for _ in range(3):
        try:
            return model.model_validate(rest), broken, problems
        except ValidationError as exc:
            found = _less_misspelt([_explain(problem, places, what) for problem in problems_of(exc, what=what)])
        problems.extend(found)
        if any(not problem.path for problem in found):
            break
        for problem in found:
            broken |= _drop(rest, problem)
    return None, broken, problems


def _less_misspelt(problems: list[Problem]) -> list[Problem]:
    """Leave out keys that are missing because they are misspelt: that is said once."""
    misspelt = {
        (problem.path[:-1], meant[1])
        for problem in problems
        if problem.code == "unknown-key" and (meant := _MEANT.search(problem.hint))
    }
    return [
        problem
        for problem in problems
        if problem.code != "missing-key" or (problem.path, problem.hint.split("`")[1]) not in misspelt
    ]


def _drop(rest: dict[str, Any], problem: Problem) -> set[str]:
    key = str(problem.path[0])
    if key == "columns" and len(problem.path) > 1 and isinstance(rest.get(key), dict):
        # One wrong column leaves the others to be looked at.
        rest[key] = {name: value for name, value in rest[key].items() if name != problem.path[1]}
        return {key}
    rest.pop(key, None)
    meant = _MEANT.search(problem.hint)
    return {key, meant[1]} if meant else {key}


def _explain(problem: Problem, places: Mapping[tuple[str, ...], Place], what: str) -> Problem:
    """Put a key that a mapping does not take into words: later, misspelt, or unknown."""
    if problem.code == "missing-key" or problem.code == "unknown-key":
        parent = problem.path[:-1] if problem.code == "unknown-key" else problem.path
        place = _place(parent, places)
        inside = place.what if place and place.what else what
        if problem.code == "missing-key":
            name = problem.hint.split("`")[1]
            return replace(problem, message=f"{inside} has no `{name}`")
        key = str(problem.path[-1])
        if place is None:
            return problem
        if key in place.later:
            advice = place.later[key]
            hint = f"Leave it out; until then {advice}." if advice else "Leave it out."
            return replace(problem, code="not-supported-yet", message=f"`{key}` is not supported yet", hint=hint)
        guess = did_you_mean(key, [*place.keys, *place.later, *words.TASK_ARGUMENTS * bool(place.others)])
        hint = expected_one_of("", place.keys) + (f", or {place.others}" if place.others else "")
        return replace(problem, message=f"unknown key `{key}` in {inside}", hint=f"{hint}\n{guess}".strip())
    return problem


def _place(path: KeyPath, places: Mapping[tuple[str, ...], Place]) -> Place | None:
    for pattern, place in places.items():
        if len(pattern) == len(path) and all(p in ("*", str(part)) for p, part in zip(pattern, path, strict=True)):
            return place
    return None


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return a model's keys, in their order."""
    return tuple(model.model_fields)


_TABLE_KEYS = (
    "ingest", "sql", "sql_file", "description", "tags", "columns", "unique_key", "partition_by", "write", "checks",
    "quarantine", "properties", "depends_on", "engine", "spark_conf",
)  # fmt: skip
_TASK_ARGUMENTS = "an argument of Airflow's tasks such as `retries` or `pool`"

TABLE_PLACES: dict[tuple[str, ...], Place] = {
    (): Place(_TABLE_KEYS, words.TABLE_LATER, others=_TASK_ARGUMENTS),
    ("ingest",): Place(keys_of(words.IngestSpec), dict.fromkeys(words.INGEST_LATER, ""), "`ingest`"),
    ("write",): Place(keys_of(words.WriteSpec), dict.fromkeys(words.WRITE_LATER, ""), "`write`"),
    ("quarantine",): Place(("table", "max"), {}, "`quarantine`"),
    ("columns", "*"): Place(keys_of(words.ColumnSpec), {}, "a column"),
}
DEFAULT_PLACES = {**TABLE_PLACES, (): Place(_TABLE_KEYS[3:], words.TABLE_LATER, "`defaults`", _TASK_ARGUMENTS)}


def read_lake_yaml(path: Path) -> lake.LakeKeys:
    """Read ``lake.yaml``.

    :raises SpecError: carries every mistake.
    """
    source = read_source(path)
    root, wrong = compose(source)
    if root is None and not wrong:
        return lake.LakeKeys()
    root, wrong = read_root(source)
    if root is None:
        raise as_error(wrong, source.name)
    places = {
        (): Place(keys_of(lake.LakeKeys), lake.LAKE_LATER),
        ("environments", "*"): Place(keys_of(lake.EnvironmentKeys), lake.ENVIRONMENT_LATER, "an environment"),
        ("environments", "*", "engines", "*"): Place(keys_of(lake.EngineKeys), {}, "an engine"),
        **{("defaults", *path): place for path, place in DEFAULT_PLACES.items()},
    }
    problems = list(variable_problems(root))
    keys, broken, found = validate(lake.LakeKeys, root.plain(), places=places, what="lake.yaml")
    problems.extend(found)
    if keys is not None:
        problems.extend(_lake_problems(keys, broken))
    wrong.extend(locate(problem, root) for problem in problems)
    if wrong or keys is None:
        raise as_error(wrong, source.name)
    return keys


def _lake_problems(keys: lake.LakeKeys, broken: set[str]) -> Iterable[Problem]:
    names = [*(keys.environments or {}), lake.LOCAL]
    chosen = keys.default_environment
    if chosen is not None and chosen not in names and "environments" not in broken:
        message = f"there is no environment `{chosen}`"
        yield Problem(
            ("default_environment",), "unknown-environment", message, expected_one_of(chosen, dict.fromkeys(names))
        )
    for name, environment in (keys.environments or {}).items():
        catalog = environment.catalog
        if catalog is not None and catalog.type == "hadoop" and catalog.warehouse is None:
            path = ("environments", name, "catalog")
            yield Problem(path, "missing-key", "a `hadoop` catalog has no `warehouse`", "Add `warehouse`.", at_key=True)


def as_error(diagnostics: Iterable[Diagnostic], main_file: str) -> SpecError:
    """Make the exception that carries all mistakes of a file."""
    ordered = in_order(diagnostics, main_file=main_file)
    return SpecError(render_diagnostics(ordered), diagnostics=ordered)
