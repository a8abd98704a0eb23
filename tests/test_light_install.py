"""A light install: `pip install .` without extras, in an environment of its own, does all that needs no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.fake_chat_server import Answer, FakeChatServer, completion

ROOT = Path(__file__).parent.parent
RECIPE = """\
name: light
generate:
  sources: [{use: countdown, count: 5, largest: 99, prompt: "{numbers} -> {target}"}]
  teacher: {engine: openai, model: any, base_url: URL}
  format: think
filter:
  select: [structure, {use: length, max_tokens: 100}]
train: {student: tiny-base}
"""


@pytest.fixture(scope="module")
def light_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(install, check=True, cwd=folder)
    return python


@pytest.mark.slow
def test_what_needs_no_torch_works_without_it(light_python: Path, tmp_path: Path):
    def distill(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [light_python, "-m", "distill", *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "", "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    names = subprocess.run([light_python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "datasets"} & set(names.lower().split())
    assert "quickstart" in distill("recipes", "list").stdout
    assert "Usage" in distill("--help").stdout
    checks = {check["what"]: check for check in json.loads(distill("doctor", "--json").stdout)["checks"]}
    assert checks["extra train"]["remedy"] == "pip install 'distill[train]'"

    with FakeChatServer(Answer(completion("<think>\nno idea\n</think>\n\n1+1"))) as server:
        (tmp_path / "light.yaml").write_text(RECIPE.replace("URL", server.url))
        distill("generate", "light.yaml")
    distill("filter", "light.yaml")
    report = json.loads(distill("report", "light", "--json").stdout)
    assert report["generate"]["traces"] == 5
    assert (tmp_path / "runs/light/report.html").exists()
    needs = distill("train", "light.yaml", code=2).stderr
    assert "pip install 'distill[train]'" in needs
    needs = distill("generate", "quickstart", code=2).stderr
    assert "engine 'transformers' needs" in needs
    assert "pip install 'distill[train]'" in needs
