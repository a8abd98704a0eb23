"""The trace browser's server: what it lets through, what it answers, and how it follows a run that goes on."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from distill.errors import MissingExtraError, RunError
from distill.journal import Journal
from distill.reporting.view import serve
from distill.reporting.view.follow import Follower
from distill.reporting.view.index import Index
from distill.reporting.view.mask import by_message, by_token, load_chat
from distill.reporting.view.places import named_runs
from distill.types import Decision, Example, Trace, Verdict
from tests.conftest import command, quiet_environment
from tests.reporting.viewed import RECIPE, problem, replies, trace, write_journals, write_run

TOKEN = "the-token"


class Viewer:
    """A server whose follower reads when it is told to."""

    def __init__(self, scratch: Path, *folders: Path) -> None:
        self.index = Index(scratch / "index.sqlite")
        self.follower = Follower(named_runs(list(folders)), self.index)
        self.catch_up()
        listener = serve.listening(0)
        self.port = listener.getsockname()[1]
        self._server = serve.server_of(self.follower, TOKEN)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def catch_up(self) -> None:
        while self.follower.advance():
            pass

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def ask(self, question: str, status: int = 200, **parameters: object) -> Any:
        found = self.get(f"/{TOKEN}/api/{question}?{urlencode(parameters, doseq=True)}")
        assert found[0] == status, found
        return json.loads(found[2])

    def ids(self, **parameters: object) -> list[str]:
        return [row["id"] for row in self.ask("rows", **parameters)["rows"]]

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.index.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "quadratics"
    write_run(folder)
    return folder


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Viewer]]:
    """Shows the folders that it is given."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    viewers: list[Viewer] = []

    def show(*folders: Path) -> Viewer:
        viewers.append(Viewer(scratch, *folders))
        return viewers[-1]

    yield show
    for viewer in viewers:
        viewer.close()


@pytest.fixture
def viewer(run_dir: Path, opened: Callable[..., Viewer]) -> Viewer:
    return opened(run_dir)


@pytest.mark.parametrize(
    "path", ["/", "/wrong/", "/wrong/api/rows", "/api/rows", "/the-token2/", "//the-tokem/", "/the-toke"]
)
def test_without_the_token_there_is_nothing(viewer: Viewer, path: str) -> None:
    status, headers, body = viewer.get(path)
    assert status == 404
    assert TOKEN not in str(headers) + body.decode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9999", 200),  # through a tunnel
        ("LOCALHOST:80", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("127.0.0.1:80@evil.example", 403),
        ("0.0.0.0", 403),
        ("", 403),
    ],
)
def test_a_host_that_is_not_this_machine_is_refused(viewer: Viewer, host: str, status: int) -> None:
    assert viewer.get(f"/{TOKEN}/api/rows", Host=host)[0] == status


def test_every_answer_forbids_other_origins_and_inline_scripts(viewer: Viewer) -> None:
    for path, status in (
        ("/", 200),
        ("/api/rows", 200),
        ("/static/main.js", 200),
        ("/static/../app.py", 404),
        ("/x", 404),
    ):
        found, headers, _ = viewer.get(f"/{TOKEN}{path}", Origin="http://evil.example")
        assert found == status
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_nothing_can_be_changed_and_a_forgotten_slash_is_mended(viewer: Viewer) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert viewer.get(f"/{TOKEN}/api/rows", method)[0] == 405
    status, headers, _ = viewer.get(f"/{TOKEN}")
    assert (status, headers["location"]) == (307, f"/{TOKEN}/")


def test_the_page_is_its_own_files_and_has_no_inline_script_or_style(viewer: Viewer) -> None:
    page = viewer.get(f"/{TOKEN}/")[2].decode()
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src="static/main.js"></script>') == 1
    files = sorted((Path(serve.__file__).parent / "static").iterdir())
    assert len(files) > 8
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not any(
            word in text for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
        )
        assert "//" not in text.replace('"http://www.w3.org/', "").replace("// ", "")
        assert viewer.get(f"/{TOKEN}/static/{path.name}")[2].decode() == text


