"""The same replies by Bespoke Curator: a row for each sample, with a seed of its own.

    .venv-peers/bin/python benchmarks/peers/curator_generate.py JOB.json

Its rate limits, which are OpenAI's by default, are set out of the way, and a truncated reply is not asked again.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from bespokelabs import curator

NO_LIMIT = 10_000_000


class Asker(curator.LLM):
    """Asks a problem, and keeps problem and reply."""

    def prompt(self, input: dict[str, Any]) -> str:
        """What is asked."""
        return input["prompt"]

    def parse(self, input: dict[str, Any], response: str) -> dict[str, Any]:
        """What is kept."""
        return {"prompt": input["prompt"], "reply": response}


def main() -> None:
    """Do a job, and say what came of it."""
    # It estimates tokens with an encoding that tiktoken would download; LiteLLM, which comes with it, ships the file.
    litellm = importlib.util.find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers")
    job = json.loads(Path(sys.argv[1]).read_text())
    asker = Asker(
        model_name=job["model"],
        backend="openai",
        generation_params=job["sampling"],
        backend_params={
            "base_url": job["url"],
            "api_key": os.environ["OPENAI_API_KEY"],
            "max_requests_per_minute": NO_LIMIT,
            "max_tokens_per_minute": 1000 * NO_LIMIT,
            "max_concurrent_requests": job["concurrency"],
            "invalid_finish_reasons": [],
        },
    )
    rows = [
        {"prompt": problem["prompt"], "generation_params": json.dumps({"seed": seed})}
        for problem in job["problems"]
        for seed in problem["seeds"]
    ]
    made = asker(rows, working_dir=job["folder"])
    print(json.dumps({"replies": len(made.dataset)}))


if __name__ == "__main__":
    main()
