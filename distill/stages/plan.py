"""What a command would do: the prompts as they are asked, and how much of everything, before anything is spent."""

from itertools import islice

from rich.console import Console
from rich.markup import escape

from distill.evaluation.suites import load_suite
from distill.recipe import Recipe, Stage
from distill.stages.generate import problems_of


def show_plan(recipe: Recipe, stages: list[Stage], limit: int | None, console: Console) -> None:
    """Print the plan of these stages."""
    printers = {"generate": _generate, "filter": _filter, "train": _train, "eval": _eval}
    for stage in stages:
        console.print(f"[bold]{stage}[/bold]")
        for line in printers[stage](recipe, limit):
            console.print(f"  {escape(line)}", highlight=False)


def _generate(recipe: Recipe, limit: int | None) -> list[str]:
    section = recipe.generate
    problems = list(islice(problems_of(section, recipe.seed), limit))
    samples, longest = section.samples, section.sampling.max_tokens
    lines = [
        f"{len(problems)} problems, {samples.min} to {samples.max} samples each, until {samples.until_correct} correct",
        f"teacher: {section.teacher.engine} {section.teacher.model or ''}".rstrip(),
        f"at most {len(problems) * samples.max * longest:,} tokens ({longest} a reply)",
    ]
    for problem in problems[:2]:
        messages = recipe.teacher_format.messages(problem.prompt)
        lines += [f"{message['role']}: {message['content']}" for message in messages]
    return lines


def _filter(recipe: Recipe, limit: int | None) -> list[str]:
    steps = [f"{use.use} {use.options or ''}".rstrip() for use in recipe.filter.select]
    return [*steps, f"build: {recipe.filter.build.use}, format {recipe.student_format.name}"]


def _train(recipe: Recipe, limit: int | None) -> list[str]:
    if recipe.train is None:
        return ["nothing: the recipe has no section train"]
    options = [f"{key}: {value}" for key, value in recipe.train.sft.items()]
    return [f"student: {recipe.train.student}", f"method: {recipe.train.method}", *options]


def _eval(recipe: Recipe, limit: int | None) -> list[str]:
    if recipe.eval is None:
        return ["nothing: the recipe has no section eval"]
    lines: list[str] = []
    for name in recipe.eval.suites:
        problems = list(islice(load_suite(name).problems(), limit))
        lines.append(
            f"{name}: {len(problems)} problems x {recipe.eval.samples} samples of {', '.join(recipe.eval.models)}"
        )
    return lines
