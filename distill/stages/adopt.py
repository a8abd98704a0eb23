"""adopt: traces made elsewhere, as if a teacher of this run had written them; our own verifiers judge them."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import distill
from distill import plugins, progress
from distill.errors import DataError
from distill.judging import ledger as judge_ledger
from distill.progress import Tracker
from distill.recipe import Recipe, digest
from distill.run import Run
from distill.sampling import Outcome, Store, adoption
from distill.sources.adopters import Adopted, Adopter
from distill.sources.replies import Told
from distill.types import Problem, Trace

CHARACTERS_PER_TOKEN = 4
"""Of English text, about: sets do not say how many tokens a trace took."""
SHOWN_CHARACTERS = 300
"""Of each part of the row that a dry run shows."""


def adopt(
    run: Run, limit: int | None = None, *, holds: Callable[[Problem], bool] | None = None, share: str = ""
) -> Outcome:
    """Take and judge every trace of the recipe's datasets that the run does not hold yet.

    Args:
        run: Open; what it holds already is kept.
        limit: Only the first so many rows with traces, of all datasets together.
        holds: Of those, only the problems for which it is true.
        share: What that share is called.

    Raises:
        DataError: If a dataset cannot be read, a row has another schema, or no row holds a trace.
        KeyboardInterrupt: If the user stopped it. What finished is kept.
    """
    with run.stage("generate") as record, Store(run.dir, None) as store:
        adopters = adopters_of(run.recipe)
        for adopter in adopters:
            if pin := getattr(adopter, "pin", None):
                pin(record.setdefault("revisions", {}))
        prints = [adopter.fingerprint for adopter in adopters]
        asked = digest([distill.__version__, run.recipe.section("generate")["adopt"], prints, limit, share])
        is_known = None not in prints and record.get("adopted") == [asked, store.ledger.replies]
        if is_known and not any(store.unjudged()):
            progress.say(f"adopt: nothing new; {store.ledger.replies:,} traces stand")
        else:
            run.write_manifest()  # the revisions, before anything is taken
            _take(run, store, record, _Pass(adopters, limit, holds))
            record["adopted"] = [asked, store.ledger.replies]
        if store.ledger.judged != record.get("rated") or not run.pass_rates.path.exists():
            store.write_pass_rates()
            record.update(rated=store.ledger.judged, verify=judge_ledger(run.verdicts.path))
        num_problems = store.index.num_problems()
        record.update(problems=num_problems, failed=0, open=0)
    return Outcome(num_problems, 0, 0, 0.0, is_stopped=False, is_spent=False)


def _take(run: Run, store: Store, record: dict[str, Any], reading: "_Pass") -> None:
    with progress.track("adopt", reading.num_rows()) as tracker:
        taken = adoption.adopt(
            reading.traces(tracker),
            store,
            run.recipe.generate.verify,
            reading.verifiers,
            run.logs_dir,
            "adopt",
            tell=lambda outcome: reading.outcomes.update([outcome]),
        )
        tracker.reach(tracker.done, reading.note())
    skipped = reading.skipped
    record["skipped"] = dict(skipped)
    record.setdefault("system_prompts", {}).update(reading.systems)
    left_out = "".join(f"; left out {count:,} rows: {reason}" for reason, count in skipped.most_common())
    progress.say(f"adopt: {taken.traces:,} traces taken, {taken.known:,} were here already{left_out}")
    if not store.ledger.replies:
        names = ", ".join(use.use for use in run.recipe.generate.adopt)
        raise DataError(f"no traces: the datasets ({names}) hold none{left_out}; look at generate.adopt in the recipe")


class _Pass:
    """One pass through the datasets."""

    def __init__(self, adopters: list[Adopter], limit: int | None, holds: Callable[[Problem], bool] | None) -> None:
        self._adopters, self._limit, self._holds = adopters, limit, holds
        self.systems: dict[str, str] = {}
        """The system prompt that the first row of each set was written under, by teacher key."""
        self.outcomes: Counter[str] = Counter()

    @property
    def verifiers(self) -> set[str]:
        """Names of those that the sets need, as far as they say."""
        return {name for adopter in self._adopters if (name := getattr(adopter, "verifier", ""))}

    @property
    def skipped(self) -> Counter[str]:
        """Rows that were left out, by reason."""
        return sum((Counter(getattr(adopter, "skipped", {})) for adopter in self._adopters), Counter[str]())

    def num_rows(self) -> int:
        """How many rows it will go through; 0 if a set does not say."""
        counts = [rows_in(adopter) for adopter in self._adopters]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return self._limit or 0
        return min(sum(known), self._limit or sum(known))

    def traces(self, tracker: Tracker) -> Iterator[tuple[Problem, Trace]]:
        """Every trace with its problem, in the order of the datasets."""
        every = ((place, adopter, row) for place, adopter in enumerate(self._adopters) for row in adopter)
        with contextlib.closing(_Occurrences()) as occurrences:
            for place, adopter, row in islice(every, self._limit):
                tracker.advance(self.note())
                if self._holds is not None and not self._holds(row.problem):
                    continue
                teacher = teacher_key(adopter)
                self.systems.setdefault(teacher, row.system)
                for told in row.told:
                    sample = occurrences.count(f"{place} {row.problem.id}")
                    yield row.problem, trace_of(row.problem, told, teacher, sample)

    def note(self) -> str:
        """How it goes, in a few words."""
        unverifiable = self.outcomes["unverifiable"]
        judged = self.outcomes.total() - unverifiable
        share = f"{100 * self.outcomes['correct'] / judged:.0f} % of {judged:,} correct" if judged else ""
        return ", ".join(filter(None, [share, f"{unverifiable:,} unverifiable" if unverifiable else ""]))


class _Occurrences:
    """How often a key came up in this pass, on disk: a set may have millions."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a file that goes with it
        self._db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID")

    def count(self, key: str) -> int:
        """Times that it came up before."""
        statement = "INSERT INTO seen VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET count = count + 1 RETURNING count"
        return self._db.execute(statement, (key,)).fetchone()[0]

    def close(self) -> None:
        """Forget all."""
        self._db.close()


