"""The shipped world: its models, its recipe made small, with the network cut, and with real vLLM as the teacher."""

import json
import subprocess
from pathlib import Path

import pytest

from distill.assets import PACKAGE
from tests.conftest import Distill, command, lines, quiet_environment

MODELS = PACKAGE / "models"
SMALL = ["--set", "train.sft.max_steps=8", "--set", "eval.sampling.max_tokens=60", "--limit", "48"]


def test_the_shipped_models_are_small_and_say_what_they_are():
    folders = [folder for folder in MODELS.iterdir() if folder.is_dir()]
    assert {folder.name for folder in folders} == {"tiny-teacher", "tiny-base"}
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 8 * 2**20
    for folder in folders:
        card = (folder / "README.md").read_text()
        assert f"distill run {folder.name}" in card
        assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"]


def test_the_shipped_tokenizer_is_the_one_the_toolkit_makes():
    import transformers

    from distill.training.byte_tokenizer import byte_tokenizer

    made = byte_tokenizer()
    for name in ("tiny-teacher", "tiny-base"):
        shipped = transformers.AutoTokenizer.from_pretrained(MODELS / name)
        assert shipped.get_vocab() == made.get_vocab()
        assert shipped.chat_template == made.chat_template


@pytest.mark.slow
def test_the_quickstart_runs_with_the_network_cut(tmp_path: Path):
    cut = subprocess.run(["unshare", "--net", "--map-root-user", "true"], capture_output=True)
    if cut.returncode:
        pytest.skip("this machine lets nobody cut the network")
    environment = {key: value for key, value in quiet_environment().items() if key != "HF_HUB_OFFLINE"}
    arguments = ["unshare", "--net", "--map-root-user", *command("run", "quickstart", *SMALL)]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_run(tmp_path / "runs/quickstart")
    assert "student" in done.stdout


def check_run(run: Path) -> None:
    """The shape of a whole run, whatever engine its teacher had."""
    traces = [json.loads(line) for line in lines(run / "traces.jsonl")]
    assert len({trace["problem_id"] for trace in traces}) == 48
    correct = [line for line in map(json.loads, lines(run / "verdicts.jsonl")) if line["outcome"] == "correct"]
    assert 0.3 < len(correct) / len(traces) < 0.95
    for trace in traces:
        assert trace["finish_reason"] in ("stop", "length")
        assert trace["prompt_tokens"] > 10
        assert "<think>" not in trace["thinking"] + trace["answer"]
    examples = [json.loads(line) for line in lines(run / "train.jsonl")]
    assert len(examples) == len({line["trace_id"].split("-")[0] for line in correct})
    assert all(example["completion"][0]["content"].startswith("<think>\n") for example in examples)
    for model in ("base-think-forced", "base-plain", "student", "teacher"):
        scores = json.loads((run / "eval/countdown-tiny" / model / "scores.json").read_text())
        assert scores["problems"] == 48
        low, high = scores["ci95"]
        assert 0 <= low <= scores["pass@1"] <= high <= 1
    assert (run / "report.html").exists()


@pytest.mark.slow
@pytest.mark.vllm
def test_real_vllm_serves_the_tiny_teacher_in_the_quickstart(distill: Distill, tmp_path: Path):
    from distill.engines.vllm_command import find_launcher
    from distill.errors import EngineError

    try:
        launcher = find_launcher()
    except EngineError:
        pytest.skip("no vLLM here: make setup-vllm")
    environment = {**quiet_environment(), "DISTILL_VLLM_COMMAND": launcher.words[0]}
    arguments = command("run", "quickstart", *SMALL, "--set", "generate.teacher.engine=vllm")
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_run(tmp_path / "runs/quickstart")
    log = (tmp_path / "runs/quickstart/logs/vllm.log").read_text()
    assert "vllm" in log.lower()
    asked = json.loads(distill("report", "quickstart", "--json").stdout)
    assert asked["models"].keys() == {"base", "student", "teacher"}
    assert asked["generate"]["accepted"] > 0.3
