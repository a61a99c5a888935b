"""Values of OpenQASM 3 expressions: constants, and slices of qubit and bit registers.

A value is an int, a float or a `Register`. Integers follow C (division truncates) and stay below 2^63, floats stay
finite, so no expression can grow without bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from openqasm3 import ast

from omnixan.edge_network.quantum.errors import ProgramError

MAX_INTEGER = 2**63

Number = int | float


@dataclass(frozen=True, slots=True)
class Register:
    """Qubits or bits by their index in the circuit; `single` where one was declared or picked without a slice."""

    kind: str
    bits: tuple[int, ...]
    single: bool = False

    @property
    def described(self) -> str:
        """The type as a user writes it."""
        return self.kind if self.single else f"{self.kind}[{len(self.bits)}]"


class Scope:
    """Names and what they stand for. In a gate's body only constants and gates of outer scopes are visible."""

    __slots__ = ("in_gate", "names", "parent")

    def __init__(self, parent: Scope | None = None, *, in_gate: bool = False) -> None:
        self.names: dict[str, Any] = {}
        self.parent = parent
        self.in_gate = in_gate

    def get(self, name: str) -> Any:
        """Return what a name stands for, or None."""
        scope: Scope | None = self
        hidden = False
        while scope is not None:
            found = scope.names.get(name)
            if found is not None:
                return None if hidden and isinstance(found, Register) else found
            hidden = hidden or scope.in_gate
            scope = scope.parent
        return None


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "ceiling": math.ceil,
    "floor": math.floor,
}


def invalid(node: ast.QASMNode, message: str, reason: str = "SemanticError") -> NoReturn:
    """Raise INVALID_PROGRAM at a node's line."""
    raise ProgramError("INVALID_PROGRAM", reason, message, line_of(node))


def mismatch(node: ast.QASMNode, message: str, reason: str = "Unsupported") -> NoReturn:
    """Raise CAPABILITY_MISMATCH at a node's line."""
    raise ProgramError("CAPABILITY_MISMATCH", reason, message, line_of(node))


def line_of(node: ast.QASMNode) -> int | None:
    """Return the line a node begins on."""
    return None if node.span is None else node.span.start_line


def number(node: ast.QASMNode, scope: Scope) -> Number:
    """Return the value of an expression that must be a number."""
    value = evaluate(node, scope)
    if isinstance(value, Register):
        invalid(node, f"a number is needed here, not a {value.described}")
    return value


def integer(node: ast.QASMNode, scope: Scope) -> int:
    """Return the value of an expression that must be an integer."""
    value = number(node, scope)
    if not isinstance(value, int):
        invalid(node, f"an integer is needed here, not {value!r}")
    return value


def register(node: ast.QASMNode, scope: Scope, kind: str) -> Register:
    """Return the value of an expression that must be (part of) a register of `kind` ("qubit" or "bit")."""
    value = evaluate(node, scope)
    if not isinstance(value, Register):
        invalid(node, f"a {kind} or a {kind} register is needed here, not the number {value!r}")
    if value.kind != kind:
        invalid(node, f"a {kind} or a {kind} register is needed here, not a {value.described}")
    return value


def index_range(node: ast.RangeDefinition, scope: Scope, default_end: int | None = None) -> range:
    """Return the integers of `start:end` or `start:step:end`, both ends included.

    With `default_end` (a register's last index) start and end may be left out and count from the end if negative.
    """
    step = 1 if node.step is None else integer(node.step, scope)
    if step == 0:
        invalid(node, "a range's step must not be 0")
    if default_end is None and (node.start is None or node.end is None):
        invalid(node, "a range here needs a start and an end, e.g. [0:3]")
    last = default_end or 0
    start = (0 if step > 0 else last) if node.start is None else integer(node.start, scope)
    end = (last if step > 0 else 0) if node.end is None else integer(node.end, scope)
    if default_end is not None:
        start = start + last + 1 if start < 0 else start
        end = end + last + 1 if end < 0 else end
    return range(start, end + (1 if step > 0 else -1), step)


def evaluate(node: ast.QASMNode, scope: Scope) -> Number | Register:
    """Return the value of any supported expression; ProgramError with the line for all others."""
    evaluator = _EVALUATORS.get(type(node))
    if evaluator is None:
        mismatch(node, f"an expression of kind {type(node).__name__} is not supported; write constant numbers")
    return evaluator(node, scope)


def _literal(node: Any, scope: Scope) -> Number:
    return _checked(node, node.value)


def _identifier(node: Any, scope: Scope) -> Number | Register:
    if node.name.startswith("$"):
        mismatch(
            node,
            f"hardware qubits such as {node.name} are not supported, the placement chooses the device: declare a "
            "register, e.g. 'qubit[2] q;'",
            "HardwareQubits",
        )
    value = scope.get(node.name)
    if value is None:
        invalid(node, f"'{node.name}' is not defined here")
    if not isinstance(value, (int, float, Register)):
        invalid(node, f"'{node.name}' is a gate; a value is needed here")
    return value


def _unary(node: Any, scope: Scope) -> Number:
    if node.op.name != "-":
        mismatch(node, f"the operator '{node.op.name}' is not supported")
    return -number(node.expression, scope)