def test_filters_leave_what_fits_and_their_counts_say_so(viewer: Viewer, run_dir: Path) -> None:
    verdicts = {v.trace_id: v.outcome for v in Journal(run_dir / "verdicts.jsonl", Verdict)}
    decisions = {d.trace_id: d for d in Journal(run_dir / "decisions.jsonl", Decision)}
    traces = {t.id: t for t in Journal(run_dir / "traces.jsonl", Trace)}
    wrong = [key for key, outcome in verdicts.items() if outcome == "incorrect"]
    page = viewer.ask("rows", stage="generate", verdict="incorrect")
    assert [row["id"] for row in page["rows"]] == wrong[:100]
    assert page["total"] == len(wrong)
    extra = [key for key, d in decisions.items() if d.step == "per_problem"]
    reason = "per_problem: more than 1 of its problem"
    assert viewer.ids(stage="generate", reason=reason) == extra[:100]
    kept = {key for key, d in decisions.items() if d.kept}
    assert set(viewer.ids(decision="kept")) == kept
    lengths = sorted(t.completion_tokens for t in traces.values())
    least, most = lengths[30], lengths[60]
    middle = [key for key, t in traces.items() if least <= t.completion_tokens <= most]
    assert 30 < len(middle) < 100
    assert viewer.ids(stage="generate", least=least, most=most) == middle
    facets = viewer.ask("facets", stage="generate", verdict="incorrect")["facets"]
    counts = {name: {c["value"]: c["count"] for c in choices} for name, choices in facets.items()}
    # its own filter does not count for a facet: one sees what another choice would give
    assert counts["verdict"] == {"incorrect": len(wrong), "correct": len(verdicts) - len(wrong)}
    assert counts["decision"] == {"dropped": len(wrong)}
    assert counts["reason"] == {"correct: incorrect": len(wrong)}
    both = viewer.ask("rows", stage="generate", verdict=["incorrect", "correct"])["total"]
    assert both == len(verdicts)


def test_problems_are_found_by_their_text_and_signs_mean_themselves(viewer: Viewer) -> None:
    text = problem(7)[0].prompt
    found = viewer.ask("rows", stage="generate", text="(no. 8)")
    assert {row["problem"] for row in found["rows"]} == {problem(7)[0].id}
    assert found["total"] == 4
    assert text.startswith(found["rows"][0]["prompt"][:40])
    for sign in ("%", "_", "%%%", "'; DROP TABLE rows; --", "\\"):
        assert viewer.ask("rows", text=sign)["total"] == 0
    assert viewer.ids(stage="generate", text=problem(7)[0].id) == [row["id"] for row in found["rows"]]


def test_pages_follow_each_other_in_every_order(viewer: Viewer) -> None:
    for order in ("file", "newest", "long", "short", "problem"):
        pages = [viewer.ask("rows", order=order, offset=offset) for offset in (0, 100, 200, 300)]
        seen = [(row["in"], row["id"]) for page in pages for row in page["rows"]]
        assert len(seen) == len(set(seen)) == pages[0]["total"] == 120 + 30 + 120, order
    lengths = [row["tokens"] for row in viewer.ask("rows", stage="generate", order="long")["rows"]]
    assert lengths == sorted(lengths, reverse=True)
    assert viewer.ask("rows", offset=10_000)["rows"] == []


@pytest.mark.parametrize(
    ("question", "parameters", "said"),
    [
        ("rows", {"order": "random"}, "choose one of"),
        ("rows", {"least": "-1"}, "least is '-1'; give a whole number"),
        ("rows", {"offset": "9" * 400}, "give a whole number"),
        ("facets", {"most": "ten"}, "most is 'ten'"),
    ],
)
def test_a_wrong_question_is_told_so(viewer: Viewer, question: str, parameters: dict[str, str], said: str) -> None:
    assert said in viewer.ask(question, 400, **parameters)["error"]


