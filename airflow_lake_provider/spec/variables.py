"""``${name}``: declared variables and declared environment variables, put into texts where they stand.

Nothing is evaluated: a name is looked up, and what it stands for is never looked at for further names. A scalar that is
one ``${name}`` takes the variable's type; inside a longer text it becomes text. ``$${`` stands for ``${`` itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import typed
from airflow_lake_provider.spec.node import LIST, MAPPING, SCALAR, Given, Node, Piece
from airflow_lake_provider.spec.problem import did_you_mean, show
from airflow_lake_provider.spec.secrets import is_secret_variable
from airflow_lake_provider.spec.source import Source
from airflow_lake_provider.spec.values import IDENTIFIER

MAX_TEXT = 2_000_000
"""How much text variables may make of one file, all uses together."""

MAX_VALUES = 100_000
"""How many values of lists and mappings they may make of it."""

_WORD = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)(?P<closed>\})?")
_INSIDE = re.compile(r"\s*(?P<name>(?:env\.)?[A-Za-z_][A-Za-z0-9_]*)\s*(?P<default>:-.*)?", re.DOTALL)
_UNKNOWN = "{{ _ }}"
"""Stands for a value that is not there: a template counts as a literal where SQL is looked at all the same."""
_KINDS = (
    (bool, "`true` or `false`"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)


@dataclass(frozen=True)
class Scope:
    """What ``${}`` may name.

    :param variables: the value of each variable; a null one is declared and has none.
    :param env: the environment variables that may be read.
    :param is_open: what has no value here may have one elsewhere: its use is spoilt, and nothing is said.
    :param is_guess: nor is it known what is declared.
    :param spent: how much variables have made of the file so far.
    """

    variables: Mapping[str, Node] = field(default_factory=dict)
    env: frozenset[str] = frozenset()
    is_open: bool = False
    is_guess: bool = False
    spent: dict[str, int] = field(default_factory=lambda: {"characters": 0, "values": 0}, compare=False, repr=False)


def declared(
    own: Node | None, environment: Node | None, *, env: frozenset[str], is_open: bool = False
) -> tuple[Scope, list[Diagnostic]]:
    """Return the scope of a file: a spec's ``variables``, with the values that the environment gives them.

    A value that ``--set`` put there wins over the environment's. Values may name environment variables only.

    :param own: the ``variables`` of the spec, if any; ``environment`` those of its environment.
    """
    wrong: list[Diagnostic] = []
    bare = Scope(env=env, is_open=is_open)
    found: dict[str, Node] = {}
    defaults = _values(own, bare, wrong)
    given = _values(environment, bare, wrong)
    for name, node in defaults.items():
        value = given.pop(name, None)
        if value is None or value.is_spoilt or node.source.name == "--set":
            found[name] = node
            continue
        if not node.is_spoilt and (expected := _other_kind(node.plain(), value.plain())):
            line, _ = node.source.position(node.start)
            hint = f"expected {expected}, as its default in {node.source.name}:{line}"
            message = f"the variable `{name}` is {show(value.plain())}"
            wrong.append(value.source.diagnostic(*value.first_line(), code="variable", message=message, hint=hint))
            found[name] = replace(value, is_spoilt=True)
            continue
        found[name] = value
    return Scope({**found, **given}, env, is_open), wrong


def _values(mapping: Node | None, scope: Scope, wrong: list[Diagnostic]) -> dict[str, Node]:
    if mapping is None or mapping.is_spoilt or mapping.plain() is None:
        return {}
    if mapping.kind != MAPPING:  # which is said where the keys are read
        return {}
    found: dict[str, Node] = {}
    for name, (key, value) in mapping.entries.items():
        if not IDENTIFIER.fullmatch(name) or name == "env":
            message = f"{show(name)} is not a variable's name"
            hint = "expected letters, digits and `_`, no digit first; `env` is the environment variables'"
            wrong.append(key.source.diagnostic(key.start, key.end, code="identifier", message=message, hint=hint))
            continue
        found[name], problems = put_in(value, scope, what="expected an environment variable: `${env.NAME}`")
        wrong.extend(problems)
    return found


def _other_kind(default: Any, value: Any) -> str | None:
    """Return what was expected where a value is of another kind than its variable's default."""
    if default is None or value is None:
        return None
    kind, word = next(pair for pair in _KINDS if isinstance(default, pair[0]))
    fits = isinstance(value, kind) and isinstance(value, bool) == isinstance(default, bool)
    is_whole = kind is float and isinstance(value, int) and not isinstance(value, bool)
    return None if fits or is_whole else word


