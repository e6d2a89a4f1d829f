"""Random good specs: strategies for every key of the models, spread over several files as people spread them.

A key whose values its type tells (a number, a word of a closed set, ``true``) is covered by itself; any other needs an
entry here, and :func:`values_of` fails without one.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Literal

import yaml
from hypothesis import strategies as st
from pydantic import BaseModel

from airflow_lake_provider.spec.document import typed
from airflow_lake_provider.spec.lake_keys import EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.pipeline import PipelineKeys
from airflow_lake_provider.spec.table import (
    ColumnSpec,
    DefaultKeys,
    IngestSpec,
    LayerKeys,
    QuarantineSpec,
    TableSpec,
    WriteSpec,
)

ENV = {"DRAWN_TEXT": "from ${outside}: x", "DRAWN_NUMBER": "12", "DRAWN_PASSWORD": "hunter2"}
"""The environment variables that drawn specs read."""

LAYERS = ("bronze", "silver", "gold", "staging", "mart")
_LIKE = {"staging": ("bronze", "silver", "gold"), "mart": ("staging", "gold")}
_WORDS = (
    "a", "x y", "true", "no", "12", "0x1f", "1e3", "~", "null", "a: b", "a #b", "- a", "{a}", "[b]", "'q'", '"q"',
    "é 😀", "$${a}", "${", "a\nb", "a\n\n b\n", " lead", "trail ", "\ttab", "*star", "&and", "!bang", "|", ">", "%",
    "@at", "`t`", "...", "--- x", "\u2028", "c:\\d", "2026-01-01", "12:30", ".5", "#no", "?", "x" * 90,
    "\x7f", "=", "<<", "a,b",
)  # fmt: skip
text = st.one_of(
    st.sampled_from(_WORDS), st.text(st.sampled_from("ab é:#-{}[]'\"\n\t $\\|>&*!%@`?,0"), min_size=1, max_size=12)
)
filled = text.filter(lambda value: value.strip() != "")
one_line = filled.filter(lambda value: not any(opener in value for opener in ("{{", "{%", "{#")))
"""What may stand where templates are looked at: an opener that nothing closes is a mistake."""
durations = st.sampled_from(["30s", "5m", "1h30m", "1d", "2d3h"])
plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), one_line)
nested = st.recursive(
    plain,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(one_line, below, max_size=3)),
    max_leaves=4,
)
listed = st.one_of(one_line, st.lists(one_line, min_size=1, max_size=3))
conf_keys = st.sampled_from(["spark.a", "spark.sql.shuffle.partitions", "spark.executor.memory", "spark.b c", "12"])
conf = st.dictionaries(conf_keys, st.one_of(st.none(), st.booleans(), st.integers(0, 99), one_line), max_size=3)
columns = st.fixed_dictionaries({
    "id": st.sampled_from(["bigint", "bigint not null", {"type": "BIGINT", "nullable": False}]),
    "day": st.one_of(st.just("date"), st.builds(lambda note: {"type": "date", "description": note}, text)),
    "amount": st.sampled_from(["decimal(10,2)", {"type": "decimal( 10, 2)", "rule": "amount >= 0"}]),
    "note": st.sampled_from(["string", {"type": "string", "rule": "note <> '$${x}' AND id > 0"}]),
})  # fmt: skip
checks = st.lists(
    st.one_of(
        st.sampled_from(["row_count > 0", "missing_count(id) = 0"]),
        st.builds(
            lambda number, note: {f"row_count between {number} and 99": {"on_fail": "warn", "name": note}},
            st.integers(0, 9),
            one_line,
        ),
    ),
    max_size=3,
)
partitions = st.lists(
    st.sampled_from(["month(day)", "bucket( 4 , id)", "truncate(3, note)", "day( day )"]), min_size=1, max_size=1
)

TABLE: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("retry_delay", "max_retry_delay", "execution_timeout"), durations),
    **dict.fromkeys(("pool", "queue", "run_as_user", "executor", "owner"), one_line),
    "description": one_line,
    "tags": listed,
    "columns": columns,
    "unique_key": st.sampled_from(["id", ["id"], ["id", "day"]]),
    "partition_by": st.one_of(partitions, st.just("month(day)")),
    "checks": checks,
    "quarantine": st.one_of(st.booleans(), st.sampled_from([{"max": "10%"}, {"max": 0.25}, {"max": "5.5 %"}])),
    "on_schema_change": st.just("fail"),
    "properties": conf,
    "engine": st.sampled_from(["default", "heavy"]),
    "resource_profile": st.sampled_from(["small", "xlarge", "tiny"]),
    "spark_conf": conf,
    "engine_options": st.dictionaries(one_line, nested, max_size=3),
}
INGEST: dict[str, st.SearchStrategy[Any]] = {
    "files": st.sampled_from(["in/{{ data_interval_start | ds }}.csv", ["a.csv", "b.csv.gz"], "$${x}.csv"]),
    "format": st.just("csv"),
    "options": st.dictionaries(
        st.sampled_from(["sep", "header", "x y"]), st.one_of(st.booleans(), st.integers(), one_line), max_size=2
    ),
    "metadata_columns": st.sampled_from([True, ["_source_file"], ["_run_id", "_source_file"], "_source_file"]),
}  # fmt: skip
WRITE: dict[str, st.SearchStrategy[Any]] = {
    "strategy": st.just("merge"),
    "sequence_by": st.sampled_from(["amount", "day"]),
    "update_columns": st.sampled_from(["amount", ["amount", "note"]]),
    "exclude_columns": st.just(["note"]),
    "delete_when": st.just("note = 'gone'"),
    "when_not_matched_by_source": st.sampled_from(["keep", "delete", {"soft_delete": "note"}]),
}
QUARANTINE: dict[str, st.SearchStrategy[Any]] = {"max": st.sampled_from(["1%", 0.5, "10%"])}
PIPELINE: dict[str, st.SearchStrategy[Any]] = {
    "description": text,
    "doc": text,
    "schedule": st.sampled_from([
        "0 6 * * *", "@daily", "@once", "6h", None, {"any": ["crm.x", "s3://a/b"]}, {"assets": ["crm.x"]},
        {"all": ["crm.x", {"any": ["s3://c", "s3://d"]}]},
    ]),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "start_date": st.sampled_from(["2026-01-01", "2026-01-01T06:00:00+02:00"]),
    "end_date": st.sampled_from(["2027-01-01", "2027-06-01T00:00:00"]),
    "tags": listed,
    "owner": one_line,
    "owner_links": st.dictionaries(
        one_line, st.sampled_from(["https://wiki.example/a?b#c", "mailto:a@b.example"]), max_size=2
    ),
    "params": st.dictionaries(one_line, nested, max_size=3),
    "dagrun_timeout": durations,
    "dag_display_name": filled,
    "external": st.sampled_from([["crm.x"], ["crm.x", "crm.y"], "crm.x"]),
}  # fmt: skip
PROFILE: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("driver_memory", "executor_memory"), st.sampled_from(["1g", "512m"])),
    "spark_conf": conf,
    "engine_options": TABLE["engine_options"],
}
ENVIRONMENT: dict[str, st.SearchStrategy[Any]] = {
    "base_path": st.sampled_from(["s3://lake", "data"]),
    "namespace_prefix": st.sampled_from(["", "dev_"]),
    "catalog": st.sampled_from([{"name": "other"}, {"type": "hadoop", "warehouse": "wh"}]),
    "job_root": st.just("jobs"),
    "spark_conf": conf,
    "engine_options": TABLE["engine_options"],
}
PLACED: dict[type[BaseModel], set[str]] = {
    PipelineKeys: {"pipeline", "environment", "extends", "variables", "layers"},
    DefaultKeys: {"write", "depends_on"},
    WriteSpec: set(),
    IngestSpec: set(),
    QuarantineSpec: {"table", "enabled"},
    ProfileKeys: set(),
    EnvironmentKeys: {"engines", "variables", "env"},
    ColumnSpec: {"type", "nullable", "description", "rule"},
    LayerKeys: {"like", *DefaultKeys.model_fields},
    TableSpec: {"ingest", "sql", "sql_file", "python", *DefaultKeys.model_fields},
    LakeKeys: {"default_environment", "environments", "resource_profiles", "defaults", "layers"},
}
"""Keys that :func:`projects` gives by itself, because they hang together with others."""


def values_of(
    model: type[BaseModel], written: Mapping[str, st.SearchStrategy[Any]]
) -> dict[str, st.SearchStrategy[Any]]:
    """Return a strategy for each key of a model but those of :data:`PLACED`."""
    found: dict[str, st.SearchStrategy[Any]] = {}
    for key, info in model.model_fields.items():
        if key in PLACED[model]:
            continue
        strategy = written[key] if key in written else _by_type(info.annotation, info.metadata)
        assert strategy is not None, f"no strategy for `{key}` of {model.__name__}: add one to {__name__}"
        found[key] = strategy
    return found


def _by_type(annotation: Any, metadata: Any = ()) -> st.SearchStrategy[Any] | None:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        (rest,) = (argument for argument in arguments if argument is not types.NoneType)
        return _by_type(rest, metadata)
    if origin is typing.Annotated:
        return _by_type(arguments[0], (*arguments[1:], *metadata))
    if origin is Literal:
        return st.sampled_from(arguments)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        low = [
            bound.ge for each in metadata for bound in (each, *getattr(each, "metadata", ())) if hasattr(bound, "ge")
        ]
        return st.integers(low[0] if low else -5, 40)
    return durations if annotation is timedelta else None


def some_of(strategies: Mapping[str, st.SearchStrategy[Any]], at_most: int = 5) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with a few of the keys."""
    keys = st.lists(st.sampled_from(sorted(strategies)), unique=True, max_size=at_most)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: strategies[key] for key in chosen}))


