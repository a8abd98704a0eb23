"""Where the loss is also told to: what `train.sft.report_to` names, checked before training, and kept inside the run.

Left alone, TensorBoard would write into the checkpoints, which are removed at the end, wandb into the working
directory, and trackio into the cache of the Hugging Face hub.
"""

import contextlib
import os
import sys
from collections.abc import Generator, Mapping
from pathlib import Path

from distill import environment
from distill.errors import RecipeError, TrainingError, did_you_mean
from distill.recipe import Train

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "azure_ml": ("azureml-mlflow",),
    "clearml": ("clearml",),
    "codecarbon": ("codecarbon",),
    "comet_ml": ("comet-ml",),
    "dagshub": ("dagshub",),
    "dvclive": ("dvclive",),
    "flyte": ("flytekit",),
    "kubeflow": (),
    "mlflow": ("mlflow", "mlflow-skinny"),
    "neptune": ("neptune",),
    "swanlab": ("swanlab",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""The trackers of transformers, each with the packages of which one is needed; the first is the one to install."""
FOLDERS: Mapping[str, str] = {"TENSORBOARD_LOGGING_DIR": "tensorboard", "TRACKIO_DIR": "trackio", "WANDB_DIR": "."}
"""Environment variables that say where a tracker writes, and the place in the run's logs that each gets."""
PROJECT = "distill"
"""Of wandb and trackio, where the user names none."""


def named(train: Train) -> list[str]:
    """The trackers that the recipe names; `all` stands for those that are installed, which need no check."""
    value = train.sft.get("report_to")
    names = [value] if isinstance(value, str) else value or []
    return [str(name) for name in names if name not in ("none", "all")]


def check(train: Train) -> None:
    """Refuse a tracker that cannot be told anything, before there is anything to tell.

    Raises:
        RecipeError: If there is no tracker of that name.
        TrainingError: If its package is not installed.
    """
    for name in named(train):
        if name not in PACKAGES:
            raise RecipeError(
                f"train.sft.report_to names {name!r}, which is no tracker of transformers."
                f"{did_you_mean(name, PACKAGES)} Known: {', '.join(PACKAGES)}"
            )
        packages = PACKAGES[name]
        if packages and not any(environment.installed(package) for package in packages):
            raise TrainingError(
                f"train.sft.report_to names {name}, and its package is not installed: pip install {packages[0]}"
            )


@contextlib.contextmanager
def inside(logs_dir: Path) -> Generator[None]:
    """While this lasts, trackers write into the run's logs, except one whose own variable says another place.

    What they print goes to standard error: standard output is for answers.

    Args:
        logs_dir: Made if it does not exist.

    Raises:
        TrainingError: If a tracker refuses: wandb does where nobody is logged in.
    """
    logs_dir.mkdir(parents=True, exist_ok=True)
    wanted = {name: str((logs_dir / place).resolve()) for name, place in FOLDERS.items()} | {"WANDB_PROJECT": PROJECT}
    given = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(given)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if library not in PACKAGES:
            raise
        raise TrainingError(f"train.sft.report_to: {library} refuses: {str(error).splitlines()[0]:.300}") from error
    finally:
        for name in given:
            os.environ.pop(name, None)
