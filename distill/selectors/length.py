"""A window on the length of thought and answer, in the student's own tokens."""

from distill.selectors import Candidate, Context, Drop, Gate


def length(*, min_tokens: int = 0, max_tokens: int | None = None) -> Gate:
    """Keep traces of `min_tokens` to `max_tokens`, counted by the student's tokenizer, not the teacher's."""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        count = context.count_tokens(candidate.trace)
        if count < min_tokens:
            return Drop(f"shorter than {min_tokens} tokens", f"{count} tokens")
        if max_tokens is not None and count > max_tokens:
            return Drop(f"longer than {max_tokens} tokens", f"{count} tokens")
        return None

    return gate
