"""The part of the Common Expression Language that validation rules of CRDs are written in, compiled to closures.

Operators, field access, indexing, `has`, `size`, `in`, the ternary, lists, literals, the macros all/exists/exists_one/
map/filter, and the string functions that rules use. What is not known here raises at compile time, never silently passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Scope = dict[str, Any]
Expression = Callable[[Scope], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.\d+|\d+)u?|(?P<string>r?'(?:[^'\\]|\\.)*'|r?"(?:[^"\\]|\\.)*")"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>\|\||&&|[=!<>]=|[-+*/%!<>?:.,()\[\]{}]))""",
    re.VERBOSE,
)
_BINARY: list[dict[str, Callable[[Any, Any], Any]]] = [
    {
        "==": lambda a, b: _equal(a, b),
        "!=": lambda a, b: not _equal(a, b),
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "in": lambda a, b: a in b,
    },
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: int(a / b) if isinstance(a, int) else a / b, "%": lambda a, b: a % b},
]
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})


class CelError(ValueError):
    """An expression that this evaluator does not know, or that fails on its input (as it would in the API server)."""


def compile_rule(text: str) -> Expression:
    """The rule as a function of its variables (`self`, `oldSelf`, …)."""
    parser = _Parser(text)
    expression = parser.ternary()
    if parser.peek() is not None:
        raise CelError(f"{text!r}: not understood from {parser.peek()!r} on")
    return expression