def test_a_trace_is_shown_with_its_verdict_its_decision_and_its_siblings(viewer: Viewer, run_dir: Path) -> None:
    decision = next(d for d in Journal(run_dir / "decisions.jsonl", Decision) if d.step == "correct")
    found = viewer.ask("trace", **{"in": "quadratics", "id": decision.trace_id})
    assert (found["verdict"], found["decision"], found["reason"]) == ("incorrect", "dropped", "correct: incorrect")
    assert dict(found["facts"])["namely"] == decision.detail
    assert found["problem"]["prompt"][0].startswith("The equation ")
    assert found["problem"]["prompt"][1][0] == "math"
    tags = [node[0] for node in found["thinking"] if isinstance(node, list)]
    assert {"math", "pre"} == set(tags)
    assert found["answer"][1][0] == "math"
    places = {sibling["in"] for sibling in found["siblings"]}
    names = ("base-plain", "student", "teacher")
    assert places == {"quadratics", *(f"quadratics/eval/quadratics/{name}" for name in names)}
    assert {s["verdict"] for s in found["siblings"]} == {"correct", "incorrect"}
    written = next(t for t in Journal(run_dir / "traces.jsonl", Trace) if t.id == decision.trace_id)
    raw = viewer.ask("trace", **{"in": "quadratics", "id": decision.trace_id, "raw": "1"})
    assert raw["thinking"] == [written.thinking]
    assert "there is no 'nothing'" in viewer.ask("trace", 404, **{"in": "quadratics", "id": "nothing"})["error"]


def test_eval_traces_are_filtered_by_suite_and_model(viewer: Viewer) -> None:
    found = viewer.ask("rows", stage="eval", model="student", suite="quadratics")
    assert found["total"] == 40
    assert {row["in"] for row in found["rows"]} == {"quadratics/eval/quadratics/student"}
    models = {c["value"]: c["count"] for c in viewer.ask("facets")["facets"]["model"]}
    assert models == {"teacher-32b 9f3a01bc": 150, "base-plain": 40, "student": 40, "teacher": 40}


def test_an_example_leads_to_its_trace_and_back(viewer: Viewer) -> None:
    row = viewer.ask("rows", stage="train")["rows"][2]
    assert row["verdict"] == "correct"
    assert row["tokens"] > 0
    example = viewer.ask("trace", **{"in": "quadratics/train", "id": row["id"]})
    assert example["kind"] == "example"
    made_of = example["made_of"][0]
    back = viewer.ask("trace", **made_of)
    assert back["taught"] == [{"in": "quadratics/train", "id": row["id"]}]
    assert back["decision"] == "kept"


def test_runs_of_one_name_are_told_apart(tmp_path: Path, opened: Callable[..., Viewer]) -> None:
    for folder in ("a/small", "b/small"):
        write_journals(tmp_path / folder, problems=2)
    viewer = opened(tmp_path / "a/small", tmp_path / "b/small", tmp_path / "a/small")
    runs = {c["value"]: c["count"] for c in viewer.ask("facets")["facets"]["run"]}
    assert runs == {"small": 8, "small-2": 8}
    assert viewer.ask("rows", run="small-2")["total"] == 8


def test_new_lines_appear_and_a_torn_one_waits_until_it_is_whole(tmp_path: Path, opened: Callable[..., Viewer]) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    viewer = opened(folder)  # generate has not written anything yet
    assert viewer.ask("rows") == {"version": 2, "total": 0, "offset": 0, "rows": []}
    made = write_journals(folder, problems=2, samples=2)
    (folder / "verdicts.jsonl").unlink()
    viewer.catch_up()
    assert viewer.ask("pulse")["version"] > 2
    assert [row["verdict"] for row in viewer.ask("rows")["rows"]] == ["unjudged"] * 4
    with Journal(folder / "verdicts.jsonl", Verdict).appender() as verdicts:
        verdicts.append(made[1][1])
    viewer.catch_up()
    assert viewer.ask("rows")["rows"][1]["verdict"] == made[1][1].outcome
    before = viewer.ask("pulse")["version"]
    known, small, large = problem(5)
    late = trace(known, 0, small, large, is_right=True, model="9f3a01bc")
    with Journal(folder / "traces.jsonl", Trace).appender() as traces:
        traces.append(late)
    whole = (folder / "traces.jsonl").read_bytes()
    (folder / "traces.jsonl").write_bytes(whole[:-30])
    viewer.catch_up()
    assert viewer.ask("pulse")["version"] == before
    assert viewer.ask("rows")["total"] == 4
    with (folder / "traces.jsonl").open("ab") as file:
        file.write(whole[-30:])
    viewer.catch_up()
    rows = viewer.ask("rows")["rows"]
    assert [row["id"] for row in rows[4:]] == [late.id]
    assert rows[4]["prompt"] == known.id or rows[4]["prompt"] == ""  # its problem has not been written
    assert viewer.ask("trace", **{"in": "small", "id": late.id})["problem"]["id"] == known.id
    assert viewer.ask("pulse")["notices"] == []


