"""`distill generate` as a user meets it: stopped, killed, cut into shards, merged, asked what it would cost."""

import json
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Distill, command, lines, quiet_environment, thorough, without_times
from tests.engines.fake_chat_server import Answer, FakeChatServer, completion
from tests.test_cli import error_of

ROOT = Path(__file__).parent.parent
SLOW = ["--set", "generate.teacher={engine: 'tests.slow_engine:SlowEngine'}"]


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def environment() -> dict[str, str]:
    return {**quiet_environment(), "PYTHONPATH": str(ROOT)}


def slow(recipe: Path, tmp_path: Path, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command("generate", recipe, *SLOW, *arguments),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", timeout: float = 60) -> str:
    return process.communicate(timeout=timeout)[1]


def wait_for_traces(path: Path, count: int) -> None:
    end = time.monotonic() + 60
    while len(lines(path)) < count:
        assert time.monotonic() < end, f"{path} has {len(lines(path))} lines"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_replies_in_flight_finish(recipe_path: Path, tmp_path: Path, number: int):
    traces = tmp_path / "runs/small/traces.jsonl"
    process = slow(recipe_path, tmp_path, "--set", "generate.concurrency=4", "--set", "generate.teacher.seconds=0.5")
    wait_for_traces(traces, 4)
    process.send_signal(number)
    stderr = finish(process)
    assert process.returncode == 130, stderr
    assert "stopping: 4 requests in flight have 20 s" in stderr
    assert len(lines(traces)) % 4 == 0
    assert len(lines(traces)) < 80
    assert not lines(tmp_path / "runs/small/unfinished.jsonl")
    assert len(lines(tmp_path / "runs/small/verdicts.jsonl")) == len(lines(traces))
    finish(slow(recipe_path, tmp_path, "--set", "generate.teacher.seconds=0.5"))
    assert json.loads((tmp_path / "runs/small/manifest.json").read_text())["stages"]["generate"]["open"] == 0


@pytest.mark.parametrize("drain", [0.3, 60])
def test_what_does_not_finish_in_time_or_a_second_signal_is_cancelled(recipe_path: Path, tmp_path: Path, drain: float):
    process = slow(
        recipe_path, tmp_path, "--set", "generate.teacher.seconds=60", "--set", f"generate.drain={drain}",
        "--set", "generate.concurrency=4",
    )  # fmt: skip
    wait_for_traces(tmp_path / "runs/small/problems.jsonl", 40)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    if drain > 1:
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
    stderr = finish(process, timeout=20)
    assert process.returncode == 130, stderr
    lost = records(tmp_path / "runs/small/unfinished.jsonl")
    assert [line["finish_reason"] for line in lost] == ["aborted"] * 4


def test_a_signal_while_the_engine_starts_ends_at_once(recipe_path: Path, tmp_path: Path):
    process = slow(recipe_path, tmp_path, "--set", "generate.teacher.startup=60")
    wait_for_traces(tmp_path / "runs/small/problems.jsonl", 40)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in finish(process, timeout=20)
    assert process.returncode == 130


@pytest.mark.slow
def test_kills_lose_no_finished_trace_and_double_none(recipe_path: Path, tmp_path: Path):
    arguments = ["--set", "generate.sources.0.count=600", "--set", "generate.concurrency=8",
                 "--set", "generate.teacher.seconds=0.02"]  # fmt: skip
    rng, finished = random.Random(50), list[str]()
    traces = tmp_path / "runs/small/traces.jsonl"
    for _ in range(thorough(50, 20)):
        process = slow(recipe_path, tmp_path, *arguments)
        time.sleep(rng.uniform(0.3, 1.2))
        process.kill()
        finish(process)
        data = traces.read_bytes() if traces.exists() else b""
        whole = data[: data.rfind(b"\n") + 1].decode().splitlines()
        assert whole[: len(finished)] == finished, "a kill lost a finished trace"
        finished = whole
    assert finish(slow(recipe_path, tmp_path, *arguments), timeout=120) is not None
    finish(slow(recipe_path, tmp_path, *arguments, "--run", "whole"), timeout=120)
    for name in ("traces.jsonl", "verdicts.jsonl", "pass_rates.jsonl"):
        killed, whole_run = tmp_path / "runs/small" / name, tmp_path / "runs/whole" / name
        assert sorted(map(without_times, lines(killed))) == sorted(map(without_times, lines(whole_run))), name
    assert len(lines(traces)) == 1200


def test_only_truncated_replies_are_asked_again(distill: Distill, recipe_path: Path, tmp_path: Path):
    run = tmp_path / "runs/small"
    limit = ["--set", "generate.samples=1", "--set", "filter.select=[structure]"]

    def generate(*more: object) -> list[dict[str, Any]]:
        before = len(lines(run / "traces.jsonl"))
        done = subprocess.run(
            command("generate", recipe_path, *SLOW, *limit, *more), cwd=tmp_path, env=environment(), capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return records(run / "traces.jsonl")[before:]

    first = generate("--max-tokens", 30)
    short = {trace["problem_id"] for trace in first if trace["finish_reason"] == "length"}
    assert 0 < len(short) < 40
    again = generate("--retry-truncated", "--max-tokens", 1000)
    assert {trace["problem_id"] for trace in again} == short
    assert all(trace["id"].endswith("-0.1") and trace["finish_reason"] == "stop" for trace in again)
    assert not generate("--retry-truncated", "--max-tokens", 1000)
    assert not generate("--max-tokens", 30)
    teacher = [*SLOW, *limit]
    subprocess.run(command("filter", recipe_path, *teacher), cwd=tmp_path, env=environment(), check=True)
    decisions = {record["trace_id"]: record for record in records(run / "decisions.jsonl")}
    assert len(decisions) == 40 + len(short)
    for trace in again:
        assert decisions[trace["id"]]["kept"]
        assert decisions[trace["id"].removesuffix(".1")]["reason"] == "truncated at its token limit"
    rates = {rate["problem_id"]: rate for rate in records(run / "pass_rates.jsonl")}
    assert all(rate["truncated"] == 0 and rate["replies"] == 1 for rate in rates.values())


def test_shards_are_disjoint_and_merged_they_are_the_whole_run(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path, "--run", "whole")
    for shard in ("1/3", "2/3", "3/3"):
        distill("generate", recipe_path, "--shard", shard)
    shards = [tmp_path / f"runs/small-{index}of3" for index in (1, 2, 3)]
    ids = Counter(trace["id"] for shard in shards for trace in records(shard / "traces.jsonl"))
    assert set(ids.values()) == {1}
    distill("merge", *shards, "--run", "merged")
    merged, whole = tmp_path / "runs/merged", tmp_path / "runs/whole"
    for name in ("problems.jsonl", "traces.jsonl", "verdicts.jsonl", "pass_rates.jsonl"):
        assert sorted(map(without_times, lines(merged / name))) == sorted(map(without_times, lines(whole / name))), name
    before = lines(merged / "traces.jsonl")
    assert "0 traces joined" in distill("merge", *shards, "--run", "merged").stderr
    distill("generate", recipe_path, "--run", "merged")
    assert lines(merged / "traces.jsonl") == before
    ledgers = [
        json.loads((run / "manifest.json").read_text())["stages"]["generate"]["ledger"] for run in (merged, whole)
    ]
    assert ledgers[0] == ledgers[1]
    distill("filter", recipe_path, "--run", "merged")


def test_a_killed_shard_merges_and_what_it_lacks_is_asked(distill: Distill, recipe_path: Path, tmp_path: Path):
    for shard in ("1/2", "2/2"):
        distill("generate", recipe_path, "--shard", shard)
    killed = tmp_path / "runs/small-1of2"
    for name, kept in (("traces.jsonl", 7), ("verdicts.jsonl", 5)):
        whole = lines(killed / name)
        (killed / name).write_text("\n".join(whole[:kept]) + "\n" + whole[kept][:20])
    distill("merge", killed, tmp_path / "runs/small-2of2", "--run", "merged")
    distill("generate", recipe_path, "--run", "merged")
    traces, verdicts = (records(tmp_path / f"runs/merged/{name}.jsonl") for name in ("traces", "verdicts"))
    assert len({trace["id"] for trace in traces}) == len(traces) == len(verdicts) == 80


def test_runs_that_do_not_belong_together_are_not_merged(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    distill("generate", recipe_path, "--run", "warm", "--set", "generate.sampling.temperature=0.5")
    small, warm = tmp_path / "runs/small", tmp_path / "runs/warm"
    message = error_of(distill("merge", small, warm, "--run", "both", check=None))
    assert "generate.sampling.temperature was 1.0 and is now 0.5" in message
    assert "merged into itself" in error_of(distill("merge", small, "--run", "small", check=None))
    assert "holds nothing that generate made" in error_of(distill("merge", tmp_path, "--run", "both", check=None))
    assert not (tmp_path / "runs/both").exists()


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "-1/2"])
def test_a_shard_that_cannot_be_is_refused(distill: Distill, recipe_path: Path, shard: str):
    assert "is not I/N" in error_of(distill("generate", recipe_path, f"--shard={shard}", check=None))


def test_a_dry_run_counts_the_prompts_as_the_teacher_does(distill: Distill, tmp_path: Path):
    small = ["quickstart", "--set", "generate.sources.0.count=6", "--set", "generate.teacher.price.output=1000000"]
    shown = distill("generate", *small, "--dry-run").stdout
    assert "(by the teacher's tokenizer)" in shown
    assert "<|im_start|>assistant" in shown
    assert "at most 18 replies" in " ".join(shown.split())
    assert not (tmp_path / "runs").exists()
    distill("generate", *small)
    traces = records(tmp_path / "runs/quickstart/traces.jsonl")
    mean = sum(trace["prompt_tokens"] for trace in traces if trace["sample"] == 0) / 6
    assert f"a prompt has {mean:,.0f} tokens" in shown
    spent = sum(trace["completion_tokens"] for trace in traces)
    assert sum(trace["dollars"] for trace in traces) == pytest.approx(spent)
    assert f"{len(traces)} replies of this run" in " ".join(distill("generate", *small, "--dry-run").stdout.split())


def test_the_report_says_what_each_stage_and_each_kept_trace_took(distill: Distill, recipe_path: Path):
    priced = ["--set", "generate.teacher.price.output=1000000"]
    distill("generate", recipe_path, *priced)
    distill("filter", recipe_path, *priced)
    report = json.loads(distill("report", "small", "--json").stdout)
    cost = report["cost"]
    assert cost["stages"]["generate"]["requests"] == 80
    assert cost["total"]["dollars"] == pytest.approx(report["generate"]["completion_tokens"])
    assert cost["kept"] == report["filter"]["examples"]
    assert cost["dollars_per_kept"] == pytest.approx(cost["total"]["dollars"] / cost["kept"])


def test_traces_of_a_band_of_pass_rates_are_kept(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path, "--set", "generate.samples=4")
    distill("filter", recipe_path, "--set", "generate.samples=4", "--set",
            "filter.select=[correct, {use: pass_rate, min: 0.2, max: 0.6}]")  # fmt: skip
    rates = {rate["problem_id"]: rate for rate in records(tmp_path / "runs/small/pass_rates.jsonl")}
    kept = {example["problem_id"] for example in records(tmp_path / "runs/small/train.jsonl")}
    assert kept == {id for id, rate in rates.items() if 0.2 <= rate["pass_rate"] <= 0.6}
    assert 0 < len(kept) < 40


def test_pass_rates_that_a_kill_left_behind_are_written_anew(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    distill("generate", recipe_path, "--run", "killed", "--limit", 10)
    whole, killed = tmp_path / "runs/small", tmp_path / "runs/killed"
    for journal in ("problems.jsonl", "traces.jsonl", "verdicts.jsonl"):  # all is judged, the rates are of before
        had = {without_times(line) for line in lines(killed / journal)}
        with (killed / journal).open("a") as file:
            file.writelines(f"{line}\n" for line in lines(whole / journal) if without_times(line) not in had)
    distill("generate", recipe_path, "--run", "killed")
    assert len(lines(killed / "traces.jsonl")) == 80
    rates = sorted(lines(killed / "pass_rates.jsonl"))
    assert len(rates) == 40
    assert rates == sorted(lines(whole / "pass_rates.jsonl"))


KEY = "sk-planted-key-0123456789"


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(completion("1+1"))],
        [Answer({"error": {"message": f"bad key {KEY}"}}, status=400)],
        [Answer(f"<p>{KEY}</p>".encode(), status=200)],
        [Answer({"error": {"message": f"who is {KEY}"}}, status=401)],
    ],
)
def test_a_planted_key_is_in_no_file_and_no_output(recipe_path: Path, tmp_path: Path, answers: list[Answer]):
    with FakeChatServer(*answers) as server:
        teacher = f"generate.teacher={{engine: openai, model: m, base_url: '{server.url}', max_retries: 0}}"
        done = subprocess.run(
            command("generate", recipe_path, "--set", teacher, "--limit", 25),
            cwd=tmp_path, env={**environment(), "OPENAI_API_KEY": KEY}, capture_output=True, text=True,
        )  # fmt: skip
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert done.returncode in (0, 2), done.stderr
    assert KEY not in done.stdout + done.stderr
    for path in (tmp_path / "runs").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_progress_on_a_pipe_says_how_it_goes(recipe_path: Path, tmp_path: Path):
    stderr = finish(slow(recipe_path, tmp_path, "--set", "generate.teacher.seconds=0.7"))
    (line,) = [line for line in stderr.splitlines() if line.startswith("generate: 40/40 (100 %)")]
    for words in ("% correct", "tokens/s", "in flight"):
        assert words in line
