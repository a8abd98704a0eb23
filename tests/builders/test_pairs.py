"""Preference pairs: who is preferred to whom, whatever the heap, and that TRL trains on what is exported."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import PluginError
from tests.conftest import SOLVER_RECIPE, Distill, lines
from tests.filtering_heap import Filtered, Item, filtered, heaps

PAIRINGS = [
    {"use": "shortest_against_longest", "min_gap": 3},
    {"use": "shortest_against_longest", "silc": True},
    {"use": "correct_against_incorrect", "count": 3},
]


def heap(*traces: tuple[str, str, int]) -> list[Item]:
    """Traces of one problem: outcome, how it ended, length."""
    return [Item(1, "math", outcome, ended, words, None) for outcome, ended, words in traces]


def lengths(found: Filtered) -> list[tuple[int, int]]:
    return [(found.item_of[p.chosen_id].num_words, found.item_of[p.rejected_id].num_words) for p in found.pairs]


MIXED = heap(
    ("correct", "stop", 30),
    ("correct", "stop", 12),
    ("correct", "length", 2),
    ("correct", "length", 90),
    ("incorrect", "stop", 5),
    ("incorrect", "stop", 28),
    ("incorrect", "length", 1),
    ("unverifiable", "stop", 3),
)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("shortest_against_longest", [(12, 30)]),
        ({"use": "shortest_against_longest", "min_gap": 18}, [(12, 30)]),
        ({"use": "shortest_against_longest", "min_gap": 19}, []),
        ({"use": "shortest_against_longest", "min_correct": 3}, []),
        ({"use": "shortest_against_longest", "silc": True}, [(12, 30), (30, 5)]),
        ("correct_against_incorrect", [(12, 5)]),
        ({"use": "correct_against_incorrect", "count": 5}, [(12, 5), (30, 28)]),
        ({"use": "correct_against_incorrect", "min_gap": 10}, [(12, 28)]),
    ],
)
@pytest.mark.parametrize("select", [["correct"], ["correct", {"use": "per_problem", "keep": 1, "prefer": "shortest"}]])
def test_the_table_of_pairs(pairs: Any, expected: list[tuple[int, int]], select: list[Any]):
    """One kept trace or all of them: what `per_problem` leaves out may still be chosen."""
    found = filtered(MIXED, select, pairs=pairs)
    assert lengths(found) == expected
    assert len(found.examples) == (2 if len(select) == 1 else 1)


def test_what_a_gate_dropped_is_never_chosen():
    select = [{"use": "length", "min_tokens": 20}, "correct"]
    found = filtered(MIXED, select, pairs={"use": "shortest_against_longest"})
    assert lengths(found) == []
    found = filtered(MIXED, select, pairs={"use": "correct_against_incorrect"})
    assert lengths(found) == [(30, 28)]


def test_one_correct_trace_makes_no_pair_of_lengths():
    assert not filtered(heap(("correct", "stop", 9)), ["correct"], pairs="shortest_against_longest").pairs


@pytest.mark.parametrize("pairs", PAIRINGS, ids=str)
@settings(max_examples=12)
@given(traces=heaps(), order=st.integers(0, 5), keep=st.sampled_from([None, 1, 2]))
def test_whatever_the_heap(pairs: dict[str, Any], traces: list[Item], order: int, keep: int | None):
    select = ["correct", *([{"use": "per_problem", "keep": keep}] if keep else [])]
    found = filtered(traces, select, pairs=pairs, order=order)
    plain = filtered(traces, select, pairs=pairs)
    assert found.pairs == plain.pairs
    assert found.train_bytes == filtered(traces, select).train_bytes
    for pair in found.pairs:
        chosen, rejected = found.item_of[pair.chosen_id], found.item_of[pair.rejected_id]
        assert chosen.outcome == "correct"
        assert chosen.finish_reason == rejected.finish_reason == "stop"
        assert (chosen.problem, chosen.domain) == (rejected.problem, rejected.domain)
        assert pair.chosen_id != pair.rejected_id
        assert (pair.chosen_tokens, pair.rejected_tokens) == (chosen.num_words, rejected.num_words)
        assert abs(pair.chosen_tokens - pair.rejected_tokens) >= pairs.get("min_gap", 0)
        siblings = [item for item in traces if (item.problem, item.domain) == (chosen.problem, chosen.domain)]
        ended = [item for item in siblings if item.finish_reason == "stop" and item.outcome == "correct"]
        if pair.kind == "shortest against longest":
            assert len(ended) >= 2
            assert chosen.num_words == min(item.num_words for item in ended)
            assert rejected.num_words == max(item.num_words for item in ended)
        else:
            assert rejected.outcome == "incorrect"
    for problem_id in {pair.problem_id for pair in found.pairs}:
        of_it = [pair for pair in found.pairs if pair.problem_id == problem_id]
        assert len(of_it) <= pairs.get("count", 2)


def test_a_text_with_the_students_marks_is_in_no_pair():
    """The heap's texts have none, so one is put there."""
    from distill.formats import FORMATS

    assert not FORMATS["think"].holds("2 </think> 3", "5")
    assert FORMATS["s1"].holds("2 </think> 3", "5")