def test_a_filter_that_ran_again_and_a_stage_that_was_restarted_are_read_anew(
    run_dir: Path, opened: Callable[..., Viewer]
) -> None:
    viewer = opened(run_dir)
    decisions = list(Journal(run_dir / "decisions.jsonl", Decision))
    nothing = [Decision(trace_id=d.trace_id, kept=False, step="length", reason="too long") for d in decisions]
    Journal(run_dir / "decisions.jsonl", Decision).write_all(nothing)
    Journal(run_dir / "train.jsonl", Example).write_all([])
    viewer.catch_up()
    reasons = {c["value"]: c["count"] for c in viewer.ask("facets", stage="generate")["facets"]["reason"]}
    assert reasons == {"length: too long": 120}
    assert viewer.ask("rows", stage="train")["total"] == 0
    for name in ("traces", "verdicts", "decisions", "train"):
        (run_dir / f"{name}.jsonl").unlink()
    viewer.catch_up()
    assert viewer.ask("rows", stage="generate")["total"] == 0
    write_journals(run_dir, problems=3, samples=1, share=0.0)
    viewer.catch_up()
    rows = viewer.ask("rows", stage="generate")["rows"]
    assert [(row["verdict"], row["decision"]) for row in rows] == [("incorrect", "undecided")] * 3


def test_a_line_that_is_no_record_is_passed_over_and_named(tmp_path: Path, opened: Callable[..., Viewer]) -> None:
    folder = tmp_path / "small"
    made = write_journals(folder, problems=2, samples=1)
    lines = (folder / "traces.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "traces.jsonl").write_bytes(lines[0] + b'{"id": "<b>", broken\n\xff\xfe\n' + lines[1])
    viewer = opened(folder)
    assert viewer.ids() == [written.id for written, _ in made]
    notices = viewer.ask("pulse")["notices"]
    assert len(notices) == 2
    assert f"small: traces.jsonl, byte {len(lines[0])}: " in notices[0]


def test_verdicts_that_are_read_before_their_traces_count(tmp_path: Path, opened: Callable[..., Viewer]) -> None:
    folder = tmp_path / "small"
    made = write_journals(folder, problems=3, samples=1)
    traces = (folder / "traces.jsonl").read_bytes()
    (folder / "traces.jsonl").unlink()
    viewer = opened(folder)
    assert viewer.ask("rows")["total"] == 0
    assert viewer.ask("facets")["facets"]["verdict"] == []
    (folder / "traces.jsonl").write_bytes(traces)
    viewer.catch_up()
    assert [row["verdict"] for row in viewer.ask("rows")["rows"]] == [verdict.outcome for _, verdict in made]


def test_slices_show_the_first_rows_before_all_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    write_journals(folder, problems=30, samples=4)
    index = Index(tmp_path / "index.sqlite")
    follower = Follower(named_runs([folder]), index)
    assert follower.advance(10)
    with index.reading() as db:
        judged = db.execute("SELECT count(*) FROM rows WHERE start IS NOT NULL AND verdict != 'unjudged'").fetchone()[0]
    assert judged == 10
    index.close()


def test_without_a_tokenizer_the_loss_is_shown_by_message(tmp_path: Path) -> None:
    written, _ = next(replies(range(1), 1, "m"))
    taught = Example(
        prompt=[{"role": "user", "content": "\x1b[31m2?"}],
        completion=[{"role": "assistant", "content": written.answer}],
        problem_id="p",
        trace_ids=["t"],
    )
    found = by_message(taught, "there is none")
    assert [(m["role"], m["in_loss"]) for m in found["messages"]] == [("user", False), ("assistant", True)]
    assert found["messages"][0]["body"] == ["\u241b[31m2?"]
    assert found["why"] == "there is none"
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(name="x").rpartition("train:")[0])
    with pytest.raises(RunError, match="no section train"):
        load_chat(tmp_path)


