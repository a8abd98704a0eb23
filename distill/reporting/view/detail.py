"""One trace, or one example, with all that the run knows of it, read from the journals at this moment."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill.errors import DataError
from distill.reporting.text import listed, printable
from distill.reporting.view.index import Index
from distill.reporting.view.markup import as_written, rendered
from distill.reporting.view.mask import Students
from distill.reporting.view.nodes import Node
from distill.reporting.view.tail import line_at
from distill.types import Decision, Example, Problem, Trace, Verdict

MOST_SIBLINGS = 240

Setting = Callable[[str], list[Node]]


class Reader:
    """Reads what the index points at.

    Args:
        index: Where everything lies.
        students: For the tokens of examples.
    """

    def __init__(self, index: Index, students: Students) -> None:
        self.index, self.students = index, students

    def detail(self, place: str, row_id: str, *, is_raw: bool) -> dict[str, Any]:
        """A trace or an example, as the page shows it.

        Args:
            place: The key of its place.
            row_id: A trace's id, or an example's number.
            is_raw: As it was written: no formula set, no code coloured.

        Raises:
            DataError: If there is none.
        """
        with self.index.reading() as db:
            row = db.execute(
                "SELECT places.key, run, stage, suite, rows.* FROM rows JOIN places USING (place) "
                "WHERE key = ? AND id = ? AND start IS NOT NULL",
                (place, row_id),
            ).fetchone()
            if row is None:
                raise DataError(f"there is no {row_id[:80]!r} in {place[:80]!r}; it may not have been read yet")
            setting = as_written if is_raw else rendered
            found = {
                "in": row["key"],
                **{name: row[name] for name in ("id", "run", "stage", "suite", "model", "sample")},
                **{name: row[name] for name in ("verdict", "decision", "reason", "ended", "tokens")},
                "problem": self._problem(db, row["problem"], setting),
                "siblings": siblings(db, row["problem"]),
            }
            folder = self.index.places[row["place"]].folder
            if row["stage"] == "train":
                return found | self._example(db, row, folder)
            return found | _trace(row, folder, setting) | {"taught": taught_as(db, row["run"], row["id"])}

    def _problem(self, db: sqlite3.Connection, problem_id: str, setting: Setting) -> dict[str, Any]:
        known = db.execute("SELECT place, start FROM problems WHERE id = ?", (problem_id,)).fetchone()
        problem = None
        if known is not None:
            problem = line_at(self.index.places[known["place"]].folder / "problems.jsonl", known["start"], Problem)
        if problem is None or problem.id != problem_id:
            return {"id": problem_id, "prompt": [], "facts": []}
        facts: list[tuple[str, object]] = [("reference", problem.reference), ("source", problem.source)]
        facts += [("domain", problem.domain), ("verifier", problem.verifier), *problem.metadata.items()]
        return {"id": problem_id, "prompt": setting(problem.prompt), "facts": shown_facts(facts)}

    def _example(self, db: sqlite3.Connection, row: sqlite3.Row, folder: Path) -> dict[str, Any]:
        example = line_at(folder / "train.jsonl", row["start"], Example)
        if example is None or example.problem_id != row["problem"]:
            raise DataError(f"example {row['id']} of {row['run']} is being written again; look in a moment")
        place = self.index.place_at(row["run"])
        made_of = db.execute(
            f"SELECT id FROM rows WHERE place = ? AND id IN ({', '.join('?' * len(example.trace_ids))})",
            (place, *example.trace_ids),
        ).fetchall()
        return {
            "kind": "example",
            "mask": self.students.mask(row["run"], example),
            "made_of": [{"in": row["run"], "id": trace["id"]} for trace in made_of],
        }


def _trace(row: sqlite3.Row, folder: Path, setting: Setting) -> dict[str, Any]:
    trace = line_at(folder / "traces.jsonl", row["start"], Trace)
    if trace is None or trace.id != row["id"]:
        raise DataError(f"trace {row['id']} of {row['key']} is being written again; look in a moment")
    verdict = line_at(folder / "verdicts.jsonl", row["verdict_start"], Verdict)
    decision = line_at(folder / "decisions.jsonl", row["decision_start"], Decision)
    if verdict is not None and verdict.trace_id != trace.id:
        verdict = None
    if decision is not None and decision.trace_id != trace.id:
        decision = None
    return {
        "kind": "trace",
        "thinking": setting(trace.thinking),
        "answer": setting(trace.answer),
        "extracted": None if verdict is None or verdict.extracted is None else printable(verdict.extracted),
        "facts": shown_facts([*_verdict_facts(verdict), *_decision_facts(decision), *_trace_facts(trace)]),
    }


def _verdict_facts(verdict: Verdict | None) -> list[tuple[str, object]]:
    if verdict is None:
        return [("verdict", "not judged yet")]
    return [
        ("verdict", verdict.outcome),
        ("extracted answer", verdict.extracted),
        ("because", verdict.reason),
        ("decided by", verdict.method),
    ]


def _decision_facts(decision: Decision | None) -> list[tuple[str, object]]:
    if decision is None:
        return [("filter", None)]
    measured = [(name, f"{value:g}") for name, value in decision.scores.items()]
    if decision.kept:
        return [("filter", "kept"), *measured]
    return [
        ("dropped by", decision.step),
        ("for", decision.reason),
        ("namely", decision.detail),
        *measured,
    ]


def _trace_facts(trace: Trace) -> list[tuple[str, object]]:
    estimated = " (estimated)" if trace.is_estimated else ""
    return [
        ("ended by", trace.finish_reason),
        ("malformed", trace.malformed),
        ("error", trace.error),
        ("reply", f"{trace.completion_tokens:,} tokens{estimated}"),
        ("prompt", f"{trace.prompt_tokens:,} tokens" if trace.prompt_tokens else None),
        ("limit", f"{trace.max_tokens:,} tokens" if trace.max_tokens else None),
        ("took", f"{trace.seconds:.1f} s" if trace.seconds else None),
        ("cost", f"${trace.dollars:.4g}" if trace.dollars else None),
        ("retry", trace.retry or None),
        ("seed", trace.seed),
        ("teacher key", trace.teacher),
        *trace.metadata.items(),
    ]


def shown_facts(facts: list[tuple[str, object]]) -> list[tuple[str, str]]:
    """Facts that are known, as text."""
    return [(printable(name), listed(value)[:2_000]) for name, value in facts if value not in (None, "", {}, [])]


def siblings(db: sqlite3.Connection, problem_id: str) -> list[dict[str, Any]]:
    """All traces of a problem, of every stage, run and model."""
    found = db.execute(
        "SELECT key, run, stage, suite, rows.id, model, sample, verdict, decision, ended, tokens FROM rows "
        "JOIN places USING (place) WHERE problem = ? AND start IS NOT NULL AND stage != 'train' "
        f"ORDER BY rows.place, sample, rows.start LIMIT {MOST_SIBLINGS}",
        (problem_id,),
    ).fetchall()
    names = ("id", "run", "stage", "suite", "model", "sample", "verdict", "decision", "ended", "tokens")
    return [{"in": row["key"], **{name: row[name] for name in names}} for row in found]


def taught_as(db: sqlite3.Connection, run: str, trace_id: str) -> list[dict[str, Any]]:
    """The examples that were made of a trace alone."""
    found = db.execute(
        "SELECT key, rows.id FROM rows JOIN places USING (place) WHERE trace = ? AND run = ? AND stage = 'train' "
        "ORDER BY start LIMIT 20",
        (trace_id, run),
    ).fetchall()
    return [{"in": row["key"], "id": row["id"]} for row in found]
