"""A small set that is spread over domains and leans to long traces: s1K's last step (arXiv 2501.19393, algorithm 1)."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, get_args

from distill.errors import RecipeError
from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value
from distill.selectors.preference import Preference, group_of, place_by
from distill.types import Outcome

REACH = 64
"""Ranks beyond those already drawn that a draw can reach; 2^-64 is left out."""
RULE_KEYS = ("source", "domain", "outcome", "min_tokens")


class Diverse:
    """Keep `count` traces: draw a domain uniformly, and in it a trace with weight 2^-rank; again, without that trace.

    s1K's own is ``{use: diverse, count: 1000, always: [{source: "*AIME*", outcome: correct}, {source: "*GPQA*",
    outcome: correct}, {source: "*MATH*", outcome: correct, min_tokens: 5600}]}``. Its code draws domains by weights of
    benchmarks after the first 700; this follows the paper.

    Args:
        count: How many are kept.
        by: What makes a domain: see `group_of`.
        prefer: What ranks the traces of a domain.
        always: Traces that are taken before any draw: each rule may name a pattern of ``source`` or ``domain``, an
            ``outcome``, and ``min_tokens`` of the student's.

    Raises:
        RecipeError: If a rule says something else.
    """

    def __init__(
        self,
        *,
        count: int,
        by: str = "domain",
        prefer: Preference = "longest",
        always: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        for rule in always:
            unknown = [key for key in rule if key not in RULE_KEYS]
            if unknown or rule.get("outcome", "correct") not in get_args(Outcome):
                raise RecipeError(f"filter step 'diverse': the rule {dict(rule)!r} may have {', '.join(RULE_KEYS)}")
        self.count, self.by, self.always = count, by, always
        self._place = place_by(prefer)

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """Whether it is taken before any draw, the domain, and the place in it."""
        is_drawn = not any(_fits(candidate, rule, context) for rule in self.always)
        return is_drawn, group_of(candidate, self.by), self._place(candidate, context)

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """Those of the rules first, then the draw."""
        drop = Drop(f"not among {self.count:,} that were drawn")
        num_taken = 0
        domains: list[list[int]] = []
        for (is_drawn, _), group in groupby(measured, key=lambda found: found.values[:2]):
            rows: list[int] = []
            for found in group:
                if not is_drawn and num_taken < self.count:
                    num_taken += 1
                    yield Ruling(found.row, None)
                elif is_drawn and len(rows) < self.count - num_taken + REACH:
                    rows.append(found.row)
                else:
                    yield Ruling(found.row, drop)
            if rows:
                domains.append(rows)
        for row in _drawn(domains, self.count - num_taken, context.rng()):
            yield Ruling(row, None)
        yield from (Ruling(row, drop) for rows in domains for row in rows)


def _fits(candidate: Candidate, rule: Mapping[str, Any], context: Context) -> bool:
    problem = candidate.problem
    return (
        fnmatchcase(problem.source, rule.get("source", "*"))
        and fnmatchcase(problem.domain, rule.get("domain", "*"))
        and rule.get("outcome", candidate.verdict.outcome) == candidate.verdict.outcome
        and context.count_tokens(candidate.trace) >= rule.get("min_tokens", 0)
    )


def _drawn(domains: list[list[int]], count: int, rng: random.Random) -> Iterator[int]:
    """Draw rows and take them out of their lists, until there are enough or none is left."""
    open_domains = list(range(len(domains)))
    while count > 0 and open_domains:
        domain = open_domains[rng.randrange(len(open_domains))]
        rows = domains[domain]
        # the inverse of the distribution of ranks 1 to n with weights 2^-rank
        rank = math.ceil(-math.log2(1 - rng.random() * (1 - 2.0 ** -len(rows)))) or 1
        yield rows.pop(min(rank, len(rows)) - 1)
        count -= 1
        if not rows:
            open_domains.remove(domain)
