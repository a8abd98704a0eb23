"""The names that judges of programming contests have imported when a solution starts, and solutions rely on."""

import bisect
import builtins
import collections
import copy
import datetime
import decimal
import fractions
import functools
import heapq
import io
import itertools
import json
import math
import operator
import queue
import random
import re
import statistics
import string
import sys
import threading
import types
import typing
from typing import Any

_MODULES = (
    bisect, collections, copy, datetime, decimal, fractions, functools, heapq, io, itertools, json, math, operator,
    queue, random, re, statistics, string, sys, threading, typing,
)  # fmt: skip
_OPENED = (
    typing, datetime, collections, heapq, bisect, copy, decimal, fractions, math, random, statistics, itertools,
    functools, operator, string,
)  # fmt: skip
builtins.exit = builtins.quit = sys.exit  # a Python without `site` lacks them, and solutions call them

FILE = "solution.py"
"""What a program is told that its file is called."""
RECURSION = 50_000
"""Calls that may nest in such a solution: what LiveCodeBench allows."""


def namespace(name: str, *, with_prelude: bool) -> dict[str, Any]:
    """The globals of a new module, which is `sys.modules[name]` from now on."""
    module = types.ModuleType(name)
    module.__file__ = FILE
    sys.modules[name] = module  # dataclasses look their module up
    if with_prelude:
        sys.setrecursionlimit(RECURSION)
        vars(module).update(_PRELUDE)
    return vars(module)


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for module in _OPENED:
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        names.update(
            {name: getattr(module, name) for name in public if not hasattr(builtins, name)}
        )  # pow is not math's
    return names | {module.__name__: module for module in _MODULES}


_PRELUDE = _names()
