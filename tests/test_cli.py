"""The command line, as a user meets it: real processes, clear errors, nothing lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import SOLVER_RECIPE, Distill, command, lines, quiet_environment

HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "aiohttp", "scipy", "matplotlib", "sympy")


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one paragraph that a user reads; no traceback, nothing after it."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    message = done.stderr[done.stderr.index("error: ") :].strip()
    assert "\n\n" not in message
    return message


def test_help_names_every_verb_and_imports_nothing_heavy():
    probe = (
        "import sys\nfrom distill.cli import main\nsys.argv = ['distill', '--help']\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=quiet_environment())
    assert done.stderr.strip().endswith("[] 0")
    for verb in ("generate", "filter", "train", "eval", "run", "report", "recipes", "verify", "doctor"):
        assert verb in done.stdout


@pytest.mark.parametrize("verb", ["generate", "filter", "train", "eval", "run", "report", "verify"])
def test_every_verb_shows_an_example(distill: Distill, verb: str):
    assert f"distill {verb} " in distill(verb, "--help").stdout


def test_the_checkout_runs_without_being_installed(tmp_path: Path):
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, root / "cli.py", "recipes", "list"], capture_output=True, text=True, cwd=tmp_path
    )
    assert "quickstart" in done.stdout, done.stderr


def test_recipes_can_be_listed_shown_and_copied_and_a_copy_never_overwrites(distill: Distill, tmp_path: Path):
    shown = [line.split()[0] for line in distill("recipes", "list").stdout.splitlines()]
    order = ["of", "quickstart", "replays", "s1k", "sky-t1-17k", "remakes", "r1-distill-qwen-7b"]
    assert [name for name in shown if name in order] == order
    assert "# The whole road in minutes" in distill("recipes", "show", "quickstart", "--yaml").stdout
    distill("recipes", "copy", "quickstart")
    copy = tmp_path / "quickstart.yaml"
    copy.write_text("mine")
    assert "quickstart.yaml exists already" in error_of(distill("recipes", "copy", "quickstart", check=None))
    assert copy.read_text() == "mine"


def test_doctor_says_what_is_there_and_how_to_get_the_rest(distill: Distill):
    found = json.loads(distill("doctor", "--json").stdout)
    checks = {check["what"]: check for check in found["checks"]}
    assert checks["extra train"]["is_there"]
    assert "torch" in found["machine"]["versions"]
    assert all(check["is_there"] or check["remedy"] for check in checks.values())
    assert "extra train" in distill("doctor").stdout


def test_a_dry_run_shows_the_prompts_and_makes_nothing(distill: Distill, recipe_path: Path, tmp_path: Path):
    shown = distill("run", recipe_path, "--dry-run").stdout
    assert "40 problems" in shown
    assert "user: " in shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("seed: 0", "sede: 0"), "small.yaml, line 2: unknown key 'sede' (value 0). Did you mean 'seed'?"),
        (("samples: 2", "samples: two"), "generate.samples is 'two'"),
        (("engine: solver", "engine: sovler"), "no engine named 'sovler'. Did you mean 'solver'?"),
        (("engine: solver", "engine: my.module:Engine"), "cannot import 'my.module'"),
        (("use: countdown", "use: countdwon"), "no source named 'countdwon'. Did you mean 'countdown'?"),
        (("count: 40", "count: 999999"), "and count is 999999; ask for fewer"),
    ],
)
def test_a_mistake_in_the_recipe_is_one_clear_paragraph(
    distill: Distill, recipe_path: Path, edit: tuple[str, str], message: str
):
    text = recipe_path.read_text()
    assert edit[0] in text
    recipe_path.write_text(text.replace(*edit))
    assert message in error_of(distill("generate", recipe_path, check=None))


def jsonl_recipe(recipe_path: Path, data: Path) -> None:
    columns = "reference_column: null, metadata_columns: [numbers, target]"
    source = f"{{use: jsonl, path: {data}, verifier: countdown, {columns}}}"
    text = recipe_path.read_text()
    start, end = text.index("{use: countdown"), text.index("\n  teacher")
    recipe_path.write_text(text[:start] + source + text[end:])


GOOD = '{"prompt": "3 5 7 -> 22", "numbers": [3, 5, 7], "target": 22}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "problems.jsonl"),
        ("", "no problems"),
        (GOOD + "{nonsense\n", "line 2"),
        (GOOD + '{"question": "3 5 7 -> 22"}\n', "prompt"),
    ],
)
def test_a_problem_file_that_cannot_be_used_is_named(
    distill: Distill, recipe_path: Path, tmp_path: Path, content: str | None, message: str
):
    data = tmp_path / "problems.jsonl"
    if content is not None:
        data.write_text(content)
    jsonl_recipe(recipe_path, data)
    assert message in error_of(distill("generate", recipe_path, check=None))
    if content is not None:
        assert data.read_text() == content


def test_a_stage_without_its_input_names_the_verb_to_run_first(distill: Distill, trained_recipe_path: Path):
    assert "run `distill generate small` first" in error_of(distill("filter", trained_recipe_path, check=None))
    assert "run `distill filter small` first" in error_of(distill("train", trained_recipe_path, check=None))
    assert "run `distill train small` first" in error_of(distill("eval", trained_recipe_path, check=None))
    assert "--restart 'trian' is not a stage" in error_of(
        distill("run", trained_recipe_path, "--restart", "trian", check=None)
    )


def test_a_changed_setting_is_refused_with_both_values_and_both_ways_out(
    distill: Distill, recipe_path: Path, tmp_path: Path
):
    distill("generate", recipe_path)
    before = lines(tmp_path / "runs/small/traces.jsonl")
    refused = error_of(distill("generate", recipe_path, "--set", "generate.sampling.temperature=0.5", check=None))
    assert "generate.sampling.temperature was 1.0 and is now 0.5" in refused
    assert "--run NAME" in refused
    assert "--restart generate" in refused
    assert "seed was 0 and is now 1" in error_of(distill("generate", recipe_path, "--set", "seed=1", check=None))
    assert lines(tmp_path / "runs/small/traces.jsonl") == before
    distill("generate", recipe_path, "--set", "generate.sampling.temperature=0.5", "--run", "other")
    restarted = distill("generate", recipe_path, "--set", "generate.sampling.temperature=0.5", "--restart", "generate")
    assert "discarded 40 lines of problems.jsonl, 80 lines of traces.jsonl" in restarted.stderr
    assert len(lines(tmp_path / "runs/small/traces.jsonl")) == 80


def test_more_samples_and_more_problems_top_up(distill: Distill, recipe_path: Path, tmp_path: Path):
    traces = tmp_path / "runs/small/traces.jsonl"
    distill("generate", recipe_path)
    first = lines(traces)
    distill("generate", recipe_path)
    assert lines(traces) == first
    distill("generate", recipe_path, "--set", "generate.samples=3")
    assert lines(traces)[:80] == first
    assert len(lines(traces)) == 120
    distill("generate", recipe_path, "--set", "generate.samples=3", "--set", "generate.sources.0.count=50")
    assert len(lines(traces)) == 150
    ids = [json.loads(line)["id"] for line in lines(traces)]
    assert len(set(ids)) == 150
    distill("filter", recipe_path, "--set", "generate.samples=3")
    assert len(lines(tmp_path / "runs/small/decisions.jsonl")) == 150


def test_adaptive_samples_stop_at_a_correct_one_and_go_on_at_wrong_ones(
    distill: Distill, recipe_path: Path, tmp_path: Path
):
    distill("generate", recipe_path, "--set", "generate.samples={min: 1, max: 6, until_correct: 1}")
    verdicts = [json.loads(line) for line in lines(tmp_path / "runs/small/verdicts.jsonl")]
    by_problem: dict[str, list[str]] = {}
    for verdict in sorted(verdicts, key=lambda verdict: verdict["trace_id"]):
        by_problem.setdefault(verdict["trace_id"].split("-")[0], []).append(verdict["outcome"])
    assert len(by_problem) == 40
    assert max(map(len, by_problem.values())) > 1
    for outcomes in by_problem.values():
        assert outcomes.count("correct") == 1 or len(outcomes) == 6
        assert "correct" not in outcomes[:-1]


def without_root_powers() -> None:
    """In a child that is root: give up the right to pass over file permissions, as any user lacks it."""
    import ctypes

    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_a_read_only_run_folder_is_said(distill: Distill, recipe_path: Path, tmp_path: Path):
    runs = tmp_path / "readonly"
    runs.mkdir()
    runs.chmod(0o555)
    try:
        done = distill("generate", recipe_path, "--runs", runs, check=None, preexec_fn=without_root_powers)
    finally:
        runs.chmod(0o755)
    message = error_of(done)
    assert str(runs) in message
    assert "--runs DIR" in message


def test_a_full_disk_is_said_and_what_finished_is_kept(recipe_path: Path, tmp_path: Path):
    runs = tmp_path / "runs"
    runs.mkdir()
    generate = " ".join(command("generate", recipe_path, "--set", "generate.sources.0.count=1000"))
    traces = runs / "small/traces.jsonl"
    # A disk of its own, 1 MiB small, in a mount namespace; the second command sees the first one's files.
    script = (
        f"mount -t tmpfs -o size=1m tmpfs {runs} || exit 77\n{generate}; echo code $? >&2\n"
        f"cat {traces}\nmount -o remount,size=8m {runs}\n{generate} && wc -l < {traces} >&2"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
        capture_output=True, text=True, cwd=tmp_path, env=quiet_environment(),
    )  # fmt: skip
    if done.returncode in (1, 77) and "mount" in done.stderr + done.stdout and "code" not in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk")
    assert "No space left on device. The disk is full: free some room" in done.stderr
    assert "code 2" in done.stderr
    assert "Traceback" not in done.stderr
    kept = done.stdout.splitlines()
    assert len(kept) > 100
    assert all(json.loads(line)["id"] for line in kept)
    assert done.stderr.strip().endswith("2000")


SLOW_ENGINE = """\
import asyncio, contextlib
from distill.engines import Completion


