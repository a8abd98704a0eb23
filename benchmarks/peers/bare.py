"""The least that can ask a server: so many loops, each of which posts a request and waits for the whole reply.

    python benchmarks/peers/bare.py JOB.json

Looks at nothing, judges nothing, stores nothing. Prints what came, and when the last of it did.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp


async def ask_all(job: dict[str, Any]) -> int:
    """Ask every sample of every problem, at the job's concurrency; returns how many replies came."""
    import aiohttp

    requests = iter([(problem["prompt"], seed) for problem in job["problems"] for seed in problem["seeds"]])
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as client:
        counts = await asyncio.gather(*(ask_on(client, job, requests) for _ in range(job["concurrency"])))
    return sum(counts)


async def ask_on(client: "aiohttp.ClientSession", job: dict[str, Any], requests: Iterator[tuple[str, int]]) -> int:
    """Ask one request after the other until none is left."""
    count = 0
    for prompt, seed in requests:
        messages = [{"role": "user", "content": prompt}]
        body = {"model": job["model"], "messages": messages, "seed": seed, **job["sampling"]}
        async with client.post(f"{job['url']}/chat/completions", json=body) as response:
            reply = await response.json()
        count += len(reply["choices"])
    return count


def main() -> None:
    """Do a job, and say what came of it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    replies = asyncio.run(ask_all(job))
    print(json.dumps({"replies": replies, "ended": time.time()}))


if __name__ == "__main__":
    main()
