"""OpenQASM 2 or 3 text → circuit, with errors that name the line and what to do.

The syntax tree comes from `openqasm3`, the language's reference parser; what it means is ours (`interpreter`), because
Qiskit's importers expand definitions without bound (a 600-byte program: minutes, or all memory) and the Rust one prints
lines of local files that a program includes. Qiskit is the oracle of the tests. Text comes from strangers, so this is
for the limited child (`sandbox`): nothing else calls it with a program of somebody else.
"""

from __future__ import annotations

import gc
import re
import sys
from typing import Any

import openqasm3.parser
from antlr4 import CommonTokenStream, InputStream  # type: ignore[import-untyped]
from antlr4.atn.PredictionMode import PredictionMode  # type: ignore[import-untyped]
from antlr4.error.Errors import ParseCancellationException, RecognitionException  # type: ignore[import-untyped]
from antlr4.error.ErrorStrategy import BailErrorStrategy  # type: ignore[import-untyped]
from openqasm3._antlr.qasm3Lexer import qasm3Lexer
from openqasm3._antlr.qasm3Parser import qasm3Parser

from omnixan.edge_network.api.workload import MAX_PROGRAM_BYTES, version_of
from omnixan.edge_network.quantum.circuit import Circuit
from omnixan.edge_network.quantum.errors import ProgramError
from omnixan.edge_network.quantum.interpreter import Interpreter
from omnixan.edge_network.quantum.openqasm2 import LIBRARY, QELIB1, translate
from omnixan.edge_network.quantum.stdgates import BUILTIN, STDGATES

_SYNTAX_POSITION = re.compile(r"^L(\d+):C\d+: (.*)$", re.DOTALL)

#: Deep enough for any program written by a person, far from the end of an 8 MiB stack.
_RECURSION_LIMIT = 6000


def parse(text: str) -> Circuit:
    """Return the circuit of an OpenQASM program; without a version it is OpenQASM 3.

    ProgramError: INVALID_PROGRAM for what is not valid OpenQASM or measures nothing, CAPABILITY_MISMATCH for what is
    valid but cannot run here, PAYLOAD_REJECTED for what is too large or asks for a file.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_PROGRAM_BYTES:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "ProgramTooLarge",
            f"the program has {size} bytes; at most {MAX_PROGRAM_BYTES} (128 KiB) are allowed",
        )
    if not text.strip():
        raise ProgramError("INVALID_PROGRAM", "SyntaxError", "the program is empty")
    version = version_of(text).split(".")[0]
    if version not in ("2", "3"):
        raise ProgramError(
            "INVALID_PROGRAM",
            "UnsupportedVersion",
            f"OPENQASM {version_of(text)} is not supported: write OpenQASM 3 ('OPENQASM 3.0;') or 2 ('OPENQASM 2.0;')",
            text[: text.index("OPENQASM")].count("\n") + 1,
        )
    limit = sys.getrecursionlimit()
    collecting = gc.isenabled()
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    gc.disable()  # a tree of a hundred thousand nodes without cycles that matter: a third of the time is saved
    try:
        if version == "2":
            dialect = Interpreter(LIBRARY, QELIB1, BUILTIN | {"CX": STDGATES["CX"]})
            return dialect.run(_syntax_tree(translate(text), version))
        return Interpreter().run(_syntax_tree(text, version))
    except RecursionError as error:
        raise ProgramError(
            "PAYLOAD_REJECTED",
            "NestedTooDeep",
            "the program nests expressions or definitions too deeply; write it flatter",
        ) from error
    except (ArithmeticError, IndexError) as error:
        raise ProgramError("INVALID_PROGRAM", "SemanticError", f"the program cannot be understood: {error}") from error
    finally:
        sys.setrecursionlimit(limit)
        if collecting:
            gc.enable()


def _syntax_tree(text: str, version: str) -> Any:
    """Return the syntax tree; as `openqasm3.parse` makes it, but in SLL mode first, which is twice as fast."""
    try:
        try:
            return _run_parser(text, PredictionMode.SLL)
        except ParseCancellationException:
            # SLL can refuse what full LL accepts, never the other way round.
            return _run_parser(text, PredictionMode.LL)
    except ParseCancellationException as error:
        raise _syntax_error(error, version) from error
    except openqasm3.parser.QASM3ParsingError as error:
        match = _SYNTAX_POSITION.match(str(error))
        line, message = (int(match.group(1)), match.group(2)) if match else (None, str(error))
        raise ProgramError("INVALID_PROGRAM", "SyntaxError", f"not valid OpenQASM {version}: {message}", line) from error
    except (AttributeError, ValueError) as error:  # how the parser trips over no statement at all, or huge literals
        raise ProgramError("INVALID_PROGRAM", "SyntaxError", f"not valid OpenQASM {version}: {error}") from error


def _run_parser(text: str, mode: Any) -> Any:
    lexer = qasm3Lexer(InputStream(text))
    lexer.removeErrorListeners()
    lexer.addErrorListener(openqasm3.parser._RaiseOnErrorListener())
    parser = qasm3Parser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    parser._errHandler = BailErrorStrategy()
    parser._interp.predictionMode = mode
    return openqasm3.parser.QASMNodeVisitor().visitProgram(parser.program())


def _syntax_error(error: ParseCancellationException, version: str) -> ProgramError:
    cause = error.args[0] if error.args else None
    token = cause.offendingToken if isinstance(cause, RecognitionException) else None
    if token is None:
        return ProgramError("INVALID_PROGRAM", "SyntaxError", f"not valid OpenQASM {version}")
    if token.text == "<EOF>":
        message = "the program ends in the middle of a statement; is it cut off, or is a ';' or '}' missing?"
    else:
        message = f"unexpected '{token.text[:40]}' at column {token.column + 1}; is a ';' missing before it?"
    return ProgramError("INVALID_PROGRAM", "SyntaxError", f"not valid OpenQASM {version}: {message}", token.line)
