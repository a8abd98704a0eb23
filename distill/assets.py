"""What ships with the package: recipes, dataset cards, eval suites, the tiny world's models.

In a checkout `recipes/ datasets/ eval/` lie beside `distill/`; in an installed wheel they lie in `distill/_assets/`.
"""

from pathlib import Path
from typing import Literal

from distill.errors import RecipeError, did_you_mean

PACKAGE = Path(__file__).parent
Shelf = Literal["recipes", "datasets", "eval"]


def shelf(name: Shelf) -> Path:
    """The folder of that name, in an installed wheel or in a checkout."""
    installed = PACKAGE / "_assets" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def shipped(name: Shelf) -> dict[str, Path]:
    """Every YAML file of a shelf, by the name that commands take: its path without the suffix."""
    root = shelf(name)
    return {str(path.relative_to(root).with_suffix("")): path for path in sorted(root.rglob("*.yaml"))}


def find(name: Shelf, wanted: str) -> Path:
    """A shipped file by its name, or the user's own by its path.

    Raises:
        RecipeError: If it is neither; names the nearest.
    """
    path = Path(wanted)
    if path.suffix in (".yaml", ".yml") or path.exists():
        if path.is_file():
            return path
        raise RecipeError(f"no file {wanted}; `distill recipes` lists the ones that ship with distill")
    files = shipped(name)
    if wanted in files:
        return files[wanted]
    hint = did_you_mean(wanted, files)
    raise RecipeError(
        f"nothing named {wanted!r} in {name}/.{hint} It has: {', '.join(files)}. Your own: a path to a .yaml"
    )


def launch_config(wanted: str) -> Path:
    """A config of accelerate that ships with distill, by its name, or the user's own by its path.

    Raises:
        RecipeError: If it is neither; names the nearest.
    """
    files = {path.stem: path for path in sorted((PACKAGE / "training" / "launch").glob("*.yaml"))}
    if wanted in files:
        return files[wanted]
    if Path(wanted).is_file():
        return Path(wanted)
    raise RecipeError(
        f"no accelerate config {wanted!r}.{did_you_mean(wanted, files)} distill has: {', '.join(files)}. "
        f"Your own: a path to a .yaml"
    )


def model_path(model: str) -> str:
    """A shipped model's folder if `model` names one; else `model` as it is, a path or a hub id."""
    folder = PACKAGE / "models" / model
    return str(folder) if (folder / "tokenizer.json").is_file() else model
