"""What the control plane asks of the data plane: ``request.json``.

One request is one Spark application. It names tables, in the order in which they run, each with its steps.
Everything in it is rendered: no Jinja, no ``${}``, no secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple, Union

PROTOCOL_VERSION = "1.1"
"""``major.minor``. A reader accepts every minor of its own major and ignores keys it does not know."""

METADATA_COLUMNS = ("_source_file", "_ingested_at", "_run_id")
"""What an ingest adds to each row; never part of a comparison of rows."""


@dataclass(frozen=True)
class TaskIdentity:
    """Which task run, and which start of it, a job belongs to.

    ``generation`` changes when somebody clears the task, ``submission`` with each new start of a dead run.

    >>> TaskIdentity(dag_id="flights", run_id="r1", task_id="silver__flights").request_id
    'dae3cb62ff9cad36e9451ec9e4a7f284'
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    generation: int = 1
    submission: int = 1

    @property
    def request_id(self) -> str:
        """32 hex digits; the same for the same start of the same task run, on every machine."""
        key = "\0".join(
            str(part)
            for part in (self.dag_id, self.run_id, self.task_id, self.map_index, self.generation, self.submission)
        )
        return hashlib.sha256(key.encode("utf-8")).hexdigest()[:32]


@dataclass(frozen=True)
class DataInterval:
    """The half-open span of data time that a run is for; both ends ISO-8601 in UTC."""

    start: str
    end: str

    @property
    def key(self) -> str:
        """How the ledger names the interval."""
        return f"{self.start}/{self.end}"


@dataclass(frozen=True)
class Column:
    """One column of a table's contract; ``type`` in Iceberg/Spark words, ``rule`` an SQL predicate."""

    name: str
    type: str
    nullable: bool = True
    description: Optional[str] = None
    rule: Optional[str] = None


@dataclass(frozen=True)
class IngestStep:
    """Read files that the table has not taken in yet.

    ``files`` are absolute globs (a path or a URI, ``**`` crosses folders); ``format`` is one of csv, json, parquet,
    orc, avro; ``options`` go to Spark's reader as they are. ``recursive``: a glob that names a folder means the files
    at any depth below it. ``on_empty`` (no new file) is succeed, skip or fail; ``on_replaced`` (a known path with
    other content) is replace, append or fail. ``files_per_run``: at most so many new files, the oldest first.
    """

    files: Tuple[str, ...]
    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    metadata_columns: Tuple[str, ...] = METADATA_COLUMNS
    recursive: bool = False
    on_empty: str = "succeed"
    on_replaced: str = "replace"
    files_per_run: Optional[int] = None
    kind: str = "ingest"


@dataclass(frozen=True)
class TransformStep:
    """Run one SELECT. ``inputs`` are the tables that it reads, ``layer.name`` each.

    ``deterministic`` is false where the text uses the clock or chance: then no run is ever a ``no_op`` by its
    fingerprint. ``names_interval`` says that the text was rendered from a template of the run's interval.
    """

    sql: str
    inputs: Tuple[str, ...] = ()
    deterministic: bool = True
    names_interval: bool = False
    kind: str = "transform"


@dataclass(frozen=True)
class PythonStep:
    """Call one function with DataFrames; it returns one.

    ``code_uri`` is a zip of the user's modules, ``code_sha256`` its hash; ``module`` is imported from it.
    ``parameters`` gives for each parameter of the function its table, ``layer.name``; ``wants`` names those of
    ``context`` and ``spark`` that it asks for. ``inputs``, ``deterministic`` and ``names_interval`` as in a transform:
    a function that may read what no snapshot identifies, or that uses the clock or chance, is not deterministic.
    """

    module: str
    function: str
    code_uri: str = ""
    code_sha256: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    wants: Tuple[str, ...] = ()
    inputs: Tuple[str, ...] = ()
    deterministic: bool = False
    names_interval: bool = False
    kind: str = "python"


@dataclass(frozen=True)
class WriteStep:
    """How the batch meets the table: ``strategy`` is append, merge or replace.

    ``mode`` (auto, copy_on_write, merge_on_read) says how rows are rewritten. Of a merge: an update sets
    ``update_columns``, or all but ``exclude_columns``; ``delete_when`` is a predicate over the source row;
    ``when_matched`` is update or keep, ``when_not_matched`` insert or ignore, ``when_not_matched_by_source`` keep,
    delete or soft_delete, which sets the boolean column ``soft_delete``. ``writer`` tells tasks apart that append
    the rows of queries to one table: an interval is appended once by each.
    """

    strategy: str
    unique_key: Tuple[str, ...] = ()
    sequence_by: Optional[str] = None
    mode: str = "auto"
    update_columns: Tuple[str, ...] = ()
    exclude_columns: Tuple[str, ...] = ()
    delete_when: Optional[str] = None
    when_matched: str = "update"
    when_not_matched: str = "insert"
    when_not_matched_by_source: str = "keep"
    soft_delete: Optional[str] = None
    writer: Optional[str] = None
    kind: str = "write"


