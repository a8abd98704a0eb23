"""The gates on replies that were written to be hard for them: `benchmarks/degenerate.py` prints the same by kind."""

import json
import lzma
from collections import Counter
from pathlib import Path

from distill import plugins
from distill.formats import FORMATS
from tests.selectors.replies import reply

GATES = ("structure", "cut_off", "refusal", "repetition", "language", "answers")


def test_most_that_should_go_goes_and_what_should_pass_does_but_for_what_the_docs_say():
    gates = [plugins.build("selectors", name, {}) for name in GATES]
    caught = 0
    alarms = Counter[str]()
    with lzma.open(Path(__file__).with_name("written_replies.jsonl.xz"), "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            found = FORMATS["think"].parse(row["output"])
            seen = reply(found.thinking, found.answer, row["problem"], found.malformed)
            is_dropped = any(gate(seen, None) for gate in gates)
            caught += is_dropped and row["label"]
            alarms[row["extra"]["kind"]] += is_dropped and not row["label"]
    assert caught >= 180
    assert +alarms <= Counter(tokens_topic=3, foreign_topic=1)
