"""Rows as the student reads them, with what is in the loss and what is not in two colours."""

from collections.abc import Iterator

from rich.text import Text

from distill.training.rendering import Chat, Row

PROMPT, LOSS, END = "dim", "green", "bold green reverse"


def shown(chat: Chat, row: Row) -> Iterator[Text]:
    """A row as lines for a terminal.

    Without colours the marks tell: what is between ⟦ and ⟧ is in the loss. Special tokens are written out.
    """
    num_taught = row.num_taught
    num_masked = len(row.completion_ids) - num_taught
    yield Text(
        f"problem {row.problem_id}, trace {', '.join(row.trace_ids)}: {row.num_prompt} tokens of prompt, "
        + (f"{num_masked} masked, " if num_masked else "")
        + f"{num_taught} in the loss ({num_taught / len(row.input_ids):.0%})"
    )
    text, ending = Text(), len(row.input_ids) - len(chat.ending)
    for is_taught, start, end in row.stretches():
        if not is_taught:
            text.append(chat.text(row.input_ids[start:end]), style=PROMPT)
            continue
        text.append("⟦", style=END)
        text.append(chat.text(row.input_ids[start : min(end, ending)]), style=LOSS)
        text.append(chat.text(row.input_ids[max(start, ending) : end]), style=END)
        text.append("⟧", style=END)
    yield text
