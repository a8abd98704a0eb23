"""Every error that a user can cause or meet, as one tree.

    DistillError
    ├── RecipeError (ValueError)          the recipe, or a --set, says something it cannot mean
    ├── DataError (ValueError)            a file's line, a problem, an example that cannot be used
    ├── PluginError (LookupError)         a name that nothing answers to, or an option it does not take
    ├── MissingExtraError (ImportError)   a part of this toolkit that is not installed
    ├── RunError (RuntimeError)           a run directory that cannot take this command
    │   ├── RunChangedError               ... because a section differs from what made its files
    │   ├── RunLockedError                ... because another process works in it
    │   └── RunStorageError (OSError)     ... because the disk refuses
    ├── EngineError (RuntimeError)        a model or a server that does not answer
    │   └── EngineStartError              ... because it does not start, or lacks its key
    └── TrainingError (RuntimeError)      training that cannot start or cannot end well
        └── ContractError                 ... because it would teach something else than is asked

Each message gives the value, the place and the way out. The command line prints it as one paragraph, without a
traceback, and ends with exit code 2. A trace that fails is data, not an error: see `Trace.error`.
"""

from collections.abc import Iterable


class DistillError(Exception):
    """Anything that the user can mend; never a defect of this toolkit."""


class RecipeError(DistillError, ValueError):
    """The recipe, or an override of it, says something that it cannot mean."""


class DataError(DistillError, ValueError):
    """A file, a line or a record that cannot be used as it stands."""


class PluginError(DistillError, LookupError):
    """A name that nothing answers to, or an option that the part of that name does not take."""


class MissingExtraError(DistillError, ImportError):
    """A part of the toolkit that is not installed here.

    Args:
        what: What the user asked for, as a noun: ``"engine 'vllm'"``.
        extra: The extra that brings it: ``"vllm"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed. Install them with: pip install 'distill[{extra}]'"
        )


class RunError(DistillError, RuntimeError):
    """A run directory that cannot take this command."""


class RunChangedError(RunError):
    """A section of the recipe differs from the one that made the run's files."""


class RunLockedError(RunError):
    """Another process works in this run directory."""


class RunStorageError(RunError, OSError):
    """The disk refuses: read-only, full, or gone."""


class EngineError(DistillError, RuntimeError):
    """A model or a server that does not answer."""


class EngineStartError(EngineError):
    """A model or a server that nothing can be asked of, because it does not start or lacks its key."""


class TrainingError(DistillError, RuntimeError):
    """Training that cannot start, or that cannot end well."""


class ContractError(TrainingError):
    """Training would teach something else than the student will be asked: see `distill.training.contract`."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a sentence, with a space before it; empty if none is near."""
    import difflib

    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
