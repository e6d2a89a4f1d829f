"""One Iceberg table through Iceberg's own Java API: refs, snapshots, summaries, publishing.

Everything here is metadata; rows are Spark's business.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from airflow_lake_provider.jobs.errors import PublishConflict, StepError
from airflow_lake_provider.protocol import Catalog, Commit

PUBLISHED_TAG = "lake_published"
"""The tag on the last snapshot that this package published: expiry never removes it."""

_COMMIT_ATTEMPTS = 20


def branch_of(request_id: str) -> str:
    """Return the name of a request's audit branch."""
    return f"lake_{request_id}"


def quoted(name: str) -> str:
    """Quote an identifier of one or more parts for Spark SQL.

    >>> quoted("silver.flights"), quoted("a`b")
    ('`silver`.`flights`', '`a``b`')
    """
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


class IcebergTable:
    """A loaded table. ``name`` is ``layer.name``; ``identifier`` what Spark knows it by, ``catalog.namespace.name``."""

    def __init__(self, spark: Any, catalog: Catalog, name: str) -> None:
        self._spark = spark
        self.name = name
        self.identifier = catalog.identifier(name)
        self._table = self._load()

    @classmethod
    def find(cls, spark: Any, catalog: Catalog, name: str) -> Optional[IcebergTable]:
        """Load the table in its newest state, or return ``None`` when there is none."""
        identifier = catalog.identifier(name)
        forget(spark, identifier)
        if not spark.catalog.tableExists(identifier):
            return None
        return cls(spark, catalog, name)

    def _load(self) -> Any:
        spark3_util = self._spark._jvm.org.apache.iceberg.spark.Spark3Util
        try:
            return spark3_util.loadIcebergTable(self._spark._jsparkSession, self.identifier)
        except Exception as exc:
            raise StepError(f"{self.identifier} is not an Iceberg table that can be loaded: {_reason(exc)}") from exc

    def refresh(self) -> None:
        """Read the newest metadata, for this object and for Spark's cache."""
        forget(self._spark, self.identifier)
        self._table = self._load()

    @property
    def location(self) -> str:
        """Where the table lives."""
        return str(self._table.location())

    @property
    def uuid(self) -> str:
        """The table's own id; a table that was dropped and made anew has another."""
        return str(self._table.uuid().toString())

    @property
    def properties(self) -> Dict[str, str]:
        """The table properties."""
        return dict(self._table.properties())

    @property
    def partition_fields(self) -> Tuple[str, ...]:
        """The partition spec in the words of a spec: ``day(ts)``, ``bucket(16, id)``, ``carrier``."""
        spec, schema = self._table.spec(), self._table.schema()
        fields = []
        for index in range(spec.fields().size()):
            field = spec.fields().get(index)
            column, transform = schema.findColumnName(field.sourceId()), str(field.transform().toString())
            if transform == "void":
                continue
            fields.append(_partition_word(transform, column))
        return tuple(fields)

    def branch(self, name: str) -> str:
        """Return the SQL identifier of a branch, quoted."""
        return f"{quoted(self.identifier)}.{quoted('branch_' + name)}"

    def head(self, ref: str = "main") -> Optional[int]:
        """Return the snapshot id that a ref points to, ``None`` where there is no such ref."""
        snapshot = self._table.currentSnapshot() if ref == "main" else self._table.snapshot(ref)
        return None if snapshot is None else int(snapshot.snapshotId())

    def refs(self) -> List[str]:
        """Return the names of all branches and tags."""
        return sorted(str(name) for name in self._table.refs().keySet())

    def summary(self, snapshot_id: int) -> Dict[str, str]:
        """Return a snapshot's summary; empty when the snapshot has expired."""
        snapshot = self._table.snapshot(snapshot_id)
        return {} if snapshot is None else dict(snapshot.summary())

    def has_snapshot(self, snapshot_id: int) -> bool:
        """Whether the snapshot is still there."""
        return self._table.snapshot(snapshot_id) is not None

    def parent(self, snapshot_id: int) -> Optional[int]:
        """Return the parent of a snapshot, ``None`` for a first one or an expired one."""
        snapshot = self._table.snapshot(snapshot_id)
        parent = None if snapshot is None else snapshot.parentId()
        return None if parent is None else int(parent)

    def ancestors(self, snapshot_id: Optional[int]) -> Iterator[int]:
        """Walk from a snapshot to the oldest that is still there, newest first."""
        while snapshot_id is not None and self.has_snapshot(snapshot_id):
            yield snapshot_id
            snapshot_id = self.parent(snapshot_id)

    def main_history(self) -> Tuple[int, ...]:
        """Return the snapshots that main has pointed to, oldest first, as far as the metadata still tells."""
        return tuple(int(entry.snapshotId()) for entry in self._table.history())

    def commits(self, *, head: int, base: Optional[int]) -> Tuple[Commit, ...]:
        """Return the commits after ``base`` up to ``head``, oldest first, with Iceberg's own counts."""
        found = []
        for snapshot_id in self.ancestors(head):
            if snapshot_id == base:
                break
            found.append(self._commit(snapshot_id))
        return tuple(reversed(found))

    def _commit(self, snapshot_id: int) -> Commit:
        summary = self.summary(snapshot_id)

        def count(key: str) -> Optional[int]:
            return int(summary[key]) if key in summary else None

        return Commit(
            table=self.name,
            snapshot_id=snapshot_id,
            operation=str(self._table.snapshot(snapshot_id).operation()),
            parent_snapshot_id=self.parent(snapshot_id),
            added_records=count("added-records"),
            deleted_records=count("deleted-records"),
            added_data_files=count("added-data-files"),
            deleted_data_files=count("deleted-data-files"),
            total_records=count("total-records"),
        )

    def create_branch(self, name: str) -> Optional[int]:
        """Start a branch at main's head (an empty table gets an empty first snapshot on it); returns main's head.

        A branch of that name, from an earlier attempt of the same request, is replaced.
        """
        pin: List[Optional[int]] = [None]

        def change(update: Any) -> Any:
            if self.head(name) is not None:
                update = update.removeBranch(name)
            pin[0] = self.head()
            return update.createBranch(name) if pin[0] is None else update.createBranch(name, pin[0])

        self._update_refs(change)
        return pin[0]

    def drop_refs(self, names: List[str]) -> List[str]:
        """Drop branches and tags as far as they are there; returns those dropped."""
        dropped: List[str] = []

        def change(update: Any) -> Optional[Any]:
            dropped[:] = [name for name in names if name in self.refs()]
            if not dropped:
                return None
            for name in dropped:
                is_tag = self._table.refs().get(name).isTag()
                update = update.removeTag(name) if is_tag else update.removeBranch(name)
            return update

        self._update_refs(change)
        return dropped

    def publish(self, *, branch: str, snapshot_id: int) -> None:
        """Move main to the audited snapshot and drop the branch, in one commit of metadata.

        The snapshot is tagged, main is fast-forwarded to the tag (so a branch that moved on after the audit publishes
        nothing unaudited), :data:`PUBLISHED_TAG` follows. One commit leaves no state in between for a kill to find.

        :raises PublishConflict: main is no ancestor of the snapshot any more: somebody else published meanwhile.
        """

        def change(update: Any) -> Any:
            audited = f"{branch}_audited"
            update = update.createTag(audited, snapshot_id)
            try:
                update = update.fastForwardBranch("main", audited)
            except Exception as exc:
                if "not an ancestor" in _reason(exc):
                    raise PublishConflict(
                        f"{self.name} was published by another run meanwhile (main is now at snapshot {self.head()})"
                    ) from exc
                raise
            tagged = PUBLISHED_TAG in self.refs()
            update = (
                update.replaceTag(PUBLISHED_TAG, snapshot_id)
                if tagged
                else update.createTag(PUBLISHED_TAG, snapshot_id)
            )
            update = update.removeTag(audited)
            return update.removeBranch(branch) if branch in self.refs() else update

        self._update_refs(change)

    def cherry_pick(self, snapshot_id: int) -> None:
        """Apply a staged append to main; one that main has taken in already stays as it is."""

        def change(update: Any) -> Optional[Any]:
            for ancestor in self.ancestors(self.head()):
                if ancestor == snapshot_id or self.summary(ancestor).get("source-snapshot-id") == str(snapshot_id):
                    return None
            return update.cherrypick(snapshot_id)

        try:
            self._update_refs(change)
        except Exception as exc:
            if "CherrypickAncestorCommitException" not in str(exc):  # another process picked it between look and commit
                raise
            self.refresh()

    def append_nothing(self, branch: str) -> None:
        """Commit a snapshot without files to a branch: it carries the stamps."""
        self._table.newFastAppend().toBranch(branch).commit()
        self.refresh()

    def set_properties(self, properties: Mapping[str, str]) -> None:
        """Set table properties that differ; nothing is committed when none does."""
        have = self.properties
        differing = {key: value for key, value in properties.items() if have.get(key) != value}
        if not differing:
            return
        update = self._table.updateProperties()
        for key, value in differing.items():
            update = update.set(key, value)
        update.commit()
        self.refresh()

    def read_file(self, location: str) -> bytes:
        """Read a whole file by the table's own FileIO, so with the table's own credentials."""
        stream = self._table.io().newInputFile(location).newStream()
        try:
            return bytes(stream.readAllBytes())
        finally:
            stream.close()

    def write_file(self, location: str, data: bytes) -> None:
        """Write a new file by the table's own FileIO."""
        stream = self._table.io().newOutputFile(location).create()
        try:
            stream.write(bytearray(data))
        finally:
            stream.close()

    def _update_refs(self, change: Any) -> None:
        """Commit a change of refs, again from fresh metadata when others committed meanwhile.

        Iceberg validates such a change against the metadata it was made from and never retries it itself
        ("Table metadata refresh is required"), so the change is made anew.
        """
        for attempt in range(_COMMIT_ATTEMPTS):
            self.refresh()
            try:
                update = change(self._table.manageSnapshots())
                if update is not None:
                    update.commit()
                break
            except PublishConflict:
                raise
            except Exception as exc:
                if not _is_commit_conflict(exc) or attempt == _COMMIT_ATTEMPTS - 1:
                    raise
        self.refresh()


