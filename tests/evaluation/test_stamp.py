"""A stamp says what a score depends on; two that differ say in what. Exports in the forms that others read."""

from typing import Any

import msgspec
import pytest
import yaml

from distill.evaluation.metrics import Estimate, Interval
from distill.evaluation.scores import Scores
from distill.evaluation.stamp import Stamp, differences, grader_version, stamp_of, warned
from distill.reporting.comparing import compared, plain, warnings
from distill.reporting.exports import lighteval, model_index


class Engine:
    def stamp(self) -> dict[str, Any]:
        return {
            "version": "vllm 0.31.0",
            "dtype": "bfloat16",
            "parallelism": {"tensor_parallel_size": 2},
            "template": "t1",
        }


def stamp(**changes: Any) -> Stamp:
    made = stamp_of(
        Engine(), "vllm", sampler={"temperature": 0.6, "max_tokens": 480}, prompt="p1", format="think", seed=0
    )
    return msgspec.structs.replace(made, **changes)


def scores(model: str, shares: list[float], *, stamped: Stamp | None = None, **changes: Any) -> Scores:
    by_problem = {f"p{index}": share for index, share in enumerate(shares)}
    made = Scores(
        model=model, suite="s", format="think", problems=len(shares), samples=1, pass_at_1=sum(shares) / len(shares),
        ci95=Interval(0.2, 0.8), no_answer=0.0, truncated=0.0, unverifiable=0.0, mean_tokens=10, engine="vllm",
        identity=model, sampling={}, prompt_digest="p1", correct_by_problem=by_problem, stamp=stamped or stamp(),
        metrics={"pass@2[n4]": Estimate(0.75, 0.6, 0.9), "maj@4[n4]": Estimate(0.5, 0.3, 0.7)},
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_a_stamp_holds_what_a_score_depends_on_and_comes_back_from_json() -> None:
    made = stamp()
    assert made.engine == {
        "name": "vllm", "version": "vllm 0.31.0", "dtype": "bfloat16", "parallelism": {"tensor_parallel_size": 2}
    }  # fmt: skip
    assert (made.template, made.seeds, made.prompt) == ("t1", [0], "p1")
    assert "verifiers " in grader_version()
    assert "cpus" in made.hardware
    assert msgspec.json.decode(msgspec.json.encode(made), type=Stamp) == made


def test_what_differs_is_named_by_its_key() -> None:
    other = stamp(
        engine={**stamp().engine, "dtype": "float32"}, sampler={"temperature": 1.0, "max_tokens": 480}, seeds=[1]
    )
    found = differences(stamp(), other)
    assert found == {
        "engine.dtype": ("bfloat16", "float32"), "sampler.temperature": (0.6, 1.0), "seeds": ([0], [1])
    }  # fmt: skip
    assert set(warned(found)) == {"engine.dtype", "sampler.temperature"}
    assert differences(stamp(), stamp()) == {}


def written(folder: Any, run: str, *given: Scores) -> Any:
    for one in given:
        place = folder / run / "eval" / "s" / one.model
        place.mkdir(parents=True)
        (place / "scores.json").write_bytes(msgspec.json.encode(one))
    return folder / run


def test_comparing_tests_problem_by_problem_and_warns_of_other_stamps(tmp_path: Any) -> None:
    better, worse = [1.0] * 30 + [0.0] * 10, [1.0] * 12 + [0.0] * 28
    first = written(tmp_path, "one", scores("student", better), scores("teacher", better))
    second = written(
        tmp_path, "two", scores("student", worse, stamped=stamp(prompt="p2")), scores("old", worse, stamp=None)
    )
    rows = compared([first, second])["s"]
    assert [row.label for row in rows] == ["one/student", "one/teacher", "two/student", "two/old"]
    apart = rows[2].difference
    assert apart is not None
    assert apart.difference == pytest.approx(-0.45)
    assert rows[2].mcnemar == (0, 18, pytest.approx(2 / 2**18))
    said = warnings(rows)
    assert said == [
        "two/student was not measured as the first was: prompt p1 and p2",
        "two/old: there is no record of how it, or the first, was measured",
    ]
    assert [row.label for row in compared([first, second], ["student"])["s"]] == ["one/student", "two/student"]
    assert plain({"s": rows})["s"]["models"][2]["stamp"] == {"prompt": ["p1", "p2"]}


def test_lightevals_file_has_its_names_and_our_standard_error() -> None:
    found = lighteval([scores("student", [1.0, 0.0])])
    result = found["results"]["distill|s|0"]
    assert result["pass@k:k=1&n=1"] == 0.5
    assert result["pass@k:k=2&n=4"] == 0.75
    assert result["maj@k:k=4&n=4_stderr"] == pytest.approx(0.4 / 2 / 1.96, rel=1e-3)
    assert found["config_general"]["model_name"] == "student"
    assert set(found) >= {"config_general", "results", "versions", "config_tasks"}


def test_the_hub_reads_our_model_index() -> None:
    hub = pytest.importorskip("huggingface_hub.repocard_data")
    index = yaml.safe_load(yaml.safe_dump(model_index("student", [scores("student", [1.0, 0.0])])))
    name, results = hub.model_index_to_eval_results(index)
    assert name == "student"
    assert [(one.metric_type, one.metric_value) for one in results] == [
        ("pass@1", 0.5),
        ("pass@2", 0.75),
        ("maj@4", 0.5),
    ]
    assert results[0].metric_name == "pass@1[avg1], 95 % interval 20.0 to 80.0 %"
