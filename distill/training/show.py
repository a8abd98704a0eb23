"""Rows as the student reads them, with what is in the loss and what is not in two colours."""

from collections.abc import Iterator

from rich.text import Text

from distill.training.rendering import Chat, Row

PROMPT, LOSS, END = "dim", "green", "bold green reverse"


def shown(chat: Chat, row: Row) -> Iterator[Text]:
    """A row as lines for a terminal.

    Without colours the marks tell: what is between ⟦ and ⟧ is in the loss. Special tokens are written out.
    """
    num_reply = len(row.input_ids) - row.num_prompt
    share = num_reply / len(row.input_ids)
    yield Text(
        f"problem {row.problem_id}, trace {', '.join(row.trace_ids)}: {row.num_prompt} tokens of prompt, {num_reply} "
        f"in the loss ({share:.0%})"
    )
    taught = row.completion_ids
    reply, ending = taught[: len(taught) - len(chat.ending)], taught[len(taught) - len(chat.ending) :]
    text = Text(chat.text(row.input_ids[: row.num_prompt]), style=PROMPT)
    text.append("⟦", style=END)
    text.append(chat.text(reply), style=LOSS)
    text.append(chat.text(ending), style=END)
    text.append("⟧", style=END)
    yield text
