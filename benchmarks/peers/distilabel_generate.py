"""The same replies by distilabel: a pipeline of one TextGeneration step.

    .venv-peers/bin/python benchmarks/peers/distilabel_generate.py JOB.json BATCH_SIZE

It asks a batch at a time and waits for all of it, so the batch's size is its concurrency. It takes no seed for a single
reply: all samples of a problem are one request with `n`, and one seed serves for all problems.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def pipeline_of(job: dict[str, Any], batch_size: int) -> Pipeline:
    """Problems in, replies out, stored in the job's folder."""
    sampling = dict(job["sampling"])
    sampling["max_new_tokens"] = sampling.pop("max_tokens")
    with Pipeline(name="benchmark", cache_dir=Path(job["folder"])) as pipeline:
        problems = LoadDataFromDicts(
            data=[{"instruction": problem["prompt"]} for problem in job["problems"]], batch_size=batch_size
        )
        llm = OpenAILLM(
            model=job["model"],
            base_url=job["url"],
            api_key=os.environ["OPENAI_API_KEY"],
            timeout=600,
            generation_kwargs={**sampling, "extra_body": {"seed": job["problems"][0]["seeds"][0]}},
        )
        replies = TextGeneration(
            llm=llm,
            num_generations=len(job["problems"][0]["seeds"]),
            input_batch_size=batch_size,
            add_raw_output=False,
            add_raw_input=False,
        )
        problems >> replies
    return pipeline


def main() -> None:
    """Do a job, and say what came of it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    made = pipeline_of(job, int(sys.argv[2])).run(use_cache=False)
    rows = made["default"]["train"]
    print(json.dumps({"replies": sum(reply is not None for reply in rows["generation"])}))


if __name__ == "__main__":
    main()