@pytest.mark.parametrize("options", [{"min_gap": -1}, {"min_correct": -2}])
def test_a_bad_option_is_named(options: dict[str, int]):
    with pytest.raises(PluginError, match=r"filter.pairs: min_\w+ is -\d; give a whole number from 0 on"):
        filtered(MIXED, ["correct"], pairs={"use": "shortest_against_longest", **options})


def test_a_misspelt_pairing_is_named_with_its_line(distill: Distill, tmp_path: Path):
    (tmp_path / "bad.yaml").write_text(SOLVER_RECIPE + "  pairs: {use: shortest_agianst_longest}\n")
    said = distill("filter", tmp_path / "bad.yaml", check=2).stderr
    assert "no pair named 'shortest_agianst_longest'. Did you mean 'shortest_against_longest'?" in said
    assert "line 11" in said


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the solver with pairs, in a folder of its own."""
    import subprocess

    from tests.conftest import command, quiet_environment

    folder = tmp_path_factory.mktemp("paired")
    text = SOLVER_RECIPE.replace("slips: 0.1", "slips: 0.5").replace("samples: 2", "samples: {min: 4, max: 4}")
    text += "  pairs: {use: shortest_against_longest, silc: true}\ntrain: {student: tiny-base, format: think}\n"
    (folder / "small.yaml").write_text(text)
    for verb in ("generate", "filter"):
        subprocess.run(command(verb, "small.yaml"), cwd=folder, env=quiet_environment(), check=True)
    return folder


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_pairs_are_exported_in_trls_preference_form(form: str, paired: Path, distill: Distill):
    out = paired / f"out-{form}"
    said = distill("export", paired / "runs/small", "--data", form, "--pairs", "--to", out).stderr
    made = [json.loads(line) for line in lines(paired / "runs/small/pairs.jsonl")]
    assert f"{len(made)} pairs of " in said
    if form == "jsonl":
        rows = [json.loads(line) for line in lines(out / "train.jsonl")]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(out / "train.parquet").to_pylist()
    assert made
    assert [{key: row[key] for key in made[0]} for row in rows] == made
    card = (out / "README.md").read_text()
    assert "`prompt`, `chosen` and `rejected`: messages" in card
    assert "pairs = load_dataset(" in card


def test_what_has_no_pairs_says_so(paired: Path, distill: Distill, recipe_path: Path, tmp_path: Path):
    assert "--pairs is for a dataset" in distill("export", paired / "runs/small", "--pairs", check=2).stderr
    said = distill("export", paired / "runs/small", "--data", "sharegpt", "--pairs", check=2).stderr
    assert "'sharegpt' is not a form of pairs; choose one of jsonl, parquet" in said
    distill("generate", recipe_path)
    distill("filter", recipe_path)
    said = distill("export", tmp_path / "runs/small", "--data", "jsonl", "--pairs", check=2).stderr
    assert "with a recipe that has `filter.pairs`" in said


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["dpo", "simpo"])
def test_trl_takes_a_step_on_the_exported_pairs(trainer: str, paired: Path, tmp_path: Path):
    datasets: Any = pytest.importorskip("datasets")
    transformers: Any = pytest.importorskip("transformers")
    from distill import assets
    from distill.stages.publish import publish

    publish(paired / "runs/small", "jsonl", tmp_path / "pairs", pairs=True)
    pairs = datasets.load_dataset(
        "json", data_files=str(tmp_path / "pairs/train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    folder = assets.model_path("tiny-base")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    options: dict[str, Any] = {
        "output_dir": str(tmp_path / "out"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-3,
        "max_length": 512,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }
    if trainer == "dpo":
        trl: Any = pytest.importorskip("trl")
        made = trl.DPOTrainer(model, args=trl.DPOConfig(**options), train_dataset=pairs, processing_class=tokenizer)
    else:
        cpo: Any = pytest.importorskip("trl.experimental.cpo")
        config = cpo.CPOConfig(**options, loss_type="simpo", cpo_alpha=0.0, beta=2.0, simpo_gamma=0.3)
        made = cpo.CPOTrainer(model, args=config, train_dataset=pairs, processing_class=tokenizer)
    loss = made.train().training_loss
    assert 0 < loss < 100
    assert any((weight != before[name].to(weight.device)).any() for name, weight in made.model.named_parameters())