def _binary(node: Any, scope: Scope) -> Number:
    operator = node.op.name
    if operator not in ("+", "-", "*", "/", "%", "**"):
        mismatch(node, f"the operator '{operator}' is not supported; supported are + - * / % **")
    left, right = number(node.lhs, scope), number(node.rhs, scope)
    both = isinstance(left, int) and isinstance(right, int)
    if operator in ("/", "%") and right == 0:
        invalid(node, "division by zero")
    if operator == "+":
        return _checked(node, left + right)
    if operator == "-":
        return _checked(node, left - right)
    if operator == "*":
        return _checked(node, left * right)
    if operator == "/":
        if both:
            quotient = abs(left) // abs(right)
            return quotient if (left < 0) == (right < 0) else -quotient
        return _checked(node, left / right)
    if operator == "%":
        return left - right * int(left / right) if both and abs(left) < 2**53 else math.fmod(left, right)
    return _power(node, left, right)


def _power(node: Any, left: Number, right: Number) -> Number:
    try:
        value = float(left) ** float(right)
    except (OverflowError, ZeroDivisionError):
        invalid(node, f"{left} ** {right} is not a finite number")
    if isinstance(value, complex):
        invalid(node, f"{left} ** {right} is not a real number")
    if isinstance(left, int) and isinstance(right, int) and right >= 0 and abs(value) < MAX_INTEGER:
        return _checked(node, left**right)
    return _checked(node, value)


def _call(node: Any, scope: Scope) -> Number:
    name = node.name.name
    arguments = [number(argument, scope) for argument in node.arguments]
    try:
        if name in _FUNCTIONS and len(arguments) == 1:
            return _checked(node, _FUNCTIONS[name](arguments[0]))
        if name == "mod" and len(arguments) == 2:
            return math.fmod(*arguments)
    except (ValueError, OverflowError) as error:
        invalid(node, f"{name}({', '.join(map(str, arguments))}): {error}")
    mismatch(node, f"the function call '{name}' is not supported; known are {', '.join(_FUNCTIONS)} and mod")


def _cast(node: Any, scope: Scope) -> Number:
    value = number(node.argument, scope)
    if isinstance(node.type, (ast.IntType, ast.UintType)):
        return _checked(node, int(value))
    if isinstance(node.type, (ast.FloatType, ast.AngleType)):
        return float(value)
    mismatch(node, "only casts to int, uint, float and angle are supported")


def _checked(node: ast.QASMNode, value: Number) -> Number:
    if isinstance(value, int):
        if abs(value) >= MAX_INTEGER:
            invalid(node, "an integer does not fit in 64 bits")
    elif not math.isfinite(value):
        invalid(node, "a number is too large or not defined")
    return value


def _indexed_identifier(node: Any, scope: Scope) -> Register:
    value = evaluate(node.name, scope)
    for index in node.indices:
        value = _index(node, value, index, scope)
    assert isinstance(value, Register)
    return value


def _index_expression(node: Any, scope: Scope) -> Register:
    return _index(node, evaluate(node.collection, scope), node.index, scope)


def _index(node: Any, value: Number | Register, index: Any, scope: Scope) -> Register:
    if not isinstance(value, Register) or value.single:
        invalid(node, "only registers can be indexed")
    size = len(value.bits)
    if isinstance(index, ast.DiscreteSet):
        return _pick(node, value, [integer(item, scope) for item in index.values])
    if len(index) != 1:
        invalid(node, "registers have one index")
    if isinstance(index[0], ast.RangeDefinition):
        picked = index_range(index[0], scope, size - 1)
        if len(picked) > size:
            invalid(node, f"the range reaches beyond a register of {size}: allowed are 0 to {size - 1}")
        return _pick(node, value, picked)
    position = integer(index[0], scope)
    return Register(value.kind, _pick(node, value, [position]).bits, single=True)


def _pick(node: Any, value: Register, positions: Sequence[int]) -> Register:
    size = len(value.bits)
    for position in positions:
        if not -size <= position < size:
            invalid(node, f"index {position} is outside of a register of {size}: allowed are 0 to {size - 1}")
    return _distinct(node, value.kind, tuple(value.bits[position] for position in positions))


def _concatenation(node: Any, scope: Scope) -> Register:
    left, right = evaluate(node.lhs, scope), evaluate(node.rhs, scope)
    if not isinstance(left, Register) or not isinstance(right, Register) or left.kind != right.kind:
        invalid(node, "'++' joins two registers of the same kind")
    return _distinct(node, left.kind, left.bits + right.bits)


def _distinct(node: Any, kind: str, bits: tuple[int, ...]) -> Register:
    """Return a register; no bit may be in it twice, which also keeps `let b = a ++ a` from growing without bound."""
    if len(set(bits)) != len(bits):
        invalid(node, f"the same {kind} is named twice", f"Duplicate{kind.capitalize()}")
    return Register(kind, bits)


_EVALUATORS: dict[type, Callable[[Any, Scope], Number | Register]] = {
    ast.Identifier: _identifier,
    ast.IntegerLiteral: _literal,
    ast.FloatLiteral: _literal,
    ast.UnaryExpression: _unary,
    ast.BinaryExpression: _binary,
    ast.FunctionCall: _call,
    ast.Cast: _cast,
    ast.IndexedIdentifier: _indexed_identifier,
    ast.IndexExpression: _index_expression,
    ast.Concatenation: _concatenation,
}
