"""What adaptive sampling saves: a fixed n of 8 beside `{min: 1, max: 8, until_correct: 1}`, on one real vLLM server.

    make setup setup-vllm
    python benchmarks/adaptive.py                 some minutes on two cores

The tiny teacher answers Countdown problems of mixed difficulty: a share `--hard` of them has larger numbers than it was
taught with, most of which it never solves. Tokens, and replies that came to their own end, are the server's count, from
its /metrics: a cancelled request that it went on with would show in both (vLLM 0.31 counts no client's aborts). Seeds
are the same in all rows: sample k of a problem is the same request.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from distill.engines.vllm import VLLMEngine

RECIPE = """\
name: adaptive
generate:
  sources:
    - {{use: countdown, count: {easy}, largest: 99, prompt: "{{numbers}} -> {{target}}"}}
    - {{use: countdown, count: {hard}, low: 6, high: 16, largest: 250, prompt: "{{numbers}} -> {{target}}", seed: 1}}
  teacher: {{engine: openai, model: "{model}", base_url: "{url}", extra_body: {{stream_interval: 32}}}}
  sampling: {{temperature: 1.0, max_tokens: 420}}
  concurrency: 64
"""
ROWS = {
    "fixed n = 8": "{min: 8, max: 8}",
    "adaptive, up to 8": "{min: 1, max: 8, until_correct: 1}",
    "adaptive, 4 siblings at once": "{min: 1, max: 8, until_correct: 1, at_once: 4}",
    "adaptive, hopeless after 4": "{min: 1, max: 8, until_correct: 1, give_up_after: 4}",
}


async def counters(url: str) -> dict[str, float]:
    """Tokens, aborted requests, and those that run, as the server counts them."""
    import aiohttp

    async with aiohttp.ClientSession() as client, client.get(url.removesuffix("/v1") + "/metrics") as reply:
        text = await reply.text()

    def total(pattern: str) -> float:
        return sum(float(value) for value in re.findall(rf"^vllm:{pattern} (\S+)$", text, re.MULTILINE))

    return {
        "tokens": total(r"generation_tokens_total\{.*\}"),
        "ended": total(r"request_success_total\{.*\}"),
        "running": total(r"num_requests_running\{.*\}"),
    }


async def row(folder: Path, url: str, key: str, name: str, samples: str) -> dict[str, float]:
    """One whole generate, and what the server saw of it."""
    before, started = await counters(url), time.perf_counter()
    run = name.split(",")[-1].strip().replace(" ", "-").replace("=", "")
    command = [sys.executable, "-m", "distill", "generate", str(folder / "adaptive.yaml"), "--run", run]
    command += ["--runs", str(folder), "--set", f"generate.samples={samples}"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "OPENAI_API_KEY": key})
    if await process.wait():
        raise SystemExit(f"{name}: distill generate failed")
    seconds = time.perf_counter() - started
    while (after := await counters(url))["running"]:
        await asyncio.sleep(0.1)
    rates = [json.loads(line) for line in (folder / run / "pass_rates.jsonl").read_text().splitlines()]
    ledger = json.loads((folder / run / "manifest.json").read_text())["stages"]["generate"]["ledger"]
    return {
        "solved": sum(rate["correct"] > 0 for rate in rates),
        "tokens": after["tokens"] - before["tokens"],
        "ended": after["ended"] - before["ended"],
        "requests": ledger["requests"],
        "cancelled": ledger["cancelled"],
        "wasted": ledger["wasted_tokens"],
        "ledger": ledger["completion_tokens"],
        "seconds": seconds,
    }


async def main(num_problems: int, hard_share: float) -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp(prefix="adaptive-"))
    engine = VLLMEngine(model="tiny-teacher", args={"max_model_len": 1024})
    async with engine.session(folder) as session:
        endpoint = session.server.endpoint
        hard = round(num_problems * hard_share)
        text = RECIPE.format(easy=num_problems - hard, hard=hard, model=endpoint.model, url=endpoint.url)
        (folder / "adaptive.yaml").write_text(text)
        print(
            "| samples | solved at least once | tokens (server) | x fixed | requests | cancelled | ended on the server "
            "| wasted tokens | tokens by our ledger | time, x fixed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        )
        fixed: dict[str, float] = {}
        for name, samples in ROWS.items():
            found = await row(folder, endpoint.url, endpoint.key, name, samples)
            fixed = fixed or found
            cells = [
                f"{found['solved']:.0f} of {num_problems}",
                f"{found['tokens']:,.0f}",
                f"{found['tokens'] / fixed['tokens']:.2f}",
                f"{found['requests']:.0f}",
                f"{found['cancelled']:.0f}",
                f"{found['ended']:.0f}",
                f"{found['wasted']:,.0f}",
                f"{found['ledger']:,.0f}",
                f"{found['seconds'] / fixed['seconds']:.2f}",
            ]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=240)
    parser.add_argument("--hard", type=float, default=0.25)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.problems, chosen.hard))
