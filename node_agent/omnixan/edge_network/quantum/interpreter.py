"""OpenQASM 3 syntax tree → circuit, within a budget: what would grow without bound is refused before it grows.

Definitions and loops are followed gate by gate, and every gate, call and loop turn is counted while it is made, so 600
bytes of nested definitions that stand for 2^60 gates end after the first 100,000. Modifiers are carried along: `ctrl @`
of a definition is `ctrl @` of each of its gates, `inv @` is the inverse gates in reverse order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openqasm3 import ast

from omnixan.edge_network.quantum.circuit import MAX_BITS, MAX_GATES, Circuit, Instruction, Measurement
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.expressions import (
    Register,
    Scope,
    evaluate,
    index_range,
    integer,
    invalid,
    line_of,
    mismatch,
    number,
    register,
)
from omnixan.edge_network.quantum.language import CONSTANTS, REFUSED, SUPPORTED
from omnixan.edge_network.quantum.stdgates import BUILTIN, STDGATES, StandardGate, expand


@dataclass(frozen=True, slots=True)
class Definition:
    """A gate that the program defines. `order` counts definitions: a body calls only earlier ones."""

    name: str
    params: tuple[str, ...]
    qubits: tuple[str, ...]
    body: Sequence[ast.QASMNode]
    order: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a statement: its scope, the controls and inversion of the calls it is in, their definition."""

    scope: Scope
    controls: tuple[int, ...] = ()
    inverse: bool = False
    definition: Definition | None = None


