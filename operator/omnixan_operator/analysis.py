"""Client of the program analyzer: asks it in the background, remembers answers by the program's digest.

Reconciling never waits for the analyzer: a program that takes the parser seconds must not keep a worker. `ask` answers
at once, with the analysis or with "not yet", and the key is woken when the answer is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from omnixan.edge_network.api.quantumjob import Analysis, Failure
from omnixan.edge_network.api.workload import version_of
from omnixan_operator.decide.joblife import NotYet
from omnixan_operator.keys import Key
from omnixan_operator.metrics import Metrics
from omnixan_operator.reasons import Reason

logger = logging.getLogger(__name__)

MAX_FRAME = 1024 * 1024
CONNECTIONS = 4
PER_TENANT = 2
"""Connections that one namespace may use at a time: its costly programs delay its own jobs first."""
TIMEOUT = 30.0
"""Seconds for one answer; the analyzer itself gives a program up after 5."""
CACHED = 1024
FORGET_AFTER = 5.0
FIRST_RETRY = 0.5
LAST_RETRY = 10.0
_NOT_CACHED = frozenset({"ParserKilled"})
"""Refusals that another try may not end in: a machine under load kills a parser that is merely slow."""

FAILED_ANSWERS = 5
"""How often the analyzer may fail at one program before that is the program's fault."""

Answer = Analysis | Failure


class AnalyzerUnavailableError(Exception):
    """The analyzer cannot be reached, or what it says cannot be understood."""


@dataclass
class _Question:
    text: str
    tenant: str
    since: float
    waiting: set[Key] = field(default_factory=set)
    trouble: str = ""
    failed_answers: int = 0
    task: asyncio.Task[None] | None = None


class Analyzer:
    """Asks over a Unix socket: 4-byte big-endian length, then JSON, both ways."""

    def __init__(self, socket: str, wake: Callable[[Key], None], metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._socket = socket
        self._wake = wake
        self._metrics = metrics
        self._monotonic = monotonic
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._questions: dict[str, _Question] = {}
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._tenants: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_TENANT))
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def ask(self, digest: str, text: str, key: Key) -> Answer | NotYet:
        """The analysis of `text`, whose SHA-256 is `digest`; `key` is woken when it is there, if it is not yet."""
        if digest in self._answers:
            self._answers.move_to_end(digest)
            return self._answers[digest]
        question = self._questions.get(digest)
        if question is None:
            question = self._questions[digest] = _Question(text, key.namespace, self._monotonic())
            question.task = asyncio.create_task(self._find_out(digest, question))
        question.waiting.add(key)
        if question.trouble:
            return NotYet(Reason.ANALYZER_UNAVAILABLE, question.trouble)
        return NotYet(Reason.ANALYZING, "the program analyzer is at work")

    def asked_for(self, digest: str) -> float:
        """Seconds since the question about a program was first asked; 0 if it is not open."""
        question = self._questions.get(digest)
        return 0.0 if question is None else self._monotonic() - question.since

    async def close(self) -> None:
        """Give all questions up and close all connections."""
        tasks = [question.task for question in self._questions.values() if question.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in self._idle:
            writer.close()

    async def _find_out(self, digest: str, question: _Question) -> None:
        delay = FIRST_RETRY
        while True:
            try:
                async with self._tenants[question.tenant], self._slots:
                    started = self._monotonic()
                    answer = await self._exchange(question.text)
                if not (isinstance(answer, Failure) and answer.category.retriable):
                    break
                question.failed_answers += 1
                if question.failed_answers == FAILED_ANSWERS:
                    break
                raise AnalyzerUnavailableError(f"{answer.reason}: {answer.message}")
            except AnalyzerUnavailableError as error:
                if not question.trouble:
                    logger.warning("program analyzer: %s", error)
                question.trouble = f"{error}; it is asked again"
                self._tell(question)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY)
        self._metrics.analysis_seconds.observe(self._monotonic() - started)
        self._remember(digest, answer)
        del self._questions[digest]
        self._tell(question)

    def _tell(self, question: _Question) -> None:
        for key in question.waiting:
            self._wake(key)

    def _remember(self, digest: str, answer: Answer) -> None:
        self._answers[digest] = answer
        while len(self._answers) > CACHED:
            self._answers.popitem(last=False)
        if isinstance(answer, Failure) and answer.reason in _NOT_CACHED:
            # Long enough for the jobs that wait for it, not for those that come later.
            asyncio.get_running_loop().call_later(FORGET_AFTER, self._answers.pop, digest, None)

    async def _exchange(self, text: str) -> Answer:
        """One question and its answer, on a connection that is kept if all went well."""
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await self._connection()
                try:
                    answer = await _roundtrip(reader, writer, text)
                except BaseException:
                    writer.close()
                    raise
        except TimeoutError as error:
            raise AnalyzerUnavailableError(f"no answer within {TIMEOUT:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise AnalyzerUnavailableError(f"{self._socket}: {error or type(error).__name__}") from error
        self._idle.append((reader, writer))
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_unix_connection(self._socket)


async def _roundtrip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> Answer:
    question = json.dumps({"format": _format(text), "data": text, "sha256": None}).encode()
    writer.write(len(question).to_bytes(4) + question)
    await writer.drain()
    size = int.from_bytes(await reader.readexactly(4))
    if size > MAX_FRAME:
        raise AnalyzerUnavailableError(f"an answer of {size} bytes is over the limit of {MAX_FRAME}")
    return parse_answer(await reader.readexactly(size))


def _format(text: str) -> str:
    """By the program's own first line: that it agrees with the manifest was checked before (decide/program)."""
    return "openqasm2" if version_of(text).split(".")[0] == "2" else "openqasm3"


def parse_answer(frame: bytes) -> Answer:
    """The answer in a frame; raises AnalyzerUnavailableError if it is not one."""
    try:
        answer = json.loads(frame)
        if "analysis" in answer:
            return Analysis.model_validate(answer["analysis"])
        return Failure.model_validate(answer["error"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise AnalyzerUnavailableError(f"an answer that cannot be understood: {error}") from error
