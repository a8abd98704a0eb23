"""A reply on a terminal, written on as it comes."""

from rich.console import Console
from rich.text import Text

from distill.reporting.text import printable


class Screen:
    """Writes a reply on as it grows: the thought dim, the answer bright.

    Args:
        console: Standard output if not given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._shown = {"thinking": "", "answer": ""}

    def show(self, thinking: str, answer: str) -> None:
        """Write what is new.

        Args:
            thinking: All of the thought so far.
            answer: All of the answer so far.
        """
        now = {"thinking": thinking, "answer": answer}
        if not all(now[part].startswith(text) for part, text in self._shown.items()):
            self.end()
            self._write("(begins anew)\n", "dim")
        for part, style in (("thinking", "dim"), ("answer", "")):
            new = now[part][len(self._shown[part]) :]
            if not new:
                continue
            if not self._shown[part]:
                self._write(f"{chr(10) if any(self._shown.values()) else ''}{part}\n", "bold")
            self._write(new, style)
            self._shown[part] = now[part]

    def end(self) -> None:
        """The reply is over; the next one begins with nothing."""
        if any(self._shown.values()):
            self._write("\n", "")
        self._shown = {"thinking": "", "answer": ""}

    def _write(self, text: str, style: str) -> None:
        if self._console.is_terminal:
            self._console.print(Text(printable(text), style=style), end="", soft_wrap=True)
        else:
            self._console.file.write(printable(text))  # as it is: rich would replace tabs
        self._console.file.flush()
