"""Where each character of a YAML scalar's value stands in the file.

A mistake inside a value (a table's name in a folded SQL block, say) is shown where it was typed, so the unfolding and
unescaping of YAML has to be undone. Each walker yields the value again with the place of every character; where the
result differs from what the parser gave, :func:`offsets` says so and the caller falls back to the whole scalar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}
_BREAK = re.compile(r"[ \t]*(?:\r\n|\r|\n)(?:[ \t]*(?:\r\n|\r|\n))*[ \t]*")
_BLANKS = re.compile(r"[ \t]+")
_ANY_BREAK = re.compile(r"\r\n|\r|\n")


def offsets(text: str, start: int, end: int, style: str | None, value: str) -> list[tuple[int, int]] | None:
    """Return for each character of ``value`` where it begins and ends in the file.

    :param text: the file.
    :param start: where the scalar begins (quote and block header included); ``end`` is exclusive.
    :param style: ``None`` (plain), ``'``, ``"``, ``|`` or ``>``.
    :return: ``None`` when the walk does not give ``value`` back.
    """
    if style in ("|", ">"):
        found = list(_block(text, start, end, value))
    elif style in ("'", '"'):
        found = list(_flow(text, start + 1, end - 1, style))
    else:
        found = list(_flow(text, start, end, ""))
    if "".join(char for char, _, _ in found) != value:
        return None
    return [(first, last) for _, first, last in found]


def _flow(text: str, at: int, end: int, quote: str) -> Iterator[tuple[str, int, int]]:
    while at < end:
        chars, following = text[at], at + 1
        if text[at] in " \t\r\n":
            if (fold := _BREAK.match(text, at, end)) is not None:
                breaks = len(_ANY_BREAK.findall(fold[0]))
                chars, following = " " if breaks == 1 else "\n" * (breaks - 1), fold.end()
            else:  # nor does a line end later in the same run of blanks
                run = _BLANKS.match(text, at, end)
                following = run.end() if run is not None else following
                yield from ((text[place], place, place + 1) for place in range(at, following))
                at = following
                continue
        elif quote == "'" and text.startswith("''", at):
            following = at + 2
        elif quote == '"' and text[at] == "\\":
            chars, following = _escape(text, at, end)
        for char in chars:
            yield char, at, following
        at = following


def _escape(text: str, at: int, end: int) -> tuple[str, int]:
    char = text[at + 1]
    if char in _HEX:
        last = at + 2 + _HEX[char]
        return chr(int(text[at + 2 : last], 16)), last
    line_end = _BREAK.match(text, at + 1, end)
    if line_end is not None and char in "\r\n":
        breaks = len(_ANY_BREAK.findall(line_end[0]))
        return "\n" * (breaks - 1), line_end.end()
    return _ESCAPES.get(char, char), at + 2


def _block(text: str, start: int, end: int, value: str) -> Iterator[tuple[str, int, int]]:
    """Find each line of the value behind its line's indentation; line ends and folds stand where the line ended."""
    header = _ANY_BREAK.search(text, start)
    at, done, last = (header.end() if header else end), 0, start
    indent: int | None = None
    while at < end and done < len(value):
        line_end = _ANY_BREAK.search(text, at)
        stop = line_end.start() if line_end else len(text)
        line = text[at:stop]
        if line.strip(" ") or (indent is not None and len(line) > indent):
            if indent is None:
                indent = _indent(line, value[done:].lstrip("\n"))
            content = line[indent:]
            while done < len(value) and value[done] in " \n" and not value.startswith(content, done):
                yield value[done], last, last + 1
                done += 1
            yield from ((char, place, place + 1) for place, char in enumerate(content, at + indent))
            done += len(content)
            last = stop
        at = line_end.end() if line_end else end
    yield from ((char, last, last + 1) for char in value[done:])


def _indent(line: str, rest: str) -> int:
    """How deep the block stands: its first line may have more spaces of its own (an indentation indicator)."""
    own = len(rest) - len(rest.lstrip(" "))
    return len(line) - len(line.lstrip(" ")) - own
