"""The shapes of Graphite's answers about paths, tags and functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from andon.feedback.graphite.catalogue import Found
from andon.feedback.graphite.registry import Function, Parameter, Scalar, signature


class TreeNode(msgspec.Struct, kw_only=True):
    text: str
    id: str
    allowChildren: int
    expandable: int
    leaf: int


class Completion(msgspec.Struct, kw_only=True, omit_defaults=True):
    name: str
    path: str = ""
    is_leaf: str = ""


class Completions(msgspec.Struct, kw_only=True):
    metrics: list[Completion]


class Node(msgspec.Struct, kw_only=True):
    path: str
    is_leaf: bool


class Paths(msgspec.Struct, kw_only=True):
    results: list[str]


class PathsByQuery(msgspec.Struct, kw_only=True):
    results: dict[str, list[str]]


class Tag(msgspec.Struct, kw_only=True):
    tag: str


class TagValue(msgspec.Struct, kw_only=True):
    value: str
    count: int


class TagDetails(msgspec.Struct, kw_only=True):
    tag: str
    values: list[TagValue]


class ParameterShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    name: str
    type: str
    required: bool = False
    multiple: bool = False
    default: Scalar = None
    options: list[Scalar] = []
    suggestions: list[Scalar] = []


class FunctionShape(msgspec.Struct, kw_only=True):
    name: str
    function: str
    description: str
    module: str
    group: str
    params: list[ParameterShape]


def tree(found: Sequence[Found], pattern: str, *, wildcards: bool) -> list[TreeNode]:
    """Branches and then leaves, one of a name. ``id`` begins as the pattern does, for asking on."""
    base = f"{pattern.rpartition('.')[0]}." if "." in pattern else ""
    by_name: dict[str, bool] = {}
    for one in sorted(found, key=lambda node: (node.is_leaf, node.path)):
        by_name.setdefault(one.path.rpartition(".")[2], one.is_leaf)
    nodes = [_tree_node(name, base, is_leaf=is_leaf) for name, is_leaf in by_name.items()]
    if wildcards and len(nodes) > 1:
        nodes.insert(0, _tree_node("*", base, is_leaf=all(by_name.values())))
    return nodes


def _tree_node(name: str, base: str, *, is_leaf: bool) -> TreeNode:
    branch = int(not is_leaf)
    return TreeNode(text=name, id=base + name, allowChildren=branch, expandable=branch, leaf=int(is_leaf))


def completions(found: Sequence[Found], *, wildcards: bool) -> Completions:
    made = [
        Completion(
            path=one.path if one.is_leaf else f"{one.path}.",
            name=one.path.rpartition(".")[2],
            is_leaf=str(int(one.is_leaf)),
        )
        for one in found
    ]
    return Completions(metrics=[*made, Completion(name="*")] if wildcards and len(made) > 1 else made)


def nodes(found: Iterable[Found]) -> list[Node]:
    return [Node(path=one.path, is_leaf=one.is_leaf) for one in found]


def function_shape(function: Function) -> FunctionShape:
    return FunctionShape(
        name=function.name,
        function=signature(function),
        description=function.description,
        module="graphite.render.functions",
        group=function.group,
        params=[_parameter(one) for one in function.parameters],
    )


def _parameter(one: Parameter) -> ParameterShape:
    infinite = isinstance(one.default, float) and math.isinf(one.default)
    return ParameterShape(
        name=one.name,
        type=str(one.type),
        required=one.required,
        multiple=one.multiple,
        default=None if infinite else one.default,
        options=list(one.options),
        suggestions=list(one.suggestions),
    )
