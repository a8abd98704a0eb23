"""Is a training problem in a benchmark: verbatim, with other numbers, reworded, inside a longer text, translated?

>>> index = Index([Item("gsm8k", "3", "Dijana rowed 50 miles on Sunday. Anis rowed 1/5 more. How far did both row?")])
>>> index.match("On Sunday Anis rowed 1/5 further than Dijana, who did 50 miles. How many miles did both row?").method
'paraphrase'
"""

from distill.selectors.contamination.gate import decontaminate
from distill.selectors.contamination.index import Index
from distill.selectors.contamination.items import METHODS, Item, Match, Method, Options

__all__ = ["METHODS", "Index", "Item", "Match", "Method", "Options", "decontaminate"]
