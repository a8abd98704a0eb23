"""How well the finders that ask no model find the first error, by human marks.

    python benchmarks/first_error.py --cases FILE

Each line of the file is a solution: ``problem``, ``output``, ``label`` (whether it is right), ``source``, and in
``extra`` the number of its first wrong step (``first_error_step``, counted from ``first_error_base``; steps are lines
that are not blank). `divergence` needs a right solution to hold the wrong one against, and is scored where ``extra``
has one (``gold_cot``). Prints a Markdown table for docs/journey.md: a row for each source and finder.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from distill.builders.journey.finders import Case, Finder, arithmetic, divergence
from distill.types import Problem


class Scored(NamedTuple):
    """A solution with its human mark, as an index of its steps from 0; None if it has no error."""

    source: str
    case: Case
    first: int | None


def main() -> None:
    """Score all and print the table."""
    parser = argparse.ArgumentParser(description="Score the judge-free finders of the first error.")
    parser.add_argument("--cases", type=Path, required=True, help="JSON lines with human marks")
    rows = [json.loads(line) for line in parser.parse_args().cases.read_text().splitlines()]
    scored = [found for row in rows if (found := read(row))]
    print(f"{len(scored)} of {len(rows)} solutions; the others have no usable mark.\n")
    print("| source | finder | wrong | found | exact step | within one | too early | right | false alarms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for source in [*dict.fromkeys(found.source for found in scored), "all"]:
        of_source = [found for found in scored if source in (found.source, "all")]
        print(row_of(source, "arithmetic", arithmetic, of_source))
        with_right = [found for found in of_source if found.case.right]
        if with_right and source != "all":
            print(row_of(source, "divergence", divergence, with_right))


def read(row: Mapping[str, Any]) -> Scored | None:
    """A solution and its mark; None where that is not a step's number, or where a wrong solution has none."""
    extra = row["extra"]
    first, base = extra.get("first_error_step"), extra.get("first_error_base")
    # a right answer may have a wrong step before it; the step counts
    is_right = row["label"] and first is None
    if not is_right and not isinstance(first, int):
        return None
    problem = Problem(id="", prompt=row["problem"], verifier="exact")
    case = Case(problem, row["output"], "" if is_right else extra.get("gold_cot") or "")
    return Scored(source_of(row["source"]), case, None if is_right else first - base)


def source_of(source: str) -> str:
    """The short name of a source: repository's, and file's where one repository has several kinds."""
    repository, _, path = source.partition("@")[0].partition(":")
    name = repository.rpartition("/")[2]
    return name if "GSM8K" in name else f"{name} {Path(path).stem.replace('_', ' ')}"


def row_of(source: str, name: str, find: Finder, scored: Iterable[Scored]) -> str:
    """One finder on one source."""
    seen = Counter[str]()
    for found in scored:
        step = step_found(find, found.case)
        if found.first is None:
            seen["right"] += 1
            seen["alarms"] += step is not None
            continue
        seen["wrong"] += 1
        if step is not None:
            seen["found"] += 1
            seen["exact"] += step == found.first
            seen["near"] += abs(step - found.first) <= 1
            seen["early"] += step < found.first
    shares = " | ".join(share(seen[key], seen["found"]) for key in ("exact", "near", "early"))
    return (
        f"| {source} | {name} | {seen['wrong']} | {share(seen['found'], seen['wrong'])} | {shares} | {seen['right']} | "
        f"{seen['alarms']} |"
    )


def step_found(find: Finder, case: Case) -> int | None:
    """The step, from 0, that a finder puts the first error in."""
    slip: Any = find(case, None)  # type: ignore[arg-type]
    if slip is None:
        return None
    return sum(bool(line.strip()) for line in case.wrong[: slip.start].split("\n")[:-1])


def share(part: int, whole: int) -> str:
    """A count, with its share."""
    return f"{part} ({100 * part / whole:.0f} %)" if whole else str(part)


if __name__ == "__main__":
    main()
