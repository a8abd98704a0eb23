"""A window on the length of thought and answer, in the student's own tokens."""

from distill.selectors import Candidate, Context, Selector, per_trace


def length(*, min_tokens: int = 0, max_tokens: int | None = None) -> Selector:
    """Keep traces of `min_tokens` to `max_tokens`, counted by the student's tokenizer, not the teacher's."""

    def rule(candidate: Candidate, context: Context) -> str | None:
        count = context.count_tokens(candidate.trace)
        if count < min_tokens:
            return f"shorter than {min_tokens} tokens"
        if max_tokens is not None and count > max_tokens:
            return f"longer than {max_tokens} tokens"
        return None

    return per_trace(rule)
