"""Which levels of isolation work on this machine. A level is believed when hostile programs have tried it."""

import functools
from dataclasses import dataclass

from distill.errors import DistillError
from distill.verifiers.code.attempts import still_open
from distill.verifiers.code.isolation import LEVELS, REMEDIES, Level
from distill.verifiers.code.process import SandboxError


@dataclass(frozen=True, slots=True)
class Rung:
    """A level of the ladder, as it was found on this machine."""

    level: Level
    works: bool
    found: str
    """What was tried and seen."""
    remedy: str
    """What it would take; empty if it works."""


def choose(*, unsafe: bool) -> Level:
    """The strongest level that works here.

    Raises:
        DistillError: If none does, or only ``unsafe``, and that is not allowed.
    """
    for level in LEVELS:
        if (level != "unsafe" or unsafe) and probe(level).works:
            return level
    missing = "; ".join(f"{rung.level}: {rung.found}" for rung in map(probe, LEVELS[:2]))
    raise DistillError(
        f"the code verifier has nothing to isolate programs with ({missing}). `distill doctor` says what each level "
        f"needs. If this machine may be read by any program that a model writes, set "
        f"generate.verify.options.code.unsafe to true"
    )


@functools.cache
def probe(level: Level) -> Rung:
    """Run hostile programs at a level, and see that nothing is open to them that it should keep closed."""
    try:
        opened = still_open(level)
    except SandboxError as error:
        return Rung(level, False, str(error), REMEDIES[level])
    if opened and level != "unsafe":
        return Rung(level, False, f"programs can {', '.join(opened)}", REMEDIES[level])
    return Rung(level, True, f"programs can {', '.join(opened)}" if opened else "programs are kept in", "")
