#!/usr/bin/env python3
"""Examples that are the same for all rows, and chosen for each row, with a real model; see test/figures/examples.

usage: examples.py ask SET WHEEL ROWS FILE URL PSQL...     appends what the model said to FILE, a row a line
       examples.py tell FILE...                            the figures of such files
"""
import json
import random

import asking
import sets

BATCH = 20  # each way has its own system message, which the server keeps while the way lasts
POOL = 20   # of each label
KS = (4, 8)
WAYS = ["none"] + [f"{kind}{k}" for k in KS for kind in ("static", "similar")]


def pool(wheel, name):
    return [(text, label) for _, text, label in sets.rows_of(wheel, name, POOL * len(sets.LABELS[name]), "train")]


def static(examples, k):
    """k of different labels, as far as there are so many; eight are four and four more."""
    labels = sorted({label for _, label in examples})
    random.Random(1).shuffle(labels)
    chosen = [[e for e in examples if e[1] == labels[i % len(labels)]][i // len(labels)] for i in range(k)]
    return json.dumps([{"input": text, "label": label} for text, label in chosen], ensure_ascii=False)


def create_tasks(psql, name, examples):
    """What qwen.try_examples adopts is written here without the test that it makes before."""
    labels, words = sets.LABELS[name], sets.INSTRUCTIONS[name]
    asking.create_task(psql, "none", labels, words)
    values = ", ".join(f"({i}, {asking.quoted(text)}, {asking.quoted(label)})" for i, (text, label) in enumerate(examples))
    for k in KS:
        asking.create_task(psql, f"static{k}", labels, words, f", examples => {asking.quoted(static(examples, k))}::jsonb")
        asking.create_task(psql, f"similar{k}", labels, words)
        asking.psql_lines(psql, f"""
            UPDATE qwen.task SET example_choice = 'similar', example_k = {k} WHERE name = 'similar{k}';
            INSERT INTO qwen.example (task, nr, k, input, label, corrected)
              SELECT t.id, e.nr, e.nr, e.input, e.label, false FROM qwen.task t, (VALUES {values}) e(nr, input, label)
              WHERE t.name = 'similar{k}';""")


def answers(psql, rows):
    said = [{} for _ in rows]
    for way in WAYS:
        scored, cost = asking.scores(psql, way, rows)
        for row, given in zip(said, scored):
            row[way] = given
            row.setdefault("tokens", {})[way] = round(cost["tokens"] / len(rows), 1)
    return said


def tell(path):
    rows = asking.read(path)
    print(f"examples: {len(rows)} rows")
    for way in WAYS:
        print(f"  {way:9} {asking.share(sum(asking.right(rows, way)), len(rows))} right; "
              f"{sum(r['tokens'][way] for r in rows) / len(rows):.0f} tokens a row that no cache had")
    for a, b in [("none", way) for way in WAYS[1:]] + [(f"static{k}", f"similar{k}") for k in KS]:
        print("  " + asking.paired(rows, a, b))


def ask(name, wheel, count, path, psql):
    create_tasks(psql, name, pool(wheel, name))
    asking.ask(sets.rows_of(wheel, name, count), path, BATCH, lambda rows: answers(psql, rows))


asking.main(tell, ask)
