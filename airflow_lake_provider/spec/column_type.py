"""Column types: Iceberg's and Spark's words in, Spark's words (one normal form) out."""

from __future__ import annotations

import re

from airflow_lake_provider.spec.problem import bad, expected_one_of

_WORDS = {
    "boolean": "boolean",
    "bool": "boolean",
    "int": "int",
    "integer": "int",
    "tinyint": "int",
    "smallint": "int",
    "bigint": "bigint",
    "long": "bigint",
    "float": "float",
    "real": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "timestamp_ltz": "timestamp",
    "timestamp_ntz": "timestamp_ntz",
}
_NOT_HERE = {
    "varchar": "use `string`, and a `rule` such as `length(x) <= 10`",
    "char": "use `string`, and a `rule` such as `length(x) = 2`",
    "text": "use `string`",
    "str": "use `string`",
    "number": "use `decimal(p,s)` or `double`",
    "numeric": "use `decimal(p,s)`",
    "datetime": "use `timestamp`, or `timestamp_ntz` for a time without a zone",
    "time": "Spark has no time of day; use `string`",
    "uuid": "Spark writes no UUIDs; use `string`",
    "fixed": "use `binary`",
    "interval": "Iceberg stores no intervals; use `bigint` seconds",
    "json": "use `string`",
    "list": "use `array<...>`",
}
_SHOWN = ("boolean", "int", "bigint", "float", "double", "decimal(p,s)", "string", "binary", "date", "timestamp")
_TOKEN = re.compile(r"\s*(?:(\w+)|`([^`]+)`|([<>(),:]))")
_MAX_DEPTH = 20


def read_type(text: str) -> tuple[str, bool]:
    """Return a type's normal form and whether the column is nullable.

    >>> read_type("Decimal(10, 2) not null")
    ('decimal(10,2)', False)
    >>> read_type("struct<a: long, tags: array<string>>")
    ('struct<a:bigint,tags:array<string>>', True)
    """
    reader = _Reader(text)
    normal = reader.type(0)
    nullable = not reader.word("not")
    if not nullable and not reader.word("null"):
        reader.fail("expected `null` after `not`")
    if reader.kind is not None:
        reader.fail(f"expected nothing after `{text[: reader.start].strip()}`")
    return normal, nullable


class _Reader:
    """A recursive descent over the tokens; ``kind``, ``text`` and ``start`` are of the next one."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.kind: str | None = None
        self.text = ""
        self.start = self.end = 0
        self.next()

    def next(self) -> None:
        match = _TOKEN.match(self.source, self.end)
        if match is None:
            rest = self.source[self.end :]
            self.start = self.end + len(rest) - len(rest.lstrip())
            self.kind, self.text = (None, "") if self.start == len(self.source) else ("other", self.source[self.start])
            self.end = min(self.start + 1, len(self.source))
            return
        group = match.lastindex or 1
        self.kind = (None, "word", "quoted", "mark")[group]
        self.text, self.start, self.end = match[group], match.start(group), match.end()

    def fail(self, expected: str) -> None:
        shown = f"`{self.text}`" if self.kind else "the end"
        span = (self.start, max(self.end, self.start + 1)) if self.kind else None
        raise bad("column-type", f"{shown} does not fit into the type `{self.source}`", expected, span=span)

    def word(self, word: str) -> bool:
        if self.kind == "word" and self.text.lower() == word:
            self.next()
            return True
        return False

    def mark(self, mark: str) -> None:
        if self.kind != "mark" or self.text != mark:
            # `{a: decimal(10,2)}` is the commonest way to lose the end of a type.
            lost = "\nBetween braces a comma ends the value: quote a type that has one." if self.kind is None else ""
            self.fail(f"expected `{mark}`{lost}")
        self.next()

    def number(self) -> int:
        if self.kind != "word" or not self.text.isdigit():
            self.fail("expected a number")
        number = int(self.text[:9])
        self.next()
        return number

    def type(self, depth: int) -> str:
        if depth > _MAX_DEPTH:
            self.fail(f"expected at most {_MAX_DEPTH} levels")
        if self.kind != "word":
            self.fail("expected a type, such as `bigint`")
        name, span = self.text.lower(), (self.start, self.end)
        self.next()
        if name in ("decimal", "dec"):
            return self.decimal(span)
        if name == "array":
            self.mark("<")
            element = self.type(depth + 1)
            self.mark(">")
            return f"array<{element}>"
        if name == "map":
            self.mark("<")
            key = self.type(depth + 1)
            self.mark(",")
            value = self.type(depth + 1)
            self.mark(">")
            return f"map<{key},{value}>"
        if name == "struct":
            return self.struct(depth)
        if name not in _WORDS:
            known = (*_WORDS, "decimal", "array", "map", "struct")
            guess = expected_one_of(name, known).partition("; ")[2]
            listed = "expected one of " + ", ".join(f"`{word}`" for word in (*_SHOWN, "array<...>", "struct<...>"))
            hint = _NOT_HERE.get(name) or "; ".join(part for part in (listed, guess) if part)
            raise bad("column-type", f"`{self.source[slice(*span)]}` is not a column type", hint, span=span)
        return _WORDS[name]

    def decimal(self, span: tuple[int, int]) -> str:
        precision, scale = 10, 0
        if self.kind == "mark" and self.text == "(":
            self.next()
            precision = self.number()
            if self.text == ",":
                self.next()
                scale = self.number()
            span = (span[0], self.end)
            self.mark(")")
        if not 1 <= precision <= 38 or scale > precision:
            hint = "expected a precision from 1 to 38 and a scale no greater than it"
            raise bad("column-type", f"there is no `decimal({precision},{scale})`", hint, span=span)
        return f"decimal({precision},{scale})"

    def struct(self, depth: int) -> str:
        self.mark("<")
        fields: list[str] = []
        while True:
            if self.kind not in ("word", "quoted"):
                self.fail("expected a field's name")
            name = self.text if self.kind == "word" else f"`{self.text}`"
            self.next()
            if self.text == ":":
                self.next()
            fields.append(f"{name}:{self.type(depth + 1)}")
            if self.text != ",":
                break
            self.next()
        self.mark(">")
        return f"struct<{','.join(fields)}>"