def _equal(a: Any, b: Any) -> bool:
    return type(a) is bool and type(b) is bool and a == b if isinstance(a, bool) or isinstance(b, bool) else bool(a == b)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        end, text = 0, text.strip()
        while end < len(text):
            match = _TOKEN.match(text, end)
            if match is None or match.lastgroup is None:
                raise CelError(f"{text!r}: not understood at {text[end : end + 20]!r}")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            end = match.end()
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise CelError("an expression ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, mark: str) -> None:
        found = self._next()[1]
        if found != mark:
            raise CelError(f"{mark!r} expected, {found!r} found")

    def _take(self, mark: str) -> bool:
        if self.peek() == mark and self._tokens[self._at][0] != "string":
            self._at += 1
            return True
        return False

    def ternary(self) -> Expression:
        test = self._or()
        if not self._take("?"):
            return test
        yes = self._or()
        self._expect(":")
        no = self.ternary()
        return lambda scope: yes(scope) if test(scope) else no(scope)

    def _or(self) -> Expression:
        parts = [self._and()]
        while self._take("||"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda scope: _lenient(parts, scope, True)

    def _and(self) -> Expression:
        parts = [self._binary(0)]
        while self._take("&&"):
            parts.append(self._binary(0))
        return parts[0] if len(parts) == 1 else lambda scope: _lenient(parts, scope, False)

    def _binary(self, level: int) -> Expression:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while (mark := self.peek()) in _BINARY[level] and self._tokens[self._at][0] != "string":
            self._at += 1
            left = _apply(_BINARY[level][str(mark)], left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        if self._take("!"):
            inner = self._unary()
            return lambda scope: not inner(scope)
        if self._take("-"):
            inner = self._unary()
            return lambda scope: -inner(scope)
        return self._postfix(self._primary())

    def _postfix(self, value: Expression) -> Expression:
        while True:
            if self._take("."):
                name = self._next()[1]
                value = self._method(value, name) if self._take("(") else _field(value, name)
            elif self._take("["):
                index = self.ternary()
                self._expect("]")
                value = _index(value, index)
            else:
                return value

    def _method(self, value: Expression, name: str) -> Expression:
        if name in _MACROS:
            variable = self._next()[1]
            self._expect(",")
            body = self.ternary()
            self._expect(")")
            return _macro(name, value, variable, body)
        arguments = self._arguments(")")
        known = _METHODS.get(name)
        if known is None:
            raise CelError(f"method {name!r} is not known here")
        return lambda scope: known(value(scope), *(argument(scope) for argument in arguments))

    def _arguments(self, end: str) -> list[Expression]:
        found: list[Expression] = []
        while not self._take(end):
            found.append(self.ternary())
            if not self._take(","):
                self._expect(end)
                break
        return found

    def _primary(self) -> Expression:
        sort, text = self._next()
        if sort == "number":
            number: Any = float(text) if "." in text else int(text)
            return lambda scope: number
        if sort == "string":
            string = text[2:-1] if text[0] == "r" else re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda scope: string
        if text == "(":
            inner = self.ternary()
            self._expect(")")
            return inner
        if text == "[":
            items = self._arguments("]")
            return lambda scope: [item(scope) for item in items]
        if sort != "name":
            raise CelError(f"{text!r} is not understood here")
        if text in ("true", "false", "null"):
            constant = {"true": True, "false": False, "null": None}[text]
            return lambda scope: constant
        if self._take("("):
            return self._call(text)
        return lambda scope: scope[text]

    def _call(self, name: str) -> Expression:
        (argument,) = self._arguments(")")
        if name == "has":
            return lambda scope: _has(argument, scope)
        function = _FUNCTIONS.get(name)
        if function is None:
            raise CelError(f"function {name!r} is not known here")
        return lambda scope: function(argument(scope))


def _lenient(parts: list[Expression], scope: Scope, decisive: bool) -> bool:
    """|| and && of CEL: a decisive side wins even over an error on the other."""
    error: Exception | None = None
    for part in parts:
        try:
            if bool(part(scope)) is decisive:
                return decisive
        except CelError as caught:
            error = caught
    if error is not None:
        raise error
    return not decisive


def _apply(function: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    def run(scope: Scope) -> Any:
        try:
            return function(left(scope), right(scope))
        except TypeError as error:
            raise CelError(str(error)) from error

    return run


def _field(value: Expression, name: str) -> Expression:
    def run(scope: Scope) -> Any:
        found = value(scope)
        if not isinstance(found, dict) or name not in found:
            raise CelError(f"no such key: {name}")
        return found[name]

    return run


def _index(value: Expression, index: Expression) -> Expression:
    def run(scope: Scope) -> Any:
        try:
            return value(scope)[index(scope)]
        except (KeyError, IndexError, TypeError) as error:
            raise CelError(f"no such key: {error}") from error

    return run


def _has(argument: Expression, scope: Scope) -> bool:
    """Whether the field is set. An absent parent makes this false, where CEL itself makes it an error."""
    try:
        argument(scope)
    except CelError:
        return False
    return True


def _macro(name: str, value: Expression, variable: str, body: Expression) -> Expression:
    def run(scope: Scope) -> Any:
        found = value(scope)
        each = ((item, lambda item=item: body(scope | {variable: item})) for item in found)
        if name == "all":
            return all(test() for _, test in each)
        if name == "exists":
            return any(test() for _, test in each)
        if name == "exists_one":
            return sum(bool(test()) for _, test in each) == 1
        return [test() for _, test in each] if name == "map" else [item for item, test in each if test()]

    return run


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": len,
    "int": int,
    "string": str,
    "double": float,
    "duration": lambda text: _duration(text),
    "quantity": lambda text: _quantity(text),
}
_METHODS: dict[str, Callable[..., Any]] = {
    "size": len,
    "startsWith": lambda text, start: text.startswith(start),
    "endsWith": lambda text, end: text.endswith(end),
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "split": lambda text, mark: text.split(mark),
    "lowerAscii": lambda text: text.lower(),
    "isSorted": lambda items: list(items) == sorted(items),
    "sum": sum,
    "min": min,
    "max": max,
    "getSeconds": lambda seconds: int(seconds),
    "asInteger": lambda amount: int(amount),
    "compareTo": lambda one, other: (one > other) - (one < other),
}


def _duration(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([0-9.]+)(ms|h|m|s)", text))


def _quantity(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+)(m|k|[MGTPE]i?|Ki)?", text)
    if match is None:
        raise CelError(f"{text!r} is no quantity that is known here")
    number, unit = match[1], match[2] or ""
    if unit == "m":
        return float(number) / 1000
    return float(number) * (1024.0 if unit.endswith("i") else 1000.0) ** ("KMGTPE".index(unit[0].upper()) + 1 if unit else 0)
