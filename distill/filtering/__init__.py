"""How a list of selectors is put to millions of traces: in many processes, in flat memory, in an order of no chance.

`table` keeps on the disk where each trace lies and what became of it; `passes` sends traces through the gates, and lets
the next choice measure those that are left; the choice then walks over the measures. The journals are only read.
"""

from distill.filtering.passes import Passes
from distill.filtering.reader import Place, Reader
from distill.filtering.steps import Step, Tools
from distill.filtering.table import Decided, Table

__all__ = ["Decided", "Passes", "Place", "Reader", "Step", "Table", "Tools"]
