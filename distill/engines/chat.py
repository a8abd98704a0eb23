"""What goes to an OpenAI-compatible server for one reply, and what may come back.

Nothing but a whole, well-formed chat completion becomes a `Completion`: an error sent with status 200, an empty list of
choices, an empty reply, one that a filter cut, are each a `FailedTry`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from distill.engines import Completion, Request
from distill.engines.failures import FailedTry
from distill.types import FinishReason

Constraint = Literal["structured_outputs", "response_format"]
"""The key by which a server is told to choose: vLLM's own (since 0.12), or OpenAI's, which most others know."""
_CHOICE = "choice"
"""The key of the choice in the JSON that `response_format` asks for: OpenAI wants an object."""

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
WILLED = ("content_filter", "tool_calls", "function_call")
"""Ends of a reply that is not whole, and would not be the next time either."""
CHARACTERS_PER_TOKEN = 4
"""Of English, roughly, for a server that does not count."""
SHOWN = 200
"""Characters of a server's message that an error repeats."""


def request_body(
    request: Request, model: str, extra_body: Mapping[str, Any], *, limit_key: str = "max_tokens"
) -> dict[str, Any]:
    """The JSON of one request.

    Args:
        request: What is wanted.
        model: The name by which the server knows the model.
        extra_body: Keys set last; one that is None is not sent.
        limit_key: What the server calls the limit of a reply's tokens.

    Returns:
        A body for `/chat/completions`. `top_k`, `min_p` and `thinking_token_budget` (vLLM's name), which not every
        server takes, are in it only where they do something. A prefill is a last message for the server to go on
        from, as vLLM and SGLang take it.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": list(request.messages),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        limit_key: sampling.max_tokens,
        "seed": request.seed,
    }
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.min_p:
        body["min_p"] = sampling.min_p
    if sampling.thinking_token_budget is not None:
        body["thinking_token_budget"] = sampling.thinking_token_budget
    if request.stop:
        body["stop"] = list(request.stop)
    if request.prefill:
        body["messages"].append({"role": "assistant", "content": request.prefill})
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    return {key: value for key, value in {**body, **extra_body}.items() if value is not None}


def constrained(choices: Sequence[str], constraint: Constraint) -> dict[str, Any]:
    """What a body needs besides, so that the reply is one of the choices.

    Source: docs.vllm.ai/en/latest/features/structured_outputs (`structured_outputs.choice`, tried with 0.31), and
    platform.openai.com/docs/guides/structured-outputs (`json_schema`; strict wants every key required, no others).
    """
    if constraint == "structured_outputs":
        return {"structured_outputs": {"choice": list(choices)}}
    schema = {
        "type": "object",
        "properties": {_CHOICE: {"type": "string", "enum": list(choices)}},
        "required": [_CHOICE],
        "additionalProperties": False,
    }
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
    }


def unwrapped(completion: Completion) -> Completion:
    """The choice itself instead of the JSON around it; a completion that is no such JSON stays as it is."""
    try:
        wrapped: Any = msgspec.json.decode(completion.text)
    except (msgspec.DecodeError, RecursionError):
        return completion
    choice = wrapped.get(_CHOICE) if isinstance(wrapped, dict) else None
    return msgspec.structs.replace(completion, text=choice) if isinstance(choice, str) else completion


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    """The thought, as DeepSeek, SGLang and vLLM up to 0.11 call it."""
    reasoning: str | None = None
    """The thought, as vLLM and OpenRouter call it."""


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    error: Any = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class TokenCounts(msgspec.Struct):
    """What a server says a reply took; None where it does not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Of the prompt."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: TokenCounts | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def read_completion(content: bytes, request: Request, secret: str = "") -> Completion:
    """The completion in the body of a reply with status 200.

    Args:
        content: The body.
        request: What was asked.
        secret: Cut out of whatever an error repeats of it.

    Raises:
        FailedTry: If there is none.
    """
    try:
        reply = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FailedTry("reply", not_a_completion(content, error, secret)) from None
    if not reply.choices:
        raise FailedTry("reply", f"sent a reply without choices: {server_message(reply.error or content, secret)}")
    choice = reply.choices[0]
    if failure := reply.error or choice.error:
        raise FailedTry("reply", f"sent an error with status 200: {server_message(failure, secret)}")
    message = choice.message
    return whole(
        request,
        text=message.content or "",
        reasoning=message.reasoning_content or message.reasoning or "",
        finish_reason=choice.finish_reason,
        counts=reply.usage or TokenCounts(),
        stop_reason=choice.stop_reason,
    )


