"""So many traces, or tokens, of each group or in all: mixtures such as R1's and Sky-T1's, and budgets."""

from collections import Counter
from collections.abc import Iterator, Mapping

from distill import progress
from distill.errors import RecipeError
from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value
from distill.selectors.preference import Preference, group_of, place_by


class Quota:
    """Keep traces until each group has its number, or all together have theirs.

    Sky-T1: ``{use: quota, by: domain, counts: {math: 10000, code: 5000, science: 1000}}``. Half and half of 1,000:
    ``{use: quota, by: domain, shares: {math: 1, code: 1}, total: 1000}``. As many as fit:
    ``{use: quota, tokens: 4700000, prefer: longest}``.

    Args:
        by: What makes a group: see `group_of`. All traces are one group if not given.
        counts: Traces of each group. Groups that are not named have none.
        shares: Parts of `total` for each group, in any unit, instead of counts.
        total: Traces in all.
        tokens: Student's tokens in all; the first trace that does not fit ends the walk, so that what is kept is what
            `prefer` puts first.
        prefer: Which are taken first.

    Raises:
        RecipeError: If these options do not say how many.
    """

    def __init__(
        self,
        *,
        by: str | None = None,
        counts: Mapping[str, int] | None = None,
        shares: Mapping[str, float] | None = None,
        total: int | None = None,
        tokens: int | None = None,
        prefer: Preference = "random",
    ) -> None:
        given = [
            name for name, value in (("counts", counts), ("total", total), ("tokens", tokens)) if value is not None
        ]
        if len(given) != 1 or (by is None) != (counts is None and shares is None) or (shares and total is None):
            raise RecipeError(
                f"filter step 'quota' has {', '.join(given) or 'no number'}, by {by!r} and shares {shares!r}; give "
                "`total` or `tokens`, or `by` with `counts`, or `by` with `shares` and `total`"
            )
        self.by, self.tokens, self.total = by, tokens, total
        self.counts = _parted(shares, total) if shares and total else counts
        self._place = place_by(prefer)

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """The group, the place in it, and the tokens if they are counted."""
        group = group_of(candidate, self.by) if self.by else ""
        tokens = context.count_tokens(candidate.trace) if self.tokens else 0
        return group, self._place(candidate, context), tokens

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """The first of each group stay, until its number is reached."""
        kept: Counter[str] = Counter()
        drop = Drop(self._reason)
        tokens, is_full = 0, False
        for found in measured:
            group, size = str(found.values[0]), int(found.values[2] or 0)
            if self.tokens is not None:
                is_full = is_full or tokens + size > self.tokens
            elif self.counts is None:
                is_full = kept[group] >= (self.total or 0)
            else:
                is_full = kept[group] >= self.counts.get(group, 0)
            if not is_full:
                kept[group] += 1
                tokens += size
            yield Ruling(found.row, drop if is_full else None)
        self._say_what_lacks(kept)

    @property
    def _reason(self) -> str:
        if self.tokens is not None:
            return f"beyond {self.tokens:,} tokens"
        return f"beyond its {self.by}'s quota" if self.by else f"beyond {self.total:,} traces"

    def _say_what_lacks(self, kept: Counter[str]) -> None:
        wanted = self.counts or ({"": self.total} if self.total else {})
        lacking = [
            f"{name or 'all'} {kept[name]:,} of {count:,}" for name, count in wanted.items() if kept[name] < count
        ]
        if lacking:
            progress.say(f"filter: the quota is not met, for want of traces: {', '.join(lacking)}")


def _parted(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers that add up to `total`, by the largest remainders."""
    whole = sum(shares.values())
    if whole <= 0 or min(shares.values()) < 0:
        raise RecipeError(f"filter step 'quota' has shares {dict(shares)!r}; give numbers above 0")
    exact = {name: total * share / whole for name, share in shares.items()}
    parts = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: parts[name] - exact[name])[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
