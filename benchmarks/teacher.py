"""What generate costs beside others: the same requests to one real vLLM server, in turn. Prints a Markdown table.

    make setup setup-vllm setup-peers
    python benchmarks/teacher.py overhead     `distill generate` beside a bare loop and vLLM's own client
    python benchmarks/teacher.py peers        `distill generate` beside distilabel and Bespoke Curator

The tiny teacher answers each of `--problems` Countdown problems twice, on this machine's CPU; the server writes at
most `--seats` replies at once, and no client but distilabel (see below) has more than `--concurrency` in flight, so
that the next request is there when a reply ends. The first round warms the server up and is not counted; in the others
the rows take turns, and each number is the median over rounds.

A row's time begins when the server begins with its first request, and ends with the last byte of what it stores
(JSONL, Parquet, Arrow; what stores nothing says when its last reply came): the start of processes, imports and what a
tool does after that are left out for all rows alike. Tokens are the server's own count. CPU seconds are from the same
moment until the client ends. `distill generate` verifies and stores each reply meanwhile; the others do not
verify. Seeds are the same for all rows, one for each reply; distilabel takes none for a single reply, but one for all.

Client and server share the cores here, so a client that works more leaves the server less: on a server with a GPU of
its own the differences are smaller. distilabel waits for each batch as a whole: with all problems in one batch it is
fastest here, which a run of many thousand problems could not do, so another row has as much in flight as the others.
A batch lasts as long as its longest reply, which makes about twice the steps; on two cores vLLM's CPU build also took
about twice as long for each of them (40 ms), and we do not know why. So that row says little about other servers.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from distill import assets
from distill.engines.vllm import VLLMEngine

if TYPE_CHECKING:
    import aiohttp

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"
VLLM_PYTHON, PEERS_PYTHON = (ROOT / folder / "bin" / "python" for folder in (".venv-vllm", ".venv-peers"))
MODEL = "tiny-teacher"
SAMPLES = 2
STORED = (".jsonl", ".parquet", ".arrow")
LOOK_EVERY = 0.02
"""Seconds between two looks at the server or a client."""
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TELEMETRY_ENABLED": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # Whatever still wants out meets a closed door at once.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Metrics(NamedTuple):
    """What the server has counted."""

    running: float
    tokens: float
    replies: float


@dataclass(frozen=True)
class Target:
    """The server, and what is asked of it."""

    url: str
    key: str = field(repr=False)
    session: int
    """Id of the server's processes."""
    num_problems: int
    concurrency: int
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Prompts and the seeds of their replies: those of the warm-up run of `distill generate`."""

    async def metrics(self, client: "aiohttp.ClientSession") -> Metrics:
        """The server's counters now."""
        async with client.get(f"{self.url.removesuffix('/v1')}/metrics") as response:
            text = await response.text()
        return Metrics(
            *(
                sum(float(value) for value in re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.MULTILINE))
                for name in ("num_requests_running", "generation_tokens_total", "request_success_total")
            )
        )


@dataclass(frozen=True)
class Measured:
    """One row in one round."""

    replies: float
    tokens: float
    seconds: float
    cpu: float
    server_cpu: float


@dataclass(frozen=True)
class Row:
    """A client of the server."""

    name: str
    command: Callable[[Target, Path], list[str]]
    """Its words, given a folder for what it stores."""
    python: Path = Path(sys.executable)
    way_out: str = ""
    """How its Python is had where it is missing."""


def distill_command(target: Target, folder: Path) -> list[str]:
    """The command line as a user gives it."""
    sets = (
        f"generate.sources.0.count={target.num_problems}",
        "generate.teacher.engine=openai",
        f"generate.teacher.base_url={target.url}",
        "generate.teacher.extra_body.stream_interval=128",  # as the vllm engine asks for
        f"generate.samples={SAMPLES}",
        f"generate.concurrency={target.concurrency}",
    )
    words = ["-m", "distill", "generate", "quickstart", "--runs", str(folder), "--run", "run"]
    return [*words, *(word for key in sets for word in ("--set", key))]