def forget(spark: Any, identifier: str) -> None:
    """Drop a table from the session's cache, so that the next reference reads its newest metadata."""
    catalog, *namespace, table = identifier.split(".")
    plugin = spark._jsparkSession.sessionState().catalogManager().catalog(catalog)
    there = string_array(spark, namespace)
    plugin.invalidateTable(spark._jvm.org.apache.spark.sql.connector.catalog.Identifier.of(there, table))


def string_array(spark: Any, texts: Sequence[str]) -> Any:
    """Return texts as a Java ``String[]``."""
    array = spark.sparkContext._gateway.new_array(spark._jvm.java.lang.String, len(texts))
    for index, text in enumerate(texts):
        array[index] = text
    return array


@contextmanager
def stamped(spark: Any, stamps: Mapping[str, str]) -> Iterator[None]:
    """While open, every Iceberg commit of this JVM carries these keys in its snapshot summary.

    ``EnvironmentContext`` is the one way that stamps SQL MERGE and DELETE too (Spark 3.5 has no conf for it); it is
    global to the JVM, so only one table is written at a time.
    """
    context = spark._jvm.org.apache.iceberg.EnvironmentContext
    for key, value in stamps.items():
        context.put(key, value)
    try:
        yield
    finally:
        for key in stamps:
            context.remove(key)


def _partition_word(transform: str, column: str) -> str:
    if transform == "identity":
        return column
    name, bracket, argument = transform.partition("[")
    if bracket:
        return f"{name}({argument.rstrip(']')}, {column})"
    return f"{name}({column})"


def _reason(error: BaseException) -> str:
    java = getattr(error, "java_exception", None)
    return str(java.getMessage() if java is not None else error)


def _is_commit_conflict(error: BaseException) -> bool:
    java = getattr(error, "java_exception", None)
    while java is not None:
        if java.getClass().getSimpleName() in ("CommitFailedException", "AlreadyExistsException"):
            return True
        if "refresh is required" in str(java.getMessage()):
            return True
        java = java.getCause()
    return False
