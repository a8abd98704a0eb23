"""The commands of `distill recipes`: what ships with distill, to look at and to change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from distill.errors import RecipeError
from distill.options import RecipeArg

app = typer.Typer(no_args_is_help=True, help="List, show and copy the recipes that ship with distill.")


@app.command("list")
def list_recipes() -> None:
    """Every recipe that ships with distill."""
    from rich.console import Console
    from rich.table import Table

    from distill import assets, recipe

    table = Table("name", "what it does", box=None, pad_edge=False)
    for name, path in assets.shipped("recipes").items():
        table.add_row(name, recipe.load(path).description.strip())
    Console(highlight=False).print(table)


@app.command("show", epilog="Example: 'distill recipes show quickstart'")
def show_recipe(recipe: RecipeArg) -> None:
    """Print a recipe as it is written, with its comments."""
    from distill import assets

    print(assets.find("recipes", recipe).read_text(encoding="utf-8"), end="")


@app.command("copy", epilog="Example: 'distill recipes copy quickstart mine.yaml'")
def copy_recipe(
    recipe: RecipeArg,
    to: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where to; NAME.yaml here if not given.")] = None,
) -> None:
    """Copy a recipe to a file of your own, to change it."""
    import shutil

    from distill import assets

    source = assets.find("recipes", recipe)
    target = to or Path(source.name)
    if target.exists():
        raise RecipeError(f"{target} exists already; give another name: distill recipes copy {recipe} FILE")
    shutil.copyfile(source, target)
    print(f"copied to {target}; run it with: distill run {target}", file=sys.stderr)