def script_command(script: str, *more: str) -> Callable[[Target, Path], list[str]]:
    """A script of ours for another tool, which reads its job from a file."""

    def command(target: Target, folder: Path) -> list[str]:
        job = {
            "url": target.url,
            "model": MODEL,
            "problems": target.problems,
            "sampling": {"temperature": 1.0, "max_tokens": 420},
            "concurrency": target.concurrency,
            "folder": str(folder),
        }
        path = folder / "job.json"
        path.write_text(json.dumps(job))
        return [str(PEERS / script), str(path), *more]

    return command


OURS = Row("`distill generate`", distill_command)
BARE = Row("bare aiohttp loop", script_command("bare.py"))
BENCH = Row(
    "`vllm bench serve`",
    script_command("vllm_bench.py", assets.model_path(MODEL)),
    VLLM_PYTHON,
    "make setup-vllm",
)
CURATOR = Row("Bespoke Curator", script_command("curator_generate.py"), PEERS_PYTHON, "make setup-peers")


def distilabel_row(batch_size: int) -> Row:
    """distilabel, with so many problems in a batch."""
    command = script_command("distilabel_generate.py", str(batch_size))
    return Row(f"distilabel, batches of {batch_size}", command, PEERS_PYTHON, "make setup-peers")


class Span(NamedTuple):
    """From the server's first work for a client to the client's end."""

    began: float
    client_cpu: float
    server_cpu: float


async def measure(row: Row, target: Target, folder: Path) -> Measured:
    """Let a client do its work, with nothing else at work beside it."""
    import aiohttp

    folder.mkdir(parents=True)
    log_path = folder / "client.log"
    async with aiohttp.ClientSession(trust_env=False) as client:
        before = await target.metrics(client)
        with client_process(row, target, folder, log_path) as process:
            span = await observe(process, target, client)
        after = await quiet(target, client)
    said = log_path.read_text()
    if process.returncode or span is None or after.replies - before.replies < SAMPLES * target.num_problems:
        sys.exit(f"{row.name} failed, or brought too few replies:\n{said[-2000:]}")
    cpu = (span.client_cpu, span.server_cpu)
    if (folder / "bench.json").exists():  # it asks once before it begins, so its own numbers are the right ones
        own = json.loads((folder / "bench.json").read_text())
        return Measured(own["completed"], own["total_output_tokens"], own["duration"], *cpu)
    seconds = (last_json(said).get("ended") or last_stored(folder)) - span.began
    return Measured(after.replies - before.replies, after.tokens - before.tokens, seconds, *cpu)


@contextlib.contextmanager
def client_process(row: Row, target: Target, folder: Path, log_path: Path) -> Iterator["subprocess.Popen[Any]"]:
    """A client at work, in a session of its own; nothing of it is left afterwards."""
    environment = {**os.environ, **OFFLINE, "OPENAI_API_KEY": target.key, "HF_HOME": str(folder / "hf")}
    command = [str(row.python), *row.command(target, folder)]
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def observe(process: "subprocess.Popen[Any]", target: Target, client: "aiohttp.ClientSession") -> Span | None:
    """Watch a client to its end; None if it ends without a request."""
    reaped, now = reaped_cpu_seconds(), time.time()
    while process.poll() is None and not (await target.metrics(client)).running:
        await asyncio.sleep(LOOK_EVERY)
        now = time.time()
    if process.poll() is not None:
        return None
    client_before, server_before = cpu_seconds(process.pid), cpu_seconds(target.session)
    while process.poll() is None:
        await asyncio.sleep(LOOK_EVERY)
    return Span(now, reaped_cpu_seconds() - reaped - client_before, cpu_seconds(target.session) - server_before)


def reaped_cpu_seconds() -> float:
    """CPU time of all children of this process that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(session: int) -> float:
    """CPU time of all processes of a session so far, and of those of their children that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


async def quiet(target: Target, client: "aiohttp.ClientSession") -> Metrics:
    """The server's counters, once it does nothing any more."""
    while (metrics := await target.metrics(client)).running:
        await asyncio.sleep(LOOK_EVERY)
    return metrics


