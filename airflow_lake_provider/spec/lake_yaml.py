"""Reading ``lake.yaml``: each environment with its own variables, every mistake located."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_lake_provider.spec import lake
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.engine_keys import ENGINE_KEYS
from airflow_lake_provider.spec.key import listed
from airflow_lake_provider.spec.lake import Environment, build_environment
from airflow_lake_provider.spec.lake_keys import EngineKeys, EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.layers import Layers
from airflow_lake_provider.spec.node import MAPPING, Node
from airflow_lake_provider.spec.problem import Problem, expected_one_of
from airflow_lake_provider.spec.reading import (
    DEFAULT_PLACES,
    LAYER_PLACES,
    Place,
    as_error,
    keys_of,
    locate,
    read_root,
    validate,
)
from airflow_lake_provider.spec.secrets import SECRET, secret_entries, secret_problems, with_catalog
from airflow_lake_provider.spec.source import Source, read_source
from airflow_lake_provider.spec.variables import Scope, declared, put_in

_PLACES = {
    (): Place(keys_of(LakeKeys)),
    ("environments", "*"): Place(keys_of(EnvironmentKeys), what="an environment"),
    ("environments", "*", "engines", "*"): Place(keys_of(EngineKeys), what="an engine"),
    ("resource_profiles", "*"): Place(keys_of(ProfileKeys), what="a resource profile"),
    **{("defaults", *path): place for path, place in DEFAULT_PLACES.items()},
    **{("layers", "*", *path): place for path, place in LAYER_PLACES.items()},
}


_NEEDED_BY_CATALOG = {"hadoop": ("warehouse",), "jdbc": ("warehouse", "uri"), "rest": ("uri",), "hive": ("uri",)}


@dataclass(frozen=True)
class Settings:
    """``lake.yaml`` as one environment sees it.

    :param node: its tree, with the environment's variables put in.
    """

    node: Node
    keys: LakeKeys
    environment: Environment

    def environment_node(self, *path: str) -> Node | None:
        """Return a part of the environment's own section, if it is there."""
        return self.node.get("environments", self.environment.name, *path)


def read_lake_yaml(path: Path) -> Node:
    """Read ``lake.yaml`` as it is written, and see that nothing in it is wrong, whichever environment is used.

    :raises SpecError: carries every mistake.
    """
    source = read_source(path)
    root, wrong = compose(source)
    if root is None and not wrong:
        return Node(MAPPING, source, 0, 0)
    root, wrong = read_root(source)
    if root is None:
        raise as_error(wrong, source.name)
    _, _, found = _read(root, None)
    wrong.extend(found)
    if wrong:
        raise as_error(wrong, source.name)
    return root


def empty_lake_yaml(path: Path) -> Node:
    """Return the tree of a project without ``lake.yaml``."""
    return Node(MAPPING, Source(str(path), ""), 0, 0)


def settings_of(root: Node, name: str, *, project_root: Path) -> Settings:
    """Return what ``lake.yaml`` says for one environment.

    :raises SpecError: a variable of the environment has no value, or a wrong one.
    """
    node, keys, wrong = _read(root, name)
    if wrong or keys is None:
        raise as_error(wrong, root.source.name)
    layers = Layers(layer_nodes(node))
    kinds = {layer: layers.of(layer).kind for layer in keys.layers or {}}
    return Settings(node, keys, build_environment(name, keys, root=project_root, layers=kinds))


def layer_nodes(root: Node) -> Mapping[str, Node]:
    """Return the mappings of ``layers``, of a spec or of ``lake.yaml``."""
    layers = root.get("layers")
    entries = layers.entries if layers is not None and not layers.is_spoilt else {}
    return {name: node for name, (_, node) in entries.items() if not node.is_spoilt}


def _read(root: Node, chosen: str | None) -> tuple[Node, LakeKeys | None, list[Diagnostic]]:
    """Put each environment's variables into its section, the chosen one's into the rest, and validate all of it.

    :param chosen: ``None`` while it is not known: what only an environment can tell is left out then.
    """
    node, wrong = _with_variables(root, chosen)
    keys, broken, problems = validate(LakeKeys, node.plain(), places=_PLACES, what="lake.yaml", node=node)
    if keys is not None:
        problems.extend(_problems(keys, broken))
    problems.extend(problem.below("layers") for _, problem in Layers(layer_nodes(node)).problems())
    located = [locate(problem, node) for problem in problems]
    # The line of a secret is not shown.
    return node, keys, [*wrong, *(replace(d, text="") if d.code == SECRET else d for d in located)]


