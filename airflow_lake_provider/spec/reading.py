"""From nodes to models: validate a mapping by a model and give every mistake its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import table as words
from airflow_lake_provider.spec.diagnostic import MAX_MISTAKES, Diagnostic, in_order, render_diagnostics
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.misplaced import where_it_belongs
from airflow_lake_provider.spec.node import MAPPING, SCALAR, Node
from airflow_lake_provider.spec.problem import Path as KeyPath
from airflow_lake_provider.spec.problem import Problem, did_you_mean, expected_one_of, problems_of, show
from airflow_lake_provider.spec.source import Source, read_source
from airflow_lake_provider.spec.variables import BUILT_IN, origin

M = TypeVar("M", bound=BaseModel)

_MEANT = re.compile(r"did you mean `(\w+)`")


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
    node, key = root, None
    for part in problem.path:
        if isinstance(part, int) and node.kind == "list" and part < len(node.items):
            node, key = node.items[part], None
        elif isinstance(part, str) and part in node.entries:
            key, node = node.entries[part]
        else:
            break
    if key is not None and node.source is BUILT_IN:
        node = key  # nobody wrote it: what it is the default of is where to look
    target = _target(problem, node, key)
    start, end = target.span(*problem.span) if problem.span and target.kind == SCALAR else target.first_line()
    given = [*target.given, *node.given]
    if problem.span:  # of a longer text, only what stands at the place
        given = [each for each in given if each.word in target.source.text[start:end]]
    hint = "\n".join([*filter(None, [problem.hint]), *dict.fromkeys(map(origin, given))])
    message = problem.message
    if any(each.is_secret for each in target.given):
        written = show(target.text)
        message, hint = (said.replace(show(target.value), written) for said in (message, hint))
    return target.source.diagnostic(
        start, end, code=problem.code, message=message, hint=hint, severity=problem.severity
    )


def locate_key(path: Path, keys: KeyPath, *, at_key: bool) -> Diagnostic:
    """Return the place of a key, or of its value, in a file that was read before; its start when that changed."""
    try:
        source = read_source(path)
        root, _ = compose(source)
    except (SpecError, OSError):
        source, root = Source(str(path), ""), None
    return locate(Problem(keys, "", "", at_key=at_key), root or Node(MAPPING, source, 0, 0))


def _target(problem: Problem, node: Node, key: Node | None) -> Node:
    """Return what to point at: a structure is long, so its key stands for it."""
    if key is not None and (problem.at_key or node.kind != SCALAR):
        return key
    return node


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


def validate(
    model: type[M],
    plain: Mapping[str, Any],
    *,
    places: Mapping[tuple[str, ...], Place],
    what: str,
    node: Node | None = None,
) -> tuple[M | None, set[str], list[Problem]]:
    """Validate a mapping by a model; where parts are wrong, read the rest without them.

    :param places: the mappings of the language inside this one, by path (``*`` stands for any name).
    :param node: where ``plain`` comes from: what is spoilt there is not missing.
    :return: the model (``None`` when nothing can be made of it), the keys that were wrong, the problems.
    """
    problems: list[Problem] = []
    broken = node.spoilt_keys() if node is not None else set()
    rest = dict(plain)
    for _ in range(3):
        try:
            return model.model_validate(rest), broken, problems
        except ValidationError as exc:
            found = _less_misspelt(
                [
                    _explain(problem, places, what) if number <= MAX_MISTAKES else problem  # they are never shown
                    for number, problem in enumerate(problems_of(exc, what=what))
                ]
            )
        problems.extend(
            problem if node is None else _cut_by_a_comma(node, problem)
            for problem in found
            if node is None or not _is_spoilt(node, problem)
        )
        if any(not problem.path for problem in found):
            break
        for problem in found:
            broken |= _drop(rest, problem)
    return None, broken, problems


def _cut_by_a_comma(node: Node, problem: Problem) -> Problem:
    """Say of a key without a value, as in ``{sql: SELECT a, b FROM c}``, that it may be the end of another value."""
    inside = node.get(*(str(part) for part in problem.path[:-1])) if problem.code == "unknown-key" else None
    entry = inside.entries.get(str(problem.path[-1])) if inside is not None else None
    if entry is None or not entry[0].source.text[entry[0].end :].lstrip().startswith((",", "}")):
        return problem
    hint = "Between braces a comma ends a value: quote the one before, if this belongs to it."
    return replace(problem, hint=hint)


def _is_spoilt(node: Node, problem: Problem) -> bool:
    """Whether a key is only missing because its value cannot be told, which is said already."""
    if problem.code != "missing-key":
        return False
    inside = node.get(*(str(part) for part in problem.path))
    return inside is not None and problem.hint.split("`")[1] in inside.spoilt_keys()


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
        if key.startswith("+") and key[1:] in place.keys:
            hint = f"It appends to the list `{key[1:]}` of a file that `extends` names; there is none."
            return replace(problem, message=f"`{key}` has nothing to append to", hint=hint)
        known = expected_one_of("", place.keys) + (f", or {place.others}" if place.others else "")
        belongs = where_it_belongs(key)
        if belongs and f"`{key}s`" not in guess and f"`{key}`" != f"{guess[13:-2]}s`":
            guess = ""  # it is spelt as it should be
        return replace(problem, message=f"unknown key `{key}` in {inside}", hint=f"{belongs or known}\n{guess}".strip())
    return problem


def _place(path: KeyPath, places: Mapping[tuple[str, ...], Place]) -> Place | None:
    for pattern, place in places.items():
        if len(pattern) == len(path) and all(p in ("*", str(part)) for p, part in zip(pattern, path, strict=True)):
            return place
    return None


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return a model's keys, in their order."""
    return tuple(model.model_fields)


_TASK_ARGUMENTS = "an argument of Airflow's tasks such as `retries` or `pool`"
_DEFAULT_KEYS = tuple(key for key in keys_of(words.DefaultKeys) if key not in words.TASK_ARGUMENTS)

TABLE_PLACES: dict[tuple[str, ...], Place] = {
    (): Place((*words.SOURCES, *_DEFAULT_KEYS), words.TABLE_LATER, others=_TASK_ARGUMENTS),
    ("ingest",): Place(keys_of(words.IngestSpec), what="`ingest`"),
    ("write",): Place(keys_of(words.WriteSpec), dict.fromkeys(words.WRITE_LATER, ""), "`write`"),
    ("quarantine",): Place(("table", "max"), {}, "`quarantine`"),
    ("columns", "*"): Place(keys_of(words.ColumnSpec), {}, "a column"),
}
DEFAULT_PLACES = {**TABLE_PLACES, (): Place(_DEFAULT_KEYS, words.TABLE_LATER, "`defaults`", _TASK_ARGUMENTS)}
LAYER_PLACES = {**TABLE_PLACES, (): Place(("like", *_DEFAULT_KEYS), words.TABLE_LATER, "a layer", _TASK_ARGUMENTS)}


def as_error(diagnostics: Iterable[Diagnostic], main_file: str) -> SpecError:
    """Make the exception that carries all mistakes of a file."""
    ordered = in_order(diagnostics, main_file=main_file)
    if len(ordered) > MAX_MISTAKES:
        last, more = ordered[MAX_MISTAKES], len(ordered) - MAX_MISTAKES
        told = replace(
            last, code="too-many", message=f"from here on there are {more:,} more", hint="", end_line=last.line
        )
        ordered = (*ordered[:MAX_MISTAKES], told)
    return SpecError(render_diagnostics(ordered), diagnostics=ordered)