def last_json(text: str) -> Mapping[str, Any]:
    """The object in the last line that is one."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(json.JSONDecodeError):
            value = json.loads(line)
            if isinstance(value, dict):
                return value
    return {}


def last_stored(folder: Path) -> float:
    """When the last byte of what a client stores was written."""
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.suffix in STORED and path.is_file())


def asked_by(run: Path) -> list[dict[str, Any]]:
    """The problems of a run of ours, with the seeds of their replies."""
    seeds: dict[str, list[int]] = {}
    for line in (run / "traces.jsonl").read_text().splitlines():
        trace = json.loads(line)
        seeds.setdefault(trace["problem_id"], []).append(trace["seed"])
    problems = [json.loads(line) for line in (run / "problems.jsonl").read_text().splitlines()]
    return [{"prompt": problem["prompt"], "seeds": sorted(seeds[problem["id"]])} for problem in problems]


async def run_all(rows: Sequence[Row], options: argparse.Namespace, folder: Path) -> Mapping[str, list[Measured]]:
    """Every row in every round, in turn."""
    engine = VLLMEngine(
        model=MODEL,
        command=str(VLLM_PYTHON),
        max_restarts=0,  # a row that has met two servers measures nothing
        args={"max_model_len": 512, "max_num_seqs": options.seats, "served_model_name": MODEL},
    )
    measured: dict[str, list[Measured]] = {row.name: [] for row in rows}
    say("starting vLLM")
    async with engine.session(folder) as session:
        endpoint = session.server.endpoint
        target = Target(endpoint.url, endpoint.key, session.managed.group, options.problems, options.concurrency)
        say("warming up")
        await measure(OURS, target, folder / "warm-up")
        target.problems.extend(asked_by(folder / "warm-up" / "run"))
        for round_number in range(1, options.rounds + 1):
            for index, row in enumerate(rows):
                made = await measure(row, target, folder / f"{round_number}-{index}")
                say(f"round {round_number}: {row.name}: {made}")
                measured[row.name].append(made)
    return measured


def say(text: str) -> None:
    """Tell how it goes, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(list(values))


def print_table(measured: Mapping[str, list[Measured]], baseline: str) -> None:
    """A row for each client; rates beside the baseline's."""
    print(f"| | replies | tokens | seconds | tokens/s | range | of {baseline} | client's CPU s | server's CPU s |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    rate = {name: [made.tokens / made.seconds for made in rounds] for name, rounds in measured.items()}
    for name, rounds in measured.items():
        share = median(rate[name]) / median(rate[baseline])
        print(
            f"| {name} | {median(made.replies for made in rounds):.0f} | {median(made.tokens for made in rounds):,.0f} "
            f"| {median(made.seconds for made in rounds):.2f} | {median(rate[name]):,.0f} "
            f"| {min(rate[name]):,.0f} to {max(rate[name]):,.0f} | {share:.3f} "
            f"| {median(made.cpu for made in rounds):.2f} | {median(made.server_cpu for made in rounds):.1f} |"
        )


def check(rows: Sequence[Row]) -> None:
    """End with a clear word where an environment is missing."""
    needed = [("the server", VLLM_PYTHON, "make setup-vllm"), *((row.name, row.python, row.way_out) for row in rows)]
    for who, python, way_out in needed:
        if not python.exists():
            sys.exit(f"{who} needs {python}, which is not there: {way_out}")


def main() -> None:
    """Measure one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("overhead", "peers"))
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--seats", type=int, default=128, help="the server's max_num_seqs")
    parser.add_argument("--concurrency", type=int, default=256, help="requests in flight; generate's default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="a word of the names of the rows to run, besides the baseline")
    parser.add_argument("--keep", action="store_true", help="keep the logs, and what the clients stored")
    options = parser.parse_args()
    batches = sorted({options.concurrency // SAMPLES, options.problems})
    tables = {"overhead": [BARE, OURS, BENCH], "peers": [OURS, *map(distilabel_row, batches), CURATOR]}
    baseline, *others = tables[options.table]
    rows = [baseline, *(row for row in others if not options.only or options.only in row.name)]
    check(rows)
    folder = Path(tempfile.mkdtemp(prefix="distill-benchmark-"))
    try:
        print_table(asyncio.run(run_all(rows, options, folder)), baseline.name)
    except BaseException:
        options.keep = True
        raise
    finally:
        if options.keep:
            say(f"the logs of the server and what each client stored are in {folder}")
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