def put_in(node: Node, scope: Scope, *, what: str = "") -> tuple[Node, list[Diagnostic]]:
    """Return a tree with all variables put in, and what is wrong with them.

    What cannot be resolved is spoilt: a mapping's entry and a list's item are then left out of the plain value.

    :param what: what to say beside a name that is not declared.
    """
    substitution = _Substitution(scope, what)
    return substitution.node(node), substitution.wrong


class _Substitution:
    def __init__(self, scope: Scope, what: str) -> None:
        self.scope = scope
        self.what = what
        self.wrong: list[Diagnostic] = []

    def node(self, node: Node) -> Node:
        if node.kind == LIST:
            items = [self.node(item) for item in node.items]
            if all(map(_is, items, node.items)):
                return node
            return replace(node, items=items, is_spoilt=any(item.is_spoilt for item in items))
        if node.kind == MAPPING:
            return self.mapping(node)
        # What has pieces had its variables put in before: what they stand for is never looked at.
        if isinstance(node.value, str) and "${" in node.value and not node.pieces:
            return self.scalar(node)
        return node

    def mapping(self, node: Node) -> Node:
        entries: dict[str, tuple[Node, Node]] = {}
        for name, (key, value) in node.entries.items():
            new = self.scalar(key) if "${" in name else key
            text = str(new.value) if new is not key else name
            if text in entries:
                self.fault(key, 0, len(name), f"the key {show(text)} stands twice in the same mapping", "")
                continue
            made = self.node(value)
            entries[text] = (new, made)
        same = list(entries) == list(node.entries) and all(
            _is(made[1], node.entries[name][1]) for name, made in entries.items()
        )
        is_spoilt = node.is_spoilt or any(key.is_spoilt for key, _ in entries.values())
        return node if same else replace(node, entries=entries, is_spoilt=is_spoilt)

    def scalar(self, node: Node) -> Node:
        text = node.value if isinstance(node.value, str) else node.text
        words = list(_WORD.finditer(text))
        if len(words) == 1 and words[0].span() == (0, len(text)) and words[0]["inside"] is not None:
            return self.whole(node, words[0])
        parts: list[str] = []
        pieces: list[Piece] = []
        given: list[Given] = []
        at = length = 0
        is_spoilt = False
        for word in words:
            parts.append(text[at : word.start()])
            length += word.start() - at
            at = word.end()
            if word["inside"] is None:
                pieces.append(Piece(length, length, word.start(), word.start() + 1))
                parts.append("${")
                length += 2
                continue
            found = self.value(node, word, plain=False)
            if found is not None and found.kind != SCALAR:
                hint = "A list or mapping is put in where `${}` is the whole value."
                self.fault(node, *word.span(), f"{show(word[0])} is {show(found.plain())} inside of a text", hint)
                found = None
            is_spoilt = is_spoilt or found is None
            put = _as_text(found.value) if found is not None else _UNKNOWN
            if self.is_too_much(node, word, characters=len(put)):
                return replace(node, is_spoilt=True)
            pieces.append(Piece(length, length + len(put), word.start(), word.end()))
            given.extend(found.given if found is not None else ())
            parts.append(put)
            length += len(put)
        parts.append(text[at:])
        value = "".join(parts)
        return replace(
            node, value=value, is_spoilt=is_spoilt or node.is_spoilt, pieces=tuple(pieces), given=tuple(given)
        )

    def whole(self, node: Node, word: re.Match[str]) -> Node:
        """A scalar that is one variable takes its type; a list or mapping stays where it is declared."""
        found = self.value(node, word, plain=node.style is None)
        if found is None:
            return replace(node, is_spoilt=True)
        if found.kind != SCALAR:
            is_known = self.scope.spent["values"] > MAX_VALUES
            is_too_much = is_known or self.is_too_much(node, word, values=sum(1 for _ in found.walk()))
            return replace(node, is_spoilt=True) if is_too_much else found
        size = len(found.value) if isinstance(found.value, str) else 1
        if self.is_too_much(node, word, characters=size):
            return replace(node, is_spoilt=True)
        return replace(node, value=found.value, given=found.given, pieces=(Piece(0, size, 0, len(word[0])),))

    def is_too_much(self, node: Node, word: re.Match[str], *, characters: int = 0, values: int = 0) -> bool:
        """Count what variables have made of the file, and say when it becomes too much: once."""
        spent = self.scope.spent
        was = spent["characters"] > MAX_TEXT or spent["values"] > MAX_VALUES
        spent["characters"] += characters
        spent["values"] += values
        is_now = spent["characters"] > MAX_TEXT or spent["values"] > MAX_VALUES
        if is_now and not was:
            message = f"variables make more than {MAX_TEXT:,} characters or {MAX_VALUES:,} values of this file"
            self.fault(node, *word.span(), message, "Use shorter values.", code="too-big")
        return is_now

    def value(self, node: Node, word: re.Match[str], *, plain: bool) -> Node | None:
        """Look a ``${...}`` up; ``None`` where it has no value, which is said."""
        inside = _INSIDE.fullmatch(word["inside"])
        if word["closed"] is None or inside is None:
            hint = "expected `${name}`, `${name:-default}` or `${env.NAME}`; `$${` stands for `${` itself"
            message = f"{show(word[0])} is not a variable" if word["closed"] else "nothing closes this `${`"
            self.fault(node, word.start(), word.end() if word["closed"] else word.start() + 2, message, hint)
            return None
        name, default = inside["name"], inside["default"]
        is_env = name.startswith("env.")
        known = name[4:] in self.scope.env if is_env else name in self.scope.variables
        at = word.start("inside") + inside.start("name")
        if not known:
            if not self.scope.is_guess:
                self.fault(node, at, at + len(name), *self.unknown(name), code="unknown-variable")
            return None
        found = self.environment_variable(node, word, name[4:], plain) if is_env else self.variable(node, word, name)
        if found is not None:
            return found
        if not is_env and self.scope.variables[name].is_spoilt:
            return None  # what is wrong with it is said where it is declared
        if default is not None:
            text = default[2:]
            line, _ = node.source.position(node.start)
            value = typed(text) if plain or not is_env else text
            return replace(_bare(value, node), given=(Given(word[0], value, node.source.name, line),))
        if not self.scope.is_open:
            where = f"the environment variable `{name[4:]}` is not set" if is_env else f"`{name}` has no value"
            hint = f"Set it, or write a default: `${{{name}:-...}}`."
            self.fault(node, at, at + len(name), where, hint)
        return None

    def environment_variable(self, node: Node, word: re.Match[str], name: str, plain: bool) -> Node | None:
        text = os.environ.get(name)
        if text is None or "\0" in text:
            return None
        value = typed(text) if plain else text
        given = Given(word[0], value, reference=word[0], is_secret=is_secret_variable(name, text))
        return replace(_bare(value, node), given=(given,))

    def variable(self, node: Node, word: re.Match[str], name: str) -> Node | None:
        found = self.scope.variables[name]
        if found.is_spoilt or found.plain() is None:
            return None
        line, _ = found.source.position(found.start)
        by_env = any(given.reference for given in found.given)
        given = Given(
            word[0],
            found.plain(),
            found.source.name,
            line,
            reference=found.text if by_env else "",
            is_secret=any(given.is_secret for given in found.given),
        )
        return replace(found, given=(given,))

    def unknown(self, name: str) -> tuple[str, str]:
        if name.startswith("env."):
            message = f"the environment variable `{name[4:]}` is not declared"
            hint = "Name it in `env` of the environment in lake.yaml."
            guess = did_you_mean(name[4:], self.scope.env)
        else:
            message, hint = f"there is no variable `{name}`", "Declare it in `variables`."
            guess = did_you_mean(name, self.scope.variables)
            if self.what:
                message, hint = f"the value of a variable names the variable `{name}`", self.what
        return message, f"{hint}\n{guess}".strip()

    def fault(self, node: Node, start: int, end: int, message: str, hint: str, *, code: str = "variable") -> None:
        self.wrong.append(node.source.diagnostic(*node.span(start, end), code=code, message=message, hint=hint))


def _is(one: Node, other: Node) -> bool:
    return one is other


def _bare(value: Any, at: Node) -> Node:
    return Node(SCALAR, at.source, at.start, at.end, value=value, text=_as_text(value))


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def words_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of each ``${...}`` in a text; the escaped ones are none.

    >>> list(words_in("a ${b} $${c}"))
    [(2, 6)]
    """
    for match in _WORD.finditer(text):
        if match["inside"] is not None:
            yield match.span()


def origin(given: Given) -> str:
    """Say where a value came from.

    >>> origin(Given("${min_rows}", 5, "lake.yaml", 7))
    '`${min_rows}` is `5`, from lake.yaml:7'
    """
    place = f"{given.file}:{given.line}" if given.file else "the environment"
    if given.is_secret:
        return f"`{given.word}` is from {place}"
    return f"`{given.word}` is {show(given.value)}, from {place}"


BUILT_IN = Source("built in", "")
"""The source of values that no file holds."""
