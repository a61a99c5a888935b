"""What of OpenQASM 3 a program may use here, in words for people and as tables for the interpreter."""

from __future__ import annotations

import math

from openqasm3 import ast

SUPPORTED = (
    'supported are qubit and bit registers, the gates of "stdgates.inc", gate definitions, the modifiers ctrl, '
    "negctrl, inv and pow, constants, for loops over constant ranges, barriers, and measurements at the end"
)

CONSTANTS = {
    "pi": math.pi,
    "π": math.pi,
    "tau": math.tau,
    "τ": math.tau,
    "euler": math.e,
    "ℇ": math.e,
}

REFUSED: dict[type, str] = {
    ast.BranchingStatement: "'if' (classical control)",
    ast.SwitchStatement: "'switch'",
    ast.WhileLoop: "'while'",
    ast.BreakStatement: "'break'",
    ast.ContinueStatement: "'continue'",
    ast.EndStatement: "'end'",
    ast.QuantumReset: "'reset' (qubits start in |0>: leave it out)",
    ast.DelayInstruction: "'delay'",
    ast.Box: "'box'",
    ast.SubroutineDefinition: "'def'",
    ast.ExternDeclaration: "'extern'",
    ast.ReturnStatement: "'return'",
    ast.CalibrationDefinition: "'defcal'",
    ast.CalibrationStatement: "'cal'",
    ast.CalibrationGrammarDeclaration: "'defcalgrammar'",
    ast.ClassicalAssignment: "assignment to a classical variable",
    ast.ExpressionStatement: "an expression as a statement",
    ast.Pragma: "'pragma'",
}