def test_tokens_in_the_loss_are_those_that_training_puts_there(viewer: Viewer, run_dir: Path) -> None:
    pytest.importorskip("transformers")
    asked = {"in": "quadratics/train", "id": "1"}
    found = viewer.ask("trace", **asked)["mask"]
    assert found["state"] in ("loading", "tokens")
    deadline = time.monotonic() + 120
    while found["state"] == "loading" and time.monotonic() < deadline:
        time.sleep(0.2)
        found = viewer.ask("trace", **asked)["mask"]
    assert found["state"] == "tokens", found
    row = load_chat(run_dir).row(next(iter(Journal(run_dir / "train.jsonl", Example))))
    assert (found["num_tokens"], found["loss_tokens"]) == (len(row.input_ids), len(row.completion_ids))
    prompt, loss = found["stretches"]
    assert (prompt["in_loss"], loss["in_loss"]) == (False, True)
    assert sum(count for _, count, _ in prompt["pieces"]) == row.num_prompt
    assert sum(count for _, count, _ in loss["pieces"]) == len(row.completion_ids)
    text = "".join(text for text, _, _ in loss["pieces"])
    assert text.startswith("<think>\nBy Vieta")
    assert text.endswith("<|im_end|>")
    assert "By Vieta" not in "".join(text for text, _, _ in prompt["pieces"])


def test_what_an_example_masks_is_not_shown_as_in_the_loss(run_dir: Path) -> None:
    pytest.importorskip("transformers")
    whole = next(iter(Journal(run_dir / "train.jsonl", Example)))
    place = whole.completion[0]["content"].index("By Vieta")
    example = msgspec.structs.replace(whole, masked=[(place, place + len("By Vieta"))])
    chat = load_chat(run_dir)
    found, row = by_token(chat, example), chat.row(example)
    assert [stretch["in_loss"] for stretch in found["stretches"]] == [False, True, False, True]
    assert "".join(text for text, _, _ in found["stretches"][2]["pieces"]) == "By Vieta"
    assert found["loss_tokens"] == row.num_taught < len(row.completion_ids)
    assert by_message(example, "there is none")["masked"] == len("By Vieta")


def test_a_missing_server_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'distill\[view\]'"):
        serve.serve([tmp_path], port=0, is_opened=False, say=print)


def test_a_run_or_a_port_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere does not exist"):
        serve.serve([tmp_path / "nowhere"], port=0, is_opened=False, say=print)
    taken = serve.listening(0)
    with pytest.raises(RunError, match="give another --port"):
        serve.serve([tmp_path], port=taken.getsockname()[1], is_opened=False, say=print)
    taken.close()


@pytest.mark.slow
@pytest.mark.parametrize("moments", [0.7, 0.9, 1.1, 1.5])
def test_it_ends_well_while_a_tokenizer_is_loaded(run_dir: Path, moments: float) -> None:
    process = subprocess.Popen(
        command("view", run_dir, "--no-open"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=quiet_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    host, _, token = url.removeprefix("http://").rstrip("/").partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)

    def asked(path: str) -> Any:
        connection.request("GET", f"/{token}/api/{path}")
        return json.loads(connection.getresponse().read())

    (row, *_) = asked("rows?stage=train")["rows"]
    assert asked("trace?" + urlencode({"in": row["in"], "id": row["id"]}))["mask"]["state"] == "loading"
    time.sleep(moments)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    assert err == "view: Ctrl-C ends it\n"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_link_and_a_signal_ends_it_without_a_trace(
    run_dir: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        command("view", "quadratics", "--runs", run_dir.parent, "--no-open"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**quiet_environment(), "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    host, _, token = url.removeprefix("http://").rstrip("/").partition("/")
    assert host.startswith("127.0.0.1:")
    assert len(token) >= 32
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request("GET", f"/{token}/api/rows")  # and kept open, as a browser does
    assert json.loads(connection.getresponse().read())["rows"] is not None
    process.send_signal(sent)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, ""), err
    assert err == "view: Ctrl-C ends it\n"
    assert list(temporary.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before