def _with_variables(root: Node, chosen: str | None) -> tuple[Node, list[Diagnostic]]:
    wrong: list[Diagnostic] = []
    outside = Scope(is_open=chosen is None, is_guess=chosen is None)
    environments = root.get("environments")
    entries = dict(root.entries)
    if environments is not None and environments.kind == MAPPING:
        sections = {}
        for name, (key, node) in environments.entries.items():
            scope, found = declared(None, node.get("variables"), env=_env_names(node), is_open=name != chosen)
            wrong.extend(found)
            own = {word: entry for word, entry in node.entries.items() if word not in ("variables", "env")}
            secrets = secret_entries(node, scope.env)
            bare = with_catalog(node.with_entries(own) if node.kind == MAPPING else node, less=secrets, more={})
            made, found = put_in(bare, scope)
            wrong.extend(found)
            sections[name] = (key, _beside(with_catalog(made, more=secrets), node, scope))
            outside = scope if name == chosen else outside
        entries["environments"] = (entries["environments"][0], environments.with_entries(sections))
    for name, (key, node) in root.entries.items():
        if name != "environments":
            made, found = put_in(node, outside)
            wrong.extend(found)
            entries[name] = (key, made)
    return root.with_entries(entries), wrong


def _beside(made: Node, node: Node, scope: Scope) -> Node:
    """Put back what was left aside: the names of variables are not texts to put variables into."""
    if made.kind != MAPPING:
        return made
    entries = dict(made.entries)
    for word in ("variables", "env"):
        if word in node.entries:
            entries[word] = node.entries[word]
    variables = entries.get("variables")
    if variables is not None and variables[1].kind == MAPPING:
        values = {name: (key, scope.variables.get(name, value)) for name, (key, value) in variables[1].entries.items()}
        entries["variables"] = (variables[0], variables[1].with_entries(values))
    return made.with_entries(entries)


def _env_names(node: Node) -> frozenset[str]:
    names = node.get("env")
    plain = listed(names.plain()) if names is not None else None
    return frozenset(name for name in plain if isinstance(name, str)) if isinstance(plain, list) else frozenset()


def _problems(keys: LakeKeys, broken: set[str]) -> Iterator[Problem]:
    names = [*(keys.environments or {}), lake.LOCAL]
    chosen = keys.default_environment
    if chosen is not None and chosen not in names and "environments" not in broken:
        message = f"there is no environment `{chosen}`"
        hint = expected_one_of(chosen, dict.fromkeys(names))
        yield Problem(("default_environment",), "unknown-environment", message, hint)
    for name, environment in (keys.environments or {}).items():
        for engine, config in (environment.engines or {}).items():
            model = ENGINE_KEYS[config.type]
            places: dict[tuple[str, ...], Place] = {(): Place(keys_of(model), what=f"the engine `{engine}`")}
            plain = {"type": config.type, **(config.model_extra or {})}
            found = validate(model, plain, places=places, what=f"the engine `{engine}`")[2]
            yield from (problem.below("environments", name, "engines", engine) for problem in found)
            addresses = {"conn_id", "master"} & set(plain)
            if config.type == "spark_submit" and len(addresses) != 1:
                both = "both `conn_id` and `master`" if addresses else "neither `conn_id` nor `master`"
                hint = "expected one: a connection of the type `spark`, or the cluster's master"
                message = f"the engine `{engine}` has {both}"
                yield Problem(("environments", name, "engines", engine), "engine", message, hint, at_key=True)
        catalog = environment.catalog
        if catalog is None:
            continue
        yield from (p.below("environments", name, "catalog") for p in secret_problems(catalog.model_extra or {}))
        said = {*(catalog.model_extra or {}), *catalog.model_fields_set}
        for key in _NEEDED_BY_CATALOG.get(catalog.type, ()):
            if key not in said:
                message = f"a `{catalog.type}` catalog has no `{key}`"
                path = ("environments", name, "catalog")
                yield Problem(path, "missing-key", message, f"Add `{key}`.", at_key=True)