class Interpreter:
    """Runs one program. ProgramError with the line for whatever cannot be run.

    `library` is the only name that may be included, `gates` what it brings, `builtin` the gates known without it.
    """

    def __init__(
        self,
        library: str = "stdgates.inc",
        gates: Mapping[str, StandardGate] = STDGATES,
        builtin: Mapping[str, StandardGate] = BUILTIN,
    ) -> None:
        self._library = library
        self._library_gates = gates
        self._globals = Scope()
        self._globals.names.update(CONSTANTS, **builtin)
        self._qubits = 0
        self._clbits = 0
        self._gates: list[Instruction] = []
        self._measured: dict[int, int | None] = {}
        self._writes: dict[int, int] = {}
        self._work = 0
        self._definitions = itertools.count()
        self._statements: dict[type, Callable[[Any, Frame], None]] = {
            ast.Include: self._include,
            ast.QubitDeclaration: self._qubit_declaration,
            ast.ClassicalDeclaration: self._classical_declaration,
            ast.ConstantDeclaration: self._constant_declaration,
            ast.AliasStatement: self._alias,
            ast.QuantumGateDefinition: self._gate_definition,
            ast.QuantumGate: self._gate_call,
            ast.QuantumPhase: self._phase,
            ast.ForInLoop: self._for_loop,
            ast.CompoundStatement: self._compound,
            ast.QuantumMeasurementStatement: self._measurement,
            ast.QuantumBarrier: self._barrier,
            ast.IODeclaration: self._io_declaration,
        }

    def run(self, program: ast.Program) -> Circuit:
        """Run all statements and return the circuit."""
        self._run(program.statements, Frame(self._globals))
        if not self._qubits:
            raise ProgramError("INVALID_PROGRAM", "NoQubits", "the program declares no qubits: add e.g. 'qubit[2] q;'")
        measurements = tuple(Measurement(qubit, clbit) for clbit, qubit in sorted(self._writes.items()))
        return Circuit(self._qubits, self._clbits, tuple(self._gates), measurements)

    def _run(self, statements: Sequence[ast.QASMNode], frame: Frame) -> None:
        ordered = statements
        if frame.inverse:  # the last gate first, but names before their use
            names = [item for item in statements if isinstance(item, (ast.ConstantDeclaration, ast.AliasStatement))]
            ordered = [*names, *(item for item in reversed(statements) if not any(item is name for name in names))]
        for statement in ordered:
            handler = self._statements.get(type(statement))
            if handler is None:
                what = REFUSED.get(type(statement), f"a statement of kind {type(statement).__name__}")
                mismatch(statement, f"{what} is not supported; {SUPPORTED}", "UnsupportedStatement")
            handler(statement, frame)

    # Declarations

    def _include(self, node: ast.Include, frame: Frame) -> None:
        if node.filename != self._library:
            raise ProgramError(
                "PAYLOAD_REJECTED",
                "IncludeNotAllowed",
                f'include "{node.filename[:80]}" is not allowed, only include "{self._library}" is: paste the definitions '
                "into the program",
                line_of(node),
            )
        for name, gate in self._library_gates.items():
            self._define(node, frame, name, gate)

    def _qubit_declaration(self, node: ast.QubitDeclaration, frame: Frame) -> None:
        size = self._declared_size(node, node.size, frame)
        bits = tuple(range(self._qubits, self._qubits + size))
        self._qubits += size
        self._define(node, frame, node.qubit.name, Register("qubit", bits, single=node.size is None))

    def _classical_declaration(self, node: ast.ClassicalDeclaration, frame: Frame) -> None:
        if not isinstance(node.type, ast.BitType):
            mismatch(
                node,
                "classical variables other than bits are not supported: write 'const int n = 4;' for a constant",
                "UnsupportedDeclaration",
            )
        size = self._declared_size(node, node.type.size, frame)
        target = Register("bit", tuple(range(self._clbits, self._clbits + size)), single=node.type.size is None)
        self._clbits += size
        self._define(node, frame, node.identifier.name, target)
        if node.init_expression is not None:
            if not isinstance(node.init_expression, ast.QuantumMeasurement):
                mismatch(node, "bits start as 0 and can only be set by a measurement", "UnsupportedDeclaration")
            self._measure(node, register(node.init_expression.qubit, frame.scope, "qubit"), target)

    def _declared_size(self, node: ast.Statement, size: ast.Expression | None, frame: Frame) -> int:
        count = 1 if size is None else integer(size, frame.scope)
        if frame.scope is not self._globals:
            invalid(node, "registers are declared outside of loops and blocks")
        if count < 1:
            invalid(node, f"a register has at least 1 element, not {count}", "BadRegisterSize")
        total = self._qubits + self._clbits + count
        if total > MAX_BITS:
            raise ProgramError(
                "PAYLOAD_REJECTED",
                "TooManyBits",
                f"the program declares {total} qubits and bits up to here; at most {MAX_BITS} are allowed in all",
                line_of(node),
            )
        return count

    def _constant_declaration(self, node: ast.ConstantDeclaration, frame: Frame) -> None:
        name = node.identifier.name
        if isinstance(node.type, (ast.IntType, ast.UintType)):
            self._define(node, frame, name, integer(node.init_expression, frame.scope))
        elif isinstance(node.type, (ast.FloatType, ast.AngleType)):
            self._define(node, frame, name, float(number(node.init_expression, frame.scope)))
        else:
            mismatch(node, "constants are of type int, uint, float or angle", "UnsupportedDeclaration")

    def _alias(self, node: ast.AliasStatement, frame: Frame) -> None:
        value = evaluate(node.value, frame.scope)
        if not isinstance(value, Register):
            invalid(node, "'let' names (a part of) a register")
        self._define(node, frame, node.target.name, value)

    def _io_declaration(self, node: ast.IODeclaration, frame: Frame) -> None:
        mismatch(
            node,
            f"'{node.io_identifier.name} … {node.identifier.name}' is not supported: nothing binds inputs and outputs; "
            "write numbers, e.g. 'const float x = 0.5;', and measure into a bit register",
            "UnboundInput",
        )

    def _define(self, node: ast.QASMNode, frame: Frame, name: str, value: Any) -> None:
        if (old := frame.scope.names.get(name)) is not None:
            standard = f' as a gate of "{self._library}"' if isinstance(old, StandardGate) else ""
            invalid(node, f"'{name}' is already defined{standard}; choose another name")
        frame.scope.names[name] = value

    def _gate_definition(self, node: ast.QuantumGateDefinition, frame: Frame) -> None:
        if frame.scope is not self._globals:
            invalid(node, "gates are defined outside of loops and blocks")
        params = tuple(item.name for item in node.arguments)
        qubits = tuple(item.name for item in node.qubits)
        if len({*params, *qubits}) != len(params) + len(qubits):
            invalid(node, f"gate '{node.name.name}' uses a name for two of its parameters or qubits")
        definition = Definition(node.name.name, params, qubits, node.body, next(self._definitions))
        self._define(node, frame, node.name.name, definition)

    # Flow

    def _compound(self, node: ast.CompoundStatement, frame: Frame) -> None:
        self._run(node.statements, Frame(Scope(frame.scope), frame.controls, frame.inverse, frame.definition))

    def _for_loop(self, node: ast.ForInLoop, frame: Frame) -> None:
        if not isinstance(node.type, (ast.IntType, ast.UintType)):
            mismatch(node, "only 'for int' and 'for uint' loops are supported", "UnsupportedLoop")
        values: Sequence[int]
        if isinstance(node.set_declaration, ast.RangeDefinition):
            values = index_range(node.set_declaration, frame.scope)
        elif isinstance(node.set_declaration, ast.DiscreteSet):
            values = [integer(item, frame.scope) for item in node.set_declaration.values]
        else:
            mismatch(node, "only loops over constant ranges and sets are supported", "UnsupportedLoop")
        for value in reversed(values) if frame.inverse else values:
            self._count(node)
            scope = Scope(frame.scope)
            scope.names[node.identifier.name] = value
            self._run(node.block, Frame(scope, frame.controls, frame.inverse, frame.definition))

    # Gates

    def _gate_call(self, node: ast.QuantumGate, frame: Frame) -> None:
        name = node.name.name
        gate = frame.scope.get(name)
        if isinstance(gate, Definition) and frame.definition is not None and gate.order >= frame.definition.order:
            gate = None
        if gate is None:
            hint = "" if "h" in self._globals.names else f": is the line 'include \"{self._library}\";' missing?"
            invalid(node, f"gate '{name}' is not defined here{hint}")
        if not isinstance(gate, (Definition, StandardGate)):
            invalid(node, f"'{name}' is not a gate")
        if node.duration is not None:
            mismatch(node, "gates with a duration are not supported", "UnsupportedStatement")
        own = len(gate.qubits) if isinstance(gate, Definition) else gate.qubits
        expected = len(gate.params) if isinstance(gate, Definition) else gate.params
        if len(node.arguments) != expected:
            invalid(node, f"gate '{name}' takes {expected} parameters, not {len(node.arguments)}")
        params = [float(number(argument, frame.scope)) for argument in node.arguments]
        controls, exponents = self._modifiers(node, frame)
        for qubits in self._broadcast(node, frame, len(controls) + own, name):
            self._count(node)
            flips = [qubit for qubit, positive in zip(qubits, controls, strict=False) if not positive]
            self._flip(node, flips)
            outer = (*frame.controls, *qubits[: len(controls)])
            if isinstance(gate, StandardGate):
                powers = [*exponents, -1] if frame.inverse else exponents
                self._standard(node, gate, params, powers, outer, qubits[len(controls) :])
            else:
                self._inline(node, gate, params, exponents, outer, qubits[len(controls) :], frame.inverse)
            self._flip(node, flips)

    def _phase(self, node: ast.QuantumPhase, frame: Frame) -> None:
        controls, exponents = self._modifiers(node, frame)
        angle = float(number(node.argument, frame.scope))
        for exponent in [*exponents, -1] if frame.inverse else exponents:
            angle *= exponent
        for qubits in self._broadcast(node, frame, len(controls), "gphase") if controls else [()]:
            self._count(node)
            flips = [qubit for qubit, positive in zip(qubits, controls, strict=True) if not positive]
            self._flip(node, flips)
            if every := (*frame.controls, *qubits):
                # A phase where all controls are 1 is a phase gate on one of them under the others.
                self._standard(node, STDGATES["p"], [angle], [], every[:-1], every[-1:])
            self._flip(node, flips)

    def _modifiers(self, node: ast.QuantumGate | ast.QuantumPhase, frame: Frame) -> tuple[list[bool], list[float]]:
        """Return whether each added control is on |1>, outermost first, and the powers, innermost first."""
        controls: list[bool] = []
        exponents: list[float] = []
        for modifier in node.modifiers:
            if modifier.modifier is ast.GateModifierName.inv:
                exponents.append(-1)
            elif modifier.modifier is ast.GateModifierName.pow:
                exponents.append(number(modifier.argument, frame.scope))
            else:
                count = 1 if modifier.argument is None else integer(modifier.argument, frame.scope)
                if not 1 <= count <= MAX_BITS:
                    invalid(node, f"a gate cannot have {count} controls", "BadModifier")
                controls.extend([modifier.modifier is ast.GateModifierName.ctrl] * count)
        return controls, exponents[::-1]

    def _broadcast(
        self, node: ast.QuantumGate | ast.QuantumPhase, frame: Frame, expected: int, name: str
    ) -> list[tuple[int, ...]]:
        if len(node.qubits) != expected:
            invalid(node, f"gate '{name}' takes {expected} qubits here, not {len(node.qubits)}")
        operands = [register(operand, frame.scope, "qubit") for operand in node.qubits]
        sizes = {len(operand.bits) for operand in operands if not operand.single}
        if len(sizes) > 1:
            invalid(node, f"gate '{name}' is given registers of different sizes: {sorted(sizes)}")
        times = sizes.pop() if sizes else 1
        calls = [tuple(o.bits[0] if o.single else o.bits[turn] for o in operands) for turn in range(times)]
        for qubits in calls:
            if len({*qubits, *frame.controls}) != len(qubits) + len(frame.controls):
                invalid(node, f"gate '{name}' is given the same qubit twice", "DuplicateQubit")
        return calls

    def _inline(
        self,
        node: ast.QuantumGate,
        gate: Definition,
        params: Sequence[float],
        exponents: Sequence[float],
        controls: tuple[int, ...],
        qubits: Sequence[int],
        inverse: bool,
    ) -> None:
        times = 1
        for exponent in exponents:
            if not float(exponent).is_integer():
                mismatch(
                    node,
                    f"pow({exponent}) of '{gate.name}' is not supported: a defined gate takes integer powers, "
                    "standard gates take any",
                    "UnsupportedPower",
                )
            times *= int(exponent)
        scope = Scope(self._globals, in_gate=True)
        scope.names.update(zip(gate.params, params, strict=True))
        for name, qubit in zip(gate.qubits, qubits, strict=True):
            scope.names[name] = Register("qubit", (qubit,), single=True)
        frame = Frame(scope, controls, inverse != (times < 0), gate)
        for _ in range(abs(times)):
            self._count(node)
            self._run(gate.body, frame)

    def _standard(
        self,
        node: ast.QASMNode,
        gate: StandardGate,
        params: Sequence[float],
        exponents: Sequence[float],
        controls: Sequence[int],
        qubits: Sequence[int],
    ) -> None:
        taken = {*controls, *qubits}
        borrowed: list[int] = []
        if len(controls) + len(qubits) > 3:
            borrowed = [q for q in range(self._qubits) if q not in taken and q not in self._measured]
        for instruction in expand(gate, params, exponents, controls, qubits, borrowed):
            self._emit(node, instruction)

    def _flip(self, node: ast.QASMNode, qubits: Sequence[int]) -> None:
        for qubit in qubits:
            self._emit(node, Instruction("x", (qubit,)))

    def _emit(self, node: ast.QASMNode, instruction: Instruction) -> None:
        for qubit in instruction.qubits:
            if qubit in self._measured:
                mismatch(
                    node,
                    f"gate '{instruction.name}' acts on a qubit that was measured on line {self._measured[qubit]}: "
                    "mid-circuit measurement is not supported; move the measurements to the end",
                    "MidCircuitMeasurement",
                )
        if not all(map(math.isfinite, instruction.params)):
            invalid(node, f"gate '{instruction.name}' has a parameter that is not a finite number")
        if len(self._gates) >= MAX_GATES:
            self._too_many(node)
        self._gates.append(instruction)

    def _count(self, node: ast.QASMNode) -> None:
        self._work += 1
        if self._work > MAX_GATES:
            self._too_many(node)

    def _too_many(self, node: ast.QASMNode) -> None:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "TooManyGates",
            f"the program expands to more than {MAX_GATES} gates, calls and loop turns; make it smaller",
            line_of(node),
        )

    # Measurement

    def _measurement(self, node: ast.QuantumMeasurementStatement, frame: Frame) -> None:
        if node.target is None:
            invalid(node, "the outcome of a measurement must be kept in a bit: write 'c = measure q;'")
        if frame.definition is not None:
            invalid(node, "a gate's body cannot measure")
        qubits = register(node.measure.qubit, frame.scope, "qubit")
        self._measure(node, qubits, register(node.target, frame.scope, "bit"))

    def _measure(self, node: ast.QASMNode, qubits: Register, target: Register) -> None:
        if len(qubits.bits) != len(target.bits):
            invalid(node, f"{len(qubits.bits)} qubits are measured into {len(target.bits)} bits")
        for qubit, clbit in zip(qubits.bits, target.bits, strict=True):
            self._count(node)
            self._measured[qubit] = line_of(node)
            self._writes[clbit] = qubit

    def _barrier(self, node: ast.QuantumBarrier, frame: Frame) -> None:
        for operand in node.qubits:
            register(operand, frame.scope, "qubit")