class _Bare(str):
    """Text that takes the type of what it names."""


_OF_THE_ENVIRONMENT = {
    "e1": "${env.DRAWN_TEXT}",
    "e2": "a${env.DRAWN_TEXT}b",
    "e3": _Bare("${env.DRAWN_NUMBER}"),
    "e4": "x ${env.DRAWN_PASSWORD} $${y}",
    "e5": "${secret}!",
    "e6": "${env.DRAWN_NOTHING:-d}",
    "e7": "${secret:-d}",
}


@dataclass
class Drawn:
    """A project: each file's text, and the environment to read the spec for."""

    files: dict[str, str] = field(default_factory=dict)
    environment: str | None = None

    def __repr__(self) -> str:
        return (
            "\n".join(f"==> {name}\n{content}" for name, content in self.files.items()) + f"\n--env {self.environment}"
        )


TABLE_KEYS = values_of(DefaultKeys, TABLE)
INGEST_KEYS = values_of(IngestSpec, INGEST)
WRITE_KEYS = values_of(WriteSpec, WRITE)
PIPELINE_KEYS = values_of(PipelineKeys, PIPELINE)
PROFILE_KEYS = values_of(ProfileKeys, PROFILE)
ENVIRONMENT_KEYS = values_of(EnvironmentKeys, ENVIRONMENT)
QUARANTINE_KEYS = values_of(QuarantineSpec, QUARANTINE)
for _model in (ColumnSpec, LayerKeys, TableSpec, LakeKeys):
    assert values_of(_model, {}) == {}


