"""Which tables a query reads, and whether it is one query at all: sqlglot in Spark's dialect.

Jinja is not rendered here. A ``{{ }}`` counts as a literal: it is replaced, character by character, so that every
place in the SQL stays the same. A ``{% %}``, or a template that stands inside a name, can change what is read: such a
query is not read for lineage.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_lake_provider.spec.template import templates

MAX_LENGTH = 100_000

_CLOCK_AND_CHANCE = re.compile(
    r"(?<![.\w])(?:"
    r"(?:current_timestamp|current_date|current_time|localtimestamp|current_user|session_user)(?!\s*\.)\b"
    r"|(?:now|curdate|rand|random|randn|randstr|uniform|uuid|shuffle|monotonically_increasing_id|spark_partition_id"
    r"|user|input_file_name)\s*\("
    r"|unix_timestamp\s*\(\s*\)"
    r"|tablesample\s*\((?![^()]*\)\s*repeatable)"
    r")",
    re.IGNORECASE,
)
_MOVING_LITERAL = re.compile(r"\b(?:date|timestamp)\s*'\s*(?:now|today|yesterday|tomorrow)\s*'", re.IGNORECASE)
PLACEHOLDER = re.compile(r"70{2,}7")
# What may be taken at once, by what is open: nothing in it opens or closes anything, or begins a template.
_PLAIN = {
    "": re.compile(r"""[^'"`/{-]+"""),
    "-": re.compile(r"[^\n{]+"),
    "*": re.compile(r"[^*{]+"),
    "'": re.compile(r"[^'\\{]+"),
    '"': re.compile(r'[^"\\{]+'),
    "`": re.compile(r"[^`{]+"),
}


@dataclass(frozen=True)
class TableName:
    """A table as a query names it; characters ``start`` to before ``end``."""

    parts: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Query:
    """What there is to know of a SELECT.

    :param tables: each naming of a table, in the order of the text; CTEs and table functions are none.
    :param readable: false where something else than the text decides what is read; ``tables`` is empty then.
    :param deterministic: false where the text uses the clock or chance.
    """

    tables: tuple[TableName, ...]
    readable: bool = True
    deterministic: bool = True


