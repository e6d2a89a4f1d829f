"""The options of a merge: what they do to each row, alone and together, and that the counts say so."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from lake_under_test import Lake, ingest, transform

from airflow_lake_provider.protocol import (
    Check,
    Column,
    IngestStep,
    PublishStep,
    Quarantine,
    Rows,
    TableReport,
    TableRequest,
)
from airflow_lake_provider.protocol import WriteStep as Write

CONTRACT = (
    Column("id", "bigint"),
    Column("name", "string"),
    Column("city", "string"),
    Column("seq", "int"),
)
SOFT = {"when_not_matched_by_source": "soft_delete", "soft_delete": "gone"}
_RUN = itertools.count()


def merge(lake: Lake, sql: str, *, columns: Any = CONTRACT, table: str = "silver.t", **options: Any) -> TableReport:
    """Merge a query by ``id``; a run of its own, whatever ran before."""
    options.setdefault("quarantine", Quarantine(max_fraction=1.0))
    options.setdefault("unique_key", ("id",))
    fresh = f"{next(_RUN)}"
    report = lake.table(transform(table, sql, "merge", columns=columns, spec_sha256=fresh, **options))
    if report.error is None:
        assert report.rows.rows_read == sum(counts(report.rows))
    return report


def values(*rows: tuple[Any, ...], names: str = "id, name, city, seq, op") -> str:
    def text(value: Any) -> str:
        return "NULL" if value is None else repr(value)

    width = len(names.split(","))
    listed = ", ".join("(" + ", ".join(text(value) for value in (*row, True)) + ")" for row in rows)
    dummy = "(" + ", ".join(["NULL"] * width + ["false"]) + ")"
    return f"SELECT {names} FROM VALUES {listed + ', ' if rows else ''}{dummy} AS t({names}, live) WHERE live"


def counts(rows: Rows) -> tuple[int, ...]:
    five = (rows.rows_applied, rows.rows_unchanged, rows.rows_stale, rows.rows_quarantined, rows.rows_deduplicated)
    assert None not in five
    return tuple(int(each or 0) for each in five)


def content(lake: Lake, columns: str = "id, name, city, seq", table: str = "silver.t") -> list[tuple[Any, ...]]:
    return lake.rows(f"SELECT {columns} FROM {table}")


# The semantics once more, in plain Python, row by row.

Row = dict[str, Any]


@dataclass
class Model:
    """What a merge does to a table, and how it counts."""

    rows: dict[int, Row] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    gone: int = 0

    def merge(self, batch: list[Row], write: Write) -> None:
        self.counted, self.gone = Counter(), 0
        keyed = [row for row in batch if row["id"] is not None]
        self.counted["quarantined"] = len(batch) - len(keyed)
        newest = [self._newest([row for row in keyed if row["id"] == key], write) for key in {r["id"] for r in keyed}]
        self.counted["deduplicated"] = len(keyed) - len(newest)
        for row in newest:
            self.counted[self._apply(row, write)] += 1
        self._by_source({row["id"] for row in keyed}, write)

    def _newest(self, rows: list[Row], write: Write) -> Row:
        if write.sequence_by:
            top = max(_order(row) for row in rows)
            rows = [row for row in rows if _order(row) == top]
        return rows[0]

    def _apply(self, row: Row, write: Write) -> str:
        deletes = write.delete_when is not None and row["op"] == "D"
        there = self.rows.get(row["id"])
        if there is None:
            if deletes or write.when_not_matched == "ignore":
                return "unchanged"
            self.rows[row["id"]] = {"name": row["name"], "city": row["city"], "seq": row["seq"], "gone": False}
            return "applied"
        older = bool(write.sequence_by) and _order(row) < _order(there)
        if deletes:
            if older:
                return "stale"
            del self.rows[row["id"]]
            return "applied"
        after = self._updated(there, row, write)
        if after == there:
            return "unchanged"
        if older and write.when_matched == "update":
            return "stale"
        self.rows[row["id"]] = after
        return "applied"

    def _updated(self, there: Row, row: Row, write: Write) -> Row:
        after = dict(there)
        if write.soft_delete:
            after["gone"] = False
        if write.when_matched == "keep":
            return after
        names = write.update_columns or tuple({"name", "city", "seq"} - set(write.exclude_columns))
        for name in {*names, *([write.sequence_by] if write.sequence_by else [])}:
            after[name] = row[name]
        return after

    def _by_source(self, keys: set[int], write: Write) -> None:
        for key in set(self.rows) - keys:
            if write.when_not_matched_by_source == "delete":
                del self.rows[key]
                self.gone += 1
            if write.when_not_matched_by_source == "soft_delete" and not self.rows[key]["gone"]:
                self.rows[key]["gone"] = True
                self.gone += 1


def _order(row: Row) -> float:
    return float("-inf") if row["seq"] is None else float(row["seq"])


def random_batch(rng: random.Random, *, ordered: bool) -> list[Row]:
    """Many rows of few keys, so that much of what can meet does; rows of one key are equal, or in order."""

    def row(key: Any) -> Row:
        return {
            "id": key,
            "name": rng.choice(["x", "y", None]),
            "city": rng.choice(["p", "q", None]),
            "seq": rng.choice([None, 1, 2, 3, 4]),
            "op": rng.choice(["I", "U", "D", None]),
        }

    batch = [row(key) for key in rng.sample(range(40), rng.choice([0, 20, 25, 30]))]
    for twin in rng.sample(batch, min(len(batch), 4)):
        if rng.random() < 0.5:
            batch.append(dict(twin))
        elif ordered:
            batch.append({**row(twin["id"]), "seq": max(0, *(int(each["seq"] or 0) for each in batch)) + 1})
    if rng.random() < 0.3:
        batch.append(row(None))
    rng.shuffle(batch)
    return batch


UPDATES: list[dict[str, Any]] = [
    {},
    {"update_columns": ("name",)},
    {"exclude_columns": ("name",)},
    {"when_matched": "keep"},
]
BY_SOURCE: dict[str, dict[str, Any]] = {"keep": {}, "delete": {"when_not_matched_by_source": "delete"}, "soft": SOFT}
CHOICES: dict[str, list[Any]] = {
    "update": UPDATES,
    "by_source": list(BY_SOURCE),
    "delete_when": [None, "op = 'D'"],
    "when_not_matched": ["insert", "ignore"],
    "sequence_by": [None, "seq"],
    "mode": ["auto", "copy_on_write", "merge_on_read"],
}


def every_pair() -> list[dict[str, Any]]:
    """Return few combinations in which every two choices of different options meet."""

    def pairs(combination: tuple[int, ...]) -> set[Any]:
        return set(itertools.combinations(enumerate(combination), 2))

    combinations = list(itertools.product(*(range(len(values)) for values in CHOICES.values())))
    left: set[Any] = set().union(*map(pairs, combinations))
    chosen = []
    while left:
        chosen.append(max(combinations, key=lambda combination: len(pairs(combination) & left)))
        left -= pairs(chosen[-1])
    return [{name: CHOICES[name][n] for name, n in zip(CHOICES, one, strict=True)} for one in chosen]


def every_combination() -> list[dict[str, Any]]:
    """Return all combinations of all choices."""
    return [dict(zip(CHOICES, one, strict=True)) for one in itertools.product(*CHOICES.values())]


@pytest.mark.parametrize(
    "combinations", [every_pair, pytest.param(every_combination, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize("by_source", BY_SOURCE)
def test_options_together_do_what_the_model_does(lake: Lake, by_source: str, combinations: Any) -> None:
    """One table lives through random batches, each merged with other options; after each it is what the model says."""
    rng = random.Random(f"merge {by_source}")
    model = Model()
    chosen = [one for one in combinations() if one["by_source"] == by_source]
    rng.shuffle(chosen)
    first = {"update": {}, "delete_when": None, "when_not_matched": "insert", "sequence_by": "seq", "mode": "auto"}
    seen: Counter[str] = Counter()
    for number, one in enumerate([first, *chosen]):
        options: dict[str, Any] = {
            **one["update"],
            **BY_SOURCE[by_source],
            **{name: one[name] for name in ("delete_when", "when_not_matched", "sequence_by", "mode")},
        }
        write = Write(strategy="merge", unique_key=("id",), **options)
        batch = random_batch(rng, ordered=write.sequence_by is not None)
        before = {key: dict(row) for key, row in model.rows.items()}
        story = f"run {number}: {options}\n{before}\n{batch}\n"
        model.merge(batch, write)
        sql = values(*(tuple(row.values()) for row in batch))
        report = merge(lake, sql, **options)
        assert report.error is None, f"{report.error}\n{story}"
        flag = ["gone"] if by_source == "soft" else []
        expected = [(key, *(row[name] for name in ("name", "city", "seq", *flag))) for key, row in model.rows.items()]
        assert content(lake, ", ".join(["id, name, city, seq", *flag])) == sorted(expected, key=repr), story
        words = ("applied", "unchanged", "stale", "quarantined", "deduplicated")
        assert counts(report.rows) == tuple(model.counted[word] for word in words), story
        assert report.status == ("published" if model.counted["applied"] or model.gone else "no_op"), story
        assert (f"{model.gone} not in the batch" in (report.plan or "")) == (model.gone > 0), story
        seen.update({**model.counted, "gone": model.gone})
        if number % 8 == 4:
            again = merge(lake, sql, **options)
            assert (again.status, again.rows.rows_applied, again.snapshot_id) == ("no_op", 0, report.snapshot_id), story
    assert set(+seen) >= {"applied", "unchanged", "stale", "deduplicated"} | (
        set() if by_source == "keep" else {"gone"}
    )


# One option after the other.


def test_sequence_and_metadata_move_along_with_an_update_of_some_columns(lake: Lake) -> None:
    def run(name: str, city: str, seq: int) -> TableReport:
        sql = f"SELECT 1 AS id, '{name}' AS name, '{city}' AS city, {seq} AS seq, 'file {seq}' AS _source_file"
        return merge(lake, sql, sequence_by="seq", update_columns=("name",))

    run("a", "p", 1)
    assert counts(run("b", "q", 5).rows) == (1, 0, 0, 0, 0)
    assert content(lake, "name, city, seq, _source_file") == [("b", "p", 5, "file 5")]
    assert counts(run("late", "r", 3).rows) == (0, 0, 1, 0, 0)
    assert counts(run("b", "z", 5).rows) == (0, 1, 0, 0, 0)
    assert counts(run("b", "z", 9).rows) == (1, 0, 0, 0, 0)
    assert counts(run("late", "r", 7).rows) == (0, 0, 1, 0, 0)
    assert content(lake, "name, city, seq, _source_file") == [("b", "p", 9, "file 9")]


def test_excluded_columns_stay_as_they_were_inserted(lake: Lake) -> None:
    def run(name: str, city: str, file: str) -> TableReport:
        sql = f"SELECT 1 AS id, '{name}' AS name, '{city}' AS city, 1 AS seq, '{file}' AS _source_file"
        return merge(lake, sql, exclude_columns=("city", "_source_file"))

    run("a", "p", "first")
    assert counts(run("a", "q", "second").rows) == (0, 1, 0, 0, 0)
    assert counts(run("b", "q", "third").rows) == (1, 0, 0, 0, 0)
    assert content(lake, "name, city, _source_file") == [("b", "p", "first")]


@pytest.mark.parametrize("option", ["update_columns", "exclude_columns"])
def test_unknown_column_fails_before_there_is_a_table(lake: Lake, option: str) -> None:
    report = merge(lake, values((1, "a", "p", 1, "I")), **{option: ("nmae",)})
    assert report.error is not None
    assert report.error.type == "WriteOptionsError"
    assert f"{option} names nmae, which is no column; there are: id, name, city, seq" in report.error.message
    assert not lake.spark.catalog.tableExists(f"{lake.catalog.name}.silver.t")


@pytest.mark.parametrize("mode", ["copy_on_write", "merge_on_read"])
def test_row_that_deletes_needs_no_more_than_its_key(lake: Lake, mode: str) -> None:
    """`op` is no column of the table; NULL in required columns, a misfit and a broken rule harm no deleting row."""
    contract = (
        Column("id", "bigint", nullable=False),
        Column("name", "string", nullable=False, rule="name <> ''"),
        Column("n", "int", nullable=False),
    )

    def run(*rows: tuple[Any, ...]) -> TableReport:
        sql = values(*rows, names="id, name, n, op")
        return merge(lake, sql, columns=contract, delete_when="op = 'D'", mode=mode)

    run(*((key, "a", "1", "I") for key in range(1, 7)))
    report = run(
        (1, None, None, "D"), (2, "", "x", "D"), (3, "b", "2", None), (4, None, "1", "U"), (None, "a", "1", "D")
    )
    assert counts(report.rows) == (3, 0, 0, 2, 0)
    assert report.columns_left_out == ("op",)
    assert content(lake, "id, name, n") == [(3, "b", 2), (4, "a", 1), (5, "a", 1), (6, "a", 1)]
    assert lake.rows("SELECT _reasons FROM silver.t__quarantine") == [(["id is NULL"],), (["name is NULL"],)]
    assert counts(run((9, None, None, "D")).rows) == (0, 1, 0, 0, 0)


def test_older_delete_is_stale_and_a_late_row_after_a_delete_comes_back(lake: Lake) -> None:
    def run(seq: int, op: str) -> tuple[int, ...]:
        return counts(merge(lake, values((1, "a", "p", seq, op)), sequence_by="seq", delete_when="op = 'D'").rows)

    assert run(5, "I") == (1, 0, 0, 0, 0)
    assert run(4, "D") == (0, 0, 1, 0, 0)
    assert content(lake, "id, seq") == [(1, 5)]
    assert run(5, "D") == (1, 0, 0, 0, 0)
    assert content(lake, "id, seq") == []
    assert run(3, "U") == (1, 0, 0, 0, 0)
    assert content(lake, "id, seq") == [(1, 3)]


def test_newest_row_of_a_batch_says_whether_the_key_goes(lake: Lake) -> None:
    options: dict[str, Any] = {"sequence_by": "seq", "delete_when": "op = 'D'"}
    merge(lake, values((1, "a", "p", 1, "I"), (2, "b", "p", 1, "I")), **options)
    batch = values((1, "a", "p", 2, "U"), (1, "a", "p", 3, "D"), (2, "b", "p", 2, "D"), (2, "c", "p", 3, "I"))
    assert counts(merge(lake, batch, **options).rows) == (2, 0, 0, 0, 2)
    assert content(lake) == [(2, "c", "p", 3)]
    clash = merge(lake, values((2, "c", "p", 3, "U"), (2, "c", "p", 3, "D")), **options)
    assert clash.error is not None
    assert clash.error.type == "DuplicateKeys"


def test_delete_when_sees_the_contracts_types_and_further_columns_as_they_are(lake: Lake) -> None:
    contract = (Column("id", "bigint"), Column("closed", "boolean"))
    options: dict[str, Any] = {"columns": contract, "delete_when": "closed AND `the op`.code < 3"}
    rows = "(1, 'true', 2), (2, 'true', 3), (3, 'false', 2), (4, 'perhaps', 2)"
    sql = "SELECT id, closed, named_struct('code', code) AS `the op` FROM VALUES {} AS t(id, closed, code)"
    merge(lake, sql.format("(1, 'false', 9), (2, 'false', 9), (3, 'true', 9), (4, 'true', 9)"), **options)
    assert counts(merge(lake, sql.format(rows), **options).rows) == (3, 0, 0, 1, 0)
    assert content(lake, "id, closed") == [(2, True), (3, False), (4, True)]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("op =", "silver.t: delete_when cannot be understood: op =: .*PARSE_SYNTAX_ERROR"),
        ("opp = 'D'", "there is no column `opp`; there are: id, name, city, seq, op$"),
        ("op", "silver.t: delete_when gives a string, not a boolean: op"),
        ("count(*) > 1", "delete_when cannot be understood: count"),
    ],
)
def test_bad_delete_when_says_what_is_wrong(lake: Lake, predicate: str, message: str) -> None:
    report = merge(lake, values((1, "a", "p", 1, "I")), delete_when=predicate)
    assert report.error is not None
    assert report.error.type == "ContractError"
    assert not report.error.retryable
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(report.error.message)


def test_rows_that_the_query_lacks_are_deleted_but_not_those_it_gave_wrong(lake: Lake) -> None:
    contract = (Column("id", "bigint"), Column("n", "int"))
    options: dict[str, Any] = {"columns": contract, "when_not_matched_by_source": "delete"}
    merge(lake, values((1, "1"), (2, "2"), (3, "3"), (4, "4"), names="id, n"), **options)
    lake.spark.sql("INSERT INTO silver.t VALUES (NULL, 0), (4, 44)")
    report = merge(lake, values((1, "1"), (2, "wrong"), (5, "5"), names="id, n"), **options)
    assert counts(report.rows) == (1, 1, 0, 1, 0)
    assert report.plan == "merge, 4 not in the batch deleted"
    assert content(lake, "id, n") == [(1, 1), (2, 2), (5, 5)]
    assert lake.iceberg("silver.t").summary(report.snapshot_id or 0)["lake.plan"] == report.plan


def test_query_without_rows_deletes_all_and_warns(lake: Lake) -> None:
    merge(lake, values((1, "a", "p", 1, "I"), (2, "b", "p", 1, "I")))
    kept = merge(lake, values())
    assert (kept.status, kept.warnings) == ("no_op", ())
    report = merge(lake, values(), when_not_matched_by_source="delete")
    assert (report.status, report.plan) == ("published", "merge, 2 not in the batch deleted")
    assert report.warnings == ("the batch has no rows, so none of the table's 2 rows is in it",)
    assert content(lake) == []
    assert merge(lake, values(), when_not_matched_by_source="delete").status == "no_op"


def test_ingest_is_refused_that_would_delete_what_its_new_files_lack(lake: Lake) -> None:
    write = Write(strategy="merge", unique_key=("id",), when_not_matched_by_source="delete")
    step = IngestStep(files=(f"{lake.folder}/*.csv",), format="csv")
    report = lake.table(TableRequest(table="bronze.t", steps=(step, write, PublishStep())))
    assert report.error is not None
    assert (report.status, report.error.type) == ("failed", "WriteOptionsError")
    assert "a run reads only the new files" in report.error.message


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not declared"])
def test_soft_delete_marks_and_unmarks(lake: Lake, declared: bool) -> None:
    contract = (CONTRACT[0], Column("gone", "boolean", nullable=False, description="not at the source"), *CONTRACT[1:])
    columns = contract if declared else CONTRACT
    one, two = (1, "a", "p", 1, "I"), (2, "b", "p", 1, "I")
    merge(lake, values(one, two), columns=columns, **SOFT)
    names = [field.name for field in lake.spark.table("silver.t").schema.fields]
    assert names == (["id", "gone", "name", "city", "seq"] if declared else ["id", "name", "city", "seq", "gone"])
    report = merge(lake, values(one), columns=columns, **SOFT)
    assert (report.status, report.plan) == ("published", "merge, 1 not in the batch soft-deleted")
    assert content(lake, "id, name, gone") == [(1, "a", False), (2, "b", True)]
    assert merge(lake, values(one), columns=columns, **SOFT).status == "no_op"
    back = merge(lake, values(one, two), columns=columns, **SOFT)
    assert (counts(back.rows), back.plan) == ((1, 1, 0, 0, 0), "merge")
    assert content(lake, "id, name, gone") == [(1, "a", False), (2, "b", False)]


def test_row_that_is_kept_is_unmarked_all_the_same(lake: Lake) -> None:
    options: dict[str, Any] = {"when_matched": "keep", **SOFT}
    merge(lake, values((1, "a", "p", 1, "I")), **options)
    merge(lake, values(), **options)
    assert counts(merge(lake, values((1, "other", "q", 2, "I")), **options).rows) == (1, 0, 0, 0, 0)
    assert content(lake, "name, city, seq, gone") == [("a", "p", 1, False)]


@pytest.mark.parametrize(
    ("sql", "columns", "message"),
    [
        (
            "SELECT 1 AS id, false AS Gone",
            None,
            "the query gives a column gone, which soft_delete sets by itself; leave it out",
        ),
        (
            "SELECT 1 AS id",
            (Column("id", "int"), Column("gone", "int")),
            "soft_delete sets gone, which is int and must be boolean",
        ),
    ],
    ids=["given by the query", "not boolean"],
)
def test_soft_delete_column_is_the_jobs_own(lake: Lake, sql: str, columns: Any, message: str) -> None:
    report = merge(lake, sql, columns=columns, **SOFT)
    assert report.error is not None
    assert (report.error.type, message in report.error.message) == ("ContractError", True), report.error.message


def test_table_without_the_soft_delete_column_is_not_changed_silently(lake: Lake) -> None:
    merge(lake, values((1, "a", "p", 1, "I")))
    report = merge(lake, values((1, "a", "p", 1, "I")), **SOFT)
    assert report.error is not None
    assert "column gone (boolean) is new" in report.error.message
    lake.spark.sql("ALTER TABLE silver.t ADD COLUMN gone boolean")
    assert counts(merge(lake, values((1, "a", "p", 1, "I")), **SOFT).rows) == (1, 0, 0, 0, 0)
    assert content(lake, "id, gone") == [(1, False)]


@pytest.mark.parametrize(
    ("mode", "operation", "position_deletes"),
    [("copy_on_write", "copy-on-write", None), ("merge_on_read", "merge-on-read", "1")],
)
def test_mode_says_how_rows_are_rewritten(lake: Lake, mode: str, operation: str, position_deletes: Any) -> None:
    merge(lake, values((1, "a", "p", 1, "I"), (2, "b", "p", 1, "I")), mode=mode)
    report = merge(lake, values((1, "A", "p", 1, "I")), mode=mode)
    table = lake.iceberg("silver.t")
    assert {table.properties[f"write.{each}.mode"] for each in ("delete", "merge", "update")} == {operation}
    assert table.summary(report.snapshot_id or 0).get("added-position-deletes") == position_deletes
    assert content(lake, "id, name") == [(1, "A"), (2, "b")]


def test_mode_auto_is_what_the_properties_say(lake: Lake) -> None:
    merge(lake, values((1, "a", "p", 1, "I")), properties={"write.merge.mode": "merge-on-read"})
    report = merge(lake, values((1, "A", "p", 1, "I")), properties={"write.merge.mode": "merge-on-read"})
    assert lake.iceberg("silver.t").summary(report.snapshot_id or 0)["added-position-deletes"] == "1"


def test_full_refresh_leaves_out_what_a_merge_would_delete(lake: Lake) -> None:
    options: dict[str, Any] = {"delete_when": "op = 'D'", "update_columns": ("name",), **SOFT}
    merge(lake, values((1, "a", "p", 1, "I"), (8, "old", "p", 1, "I")), **options)
    batch = values((1, "A", "q", 2, "U"), (2, None, None, 1, "D"), (3, "c", "p", 1, "I"), (3, "c", "p", 1, "I"))
    report = merge(lake, batch, full_refresh=True, **options)
    assert (report.plan, counts(report.rows)) == ("replace", (2, 1, 0, 0, 1))
    assert content(lake, "id, name, city, seq, gone") == [(1, "A", "q", 2, False), (3, "c", "p", 1, False)]


def test_delete_when_of_an_ingest_sees_what_its_files_give(lake: Lake) -> None:
    lake.folder.mkdir(exist_ok=True)
    (lake.folder / "a.csv").write_text("id,n,op\n1,1,I\n2,2,I\n")
    (lake.folder / "a.jsonl").write_text('{"id": 1, "n": 1, "op": "I"}\n')

    def run(format: str, *columns: Column) -> TableReport:
        options: dict[str, Any] = {"unique_key": ("id",), "delete_when": "op = 'D'", "columns": columns}
        return lake.table(ingest(f"bronze.{format}", f"{lake.folder}/*.{format}*", format, "merge", **options))

    contract = (Column("id", "int"), Column("n", "int", nullable=False))
    assert counts(run("csv", *contract).rows) == (2, 0, 0, 0, 0)
    (lake.folder / "b.csv").write_text("id,n,op\n1,,D\n3,,D\n")
    assert counts(run("csv", *contract).rows) == (1, 1, 0, 0, 0)
    assert content(lake, "id, n", "bronze.csv") == [(2, 2)]
    report = run("json", *contract)
    assert report.error is not None
    assert report.error.message.endswith(
        "there is no column `op`; there are: id, n, _source_file, _ingested_at, _run_id. The files have op, but only "
        "columns of the contract are read: declare it"
    )
    assert counts(run("json", *contract, Column("op", "string")).rows) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"when_not_matched_by_source": "delete"}, Check(text="row_count > 0")),
        (SOFT, Check(text="row_count > 0", body={"filter": "NOT gone"})),
    ],
    ids=["delete", "soft delete"],
)
def test_check_stops_a_query_without_rows(lake: Lake, options: dict[str, Any], check: Check) -> None:
    rows = [(1, "a", "p", 1, "I"), (2, "b", "p", 1, "I")]
    first = merge(lake, values(*rows), checks=(check,), **options)
    report = merge(lake, values(), checks=(check,), **options)
    assert (first.status, report.status) == ("published", "failed")
    assert report.error is not None
    assert report.error.type == "QualityCheckFailed"
    assert lake.iceberg("silver.t").head() == first.snapshot_id
    assert content(lake, "id, name") == [(1, "a"), (2, "b")]
