#!/usr/bin/env python3
"""Long texts, cut to head and tail or split into segments, with a real model; see test/figures/split.

usage: split.py ask SET WHEEL ROWS FILE URL PSQL...     appends what the model said to FILE, a row a line
       split.py tell FILE...                            the figures of such files
"""

import asking
import sets

BATCH = 2
LONGER_THAN = 1000  # characters
WAYS = ("head_tail", "split")


def answers(psql, rows):
    said = [{"characters": len(text), "requests": {}} for _, text, _ in rows]
    for way in WAYS:
        scored, cost = asking.scores(psql, way, rows)
        for row, given in zip(said, scored):
            row[way] = given
            row["requests"][way] = round(cost["requests"] / len(rows), 1)
    return said


def tell(path):
    rows = asking.read(path)
    lengths = sorted(r["characters"] for r in rows)
    print(f"long texts: {len(rows)} rows, {lengths[0]} to {lengths[-1]} characters, {lengths[len(lengths) // 2]} in the middle")
    for way in WAYS:
        sure = sum(max(r[way].values()) for r in rows) / len(rows)
        print(f"  {way:9} {asking.share(sum(asking.right(rows, way)), len(rows))} right; mean confidence {sure:.3f}; "
              f"{sum(r['requests'][way] for r in rows) / len(rows):.1f} requests a row")
    print("  " + asking.paired(rows, *WAYS))


def ask(name, wheel, count, path, psql):
    for way in WAYS:
        asking.create_task(psql, way, sets.LABELS[name], sets.INSTRUCTIONS[name], f", long_text => '{way}'")
    asking.ask(sets.long_rows_of(wheel, name, count, LONGER_THAN), path, BATCH, lambda rows: answers(psql, rows))


asking.main(tell, ask)
