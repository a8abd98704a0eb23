"""What training would take, said before there is data, a GPU or a hub: held against what others published."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from distill import assets
from distill import recipe as recipes
from distill.recipe import Recipe
from distill.stages import amounts, forecast, published
from distill.training import speed
from tests.conftest import Distill

NOWHERE = Path("runs/of-no-one")
STUDENT_32B = "train.student=Qwen/Qwen2.5-32B-Instruct"


def of(name: str, *overrides: str) -> Recipe:
    return recipes.load(assets.find("recipes", name), overrides)


def compared(name: str, *overrides: str) -> published.Against:
    recipe = of(name, *overrides)
    found = published.against(recipe, forecast.job_of(recipe, NOWHERE))
    assert found
    return found


PUBLISHED = [
    ("sky-t1-17k", ()),
    ("s1k", ()),
    ("bespoke-stratos-17k", ()),
    ("bespoke-stratos-17k", (STUDENT_32B, "route.hours=27")),
    ("openthoughts-114k", ()),
    ("openthoughts-114k", (STUDENT_32B, "route.hours=90")),
]


@pytest.mark.parametrize(("name", "overrides"), PUBLISHED)
def test_hours_and_dollars_are_within_a_quarter_of_the_published(name: str, overrides: tuple[str, ...]):
    found = compared(name, *overrides)
    assert abs(found.error) < 0.25
    if found.dollars:
        assert found.estimated_dollars == pytest.approx(found.dollars, rel=0.25)


def test_a_published_training_is_told_by_the_others_of_its_kind():
    found = [compared(name, *overrides) for name, overrides in PUBLISHED]
    for one in found:
        others = [o.reached.share * (1 + o.error) for o in found if o is not one and o.reached == one.reached]
        if others:
            told = one.reached.share * (1 + one.error) / (sum(others) / len(others)) - 1
            assert abs(told) < 0.25, one


def test_a_remake_is_as_large_as_its_source_said_and_no_larger_than_its_quota():
    remake = amounts.expected(of("s1k-remake"))
    assert remake
    assert (remake.rows, remake.tokens) == (1000, 4_700_000)
    small = amounts.expected(of("s1k-remake", "filter.select=[correct, {use: quota, total: 200}]"))
    assert small
    assert small.rows == 200
    assert small.tokens == pytest.approx(200 * 4700)


def test_cards_are_added_up_to_their_limits_and_another_subset_is_not_known():
    two = "generate.adopt=[{use: hub, card: s1k, limit: 10}, {use: hub, card: sky-t1-17k, limit: 20}]"
    found = amounts.expected(of("s1k", two))
    assert found
    assert (found.rows, found.tokens) == (30, 10 * 4700 + 20 * 4600)
    other = "generate.adopt=[{use: hub, card: s1k, split: test}]"
    assert amounts.expected(of("s1k", other, "route.tokens=null")) is None
    assert amounts.expected(of("dasd-4b-stage1")) is None


def test_the_plan_says_published_and_estimated_and_what_nobody_knows(tmp_path: Path):
    said = "\n".join(forecast.forecast(of("bespoke-stratos-17k"), tmp_path, "H100", 8))
    assert "about 16,710 examples of 6,900 tokens at most" in said
    assert "8 x H100 (79 GiB): fits; 345.9M tokens in" in said
    unknown = "\n".join(forecast.forecast(of("dasd-4b-stage1"), tmp_path, "H200", None))
    assert "hours are not known" in unknown
    assert str(compared("sky-t1-17k")).startswith("published: 19 h, $450 on 8 x H100, zero3-offload; estimated")


def test_a_student_that_another_recipe_makes_has_its_shape():
    train = of("dasd-4b-stage2").train
    assert train
    assert forecast.student_config(train).hidden_size == 2560


def test_sharing_costs_and_offloading_costs_more():
    shares = [
        speed.reached(*how).share for how in (("ddp", 1), ("fsdp2", 1), ("zero3-offload", 1), ("zero3-offload", 4))
    ]
    assert shares == sorted(shares, reverse=True)
    assert speed.reached("zero3", 2) == speed.reached("fsdp2", 1)


SAY = """
import os
from distill import environment
environment.leave_out_the_hub_if_unreachable(1)
print(os.environ.get("HF_HUB_OFFLINE"))
"""


@pytest.mark.parametrize("listens", [True, False])
def test_the_hub_is_left_out_only_where_it_does_not_answer(listens: bool):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k != "HF_HUB_OFFLINE"}
        clean["HF_ENDPOINT"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = subprocess.run([sys.executable, "-c", SAY], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("None" if listens else "1")


def test_problems_that_cannot_be_read_are_planned_by_their_cards(distill: Distill):
    plan = " ".join(distill("generate", "s1k-remake", "--dry-run").stdout.split())
    assert "the problems cannot be read now: AI-MO/NuminaMath-CoT" in plan
    assert "58,660 problems by their cards, 1 to 1 samples each" in plan
    assert "replies as long as the source's" in plan
    plan = " ".join(distill("eval", "s1k", "--dry-run").stdout.split())
    assert "math500: 500 problems by its card; it cannot be read now" in plan
