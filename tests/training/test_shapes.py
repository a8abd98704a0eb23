"""Shapes that ship with distill: each has the parameters that its makers publish, so no size in it is miswritten."""

import pytest

from distill.training.shapes import config_of, shapes


def test_the_students_of_the_routes_are_there():
    assert {"Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-Math-7B", "meta-llama/Llama-3.3-70B-Instruct"} <= set(shapes())
    assert len(shapes()) > 20


@pytest.mark.parametrize("name", {str(shape.config): name for name, shape in shapes().items()}.values())
def test_a_shape_has_as_many_parameters_as_its_makers_say(name: str):
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(name))
    billions = sum(parameter.numel() for parameter in model.parameters()) / 1e9
    assert billions == pytest.approx(shapes()[name].parameters, rel=0.01)


def test_nothing_is_made_up_for_a_model_that_is_not_there():
    assert config_of("somebody/else") is None