@st.composite
def projects(draw: st.DrawFn) -> Drawn:
    """Draw a project whose spec ``spec.yaml`` is right."""
    drawn = Drawn()
    chance = Random(draw(st.integers(0, 2**32)))
    spec: dict[str, Any] = {"pipeline": "drawn", **draw(some_of(PIPELINE_KEYS))}
    spec.setdefault("external", ["crm.x"])
    spec.setdefault("start_date", "2026-01-01")
    if spec.get("schedule") == "@continuous":
        spec["max_active_runs"] = 1
    layers = {
        name: {"like": draw(st.sampled_from(like)), **draw(some_of(TABLE_KEYS, 3))} for name, like in _LIKE.items()
    }
    layers["gold"] = draw(some_of(TABLE_KEYS, 2))
    lake: dict[str, Any] = {
        "environments": {name: _environment(draw) for name in ("dev", "prod")},
        "resource_profiles": {"tiny": draw(some_of(PROFILE_KEYS)), "small": draw(some_of(PROFILE_KEYS))},
        "defaults": {"unique_key": "id", **draw(some_of(TABLE_KEYS, 4))},
        "layers": {name: layers.pop(name) for name in draw(st.sampled_from([(), ("staging",), ("staging", "gold")]))},
    }
    spec["layers"] = layers
    spec["defaults"] = draw(some_of(TABLE_KEYS, 4))
    spec["tables"] = _tables(draw, drawn)
    drawn.environment = draw(st.sampled_from([None, "dev", "prod", "local"]))
    own = draw(st.sampled_from([None, "dev"]))
    if own is not None:
        spec["environment"] = own
    lake["default_environment"] = "dev"
    # `local` is built in, and has no engine of that name; nor may it name variables that only others have.
    lake["environments"]["local"] = {
        "engines": {"heavy": {"type": "spark_submit", "master": "spark://m:1"}},
        "env": [*ENV],
    }
    _put_variables(draw, spec, lake, chance)
    drawn.files |= {name: _dumped(content, chance) for name, content in _split(spec, draw).items()}
    drawn.files["lake.yaml"] = _dumped(lake, chance)
    return drawn


