"""The commands of `distill recipes`: what ships with distill, to look at and to change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from distill.commands.options import RecipeArg, SetOption
from distill.errors import DataError, RecipeError

app = typer.Typer(no_args_is_help=True, help="List, show, check and copy the recipes that ship with distill.")

GROUPS = {None: "of our own", "replay": "replays", "remake": "remakes"}
"""Of the recipes by their form, in the order of the list. docs/routes.md says what the last two are."""


@app.command("list", epilog="Example: 'distill recipes list --markdown'")
def list_recipes(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Those that follow a published road, as a table: docs/routes.md has it.")
    ] = False,
) -> None:
    """Every recipe that ships with distill."""
    from distill import assets, recipe

    recipes = {name: recipe.load(path) for name, path in assets.shipped("recipes").items()}
    if markdown:
        from distill.reporting.telling import table as of_routes

        print("\n".join(of_routes(list(recipes.values()))))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for form, title in GROUPS.items():
        table.add_row(f"[bold]{title}[/bold]")
        for name, found in recipes.items():
            if (found.route.form if found.route else None) == form:
                table.add_row(f"  {name}", found.description.strip())
    Console(highlight=False).print(table)


@app.command("show", epilog="Examples: 'distill recipes show s1k'. 'distill recipes show s1k --yaml'")
def show_recipe(
    recipe: RecipeArg,
    yaml: Annotated[bool, typer.Option("--yaml", help="The file as it is written, with its comments.")] = False,
) -> None:
    """Say a recipe in words: each step, where it was published, and what departs from there."""
    from distill import assets

    path = assets.find("recipes", recipe)
    if yaml:
        print(path.read_text(encoding="utf-8"), end="")
        return
    from distill.recipe import load
    from distill.reporting.telling import told

    print("\n".join(told(load(path))))


@app.command("check", epilog="Example: 'distill recipes check s1k --set generate.adopt.0.path=rows.parquet'")
def check_recipe(recipe: RecipeArg, overrides: SetOption = None) -> None:
    """Hold the dataset cards of a recipe against the sets themselves: are the columns there?"""
    from distill import assets
    from distill.recipe import load
    from distill.stages.check import check

    good, bad = 0, 0
    for found in check(load(assets.find("recipes", recipe), overrides or [])):
        print(found.line, flush=True)
        good, bad = good + found.is_good, bad + (not found.is_good)
    if bad:
        raise DataError(f"{bad} of {good + bad} cards do not fit or could not be checked; each is named above")
    if not good:
        print("no card: this recipe reads no set of the hub")


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
