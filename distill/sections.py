"""The blocks of a recipe that have no other block in them: how a part is named, and how the student is trained.

A section's keys are ours and closed; blocks that belong to a library (`sft`, `lora`, `args`) keep its names.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from distill import assets
from distill.mistakes import PartError

Options = dict[str, Any]


class Section(BaseModel):
    """A block whose keys are ours: closed, and not changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Use(BaseModel):
    """A part by its name, and its options: ``correct`` or ``{use: length, max_tokens: 4096}``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    use: str

    @property
    def options(self) -> Options:
        """What the part's factory is called with."""
        return dict(self.model_extra or {})


def _short_use(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


PartUse = Annotated[Use, BeforeValidator(_short_use)]


class Scratch(Section):
    """A student that does not exist yet: an architecture of transformers with fresh weights."""

    config: dict[str, Any]
    """Keys of the architecture's own config class, `model_type` among them."""
    tokenizer: str


class Smoke(Section):
    """A few questions to the trained student, to see whether its replies end."""

    prompts: int = Field(default=16, ge=0)
    """How many; 0 asks none."""
    max_tokens: int | None = Field(default=None, ge=1)
    """A little more than nine in ten of the taught replies take, if not given."""
    min_stopped: float = Field(default=0.5, ge=0, le=1)
    """Share of replies that must end by themselves."""


class Launch(Section):
    """Training in several processes, which `accelerate launch` starts."""

    num_processes: int | None = Field(default=None, ge=1)
    """Of all machines together, one for each GPU; this process alone if not given."""
    config: str = "ddp"
    """How they share the student: ddp, fsdp2, zero3, zero3-offload, or a path to an accelerate config of your own."""
    args: Options = Field(default_factory=dict)
    """Options of `accelerate launch`, by its own names."""

    @field_validator("config")
    @classmethod
    def _is_there(cls, config: str) -> str:
        assets.launch_config(config)
        return config

    @property
    def num_machines(self) -> int:
        """Machines that train together."""
        return int(self.args.get("num_machines", 1))

    @property
    def machine_rank(self) -> int:
        """Which of them this one is; 0 leads."""
        return int(self.args.get("machine_rank", 0))

    @property
    def is_distributed(self) -> bool:
        """Whether there is more than this process."""
        return (self.num_processes or 1) > 1

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        for name in ("num_machines", "machine_rank"):
            if not isinstance(self.args.get(name, 0), int):
                raise PartError(("train", "launch", "args", name), f"{self.args[name]!r} is not a whole number")
        machines, processes = self.num_machines, self.num_processes
        if machines > 1 and (processes is None or processes % machines):
            raise ValueError(
                f"num_processes is {processes} and args.num_machines is {machines}; num_processes counts those of all "
                f"machines together, as many on each"
            )
        if not 0 <= self.machine_rank < max(machines, 1):
            raise ValueError(f"args.machine_rank is {self.machine_rank}; {machines} machines are numbered from 0")
        return self


class BudgetForcing(Section):
    """Forces the length of thoughts (s1, arXiv 2501.19393), by the names of s1's evaluation."""

    max_tokens_thinking: int = Field(ge=0)
    """Tokens at which a thought is ended. The answer has what `sampling.max_tokens` leaves."""
    thinking_n_ignore: int = Field(default=0, ge=0)
    """How many times the end of a thought is suppressed."""
    thinking_n_ignore_str: str = "Wait"
    """What is appended in its place."""
    final_answer: str = ""
    """What the answer begins with after a forced end, such as ``Final Answer:``."""


class BeamSearch(Section):
    """Searches for a reply step by step, with a scorer (arXiv 2408.03314)."""

    scorer: PartUse
    beams: int = Field(default=4, ge=1)
    """Beginnings that go on."""
    width: int = Field(default=4, ge=1)
    """Ways to go on that are tried from each."""
    step: str = Field(default="\n\n", min_length=1)
    """What ends a step."""
    step_tokens: int = Field(default=1024, ge=1)
    max_steps: int = Field(default=64, ge=1)


class Train(Section):
    """Who learns, and how."""

    student: str | Scratch
    method: Literal["full", "lora", "qlora"] = "full"
    format: str | None = None
    """The trace format the student is taught; the teacher's if not given."""
    system_prompt: str | None = None
    save_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Of the saved weights, when all of them are trained; an adapter keeps what it was trained in."""
    sft: Options = Field(default_factory=dict)
    """Options of trl.SFTConfig, by its own names."""
    lora: Options = Field(default_factory=dict)
    """Options of peft.LoraConfig, by its own names."""
    quantization: Options = Field(default_factory=dict)
    """Options of transformers.BitsAndBytesConfig, by its own names, for method qlora."""
    smoke: Smoke = Smoke()
    launch: Launch | None = None
