"""The docs: every recipe that a reader may copy loads, and no link leads nowhere."""

import re
from pathlib import Path

import pytest
import yaml

from distill.recipe import load

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCKS = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    if block.startswith("generate:")
]


def test_there_are_pages_and_recipes_in_them():
    assert len(PAGES) > 6
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=lambda value: getattr(value, "name", ""))
def test_recipes_in_the_docs_load(page: Path, block: str, tmp_path: Path):
    path = tmp_path / "shown.yaml"
    path.write_text("name: shown\n" + block)
    recipe = load(path)
    assert recipe.generate.sources or recipe.generate.adopt
    assert len(yaml.safe_load(block)) > 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_the_docs_name_exist(page: Path):
    for name in re.findall(r"`((?:distill|benchmarks|tests)/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name
