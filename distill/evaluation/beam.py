"""Beam search over steps: several beginnings are kept, each grows by a step, and a scorer says which go on.

The search of Snell et al. 2024 (arXiv 2408.03314, section 5.1) with any scorer in the place of their reward model:
`beams` beginnings, `width` ways to go on from each, the best `beams` of all are kept.
"""

import asyncio
from dataclasses import dataclass

from distill.engines import Completion, Request, Session
from distill.evaluation.policy import opening, piece
from distill.evaluation.scorers import Scorer, without_reference
from distill.formats import TraceFormat
from distill.sections import BeamSearch
from distill.types import Problem


@dataclass(frozen=True, slots=True)
class Beam:
    """A beginning of a reply, or all of one."""

    text: str
    score: float = 0.0
    is_whole: bool = False
    finish_reason: str = "stop"


class Search:
    """Searches for replies of one form.

    Args:
        section: How wide and how far.
        scorer: Says which beginnings go on.
        form: The trace format that the replies are asked in.
    """

    def __init__(self, section: BeamSearch, scorer: Scorer, form: TraceFormat) -> None:
        self._section, self._scorer, self._form = section, scorer, form
        self.identity = (
            f"beam_search({section.beams}, {section.width}, {section.step!r}, {section.scorer.use}, "
            f"{section.scorer.options})"
        )

    async def complete(self, session: Session, request: Request) -> Completion:
        """The whole reply that the scorer likes best; the best beginning, as truncated, if none is whole."""
        problem = _problem(request)
        beams, tokens, asked = [Beam(request.prefill or opening(self._form))], 0, 0
        for _ in range(self._section.max_steps):
            open_beams = [beam for beam in beams if not beam.is_whole]
            if not open_beams:
                break
            jobs = [
                self._step(session, request, beam, asked + number)
                for number, beam in enumerate(each for each in open_beams for _ in range(self._section.width))
            ]
            asked += len(jobs)
            grown = await asyncio.gather(*jobs)
            tokens += sum(found.completion_tokens for _, found in grown)
            candidates = [beam for beam in beams if beam.is_whole]
            candidates += [self._scored(problem, beam) for beam, _ in grown]
            distinct = {beam.text: beam for beam in candidates}
            beams = sorted(distinct.values(), key=lambda beam: beam.score, reverse=True)[: self._section.beams]
        best = max(beams, key=lambda beam: (beam.is_whole, beam.score))
        return Completion(
            text=best.text[len(request.prefill) :],
            finish_reason="stop" if best.is_whole else "length",
            completion_tokens=tokens,
            metadata={"score": best.score, "steps_asked": asked},
        )

    async def _step(self, session: Session, request: Request, beam: Beam, number: int) -> tuple[Beam, Completion]:
        stop = self._section.step
        limit = min(self._section.step_tokens, request.sampling.max_tokens)
        found = await piece(session, request, beam.text, max_tokens=limit, number=number, stop=(stop,))
        goes_on = found.stopped_by == stop
        text = beam.text + found.text + (stop if goes_on else "")
        return Beam(text, is_whole=found.finish_reason == "stop" and not goes_on), found

    def _scored(self, problem: Problem, beam: Beam) -> Beam:
        return Beam(beam.text, float(self._scorer(problem, beam.text)), beam.is_whole)


def _problem(request: Request) -> Problem:
    known = {key: value for key, value in request.metadata.items() if key not in ("problem_id", "sample")}
    prompt = request.messages[-1]["content"]
    return without_reference(
        Problem(id=str(request.metadata.get("problem_id", "")), prompt=prompt, verifier="", metadata=known)
    )