def adopters_of(recipe: Recipe) -> list[Adopter]:
    """The recipe's datasets, not read yet."""
    return [plugins.build("adopters", use.use, use.options) for use in recipe.generate.adopt]


def teacher_key(adopter: Adopter) -> str:
    """What a set's traces are told by: digest of its path, its revision and the model that wrote it."""
    return digest(adopter.identity, length=8)


def rows_in(adopter: Adopter) -> int | None:
    """How many of a set's rows are wanted at most; None if nobody knows."""
    counts = [count for count in (adopter.num_rows(), adopter.limit) if count is not None]
    return min(counts, default=None)


def plan_of_adoption(recipe: Recipe, limit: int | None) -> list[str]:
    """What a call would take, in lines, and the first row as it is read."""
    lines: list[str] = []
    for use, adopter in zip(recipe.generate.adopt, adopters_of(recipe), strict=True):
        try:
            count, first = rows_in(adopter), next(iter(adopter), None)
        except DataError as error:
            lines.append(f"{use.use} {use.options}: cannot be read now: {error}")
            continue
        most = min((number for number in (count, limit) if number is not None), default=None)
        size = "how many rows is not known before they are read" if most is None else f"at most {most:,} rows"
        lines += [f"{use.use} {use.options}: {size}", *(_shown(first) if first else ["no row of it holds a trace"])]
    return lines


def _shown(row: Adopted) -> list[str]:
    reply = row.told[0].reply
    parts = {
        "prompt": row.problem.prompt,
        "reference": row.problem.reference or "none",
        "system prompt": row.system,
        "thinking": reply.thinking,
        "answer": reply.answer,
        "malformed": reply.malformed or "",
    }
    shown = [f"  {name}: {' '.join(text.split())[:SHOWN_CHARACTERS]}" for name, text in parts.items() if text]
    return [f"first row, {len(row.told)} traces, judged by {row.problem.verifier}:", *shown]


def trace_of(problem: Problem, told: Told, teacher: str, sample: int) -> Trace:
    """A reply of a set as a trace of this run: nobody was asked for it, so it took no request and no seconds."""
    reply = told.reply
    return Trace(
        id=f"{problem.id}-{teacher}-{sample}",
        problem_id=problem.id,
        sample=sample,
        teacher=teacher,
        thinking=reply.thinking,
        answer=reply.answer,
        malformed=reply.malformed,
        finish_reason=told.finish_reason,
        completion_tokens=-(-len(reply.thinking + reply.answer) // CHARACTERS_PER_TOKEN),
        is_estimated=True,
        tries=0,
        metadata=told.metadata,
    )
