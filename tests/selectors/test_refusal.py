"""The gate on refusals and errors: what is no try, and what only sounds like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.selectors.refusal import refusal, refused
from tests.selectors.replies import reply

# ruff: noqa: RUF001  (typographic apostrophes, and the commas of Chinese)

PROMPT = "Find all integers x with x^2 = 5."

REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, but I can’t help with this request.",
    "I am sorry, I cannot provide an answer to that question.",
    "Sorry, but I can't help with that.",
    "I apologize, but I am unable to fulfill this request.",
    "My apologies, but I won't be able to help with that.",
    "Unfortunately, I cannot assist you with this problem.",
    "I cannot answer that.",
    "I cannot provide instructions on handling acids.",
    "I'm unable to help with that request.",
    "I must respectfully decline.",
    "As an AI language model, I do not have access to diagrams, but the answer is 4.",
    "I'm just an AI, so I do not know.",
    "It goes against my guidelines to say.",
    "Thank you for asking, but I'm sorry, I can't provide that.",
    "抱歉，我无法回答这个问题。",
    "很抱歉，我不能提供帮助。",
    "作为一个人工智能语言模型，我没有图片。",
    "Lo siento, pero no puedo ayudar con eso.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
]
ERRORS = [
    "Error processing content: 'NoneType' object has no attribute 'text'",
    "Error: 429 Too Many Requests",
    "429 Too Many Requests",
    "HTTP/1.1 503 Service Unavailable",
    "502 Bad Gateway",
    "Internal Server Error",
    '{"error": {"message": "Rate limit reached for requests", "type": "rate_limit_error"}}',
    "{'error': 'overloaded'}",
    '{"type": "error", "error": {"type": "overloaded_error"}}',
    '```json\n{"error": {"code": 400}}\n```',
    "Rate limit exceeded. Please try again in 20s.",
    "You exceeded your current quota, please check your plan and billing details.",
    "<!DOCTYPE html>\n<html><head><title>504 Gateway Time-out</title></head></html>",
    "<html>\r\n<head><title>502 Bad Gateway</title></head>",
    "openai.APIConnectionError: Connection error.",
    "The response was filtered due to the prompt triggering the content management policy.",
    "This model's maximum context length is 4097 tokens.",
    "upstream connect error or disconnect/reset before headers.",
    "Request timed out.",
    "An unexpected error occurred.",
    "[content filtered]",
    "content_filter",
    "[no response]",
]
HONEST = [
    "",
    "I'm sorry, I made a mistake above. The answer is 4.",
    "Sorry, that is wrong: we cannot divide by zero, so x = 3.",
    "I'm afraid this cannot be factored, so there is no integer.",
    "I cannot find an integer whose square is 5, so there is none.",
    "We cannot have x = 2, since 4 is not 5.",
    "We can't help but notice the symmetry: x = 1.",
    "I can't write 5 as a square, thus none.",
    "There are no solutions. \\boxed{\\emptyset}",
    "The error is at most 0.5, so the answer is 2.",
    "An error of 3 % remains: \\boxed{0.03}",
    "Error analysis: the sum of the errors is 5.",
    "500 people came, 404 left.",
    "503 is prime.",
    "The request is to find x: it is 5.",
    "{2, 3}",
    '{"answer": 5}',
    "The limit is exceeded when x = 4.",
    "<think> is not here: x = 2",
    "The AI in the story wins 3 games.",
    "I cannot provide a closed form, but a bound: it is 5.",
    "We cannot provide the solution in closed form, but numerically it is 5.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals_are_dropped(text: str):
    drop = refused(text, PROMPT)
    assert drop is not None
    assert drop.reason == "refuses"
    assert drop.detail


@pytest.mark.parametrize("text", ERRORS)
@pytest.mark.parametrize("is_answer", [True, False])
def test_errors_are_dropped_from_either_part(text: str, is_answer: bool):
    drop = refused(text, PROMPT, is_answer=is_answer)
    assert drop is not None
    assert drop.reason == "text of an error"


@pytest.mark.parametrize("text", HONEST)
def test_honest_tries_pass(text: str):
    assert refused(text, PROMPT) is None


def test_a_problem_about_it_is_let_off():
    assert refused("Je suis désolé, mais je ne peux pas.", "Translate 'I am sorry, but I cannot' into French.") is None
    assert refused("I'm sorry, but I can't assist with that.", "Translate the triangle by (1, 2).") is not None
    assert refused("503 Service Unavailable", "Which HTTP status says that a server is overloaded?") is None
    assert refused("As an AI language model I would say no.", "What would a language model say?") is None


def test_a_thought_may_weigh_a_refusal():
    thought = "I cannot assist with weapons. But this is about primes: go on."
    assert refusal()(reply(thought, "It is 4."), None) is None


def test_the_detail_says_where():
    drop = refusal()(reply("", "Sorry, I cannot provide that."), None)
    assert drop is not None
    assert drop.detail == "Sorry, I cannot provide in the answer"


def test_a_long_reply_only_quotes_an_error():
    assert refused("Internal Server Error\n" + "x = 4, since 2 + 2 = 4.\n" * 300, PROMPT) is None


@given(st.text(), st.text())
def test_no_text_breaks_it(text: str, prompt: str):
    refused(text, prompt)
    refused(text, prompt, is_answer=False)