class SqlError(Exception):
    """SQL that cannot be used, with the place of what is wrong."""

    def __init__(self, message: str, hint: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.hint, self.start, self.end = message, hint, start, end


@lru_cache(maxsize=512)
def read_query(sql: str) -> Query:
    """Read one SELECT.

    >>> [name.parts for name in read_query("WITH f AS (SELECT * FROM bronze.flights) SELECT * FROM f").tables]
    [('bronze', 'flights')]

    :raises SqlError: it does not parse, or is something else than one SELECT.
    """
    if len(sql) > MAX_LENGTH:
        raise SqlError(f"the query has more than {MAX_LENGTH:,} characters", "Split it.", 0, 1)
    select = parse_select(sql)
    deterministic = is_deterministic(sql)
    if select is None:
        return Query((), readable=False, deterministic=deterministic)
    found = (table_name(table) for table in named_tables(select))
    return Query(tuple(sorted(found, key=lambda name: name.start)), deterministic=deterministic)


@lru_cache(maxsize=16)
def parse_select(sql: str) -> Any | None:
    """Return the tree of one SELECT; ``None`` where something else than the text decides what is read.

    Each identifier has its first and last character in ``meta``, under ``start`` and ``end``. The tree is shared:
    nobody changes it.

    :raises SqlError: it does not parse, or is something else than one SELECT.
    """
    masked = _mask(sql)
    if not masked.readable:
        return None
    try:
        statements = _parse(masked.text)
    except SqlError as exc:
        if PLACEHOLDER.fullmatch(masked.text[exc.start : exc.end]) or exc.start in masked.expressions:
            return None
        # A template may also stand for a piece of syntax, or for nothing.
        blanked = PLACEHOLDER.sub(lambda m: " " * len(m[0]), masked.text)
        try:
            statements = _parse(blanked)
        except SqlError:
            raise exc from None
    select = _one_select(statements, masked.text)
    if _has_computed_table(select):
        return None
    named = masked.expressions and any(
        PLACEHOLDER.search(part.name) for table in named_tables(select) for part in identifiers_of(table)
    )
    return None if named else select


def is_deterministic(sql: str) -> bool:
    """Whether a text uses neither the clock nor chance.

    >>> is_deterministic("SELECT 'now()' AS a"), is_deterministic("SELECT now() AS a")
    (True, False)
    """
    bare = _mask(sql, blank_strings=True, strict=False).text
    return not _CLOCK_AND_CHANCE.search(bare) and not _MOVING_LITERAL.search(sql)


def read_predicate(sql: str) -> list[tuple[str, int, int]]:
    """Return the columns that a row's predicate names, with their places.

    :raises SqlError: it does not parse, or looks further than one row.
    """
    from sqlglot import exp

    prefix = "SELECT "
    masked = _mask(sql)
    if not masked.readable:
        return []
    whole = "expected one condition on the row's columns, such as `price >= 0`"
    try:
        statements = _parse(prefix + masked.text)
    except SqlError as exc:
        raise SqlError(exc.message, whole, max(exc.start - len(prefix), 0), max(exc.end - len(prefix), 0)) from None
    select = statements[0] if len(statements) == 1 else None
    clauses = {key for key, value in select.args.items() if value} if select is not None else set()
    if not isinstance(select, exp.Select) or len(select.expressions) != 1 or clauses != {"expressions"}:
        raise SqlError("the rule is not one condition", whole, 0, len(sql))
    condition = select.expressions[0]
    for kind, what in (
        (exp.Query, "a subquery"),
        (exp.AggFunc, "an aggregate"),
        (exp.Window, "a window"),
        (exp.Star, "`*`"),
    ):
        if condition.find(kind):
            raise SqlError(f"the rule has {what}", whole, 0, len(sql))
    if isinstance(condition, exp.Alias):
        raise SqlError("the rule names its result", whole, 0, len(sql))
    columns = []
    for column in condition.find_all(exp.Column):
        first = column.parts[0]
        start, end = first.meta.get("start"), first.meta.get("end")
        if isinstance(start, int) and isinstance(end, int) and not PLACEHOLDER.search(first.name):
            columns.append((first.name, start - len(prefix), end + 1 - len(prefix)))
    return sorted(columns, key=lambda found: found[1])


@dataclass(frozen=True)
class _Masked:
    text: str
    readable: bool
    expressions: tuple[int, ...]


def _mask(sql: str, *, blank_strings: bool = False, strict: bool = True) -> _Masked:
    """Replace templates by text of the same length, and say whether one stands where it decides what is read."""
    at_start = {template.start: template for template in templates(sql)}
    out: list[str] = []
    expressions: list[int] = []
    readable, quote, opened, at = True, "", 0, 0
    while at < len(sql):
        template = at_start.get(at)
        if template is not None:
            length = template.end - template.start
            if not template.is_expression:
                readable = readable and not template.is_statement
                out.append(" " * length)
            elif quote:
                readable = readable and quote != "`"
                out.append("x" * length)
            else:
                expressions.append(at)
                readable = readable and not _joins_a_name(sql, template.start, template.end)
                out.append("7" + "0" * (length - 2) + "7")
            at = template.end
            continue
        plain = _PLAIN[quote].match(sql, at)
        step, following = (len(plain[0]), quote) if plain is not None else _step(sql, at, quote)
        piece = sql[at : at + step]
        if following != quote:
            opened = at
        out.append(" " * step if blank_strings and quote in ("'", '"', "-", "*") and following == quote else piece)
        quote, at = following, at + step
    if strict and quote in ("'", '"', "`", "*"):
        what = "comment" if quote == "*" else "quote"
        raise SqlError(f"nothing closes this {what}", "", opened, opened + 1)
    return _Masked("".join(out), readable, tuple(expressions))


def _step(sql: str, at: int, quote: str) -> tuple[int, str]:
    """Return how many characters to take, and what is open after them: a quote, ``-`` or ``*`` (comments), nothing."""
    char, pair = sql[at], sql[at : at + 2]
    if quote == "":
        if pair == "--":
            return 2, "-"
        if pair == "/*":
            return 2, "*"
        return 1, char if char in "'\"`" else ""
    if quote == "-":
        return 1, "" if char == "\n" else "-"
    if quote == "*":
        return (2, "") if pair == "*/" else (1, "*")
    if char == "\\" and quote != "`" and len(pair) == 2 and pair[1] != "{":
        return 2, quote
    return 1, "" if char == quote else quote


def _joins_a_name(sql: str, start: int, end: int) -> bool:
    before, after = sql[start - 1 : start], sql[end : end + 1]
    return any(char and (char.isalnum() or char in "_.`$") for char in (before, after))


def _parse(sql: str) -> list[Any]:
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    from airflow_lake_provider.spec.spark_sql import BoundedSpark, TooManyReadings

    # sqlglot's warning about statements that it takes as they are: they are refused below.
    logging.getLogger("sqlglot").addFilter(_no_commands)
    try:
        statements = sqlglot.parse(sql, dialect=BoundedSpark)
        return [each for each in statements if each is not None and not isinstance(each, sqlglot.exp.Semicolon)]
    except TooManyReadings:
        hint = "Give each JOIN its condition (`ON`, `USING`), or write `CROSS JOIN`; or split the query."
        raise SqlError("this SQL can be read in too many ways", hint, 0, len(sql)) from None
    except ParseError as exc:
        first: dict[str, Any] = exc.errors[0] if exc.errors else {}
        start, end = _place(sql, first)
        raise SqlError(_message(first, sql[start:end]), "expected one SELECT in Spark's dialect", start, end) from None
    except TokenError:
        raise SqlError("this is not SQL", "expected one SELECT in Spark's dialect", 0, len(sql)) from None
    except RecursionError:
        raise SqlError("the query is nested too deeply", "Split it into CTEs or tables.", 0, 1) from None


def _no_commands(record: logging.LogRecord) -> bool:
    return "Falling back to parsing as a 'Command'" not in record.getMessage()


def _place(sql: str, error: dict[str, Any]) -> tuple[int, int]:
    line, column, word = error.get("line"), error.get("col"), error.get("highlight") or ""
    if not line or column is None:
        return 0, len(sql)
    line_start = 0
    for _ in range(line - 1):
        line_start = sql.find("\n", line_start) + 1
    start = max(line_start + column - len(word), 0)
    return start, max(start + len(word), start + 1)


def _message(error: dict[str, Any], word: str) -> str:
    description = re.sub(r" but got <Token .*>$", "", str(error.get("description", "")), flags=re.DOTALL)
    near = f" at `{word}`" if word.strip() else ""
    if not description or description.startswith("Invalid expression") or "<class" in description:
        return f"the SQL does not parse{near}"
    return f"the SQL does not parse{near}: {description[0].lower()}{description[1:]}"


def _one_select(statements: list[Any], text: str) -> Any:
    from sqlglot import exp

    if not statements:
        raise SqlError("there is no SQL here", "expected one SELECT", 0, len(text))
    first = statements[0]
    if not isinstance(first, exp.Query) or isinstance(first, exp.Table | exp.Values):
        verb = first.this if isinstance(first, exp.Command) else first.key
        word = re.search(rf"\b{re.escape(str(verb))}\b", text, re.IGNORECASE) or re.search(r"\w+", text)
        start, end = word.span() if word else (0, 1)
        raise SqlError(f"`{text[start:end]}` is not a SELECT", "expected one SELECT", start, end)
    if len(statements) > 1:
        at = text.find(";")
        raise SqlError(f"there are {len(statements)} statements", "expected one SELECT", at, at + 1)
    into = first.find(exp.Into)
    if into is not None:
        raise SqlError("the SELECT writes INTO a table", "expected one SELECT that only reads", 0, 6)
    return first


def named_tables(select: Any) -> Iterator[Any]:
    """Yield the nodes of a tree that name a table by identifiers; CTEs and table functions are none."""
    from sqlglot import exp

    names: dict[int, list[str]] = {}
    for table in select.find_all(exp.Table):
        identifiers = identifiers_of(table)
        if not identifiers or not isinstance(table.this, exp.Identifier | exp.Dot) or table.find_ancestor(exp.Hint):
            continue
        if len(identifiers) > 1 or not _is_cte(identifiers[0].name.lower(), table, names):
            yield table


def identifiers_of(node: Any) -> list[Any]:
    """Return the parts of a table's or column's name."""
    from sqlglot import exp

    return [part for part in node.parts if isinstance(part, exp.Identifier)]


def table_name(table: Any) -> TableName:
    """Return what a node of a tree names, with its place."""
    identifiers = identifiers_of(table)
    places = [(i.meta["start"], i.meta["end"] + 1) for i in identifiers if "start" in i.meta]
    start = min((place[0] for place in places), default=0)
    end = max((place[1] for place in places), default=start + 1)
    return TableName(tuple(identifier.name for identifier in identifiers), start, end)


def _has_computed_table(select: Any) -> bool:
    """Whether a table is named by an expression, as ``IDENTIFIER('silver.' || 'flights')`` does."""
    from sqlglot import exp

    functions = [table.this for table in select.find_all(exp.Table) if isinstance(table.this, exp.Func)]
    return any(function.name.lower() in ("identifier", "table", "stream") for function in functions)


def _is_cte(name: str, node: Any, names: dict[int, list[str]]) -> bool:
    """Whether a name is a CTE's at this node; inside a CTE only the earlier ones count.

    :param names: the names of each WITH by its id, once they were read.
    """
    from sqlglot import exp

    child, parent = node, node.parent
    while parent is not None:
        with_ = parent if isinstance(parent, exp.With) else parent.args.get("with_")
        if with_ is not None and with_ is not child:
            known = names.get(id(with_))
            if known is None:
                known = names[id(with_)] = [cte.alias.lower() for cte in with_.expressions]
            last = len(known)
            if with_ is parent:
                last = (child.index or 0) + bool(with_.recursive)
            if name in known[:last]:
                return True
        child, parent = parent, parent.parent
    return False
