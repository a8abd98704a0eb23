"""Budget forcing: a thought is ended at its limit, and its end is suppressed so many times, as s1 does.

Source: Muennighoff et al. 2025, "s1: Simple test-time scaling" (arXiv 2501.19393, section 3.1), and its evaluation,
github.com/simplescaling/s1@77272c6, whose names the keys have. At the maximum the end of the thought is appended, and
perhaps a word that asks for the answer; for the minimum the end is left out and "Wait" appended.
"""

from distill.engines import Completion, Request, Session
from distill.errors import RecipeError
from distill.evaluation.policy import opening, piece
from distill.formats import TraceFormat
from distill.sections import BudgetForcing


class Forcing:
    """Forces budgets on replies of one form.

    Args:
        section: The budgets.
        form: The trace format that the replies are asked in.

    Raises:
        RecipeError: If the form has no thought.
    """

    def __init__(self, section: BudgetForcing, form: TraceFormat) -> None:
        if not form.open or not form.close.strip():
            raise RecipeError(f"budget_forcing needs a thought to end, and trace format {form.name!r} has none")
        self._section, self._form = section, form
        self.identity = (
            f"budget_forcing({section.max_tokens_thinking}, {section.thinking_n_ignore}, "
            f"{section.thinking_n_ignore_str!r}, {section.final_answer!r})"
        )

    async def complete(self, session: Session, request: Request) -> Completion:
        """One reply: the thought piece by piece, then the answer.

        Raises:
            RecipeError: If the budget leaves no tokens for an answer.
        """
        thought = _Thought(request.prefill or opening(self._form), self._form.close.strip())
        limit = self._section.max_tokens_thinking
        if limit >= request.sampling.max_tokens:
            raise RecipeError(
                f"max_tokens_thinking is {limit} and max_tokens is {request.sampling.max_tokens}, which leaves no "
                f"tokens for an answer: raise sampling.max_tokens"
            )
        while not thought.is_forced:
            await thought.go_on(session, request, limit)
            if thought.is_forced or thought.num_ignored == self._section.thinking_n_ignore:
                break
            thought.ignore_end(self._section.thinking_n_ignore_str)
        said = thought.closed(self._form, self._section.final_answer)
        rest = request.sampling.max_tokens - thought.tokens
        answer = await piece(session, request, said, max_tokens=rest, number=thought.pieces)
        return Completion(
            text=said[len(request.prefill) :] + answer.text,
            finish_reason=answer.finish_reason,
            reason=answer.reason,
            prompt_tokens=thought.prompt_tokens or answer.prompt_tokens,
            completion_tokens=thought.tokens + answer.completion_tokens,
            is_estimated=answer.is_estimated,
            metadata={
                "thinking_tokens": thought.tokens,
                "forced_end": thought.is_forced,
                "ignored_ends": thought.num_ignored,
            },
        )


class _Thought:
    """A thought in the making."""

    def __init__(self, said: str, end: str) -> None:
        self.said, self._end = said, end
        self.tokens = self.pieces = self.num_ignored = self.prompt_tokens = 0
        """Tokens that the model wrote; what we append is not among them."""
        self.is_forced = False
        """It has reached its limit."""

    async def go_on(self, session: Session, request: Request, limit: int) -> None:
        """Write on until the thought would end, or the limit."""
        if self.tokens >= limit:
            self.is_forced = True
            return
        left = limit - self.tokens
        found = await piece(session, request, self.said, max_tokens=left, number=self.pieces, stop=(self._end,))
        written, ended, _ = found.text.partition(self._end)  # an engine that knows no stop texts writes on
        self.said += written
        self.tokens += found.completion_tokens
        self.pieces += 1
        self.prompt_tokens = self.prompt_tokens or found.prompt_tokens
        self.is_forced = found.finish_reason != "stop" and not ended

    def ignore_end(self, word: str) -> None:
        """Leave out the end, and have the thought go on with a word."""
        self.said += word
        self.num_ignored += 1

    def closed(self, form: TraceFormat, final_answer: str) -> str:
        """The reply up to its answer."""
        lead = form.close[: len(form.close) - len(form.close.lstrip())]
        close = form.close.lstrip() if self.said.endswith(lead) else form.close
        return f"{self.said}{close}{form.answer_open}{final_answer if self.is_forced else ''}"
