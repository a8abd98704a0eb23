"""What goes to an OpenAI-compatible server for one reply, and what may come back.

Nothing but a whole, well-formed chat completion becomes a `Completion`: an error sent with status 200, an empty list of
choices, a reply that a filter cut, are each an `EngineError`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from distill.engines import Completion, Request
from distill.errors import EngineError
from distill.types import FinishReason

Constraint = Literal["structured_outputs", "response_format"]
"""The key by which a server is told to choose: vLLM's own (since 0.12), or OpenAI's, which most others know."""
_CHOICE = "choice"
"""The key of the choice in the JSON that `response_format` asks for: OpenAI wants an object."""

FINISH_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
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
        A body for `/chat/completions`. `top_k` and `min_p`, which not every server takes, are in it only where they do
        something. A prefill is a last message for the server to go on from, as vLLM and SGLang take it.
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
    error: Any = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Reply)


def read_completion(content: bytes, secret: str = "") -> Completion:
    """The completion in the body of a reply with status 200.

    Args:
        content: The body.
        secret: Cut out of whatever an error repeats of it.

    Raises:
        EngineError: If there is none. The message is what the server did, as a clause, without its address.
    """
    try:
        reply = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(_not_a_completion(content, error, secret)) from None
    if not reply.choices:
        raise EngineError(f"sent a reply without choices: {server_message(reply.error or content, secret)}")
    choice = reply.choices[0]
    failure = reply.error or choice.error
    if failure:
        raise EngineError(f"sent an error with status 200: {server_message(failure, secret)}")
    finish_reason = FINISH_REASONS.get(choice.finish_reason or "")
    if finish_reason is None:
        raise EngineError(f"ended the reply with finish_reason {choice.finish_reason!r:.40}, so it is not whole")
    message, usage = choice.message, reply.usage or _Usage()
    return Completion(
        text=message.content or "",
        reasoning=message.reasoning_content or message.reasoning or None,
        finish_reason=finish_reason,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )


def _not_a_completion(content: bytes, error: Exception, secret: str) -> str:
    try:
        body: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
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
