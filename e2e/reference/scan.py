"""Finds the failure reasons in the sources of the node agent and its quantum engine: they are plain words there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from omnixan.edge_network.api.categories import Category

ROOT = Path(__file__).resolve().parents[2]
SOURCES = tuple(ROOT / "node_agent" / "omnixan" / "edge_network" / part for part in ("quantum", "agent"))
WORD = re.compile(r"[A-Z][a-z]+([A-Z][a-z0-9]*)*")
CATEGORIES = frozenset(Category.__members__)


@cache
def failures() -> dict[str, set[str]]:
    """Every reason that a failure can have, with the categories it comes with."""
    trees = [ast.parse(path.read_text()) for folder in SOURCES for path in sorted(folder.rglob("*.py"))]
    helpers = {name: category for tree in trees for name, category in _helpers(tree)}
    found: dict[str, set[str]] = {}
    for tree in trees:
        for category, reason in [*_named_with_category(tree), *_of_helpers(tree, helpers)]:
            found.setdefault(reason, set()).add(category)
    return found


def _named_with_category(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Calls such as ProgramError("BACKEND_ERROR", "AerFailed", …) and failed(record, Category.TIMEOUT, "Timeout", …)."""
    for call in _calls(tree):
        for first, second in zip(call.args, call.args[1:], strict=False):
            category, reason = _category(first), _word(second)
            if category and reason:
                yield category, reason
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from _of_dict(node)
        if isinstance(node, ast.Tuple):
            for first, second in zip(node.elts, node.elts[1:], strict=False):
                if (category := _category(first)) and (reason := _word(second)):
                    yield category, reason


def _of_dict(node: ast.Dict) -> Iterator[tuple[str, str]]:
    """{"category": Category.X.value, "reason": "Word"}, both perhaps out of a conditional expression."""
    entries = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)}
    if {"category", "reason"} <= entries.keys():
        categories = [c for n in ast.walk(entries["category"]) if isinstance(n, ast.expr) and (c := _category(n))]
        reasons = [w for n in ast.walk(entries["reason"]) if isinstance(n, ast.expr) and (w := _word(n))]
        if len(categories) == len(reasons):
            yield from zip(categories, reasons, strict=True)
        else:
            yield from ((category, reason) for category in categories for reason in reasons)


def _helpers(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Functions that take a reason and make a failure of one category: (name, category)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(a.arg == "reason" for a in _parameters(node)):
            categories = {c for call in _calls(node) for a in call.args if (c := _category(a))}
            if len(categories) == 1:
                yield node.name, categories.pop()


def _of_helpers(tree: ast.AST, helpers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Reasons that are given to such functions, or are their default."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in helpers:
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None and (reason := _word(default)):
                    yield helpers[node.name], reason
    for call in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in helpers:
            for argument in [*call.args, *(k.value for k in call.keywords if k.arg == "reason")]:
                if reason := _word(argument):
                    yield helpers[name], reason


def _parameters(node: ast.FunctionDef) -> list[ast.arg]:
    return [*node.args.args, *node.args.kwonlyargs]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _category(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and node.attr in CATEGORIES:
        return node.attr
    if isinstance(node, ast.Constant) and node.value in CATEGORIES:
        return str(node.value)
    return ""


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
        return node.value
    return ""
