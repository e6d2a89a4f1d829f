"""Damage to texts: characters, words of the language, lines, whole blocks, bytes."""

from __future__ import annotations

import random
import re

PIECES = (
    "", "{", "}", "[", "]", ":", " ", "\n", "'", '"', "|", ">", "|2-\n", ">+\n", "&a ", "*a", "*defaults", "!!x ", "- ",
    "# ", "{{", "}}", "${", "$${", "}", "é", "\t", "null", "~", "true", "1", "-1", "0x1f", "1e309", ".inf", ".nan",
    "9" * 400, "SELECT", "a.b", "(", ")", "`", "<<: *a\n", "\\", "\r", "\r\n", "\x00", "\x1b", "\u2028", "\ufeff",
    "\ud800", "?", "{% x %}", "{#", ",", "%", "@", "😀", "--", "/*", "*/", ";", "\\u0000", "---\n", "...\n",
    "%YAML 1.1\n", "+", "../", "/", "//", "s3://",
)  # fmt: skip
WORDS = (
    "pipeline", "extends", "variables", "layers", "like", "defaults", "tables", "schedule", "{assets: [a.b]}",
    "{any: []}", "@daily", "@once", "6h", "0 0 30 2 *", "*/0 * * * *", "61 * * * *", "timezone", "UTC",
    "Europe/Nowhere", "start_date", "2026-02-30", "9999-12-31", "0001-01-01", "end_date", "catchup", "environment",
    "prod", "external", "ingest", "files", "format", "orc", "sql", "sql_file", "python", "a.b:c", "columns",
    "unique_key", "partition_by", "bucket(0, id)", "write", "merge", "scd2", "soft_delete",
    "when_not_matched_by_source", "on_schema_change", "incremental", "checks", "quarantine", "max", "101%",
    "properties", "depends_on", "engine", "resource_profile", "spark_conf", "engine_options", "retries", "retry_delay",
    "${min_rows}", "${keys}", "${env.HOME}", "${nobody:-x}", "{{ ds }}", "{{ data_interval_start | ds }}",
    "{% for x in y %}", "SELECT * FROM bronze.orders", "bronze.orders", "decimal(38,39)", "struct<a: int>", "array<",
    "timestamp_ntz", "spec.yaml", "lake.yaml", "_source_file", "+tags",
)  # fmt: skip
_WORD = re.compile(r"[\w.${}@*/-]+")


def damaged(text: str, chance: random.Random, others: list[str]) -> str:
    """Return the text after one to three injuries.

    :param others: texts that lines are taken from.
    """
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(_INJURIES)(text, chance, others) or "x"
    return text


def _insert(text: str, chance: random.Random, others: list[str]) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(PIECES) + text[at:]


def _cut(text: str, chance: random.Random, others: list[str]) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + text[at + chance.randint(1, 12) :]


def _swap_word(text: str, chance: random.Random, others: list[str]) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = chance.choice(words)
    return text[: word.start()] + chance.choice(WORDS) + text[word.end() :]


def _lines(text: str, chance: random.Random, others: list[str]) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    number, kind = chance.randrange(len(lines)), chance.randrange(5)
    if kind == 0:
        lines.insert(chance.randrange(len(lines)), lines[number])
    elif kind == 1:
        del lines[number]
    elif kind == 2:
        lines[number] = " " * chance.randint(1, 6) + lines[number]
    elif kind == 3:
        lines[number] = lines[number][chance.randint(1, 4) :]
    else:
        donors = chance.choice(others).splitlines(keepends=True) or ["x\n"]
        lines.insert(number, chance.choice(donors))
    return "".join(lines)


def _repeat(text: str, chance: random.Random, others: list[str]) -> str:
    """Blow a part of the text up: what is quadratic shows."""
    if not text:
        return text
    at = chance.randrange(len(text))
    part = text[at : at + chance.randint(1, 40)]
    times = min(chance.choice((3, 30, 1_000, 20_000)), 600_000 // max(len(part), 1))
    return text[:at] + part * times + text[at:]


def _line_ends(text: str, chance: random.Random, others: list[str]) -> str:
    return text.replace("\n", chance.choice(("\r\n", "\r", "\n\n")))


_INJURIES = (
    _insert,
    _insert,
    _insert,
    _cut,
    _cut,
    _swap_word,
    _swap_word,
    _swap_word,
    _lines,
    _lines,
    _repeat,
    _line_ends,
)


def as_bytes(text: str, chance: random.Random) -> bytes:
    """Return the file's bytes; now and then they are no UTF-8, or begin with a byte order mark."""
    data = text.encode("utf-8", errors="surrogatepass" if chance.random() < 0.02 else "replace")
    if chance.random() < 0.02:
        at = chance.randint(0, len(data))
        data = data[:at] + bytes([chance.randrange(256)]) + data[at:]
    return b"\xef\xbb\xbf" + data if chance.random() < 0.02 else data
