"""What this machine has, what is missing, and the command that brings it."""

import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from distill import environment
from distill.errors import DistillError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a part of distill needs."""

    what: str
    is_there: bool
    found: str
    remedy: str
    """The command that brings it; empty if it is there."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All checks, and the machine they were made on."""

    machine: dict[str, Any]
    checks: list[Check]

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def show(self, console: Console) -> None:
        """Print a table for people."""
        machine = self.machine
        console.print(
            f"Python {machine['python']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB, "
            f"{', '.join(machine['gpus']) or 'no GPU'}"
        )
        table = Table("", "part", "found", "to get it", box=None, pad_edge=False)
        for check in self.checks:
            table.add_row("ok" if check.is_there else "--", check.what, check.found, check.remedy)
        console.print(table)


def examine() -> Examination:
    """Look at versions, hardware, extras, the teacher's server, and what isolates programs."""
    checks = [_extra(name) for name in environment.EXTRAS if name != "vllm"]
    return Examination(environment.describe(), [_python(), *checks, _vllm_server(), *_isolation()])


def _python() -> Check:
    is_right = sys.version_info >= (3, 11)
    return Check("Python 3.11+", is_right, sys.version.split()[0], "" if is_right else "install Python 3.11 or later")


def _extra(name: str) -> Check:
    found = {package: environment.installed(package) for package in environment.EXTRAS[name]}
    missing = [package for package, version in found.items() if version is None]
    versions = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    remedy = f"pip install 'distill[{name}]'" if missing else ""
    return Check(f"extra {name}", not missing, versions or "nothing", remedy)


def _vllm_server() -> Check:
    from distill.engines.vllm_command import find_launcher

    try:
        launcher = find_launcher()
    except DistillError as error:
        return Check("vLLM server", False, "nothing", str(error))
    return Check("vLLM server", True, f"{launcher.words[0]} ({launcher.origin})", "")


def _isolation() -> list[Check]:
    """Each level at which the code verifier can run programs, tried; the first that is there is used."""
    from distill.verifiers.code.ladder import LEVELS, probe

    return [Check(f"sandbox {rung.level}", rung.works, rung.found, rung.remedy) for rung in map(probe, LEVELS)]