class SlowEngine:
    identity = "slow"

    @contextlib.asynccontextmanager
    async def session(self, logs_dir):
        yield self

    async def complete(self, request):
        await asyncio.sleep(0.05 + (request.seed % 100) / 500)
        return Completion(text="<think>\\nhm\\n</think>\\n\\n1+1", completion_tokens=3)
"""


@pytest.fixture
def slow_recipe_path(tmp_path: Path) -> Path:
    (tmp_path / "slow_engine.py").write_text(SLOW_ENGINE)
    path = tmp_path / "small.yaml"
    path.write_text(
        SOLVER_RECIPE.replace("{engine: solver, slips: 0.1}", "{engine: 'slow_engine:SlowEngine'}").replace(
            "samples: 2", "samples: 2\n  concurrency: 4"
        )
    )
    return path


def start(tmp_path: Path, *arguments: object) -> subprocess.Popen[str]:
    environment = {**quiet_environment(), "PYTHONPATH": str(tmp_path)}
    return subprocess.Popen(command(*arguments), cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE)


def wait_for_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(lines(path)) < count:
        assert time.monotonic() < deadline, f"{path} has {len(lines(path))} lines"
        time.sleep(0.02)


def test_a_second_process_on_the_same_run_is_refused(tmp_path: Path, distill: Distill, slow_recipe_path: Path):
    first = start(tmp_path, "generate", slow_recipe_path)
    wait_for_lines(tmp_path / "runs/small/traces.jsonl", 1)
    second = distill("generate", slow_recipe_path, check=None)
    first.kill()
    first.communicate()
    if "error: " in second.stderr and "cannot import" in second.stderr:
        pytest.fail("the second process never reached the lock")
    assert f"is in use by process {first.pid}" in error_of(second)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(
    tmp_path: Path, slow_recipe_path: Path, sent: signal.Signals
):
    traces = tmp_path / "runs/small/traces.jsonl"
    process = start(tmp_path, "generate", slow_recipe_path)
    wait_for_lines(traces, 3)
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    kept = lines(traces)
    assert 3 <= len(kept) < 80
    again = start(tmp_path, "generate", slow_recipe_path)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert lines(traces)[: len(kept)] == kept
    assert len({json.loads(line)["id"] for line in lines(traces)}) == len(lines(traces)) == 80


def test_the_users_own_engine_is_found_by_its_full_name(tmp_path: Path, slow_recipe_path: Path):
    process = start(tmp_path, "generate", slow_recipe_path, "--limit", "2")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(lines(tmp_path / "runs/small/traces.jsonl")) == 4


def test_the_report_of_no_run_says_what_to_do(distill: Distill, tmp_path: Path):
    assert "nowhere" in error_of(distill("report", "nowhere", check=None))
    assert not (tmp_path / "runs").exists()


def test_json_reports_are_one_object_on_standard_output(distill: Distill, recipe_path: Path):
    distill("generate", recipe_path)
    distill("filter", recipe_path)
    report = json.loads(distill("report", "small", "--json").stdout)
    assert report["generate"]["traces"] == 80
    assert report["filter"]["funnel"][0]["step"] == "ended"