def _environment(draw: st.DrawFn) -> dict[str, Any]:
    engine = draw(
        st.sampled_from([{"type": "local"}, {"type": "spark_submit", "master": "yarn"}, {"type": "in_memory"}])
    )
    return {"engines": {"heavy": engine}, "env": [*ENV], **draw(some_of(ENVIRONMENT_KEYS))}


def _tables(draw: st.DrawFn, drawn: Drawn) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 3))):
        name = f"{draw(st.sampled_from(LAYERS))}.t{number}"
        read = draw(st.sampled_from([*tables, "crm.x"]))
        table: dict[str, Any] = draw(some_of(TABLE_KEYS))
        source = draw(st.sampled_from(["ingest", "sql", "sql_file", "python"]))
        query = f"SELECT *, '$${{x}}' AS note\nFROM {read}\nWHERE day = '{{{{ data_interval_start | ds }}}}'"
        if source == "ingest":
            table["ingest"] = {"files": "t.csv", **draw(some_of(INGEST_KEYS, 3))}
        elif source == "sql":
            table["sql"] = query + draw(st.sampled_from(["", "\n", "\n\n"]))
        elif source == "sql_file":
            drawn.files[f"sql/{number}.sql"] = query + "\n"
            table["sql_file"] = f"sql/{number}.sql"
        else:
            parameter = read.replace(".", "__")
            drawn.files[f"f{number}.py"] = (
                f"def make({parameter}, context):\n    return {parameter}, context.data_interval_start\n"
            )
            table["python"] = f"f{number}.py:make"
        if draw(st.booleans()) or source == "ingest":
            table["write"] = _write(draw, source)
        if draw(st.booleans()):
            table["depends_on"] = draw(st.sampled_from([[read], read])) if source != "ingest" else "crm.x"
        if draw(st.integers(0, 3)) == 0:
            table["quarantine"] = {"table": f"bad{number}", **draw(some_of(QUARANTINE_KEYS))}
        tables[name] = table
    return tables


def _write(draw: st.DrawFn, source: str) -> Any:
    if draw(st.booleans()):
        words = ["append", "merge"] if source == "ingest" else ["append", "merge", "replace"]
        word = draw(st.sampled_from(words))
        return draw(st.sampled_from([word, {"strategy": word}]))
    write = {**draw(some_of(WRITE_KEYS, 4)), "strategy": "merge"}
    if "update_columns" in write:
        write.pop("exclude_columns", None)
    if source == "ingest":
        write.pop("when_not_matched_by_source", None)
    return write