def whole(
    request: Request,
    *,
    text: str,
    reasoning: str,
    finish_reason: str | None,
    counts: TokenCounts,
    num_deltas: int = 0,
    loop: str = "",
    stop_reason: str | int | None = None,
) -> Completion:
    """The completion that a reply's parts make.

    Args:
        request: What was asked.
        text: All of it, without the thought that came apart.
        reasoning: The thought that came apart.
        finish_reason: As the server calls it.
        counts: Of the server; what is missing is estimated.
        num_deltas: Pieces it came in: no more than its tokens.
        loop: Why we cut it, if we did.
        stop_reason: What ended it, as vLLM says: one of the request's `stop`, or a token.

    Raises:
        FailedTry: If the reply is empty, or not whole.
    """
    ended: FinishReason | None = "aborted" if loop else FINISH_REASONS.get(finish_reason or "")
    if ended is None:
        fault = "request" if finish_reason in WILLED else "reply"
        raise FailedTry(fault, f"ended the reply with finish_reason {finish_reason!r:.200}, so it is not whole")
    if not text and not reasoning and not counts.completion_tokens:
        raise FailedTry("reply", "sent an empty reply")
    prompt_tokens, completion_tokens = counts.prompt_tokens, counts.completion_tokens
    return Completion(
        text=text,
        reasoning=reasoning or None,
        finish_reason=ended,
        reason=loop,
        stopped_by=stop_reason if isinstance(stop_reason, str) else None,
        prompt_tokens=prompt_estimate(request) if prompt_tokens is None else prompt_tokens,
        cached_tokens=counts.cached_tokens,
        completion_tokens=reply_estimate(len(text) + len(reasoning), num_deltas)
        if completion_tokens is None
        else completion_tokens,
        is_estimated=prompt_tokens is None or completion_tokens is None,
    )


def prompt_estimate(request: Request) -> int:
    """Tokens of a request's prompt, roughly."""
    num_characters = sum(len(message["content"]) for message in request.messages) + len(request.prefill)
    return reply_estimate(num_characters)


def reply_estimate(num_characters: int, num_deltas: int = 0) -> int:
    """Tokens of a text that came in so many pieces, roughly. A server may put several tokens into a piece."""
    return max(num_deltas, -(-num_characters // CHARACTERS_PER_TOKEN))


def not_a_completion(content: bytes, error: Exception, secret: str) -> str:
    """What a server did that sent something else, as a clause."""
    try:
        body: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"sent a reply that is not JSON: {server_message(content, secret)}"
    if isinstance(body, dict) and body.get("error"):
        return f"sent an error with status 200: {server_message(body, secret)}"
    return f"sent JSON that is not a chat completion ({error}): {server_message(content, secret)}"


def server_message(body: object, secret: str = "") -> str:
    """The sentence in a server's answer, shortened: OpenAI's, FastAPI's and SGLang's error bodies, or plain text."""
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, dict):
        fields: dict[str, object] = body  # pyright: ignore[reportUnknownVariableType]
        for key in ("error", "message", "detail"):
            if fields.get(key):
                return server_message(fields[key], secret)
    text = " ".join(redacted(str(body or ""), secret).split())
    return f"{text[:SHOWN]}..." if len(text) > SHOWN else text or "(nothing more)"


def redacted(text: str, secret: str) -> str:
    """A text without the secret in it."""
    return text.replace(secret, "***") if secret else text
