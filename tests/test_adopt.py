"""Traces that were made elsewhere enter a run: once each, judged by our verifiers, whatever is killed in between."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from distill.errors import DataError, RecipeError
from distill.recipe import load
from distill.run import open_run
from distill.sources.adopters import HubAdopter
from distill.stages.generate import Shard, generate
from tests.conftest import Distill, command, lines, quiet_environment, without_times

REPLY = "<think>\n{i} and {i}.\n</think>\n\nIt is \\boxed{{{sum}}}."
RECIPE = """\
name: adopted
generate:
  adopt:
    - {{use: jsonl, path: {path}, prompt_column: q, reference_column: a, verifier: exact, {more}
       traces: {{model: m, reply: r, complete: done, metadata: [grade]}}}}
filter: {{select: [structure, correct]}}
"""


def row(i: int, **changes: Any) -> dict[str, Any]:
    said = 2 * i + (i % 4 == 3)  # every fourth is wrong
    reply = REPLY.format(i=i, sum=said)
    return {"q": f"What is {i} + {i}?", "a": str(2 * i), "r": reply, "done": True, "grade": "Yes", **changes}


def written(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(found) + "\n" for found in rows))
    return path


def recipe(folder: Path, rows: list[dict[str, Any]], more: str = "") -> Path:
    path = folder / "adopted.yaml"
    path.write_text(RECIPE.format(path=written(folder, rows), more=more))
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def adopted(path: Path, name: str | None = None, overrides: tuple[str, ...] = (), **options: Any) -> Path:
    with open_run(load(path, overrides), path.parent / "runs", name) as run:
        generate(run, **options)
        return run.dir


def test_rows_become_problems_traces_verdicts_and_pass_rates(tmp_path: Path) -> None:
    cut = row(9, r="<think>\nNine and", done=False)
    run = adopted(recipe(tmp_path, [row(1), row(3), cut, row(3, r=REPLY.format(i=3, sum=6)), row(5, a=None)]))
    traces = records(run / "traces.jsonl")
    assert [(t["thinking"], t["finish_reason"], t["malformed"]) for t in traces[:3]] == [
        ("1 and 1.", "stop", None),
        ("3 and 3.", "stop", None),
        ("Nine and", "length", "the thought is not closed"),
    ]
    problems = {problem["prompt"]: problem["id"] for problem in records(run / "problems.jsonl")}
    assert len(problems) == 4
    key = traces[0]["teacher"]
    three = problems["What is 3 + 3?"]
    assert [t["id"] for t in traces if t["problem_id"] == three] == [f"{three}-{key}-0", f"{three}-{key}-1"]
    assert [t["metadata"] for t in traces[:1]] == [{"grade": "Yes"}]
    verdicts = [(v["outcome"], v["reason"]) for v in records(run / "verdicts.jsonl")]
    assert verdicts == [
        ("correct", ""),
        ("incorrect", "differs from the reference"),
        ("incorrect", "truncated"),
        ("correct", ""),
        ("unverifiable", "no reference"),
    ]
    rates = {rate["problem_id"]: rate for rate in records(run / "pass_rates.jsonl")}
    assert (rates[three]["replies"], rates[three]["correct"], rates[three]["pass_rate"]) == (2, 1, 0.5)
    assert rates[problems["What is 9 + 9?"]]["truncated"] == 1


def test_problems_have_the_ids_that_a_source_gives_them(tmp_path: Path) -> None:
    from distill.sources.jsonl import JsonlSource

    run = adopted(recipe(tmp_path, [row(1)]))
    path = str(tmp_path / "rows.jsonl")
    [asked] = JsonlSource(path=path, verifier="exact", prompt_column="q", reference_column="a")
    assert [problem["id"] for problem in records(run / "problems.jsonl")] == [asked.id]


def test_the_same_command_takes_nothing_twice_and_a_larger_limit_adds(tmp_path: Path) -> None:
    path = recipe(tmp_path, [row(i % 20) for i in range(30)])
    run = adopted(path, overrides=("generate.adopt.0.limit=7",))
    before = lines(run / "traces.jsonl")
    assert len(before) == 7
    adopted(path, overrides=("generate.adopt.0.limit=7",))
    assert lines(run / "traces.jsonl") == before
    adopted(path, limit=12)
    assert lines(run / "traces.jsonl")[:7] == before
    adopted(path)
    ids = [trace["id"] for trace in records(run / "traces.jsonl")]
    assert len(ids) == len(set(ids)) == 30
    (run / "index.sqlite").unlink()
    adopted(path, limit=29)
    assert [trace["id"] for trace in records(run / "traces.jsonl")] == ids
    assert sorted(verdict["trace_id"] for verdict in records(run / "verdicts.jsonl")) == sorted(ids)


def test_the_same_rows_of_two_sets_are_the_same_problems_and_other_traces(tmp_path: Path) -> None:
    path = recipe(tmp_path, [row(1), row(2)])
    written(tmp_path, [row(2), row(3)], "others.jsonl")
    text = path.read_text().replace("filter:", "filter:")
    first = text[text.index("    - {use") : text.index("filter:")]
    path.write_text(text.replace(first, first + first.replace("rows.jsonl", "others.jsonl")))
    run = adopted(path)
    assert len(lines(run / "problems.jsonl")) == 3
    assert len(lines(run / "traces.jsonl")) == 4
    assert len({trace["teacher"] for trace in records(run / "traces.jsonl")}) == 2
    assert [rate["replies"] for rate in records(run / "pass_rates.jsonl")] == [1, 2, 1]
    adopted(path)
    assert len(lines(run / "traces.jsonl")) == 4


def test_shards_are_disjoint_and_merged_they_are_the_whole(tmp_path: Path) -> None:
    from distill.stages.merge import merge

    path = recipe(tmp_path, [row(i % 15) for i in range(25)])
    whole = adopted(path, "whole")
    parts = [adopted(path, f"part{n}", shard=Shard(n, 2)) for n in (1, 2)]
    merge(parts, tmp_path / "runs" / "merged")
    merged = tmp_path / "runs" / "merged"
    for name in ("problems", "traces", "verdicts", "pass_rates"):
        found = [sorted(map(without_times, lines(run / f"{name}.jsonl"))) for run in (merged, whole)]
        assert found[0] == found[1], name
    adopted(path, "merged")
    assert len(lines(merged / "traces.jsonl")) == 25


def test_kills_lose_nothing_and_take_nothing_twice(tmp_path: Path) -> None:
    path = recipe(tmp_path, [row(i % 40) for i in range(60)])
    whole = adopted(path, "whole")
    text = path.read_text().replace("use: jsonl", "use: 'tests.slow_adopter:SlowAdopter', seconds: 0.02")
    path.write_text(text)
    environment = {**quiet_environment(), "PYTHONPATH": str(Path(__file__).parent.parent)}
    generate_ = command("generate", path, "--run", "killed")
    killed = tmp_path / "runs" / "killed"
    for target in (5, 25, 45):
        process = subprocess.Popen(generate_, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        while len(lines(killed / "traces.jsonl")) < target and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    done = subprocess.run(generate_, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"adopt: \d+ traces taken, \d+ were here already", done.stderr)
    for name in ("problems", "traces", "verdicts", "pass_rates"):
        found = [sorted(same_teacher(run / f"{name}.jsonl")) for run in (killed, whole)]
        assert found[0] == found[1], name


def same_teacher(path: Path) -> list[str]:
    return [re.sub(r"(-|\"teacher\": \")[0-9a-f]{8}", r"\1TEACHER", without_times(line)) for line in lines(path)]


def test_a_row_that_cannot_be_used_ends_the_command_and_keeps_what_came_before(tmp_path: Path) -> None:
    path = recipe(tmp_path, [row(1), {"q": "?", "a": "1"}])
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: there is no column 'r'; the row has 'q', 'a'"):
        adopted(path)
    assert len(lines(tmp_path / "runs/adopted/traces.jsonl")) == 1
    written(tmp_path, [row(1), row(2)])
    run = adopted(path)
    assert len(lines(run / "traces.jsonl")) == len(lines(run / "verdicts.jsonl")) == 2


def test_a_set_without_any_trace_is_an_error(tmp_path: Path) -> None:
    path = recipe(tmp_path, [row(1, r=None)])
    with pytest.raises(DataError, match=r"no traces: the datasets \(jsonl\) hold none; left out 1 rows: no trace"):
        adopted(path)


def test_a_branch_is_looked_up_once_and_the_run_keeps_its_commit(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    asked: list[str] = []

    def look_up() -> str:
        asked.append("")
        return "c" * 40

    commits: dict[str, str] = {}
    for _ in range(2):
        adopter = HubAdopter(card="limo")
        adopter.table.commit = look_up  # type: ignore[method-assign]
        assert adopter.fingerprint is None
        adopter.pin(commits)
        assert adopter.fingerprint == "c" * 40
    assert commits == {"GAIR/LIMO@main": "c" * 40}
    assert len(asked) == 1
    assert adopter.identity == ["GAIR/LIMO", "c" * 40, None, "train", "DeepSeek-R1 and others"]


ADOPT = "name: a\ngenerate:\n  adopt: [{use: jsonl, path: x, traces: {}}]\n"
ASK = "  sources: [countdown]\n  teacher: {engine: solver}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ADOPT + ASK, r"generate\.sources: means nothing beside adopt"),
        (ADOPT + "  samples: 4\n", r"line 4: generate\.samples: means nothing beside adopt, which asks nobody"),
        ("name: a\ngenerate:\n  teacher: {engine: solver}\n", r"generate\.sources: is missing: give sources and a"),
        ("name: a\ngenerate:\n  sources: [countdown]\n", r"generate\.teacher: is missing: give sources and a teacher"),
        (ADOPT + "eval: {suites: [x], models: [student, teacher]}\n", r"eval\.models\.1: 'teacher' cannot be measured"),
        (ADOPT.replace("jsonl", "jsnl"), r"generate\.adopt\.0: no adopter named 'jsnl'\. Did you mean 'jsonl'"),
        (ADOPT.replace("path", "pth"), r"adopter 'jsonl' has no option 'pth'\. Did you mean 'path'"),
    ],
)
def test_a_recipe_has_one_of_the_two_forms(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        load(tmp_path / "a.yaml")


def test_the_default_of_what_is_measured_leaves_the_teacher_out(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(ADOPT + "eval: {suites: [countdown-tiny]}\n")
    asked = load(path)
    assert asked.eval is not None
    assert asked.eval.models == ["base", "student"]
    path.write_text(asked.to_yaml())
    assert load(path) == asked
    with pytest.raises(RecipeError, match="there is no teacher to ask"):
        _ = asked.teacher


def test_commands_adopt_plan_filter_and_report(tmp_path: Path, distill: Distill) -> None:
    path = recipe(tmp_path, [row(i) for i in range(8)])
    planned = distill("generate", path, "--dry-run").stdout
    assert "at most 8 rows" in planned
    assert "prompt: What is 0 + 0?" in planned
    assert "thinking: 0 and 0." in planned
    assert not (tmp_path / "runs").exists()
    done = distill("run", path)
    assert "adopt: 8 traces taken, 0 were here already" in done.stderr
    assert len(lines(tmp_path / "runs/adopted/train.jsonl")) == 6
    assert "8 traces of 8 problems" in distill("report", "adopted").stdout
    assert "adopt: nothing new; 8 traces stand" in distill("generate", path).stderr
    refused = distill("generate", path, "--retry-truncated", check=2).stderr
    assert "these traces are adopted: there is none" in refused
    changed = distill("generate", path, "--set", "generate.adopt.0.verifier=math", check=2).stderr
    assert "generate.adopt.0.verifier was 'exact' and is now 'math'" in changed
