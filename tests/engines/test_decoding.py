"""Decoding: transformers' own greedy path as the reference, and seeds that belong to a reply, not to its batch."""

from typing import Any

import pytest

from distill.engines import Completion
from distill.engines.decoding import decode, end_tokens, warpers
from distill.recipe import Sampling
from distill.training.byte_tokenizer import byte_tokenizer

PROMPTS = ["<|im_start|>user\n1 2 3 -> 9<|im_end|>\n<|im_start|>assistant\n" + "1+" * n for n in (0, 3, 9, 1, 5)]


@pytest.fixture(scope="module")
def model_and_tokenizer() -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    tokenizer.padding_side = "left"
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, initializer_range=0.6,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config).eval()
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, an_early_token(model, tokenizer)]
    return model, tokenizer


def an_early_token(model: Any, tokenizer: Any) -> int:
    """A token that ends some greedy replies of this random model early, and not others."""
    greedy = [
        model.generate(**tokenizer(p, return_tensors="pt"), do_sample=False, max_new_tokens=40)[0] for p in PROMPTS
    ]
    seen = [set(ids[-40:].tolist()) for ids in greedy]
    return next(token for token in sorted(set.union(*seen)) if any(token not in tokens for tokens in seen))


def replies(model_and_tokenizer: Any, prompts: list[str], sampling: Sampling, seeds: list[int]) -> list[Completion]:
    found = {done.row: done.completion for done in decode(*model_and_tokenizer, prompts, sampling, seeds=seeds)}
    return [found[row] for row in range(len(prompts))]


def test_greedy_replies_are_those_of_transformers(model_and_tokenizer: Any):
    model, tokenizer = model_and_tokenizer
    ours = replies(model_and_tokenizer, PROMPTS, Sampling(temperature=0, max_tokens=40), [0] * len(PROMPTS))
    assert {reply.finish_reason for reply in ours} == {"stop", "length"}, "the model should end some and not all"
    for prompt, reply in zip(PROMPTS, ours, strict=True):
        encoded = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        output = model.generate(**encoded, do_sample=False, max_new_tokens=40)[0, encoded["input_ids"].shape[1] :]
        assert reply.text == tokenizer.decode(output, skip_special_tokens=True)
        assert reply.completion_tokens == len(output)
        assert reply.prompt_tokens == encoded["input_ids"].shape[1]
        assert (reply.finish_reason == "stop") == (int(output[-1]) in end_tokens(model, tokenizer))


def test_a_reply_depends_on_its_seed_and_not_on_its_batch(model_and_tokenizer: Any):
    sampling = Sampling(temperature=1.0, max_tokens=30)
    together = replies(model_and_tokenizer, PROMPTS, sampling, [7, 8, 9, 10, 11])
    alone = [
        replies(model_and_tokenizer, [p], sampling, [s])[0] for p, s in zip(PROMPTS, [7, 8, 9, 10, 11], strict=True)
    ]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    others = replies(model_and_tokenizer, PROMPTS, sampling, [1, 2, 3, 4, 5])
    assert [reply.text for reply in others] != [reply.text for reply in together]


def test_sampled_tokens_follow_the_models_probabilities(model_and_tokenizer: Any):
    import torch

    model, tokenizer = model_and_tokenizer
    num_draws = 4000
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=1)
    drawn = replies(model_and_tokenizer, PROMPTS[:1] * num_draws, sampling, list(range(num_draws)))
    encoded = tokenizer(PROMPTS[0], return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        expected = warpers(sampling)(None, model(**encoded).logits[:, -1].float()).softmax(-1)[0]
    by_text: dict[str, float] = {}
    for token, probability in enumerate(expected.tolist()):
        text = tokenizer.decode([token], skip_special_tokens=True)  # half a character decodes as any other half
        by_text[text] = by_text.get(text, 0.0) + probability
    for text, probability in by_text.items():
        share = sum(reply.text == text for reply in drawn) / num_draws
        spread = (probability * (1 - probability) / num_draws) ** 0.5
        assert share == pytest.approx(probability, abs=4 * spread + 1e-9), repr(text)


def test_rows_that_nobody_wants_are_left(model_and_tokenizer: Any):
    sampling = Sampling(temperature=0, max_tokens=200)
    done = list(decode(*model_and_tokenizer, PROMPTS, sampling, seeds=[0] * 5, is_wanted=lambda row: row == 1))
    late = {finished.row for finished in done if finished.completion.completion_tokens > 16}
    assert late <= {1}


def test_end_tokens_come_from_the_generation_config(model_and_tokenizer: Any):
    model, tokenizer = model_and_tokenizer
    assert end_tokens(model, tokenizer) == set(model.generation_config.eos_token_id)


def test_a_reply_ends_before_a_stop_text_and_says_which(model_and_tokenizer: Any):
    whole = replies(model_and_tokenizer, PROMPTS, Sampling(temperature=0, max_tokens=40), [0] * len(PROMPTS))
    stop = whole[0].text[5:8]
    found = {
        done.row: done.completion
        for done in decode(
            *model_and_tokenizer, PROMPTS, Sampling(temperature=0, max_tokens=40), seeds=[0] * len(PROMPTS), stop=[stop]
        )
    }
    assert any(reply.stopped_by == stop for reply in found.values())
    for row, reply in enumerate(whole):
        ended = stop in reply.text
        assert found[row].text == reply.text.partition(stop)[0]
        assert found[row].stopped_by == (stop if ended else None)
        assert found[row].completion_tokens <= reply.completion_tokens


def test_each_reply_of_a_batch_has_its_own_limit(model_and_tokenizer: Any):
    limits = [1, 40, 3, 40, 7]
    whole = replies(model_and_tokenizer, PROMPTS, Sampling(temperature=0, max_tokens=40), [0] * len(PROMPTS))
    found = {
        done.row: done.completion
        for done in decode(*model_and_tokenizer, PROMPTS, Sampling(temperature=0), seeds=[0] * 5, limits=limits)
    }
    for row, limit in enumerate(limits):
        assert found[row].completion_tokens == min(limit, whole[row].completion_tokens)
        assert whole[row].text.startswith(found[row].text.rstrip("\ufffd"))


def test_a_listener_hears_each_reply_grow(model_and_tokenizer: Any):
    heard: dict[int, list[str]] = {}
    sampling = Sampling(temperature=0, max_tokens=40)
    done = decode(
        *model_and_tokenizer,
        PROMPTS,
        sampling,
        seeds=[0] * len(PROMPTS),
        on_text=lambda row, text: heard.setdefault(row, []).append(text),
    )
    for row, completion in done:
        told = heard.get(row, [])
        assert len(told) == completion.completion_tokens - 1, "once a token, and not for the last, which ends it"
        assert all(completion.text.startswith(text.rstrip("\ufffd")) for text in told)
