"""Follows the journals of runs into the index, from a thread: what is there first, then what comes.

All journals are read side by side, a slice of each at a time, so that the first rows can be shown, with their verdicts,
while the rest is still being read.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from distill.reporting.view import index
from distill.reporting.view.index import Index
from distill.reporting.view.places import Place, places_of, teacher_name
from distill.reporting.view.tail import Tail
from distill.types import FinishReason, Outcome

FIRST_SLICE = 400
SLICE = 1_000
POLL = 0.5
"""Seconds between two looks at journals that have not grown."""
ASIDE = 0.2
"""Seconds for which a question of the page holds up the reading of what is there: pages are not to wait for it."""
SHOWN_BAD = 5


class _Problem(msgspec.Struct, frozen=True):
    id: str
    prompt: str


class _Trace(msgspec.Struct, frozen=True):
    id: str
    problem_id: str
    sample: int
    teacher: str
    finish_reason: FinishReason
    completion_tokens: int = 0


class _Verdict(msgspec.Struct, frozen=True):
    trace_id: str
    outcome: Outcome


class _Decision(msgspec.Struct, frozen=True):
    trace_id: str
    kept: bool
    step: str = ""
    reason: str = ""


class _Example(msgspec.Struct, frozen=True):
    problem_id: str
    trace_ids: list[str]


def dropped_for(step: str, reason: str) -> str:
    """Step and reason as one phrase, by which decisions are counted."""
    return f"{step}: {reason}" if step and reason else step or reason


class Shelf:
    """The journals of one place, on their way into the index."""

    def __init__(self, store: Index, place: Place) -> None:
        self.index, self.place = store, place
        self.number = store.add_place(place)
        self.writer = place.model or teacher_name(place.folder)
        self._num_examples = 0
        kinds: dict[str, tuple[type[msgspec.Struct], Callable[[list[Any]], None]]] = {
            "problems": (_Problem, self._problems),
            "traces": (_Trace, self._traces),
            "verdicts": (_Verdict, self._verdicts),
            "decisions": (_Decision, self._decisions),
            "train": (_Example, self._examples),
        }
        wanted = {"generate": ("problems", "traces", "verdicts", "decisions"), "train": ("train",)}
        self.tails = {
            name: (Tail(place.folder / f"{name}.jsonl", kinds[name][0]), kinds[name][1])
            for name in wanted.get(place.stage, ("problems", "traces", "verdicts"))
        }

    def advance(self, count: int) -> tuple[bool, bool, list[str]]:
        """Read a slice of each journal.

        Returns:
            Whether anything changed, whether there is more to read at once, and what is wrong with lines that were
            passed over.
        """
        changed, has_more, bad = self._start_over(), False, list[str]()
        for tail, take in self.tails.values():
            found = tail.read(count)
            if found.entries:
                take(found.entries)
            changed |= bool(found.entries)
            has_more |= found.has_more
            bad += found.bad
        return changed, has_more, [f"{self.place.key}: {sentence}" for sentence in bad]

    def _start_over(self) -> bool:
        replaced = {name for name, (tail, _) in self.tails.items() if tail.was_replaced()}
        if replaced & {"traces", "train"}:
            self.index.forget(self.number)
            self._num_examples = 0
            replaced = set(self.tails)
        for name, statement in (("verdicts", index.UNJUDGE), ("decisions", index.UNDECIDE)):
            if name in replaced:
                self.index.write(statement, [(self.number,)])
        for name in replaced:
            self.tails[name][0].restart()
        return bool(replaced)

    def _problems(self, entries: list[tuple[_Problem, int]]) -> None:
        self.index.write(index.PROBLEM, ((p.id, self.number, start, p.prompt) for p, start in entries))

    def _traces(self, entries: list[tuple[_Trace, int]]) -> None:
        self.index.write(
            index.TRACE,
            (
                (self.number, t.id, start, t.problem_id, t.sample, self._model(t), t.finish_reason, t.completion_tokens)
                for t, start in entries
            ),
        )

    def _model(self, trace: _Trace) -> str:
        return self.place.model or f"{self.writer} {trace.teacher}".strip()

    def _verdicts(self, entries: list[tuple[_Verdict, int]]) -> None:
        self.index.write(index.VERDICT, ((self.number, v.trace_id, start, v.outcome) for v, start in entries))

    def _decisions(self, entries: list[tuple[_Decision, int]]) -> None:
        self.index.write(
            index.DECISION,
            (
                (self.number, d.trace_id, start, "kept" if d.kept else "dropped", dropped_for(d.step, d.reason))
                for d, start in entries
            ),
        )

    def _examples(self, entries: list[tuple[_Example, int]]) -> None:
        first, self._num_examples = self._num_examples, self._num_examples + len(entries)
        self.index.write(
            index.EXAMPLE,
            (
                (self.number, str(number), start, e.problem_id, e.trace_ids[0] if len(e.trace_ids) == 1 else None)
                for number, (e, start) in enumerate(entries, start=first + 1)
            ),
        )


class Follower:
    """The thread that follows; a context manager.

    Args:
        runs: Run folders by name.
        store: Where to.
    """

    def __init__(self, runs: Mapping[str, Path], store: Index) -> None:
        self.runs, self.index = runs, store
        self.is_building = True
        """Whether there is more to read at once."""
        self.bad_lines: Counter[str] = Counter()
        self.notices: list[str] = []
        """What is wrong with the journals, in sentences."""
        self._shelves: dict[str, Shelf] = {}
        self._aside_until = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="distill-view", daemon=True)

    def __enter__(self) -> "Follower":
        self._advance(FIRST_SLICE)  # so that the first page has something to show
        self._thread.start()
        return self

    def step_aside(self) -> None:
        """Leave the processor to a question for a moment."""
        self._aside_until = time.monotonic() + ASIDE

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.is_set():
            left = self._aside_until - time.monotonic()
            self._ended.wait(max(0.0, min(left, ASIDE)) if self.is_building else POLL)
            self._advance(SLICE)

    def _advance(self, count: int) -> None:
        try:
            self.is_building = self.advance(count)
        except (OSError, sqlite3.Error) as error:  # a folder that vanishes, a full disk: it may come back
            self._note(f"cannot read: {error}")
            self.is_building = False

    def advance(self, count: int = SLICE) -> bool:
        """Read a slice of every journal; whether there is more to read at once."""
        self._find_places()
        has_more = changed = False
        for shelf in self._shelves.values():
            if self._ended.is_set():
                return False
            shelf_changed, shelf_has_more, bad = shelf.advance(count)
            changed |= shelf_changed
            has_more |= shelf_has_more
            for sentence in bad:
                self._note(f"a line is passed over: {sentence}")
        if changed and not has_more:
            self._learn()
        return has_more

    def _find_places(self) -> None:
        for place in places_of(self.runs):
            if place.key not in self._shelves:
                self._shelves[place.key] = Shelf(self.index, place)

    def _learn(self) -> None:
        for shelf in self._shelves.values():
            if shelf.place.stage == "train":
                self.index.write(index.LEARN, [(shelf.number, self._shelves[shelf.place.run].number)])

    def _note(self, sentence: str) -> None:
        self.bad_lines[sentence] += 1
        self.notices = [*self.bad_lines][:SHOWN_BAD]
        if len(self.bad_lines) > SHOWN_BAD:
            self.notices.append(f"and {len(self.bad_lines) - SHOWN_BAD:,} more")
