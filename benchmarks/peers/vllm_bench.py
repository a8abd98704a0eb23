"""The same requests by vLLM's own benchmark client, which streams the replies and stores nothing but its numbers.

    .venv-vllm/bin/python benchmarks/peers/vllm_bench.py JOB.json TOKENIZER

It is called as a module, because the `vllm` command of the CPU build stops at its own metadata; and it is given its
requests, because it reads a file of prompts with pandas and has no place there for a seed.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm.benchmarks.serve import SampleRequest


def requests_of(job: dict[str, Any]) -> "list[SampleRequest]":
    """One request for each sample."""
    from vllm.benchmarks.serve import SampleRequest

    return [
        SampleRequest(
            prompt=problem["prompt"],
            prompt_len=len(problem["prompt"]),
            expected_output_len=job["sampling"]["max_tokens"],
            request_overrides={"seed": seed},
        )
        for problem in job["problems"]
        for seed in problem["seeds"]
    ]


def main() -> None:
    """Do a job; the numbers are in bench.json in its folder."""
    from vllm.benchmarks import serve
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    job, tokenizer = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    requests = requests_of(job)
    serve.get_samples = lambda args, tokenizer: requests
    flags = {
        "backend": "openai-chat",
        "base-url": job["url"].removesuffix("/v1"),
        "endpoint": "/v1/chat/completions",
        "model": job["model"],
        "tokenizer": tokenizer,
        "dataset-name": "custom",
        "max-concurrency": job["concurrency"],
        "temperature": job["sampling"]["temperature"],
        "extra-body": json.dumps({"stream_interval": 128}),
        "result-dir": job["folder"],
        "result-filename": "bench.json",
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    parser = FlexibleArgumentParser()
    serve.add_cli_args(parser)
    serve.main(parser.parse_args([*words, "--disable-tqdm", "--save-result"]))


if __name__ == "__main__":
    main()
