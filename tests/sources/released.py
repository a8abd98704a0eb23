"""Rows in the exact columns of released sets of traces, of our own making, with what must be read out of them."""

from typing import Any, NamedTuple

SYSTEM = "You explore questions at length."
SKY = (
    "<|begin_of_thought|>\n\nSix sevens.\n\n<|end_of_thought|>\n\n"
    "<|begin_of_solution|>\n\nIt is $\\boxed{42}$.\n\n<|end_of_solution|>"
)
THINK = "<think>\nSix sevens.\n</think>\n\nIt is $\\boxed{42}$."
THOUGHT, ANSWER = "Six sevens.", "It is $\\boxed{42}$."


class Expected(NamedTuple):
    """What one row says."""

    prompt: str = "What is 6 times 7?"
    reference: str | None = None
    domain: str = ""
    traces: list[tuple[str, str, str]] = [(THOUGHT, ANSWER, "stop")]  # noqa: RUF012 - a tuple's default is shared
    system: str = ""
    metadata: dict[str, Any] | None = None


def talk(
    reply: str, words: tuple[str, str] = ("from", "value"), roles: tuple[str, str] = ("user", "assistant")
) -> list:
    question, answer = Expected().prompt, reply
    return [dict(zip(words, turn, strict=True)) for turn in zip(roles, (question, answer), strict=True)]


S1 = {
    "solution": "42",
    "question": Expected().prompt,
    "cot_type": "math",
    "source_type": "qq8933/AIME_1983_2024",
    "metadata": "{'ID': '1983-1'}",
}
BOX = "\n\nReason step by step, and put your final answer within \\boxed{}."
LIMO = {
    "question": Expected().prompt,
    "solution": "Okay, so six sevens. Wait, **Final Answer** comes later.\n\n**Final Answer**\n\\boxed{42}",
    "answer": "42",
}
DASD = {"uuid": "0-1", "input": Expected().prompt, "output": THINK, "domain": "math", "meta": '{"len": 9}'}
OPENR1 = {
    "problem": Expected().prompt,
    "solution": "Six sevens are 42.",
    "answer": "42",
    "problem_type": "Algebra",
    "question_type": "math-word-problem",
    "source": "olympiads",
    "uuid": "0-1",
    "is_reasoning_complete": [True, False],
    "generations": [THINK, "<think>\nSix, seven, six, seven"],
    "correctness_math_verify": [True, False],
    "correctness_llama": None,
    "finish_reasons": ["stop", "length"],
    "correctness_count": 1,
    "messages": talk(THINK, ("role", "content")),
}

RELEASED: dict[str, tuple[dict[str, Any], Expected]] = {
    "sky-t1-17k": (
        {"system": SYSTEM, "conversations": talk(SKY)},
        Expected(domain="math, code, science", system=SYSTEM),
    ),
    "bespoke-stratos-17k": (
        {"system": SYSTEM, "conversations": talk(SKY)},
        Expected(domain="math, code, science", system=SYSTEM),
    ),
    "s1k": (
        {**S1, "cot": None, "thinking_trajectories": [THOUGHT], "attempt": ANSWER},
        Expected(reference="42", domain="math"),
    ),
    "s1k-1.1": (
        {
            **S1,
            "solution": "First, $6 \\cdot 7$.\nThen 42, as was to be shown.",
            "gemini_thinking_trajectory": "another",
            "gemini_attempt": "another",
            "deepseek_thinking_trajectory": THOUGHT,
            "deepseek_attempt": ANSWER,
            "gemini_grade": "No",
            "gemini_grade_reason": "",
            "deepseek_grade": "Yes",
            "deepseek_grade_reason": "",
        },
        Expected(reference=None, domain="math", metadata={"deepseek_grade": "Yes"}),
    ),
    "limo": (
        LIMO,
        Expected(
            prompt=Expected().prompt + BOX,
            reference="42",
            domain="math",
            traces=[
                (
                    "Okay, so six sevens. Wait, **Final Answer** comes later.",
                    "**Final Answer**\n\\boxed{42}",
                    "stop",
                )
            ],
        ),
    ),
    "limo-v2": (
        {**LIMO, "solution": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"},
        Expected(prompt=Expected().prompt + BOX, reference="42", domain="math"),
    ),
    "openthoughts-114k": (
        {
            "problem": Expected().prompt,
            "deepseek_reasoning": THOUGHT,
            "deepseek_solution": ANSWER,
            "ground_truth_solution": "Six sevens are \\boxed{42}.",
            "domain": "math",
            "source": "numina_math",
            "test_cases": None,
            "starter_code": None,
        },
        Expected(reference="42", domain="math"),
    ),
    "openthoughts2-1m": (
        {"conversations": talk(THINK), "question": Expected().prompt, "source": "numina_math", "id": 3},
        Expected(domain="numina_math"),
    ),
    "openthoughts3-1.2m": (
        {"difficulty": 7, "source": "x", "domain": "math", "conversations": talk(THINK, roles=("human", "gpt"))},
        Expected(domain="math", metadata={"difficulty": 7}),
    ),
    "mixture-of-thoughts": (
        {"messages": talk(THINK, ("role", "content")), "num_tokens": 12, "source": "open-r1/codeforces-cots"},
        Expected(domain="open-r1/codeforces-cots", metadata={"num_tokens": 12}),
    ),
    "openr1-math": (
        OPENR1,
        Expected(
            prompt=Expected().prompt + BOX,
            reference="42",
            domain="math",
            traces=[(THOUGHT, ANSWER, "stop"), ("Six, seven, six, seven", "", "length")],
            metadata={"correctness_math_verify": True},
        ),
    ),
    "dasd-stage1": (DASD, Expected(domain="math")),
    "dasd-stage2": (DASD, Expected(domain="math")),
}
