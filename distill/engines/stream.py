"""A reply that comes in pieces: server-sent events, put together to one completion.

Read by hand, since this is the hot path: some 100,000 pieces a second from a busy server. The format is the one of
html.spec.whatwg.org/multipage/server-sent-events.html; only `data` is looked at.
"""

from typing import Any

import msgspec

from distill.engines import Completion, Request
from distill.engines.chat import TokenCounts, not_a_completion, prompt_estimate, reply_estimate, server_message, whole
from distill.engines.failures import FailedTry
from distill.loops import LoopWatch

DONE = b"[DONE]"


class EventParser:
    """Cuts a stream of bytes into the data of its events, however the bytes come."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk ends."""
        text = self._rest + chunk
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):  # perhaps one half of a CRLF
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = text.split(b"\n\n")
        self._rest = rest + held
        return [data for event in events if (data := _data_of(event))]

    def end(self) -> list[bytes]:
        """The data of an event that the end of the stream ends."""
        return self.feed(b"\n\n")


def _data_of(event: bytes) -> bytes:
    if event.startswith(b"data:") and b"\n" not in event:
        return event[5:].strip()
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines).strip()


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    index: int = 0
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    error: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: TokenCounts | None = None
    error: Any = None
    object: str | None = None
    """`error` in an error of SGLang and of older vLLM, which has its `message` beside it."""
    message: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


class StreamedReply:
    """One reply while it comes.

    Args:
        request: What was asked.
        secret: Cut out of whatever an error repeats of the reply.
    """

    def __init__(self, request: Request, secret: str = "") -> None:
        self.finish_reason: str | None = None
        self._stop_reason: str | int | None = None
        self.is_done = False
        """Whether the server says that nothing follows."""
        self.loop = ""
        """Why to cut it; empty while there is no reason."""
        self._request, self._secret = request, secret
        self._parser = EventParser()
        self._counts = TokenCounts()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._num_characters = self._num_deltas = 0
        self._watches = (LoopWatch(), LoopWatch()) if request.cut_loops else None
        self._num_prompt = prompt_estimate(request)

    @property
    def is_over(self) -> bool:
        """Whether no more text is wanted or will come; the server's counts may still."""
        return bool(self.finish_reason or self.is_done or self.loop)

    def taken(self) -> tuple[int, int, int]:
        """Tokens until now: of the prompt, of the prompt from the server's cache, of the reply."""
        counts = self._counts
        completion = counts.completion_tokens
        if completion is None:
            completion = reply_estimate(self._num_characters, self._num_deltas)
        return (
            self._num_prompt if counts.prompt_tokens is None else counts.prompt_tokens,
            counts.cached_tokens,
            completion,
        )

    def feed(self, chunk: bytes) -> None:
        """The next bytes.

        Raises:
            FailedTry: If they hold an error, or what is no piece of a chat completion.
        """
        self._take(self._parser.feed(chunk))
        if self._request.on_text:
            self._request.on_text("".join(self._texts), "".join(self._thoughts))

    def end(self) -> None:
        """The stream has ended; what an unfinished event holds is used if it can be read.

        Raises:
            FailedTry: If it holds an error.
        """
        rest = self._parser.end()
        try:
            for data in rest:
                _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # broken off, which the missing finish_reason tells
        self._take(rest)

    def completion(self) -> Completion:
        """All of it.

        Raises:
            FailedTry: If it is empty, or not whole.
        """
        return whole(
            self._request,
            text="".join(self._texts),
            reasoning="".join(self._thoughts),
            finish_reason=self.finish_reason,
            counts=self._counts,
            num_deltas=self._num_deltas,
            loop=self.loop,
            stop_reason=self._stop_reason,
        )

    def _take(self, events: list[bytes]) -> None:
        for data in events:
            if data == DONE:
                self.is_done = True
            if self.is_done or self.loop:
                return
            self._read(data)

    def _read(self, data: bytes) -> None:
        try:
            chunk = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FailedTry("reply", not_a_completion(data, error, self._secret)) from None
        if chunk.usage is not None:
            self._counts = chunk.usage
        failure = chunk.error or (chunk.object == "error" and (chunk.message or data))
        for choice in chunk.choices or ():
            failure = failure or choice.error
            if choice.index == 0:
                self._add(choice.delta)
                self.finish_reason = choice.finish_reason or self.finish_reason
                self._stop_reason = choice.stop_reason or self._stop_reason
        if failure:
            raise FailedTry("reply", f"sent an error with status 200: {server_message(failure, self._secret)}")

    def _add(self, delta: _Delta | None) -> None:
        if delta is None:
            return
        for texts, text in ((self._thoughts, delta.reasoning_content or delta.reasoning), (self._texts, delta.content)):
            if not text:
                continue
            texts.append(text)
            self._num_characters += len(text)
            self._num_deltas += 1
            if self._watches:
                watch = self._watches[texts is self._texts]
                self.loop = self.loop or watch.feed(text) or ""
