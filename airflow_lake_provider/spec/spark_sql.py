"""Spark's dialect of sqlglot, with a bound on how long it may try.

The parser tries one reading after the other; for some texts (a long row of joins without conditions, say) the number of
readings doubles with each word, and parsing would not end. Each try that failed is a step back, so the steps back are
counted. Import this module where SQL is read, not before: sqlglot takes a quarter of a second.
"""

from __future__ import annotations

from typing import Any

from sqlglot.dialects.spark import Spark

STEPS_BACK = 8_000
"""Steps back that any query may take, and ``STEPS_BACK_PER_WORD`` more for each of its words."""
STEPS_BACK_PER_WORD = 4


class TooManyReadings(Exception):
    """The parser went back more often than any real query makes it."""


class BoundedSpark(Spark):
    """Parses as Spark's dialect does.

    >>> BoundedSpark().parse("SELECT a FROM b")[0].sql()
    'SELECT a FROM b'
    """

    class Parser(Spark.Parser):  # type: ignore[misc, valid-type]
        """Raises :class:`TooManyReadings` where a text takes more steps back than any real query."""

        _steps_back = 0

        def _retreat(self, index: Any) -> None:
            self._steps_back += 1
            if self._steps_back > STEPS_BACK + STEPS_BACK_PER_WORD * len(self._tokens):
                raise TooManyReadings
            super()._retreat(index)
