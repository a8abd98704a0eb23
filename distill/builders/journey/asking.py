"""Asking a model about a thought: each reply is paid for once, and a model that is gone ends the filter.

Replies are kept in `probes.jsonl` in the run's folder, so a filter that was cut off, or is done again with other
checks, asks for none of them twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill.builders import Workshop
from distill.builders.rewrite.paid import Paid, Shelf
from distill.engines import Completion, Request
from distill.errors import EngineError, EngineStartError
from distill.recipe import Sampling, digest
from distill.run import WHERE
from distill.types import Message, Problem

FILE = "probes.jsonl"
MOST_FAILURES = 20
"""Requests in a row without a reply after which a filter ends."""
NOT_TEXT = (*WHERE, "price", "tokenizer")
"""Keys of an engine's block that do not change what it says."""


class Said(NamedTuple):
    """A model's reply, as far as a finder cares."""

    text: str
    is_whole: bool
    """It ended by itself."""


@dataclass
class Asker:
    """Asks one model.

    Args:
        engine: A block like ``generate.teacher``.
        sampling: How tokens are drawn.
    """

    engine: Mapping[str, Any]
    sampling: Sampling
    failures: int = 0
    """In a row."""
    shelves: dict[Path, Shelf] = field(default_factory=dict[Path, Shelf])

    async def ask(
        self,
        workshop: Workshop,
        problem: Problem,
        messages: Sequence[Message],
        *,
        prefill: str = "",
        close: str = "",
        stop: tuple[str, ...] = (),
        number: int = 0,
    ) -> Said | None:
        """One reply, paid for now or before; None if there is none to be had.

        Args:
            workshop: Where the model is asked.
            problem: Which problem it is about.
            messages: The question.
            prefill: What the reply begins with already.
            close: What parts thought and answer, where a server sends them apart; without it the thought is left away.
            stop: Texts that end the reply.
            number: Which of several replies to the same question.

        Raises:
            EngineError: If the model does not start, or does not answer any more.
        """
        model = {key: value for key, value in self.engine.items() if key not in NOT_TEXT}
        asked = [[*messages], prefill, [*stop], model, self.sampling.model_dump(mode="json"), number]
        key = digest(asked, length=24)
        shelf = self.shelves.get(workshop.folder) or self.shelves.setdefault(
            workshop.folder, Shelf(workshop.folder, FILE)
        )
        said: Paid | Completion | None = shelf.find(key)
        if said is None:
            request = Request(
                messages=[*messages],
                sampling=self.sampling,
                seed=int(digest([workshop.seed, key], length=7), 16),
                prefill=prefill,
                stop=stop,
                metadata={**problem.metadata, "problem_id": problem.id},
                cut_loops=True,
            )
            try:
                said = await workshop.ask(self.engine, request)
            except EngineError as error:
                return self._failed(error)
            self.failures = 0
            if close and said.reasoning is not None:
                said = msgspec.structs.replace(said, text=f"{said.reasoning}{close}{said.text}")
            if said.finish_reason in ("stop", "length"):
                shelf.keep(key, problem.id, said)
        return Said(said.text, said.finish_reason == "stop")

    def _failed(self, error: EngineError) -> None:
        self.failures += 1
        if isinstance(error, EngineStartError):
            raise error
        if self.failures >= MOST_FAILURES:
            raise EngineError(
                f"journey: {self.failures} requests in a row gave no reply, so nothing more is asked. What was paid "
                f"for is kept, and the same command goes on from there. The last one: {error}"
            ) from error