@dataclass(frozen=True)
class Check:
    """One SodaCL check.

    ``text`` is what a person wrote (``row_count > 0``); ``body`` the mapping below it without our own keys, or
    ``None``; ``on_fail`` is fail, warn or skip_publish; ``on_error`` the same. ``sodacl`` is what Soda gets instead,
    ``{text: body}``, where the names of tables in it are others in the catalog (``namespace_prefix``); reports keep to
    ``text`` and ``body``.
    """

    text: str
    body: Optional[Mapping[str, Any]] = None
    on_fail: str = "fail"
    on_error: str = "fail"
    sodacl: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class CheckStep:
    """Judge the table as it would be after this run."""

    checks: Tuple[Check, ...]
    inputs: Tuple[str, ...] = ()
    kind: str = "check"


@dataclass(frozen=True)
class PublishStep:
    """Make the audited snapshot the table's own, atomically."""

    kind: str = "publish"


Step = Union[IngestStep, TransformStep, PythonStep, WriteStep, CheckStep, PublishStep]

STEP_KINDS: Dict[str, type] = {
    "ingest": IngestStep,
    "transform": TransformStep,
    "python": PythonStep,
    "write": WriteStep,
    "check": CheckStep,
    "publish": PublishStep,
}


@dataclass(frozen=True)
class Quarantine:
    """Where rejected rows go. Without ``enabled`` one bad row fails the run.

    ``max_fraction`` of the rows read (0 to 1): above it nothing is published.
    """

    enabled: bool = True
    table: Optional[str] = None
    max_fraction: float = 0.1


@dataclass(frozen=True)
class TableRequest:
    """One table of a request: its contract, and the steps in the order in which they run.

    ``upstream`` are the tables of the same request that must have succeeded first. ``spec_sha256`` is the hash of
    the rendered spec of this table: with code, file versions and source snapshots it makes the fingerprint.
    """

    table: str
    steps: Tuple[Step, ...]
    columns: Optional[Tuple[Column, ...]] = None
    description: Optional[str] = None
    partition_by: Tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    quarantine: Quarantine = field(default_factory=Quarantine)
    upstream: Tuple[str, ...] = ()
    full_refresh: bool = False
    spec_sha256: str = ""

    @property
    def strategy(self) -> Optional[str]:
        """How the table is written; ``None`` where it is only judged."""
        return next((step.strategy for step in self.steps if isinstance(step, WriteStep)), None)


@dataclass(frozen=True)
class Catalog:
    """The Iceberg catalog, by the properties that Iceberg itself reads; never a secret.

    ``type`` is sqlite (the embedded one, ``path`` of the database in ``properties``), glue, rest, hive, jdbc or
    hadoop. The table ``layer.name`` lies in the namespace ``<namespace_prefix>layer``. ``secrets`` gives, property by
    property, the name of the environment variable that holds it where the job runs.
    """

    name: str
    type: str
    warehouse: str
    properties: Mapping[str, str] = field(default_factory=dict)
    namespace_prefix: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)

    def namespace(self, layer: str) -> str:
        """Return the Iceberg namespace of a layer."""
        return f"{self.namespace_prefix}{layer}"

    def name_of(self, table: str) -> str:
        """Return the name within the catalog of the table that everybody calls ``layer.name``.

        >>> Catalog("lake", "rest", "s3://lake", namespace_prefix="dev_").name_of("silver.flights")
        'dev_silver.flights'
        """
        layer, dot, name = table.rpartition(".")
        return f"{self.namespace(layer)}{dot}{name}"

    def identifier(self, table: str) -> str:
        """Return the full name, ``catalog.namespace.name``, of the table that everybody calls ``layer.name``."""
        return f"{self.name}.{self.name_of(table)}"


@dataclass(frozen=True)
class Provenance:
    """What made this request."""

    provider_version: str = ""
    spec_path: str = ""
    spec_sha256: str = ""
    code_sha256: str = ""


@dataclass(frozen=True)
class Submissions:
    """What the control plane knows of other starts of the same task, by request id.

    ``undelivered``: earlier starts of this task run whose result never reached the caller: if one of them
    published, this run reports that. ``dead``: starts that ended without a word, their refs go at once.
    ``failed``: starts that ended with a failure, their refs stay for inspection until this run publishes.
    """

    undelivered: Tuple[str, ...] = ()
    dead: Tuple[str, ...] = ()
    failed: Tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRequest:
    """One Spark application: see ``docs/reference/job-protocol.md``.

    ``logical_date`` and ``interval`` may be absent: asset-triggered and partitioned runs have none.
    """

    request_id: str
    task: TaskIdentity
    pipeline: str
    tables: Tuple[TableRequest, ...]
    catalog: Catalog
    report_uri: str
    protocol_version: str = PROTOCOL_VERSION
    try_number: int = 1
    logical_date: Optional[str] = None
    interval: Optional[DataInterval] = None
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    submissions: Submissions = field(default_factory=Submissions)
    provenance: Provenance = field(default_factory=Provenance)
