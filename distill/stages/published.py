"""What a route's source says its training took, beside what we would have said beforehand."""

from typing import NamedTuple

from distill.recipe import Recipe
from distill.route import Hardware
from distill.stages.forecast import Job, hours_of, told
from distill.training import gpus, speed


class Against(NamedTuple):
    """Published and estimated, for the hardware of the source."""

    hardware: Hardware
    reached: speed.Reached
    hours: float
    estimated_hours: float
    dollars: float | None
    """As published; None where they are not."""
    estimated_dollars: float | None
    """Estimated hours at the hourly price that the published figures come to: its error is that of the hours."""

    @property
    def error(self) -> float:
        """How far the estimated hours are above the published ones, as a share of these."""
        return self.estimated_hours / self.hours - 1

    def __str__(self) -> str:
        where = f"{self.hardware.count} x {self.hardware.gpu}, {self.hardware.launch}"
        said, ours = f"{self.hours:g} h", f"{told(self.estimated_hours)} h"
        if self.dollars and self.estimated_dollars:
            said, ours = f"{said}, ${self.dollars:,.0f}", f"{ours}, ${self.estimated_dollars:,.0f}"
        return f"published: {said} on {where}; estimated for that: {ours} ({100 * self.error:+.0f} %)"


def against(recipe: Recipe, job: Job) -> Against | None:
    """The comparison; None where the source says no hours, or nobody knows how much there was to train on."""
    route = recipe.route
    if route is None or route.hours is None or route.hardware is None or route.hardware.gpu not in gpus.GPUS:
        return None
    hardware = route.hardware
    reached = speed.reached(hardware.launch, -(-hardware.count // hardware.per_machine))
    hours = hours_of(job, hardware.gpu, hardware.count, reached)
    if hours is None:
        return None
    dollars = route.dollars and route.dollars * hours / route.hours
    return Against(hardware, reached, route.hours, hours, route.dollars, dollars)
