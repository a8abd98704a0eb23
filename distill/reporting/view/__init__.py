"""The trace browser: a web page on loopback that shows what is in runs, while they grow.

The journals stay the only truth. A thread follows them into an SQLite file in a temporary folder (`follow`, `index`),
from which lists, counts and places are answered (`query`); a trace's text is read from the journal when it is opened
(`detail`). What a model wrote reaches the page as a tree of text and of a few allowed tags (`markup`, `formulas`),
which the page builds node by node: no part of it, on either side, is ever parsed as HTML.
"""