def _put_variables(draw: st.DrawFn, spec: dict[str, Any], lake: dict[str, Any], chance: Random) -> None:
    """Name some values by variables: of the spec, of the environments, of the environment itself."""
    naming = _Naming(draw(st.sampled_from([0.0, 0.15, 0.5])), chance)
    for key in spec:
        if key not in ("pipeline", "environment", "layers"):
            spec[key] = naming.put(spec[key])
    for keys in spec["layers"].values():
        keys.update({key: naming.put(value) for key, value in keys.items() if key != "like"})
    lake.update(_escaped(lake))
    params = spec.setdefault("params", {})
    variables = naming.variables
    given = {name: value for name, value in variables.items() if chance.random() < 0.4}
    # Its default is another value of the same kind; the environments give it the right one.
    variables.update({name: _other(value) for name, value in given.items()})
    if isinstance(params, dict):
        params.update(_OF_THE_ENVIRONMENT)
        variables["secret"] = "u:${env.DRAWN_PASSWORD}"
    if variables:
        spec["variables"] = variables
    for environment in lake["environments"].values():
        environment["env"] = [*ENV, "DRAWN_NOTHING"]
        if given:
            environment["variables"] = dict(given)


@dataclass
class _Naming:
    """Puts ``${name}`` in place of a share of the values."""

    share: float
    chance: Random
    variables: dict[str, Any] = field(default_factory=dict)

    def put(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {_escaped(key): self.put(below) for key, below in value.items()}
        if isinstance(value, list):
            if value and _is_flat(value) and self.chance.random() < self.share / 3:
                return self.named([_escaped(item) for item in value])
            return [self.put(item) for item in value]
        escaped = _escaped(value)
        if value is None or self.chance.random() >= self.share:
            return escaped
        if not isinstance(value, str) or self.chance.random() < 0.5:
            return self.named(escaped)
        at = self.chance.randrange(len(value))
        return escaped if "$" in value else value[:at] + self.named(value[at:])

    def named(self, value: Any) -> str:
        name = f"v{len(self.variables)}"
        self.variables[name] = value
        return f"${{{name}}}"


def _is_flat(values: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return type(value)(1)
    return ["other"] if isinstance(value, list) else "other"


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.replace("${", "$${"): _escaped(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _split(spec: dict[str, Any], draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Put some keys into a file that the spec extends, and lists partly there."""
    moved = draw(st.lists(st.sampled_from(sorted(set(spec) - {"pipeline"})), unique=True, max_size=4))
    base: dict[str, Any] = {}
    for key in moved:
        value = spec.pop(key)
        if isinstance(value, list) and len(value) > 1:
            base[key], spec[f"+{key}"] = value[:1], value[1:]
        elif isinstance(value, dict) and len(value) > 1 and key != "schedule":
            names = sorted(value)
            base[key] = {name: value[name] for name in names[::2]}
            spec[key] = {name: value[name] for name in names[1::2]}
        else:
            base[key] = value
    if not base:
        return {"spec.yaml": spec}
    if draw(st.booleans()):
        return {"spec.yaml": {**spec, "extends": "_base.yaml"}, "_base.yaml": base}
    return {
        "spec.yaml": {"extends": "_base.yaml", **spec},
        "_base.yaml": {"extends": "_root.yaml"},
        "_root.yaml": {**base, "owner": base.get("owner", "root")} if "owner" in spec else base,
    }


class _Dumper(yaml.SafeDumper):
    chance = Random(0)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    if isinstance(value, _Bare):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="")
    needs_quotes = not isinstance(typed(value), str) or "${" in value
    styles = ['"', "'", "|", ">"] if needs_quotes else [None, '"', "'", "|", ">"]
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=dumper.chance.choice(styles))


def _number(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    shown = f"{'-' if value < 0 else ''}.inf" if value in (float("inf"), float("-inf")) else repr(value)
    # Without a point YAML 1.1 takes it for text, and this dumper would add a tag.
    return dumper.represent_scalar("tag:yaml.org,2002:float", re.sub(r"^(-?\d+)e", r"\1.0e", shown))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Bare, _text)
_Dumper.add_representer(float, _number)


def _dumped(content: dict[str, Any], chance: Random) -> str:
    _Dumper.chance = chance
    _Dumper.ignore_aliases = lambda *_: True  # type: ignore[assignment,method-assign]
    flow = chance.choice([False, None, None])
    wide = chance.choice([40, 10_000])
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=wide)
