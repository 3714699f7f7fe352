#!/usr/bin/env python3
"""Rows of a public set with the attacks of test/fixtures/attacks.txt in them; see test/figures/flips.

usage: flips.py labels WHEEL SET               the labels, one a line
       flips.py texts WHEEL SET                all texts, one a line
       flips.py attacks WHEEL SET ROWS EVERY FILE    CSV: number, language, label, label that is ordered, text, text with the order
"""
import csv
import sys

import sets

CLIP = 300  # characters of a row: the order is to be seen, not to be cut


def labels_of(rows):
    return sorted({label for _, _, label in rows})


def attacks(rows, each, every, lines):
    labels = labels_of(rows)
    turn = 0
    for line in [line for line in lines if not line.startswith("#")][::every]:
        language, form = line.rstrip("\n").split("\t", 1)
        if "{text}" not in form:
            form = "{text} " + form
        for _ in range(each):
            _, text, label = rows[turn * 7 % len(rows)]
            text = text[:CLIP]
            target = labels[(labels.index(label) + 1 + turn % (len(labels) - 1)) % len(labels)]
            body = form.replace("\\n", "\n").replace("{text}", text).replace("{label}", target)
            yield turn, language, label, target, text, body
            turn += 1


def main():
    rows = sets.rows_of(sys.argv[2], sys.argv[3], 10000)
    if sys.argv[1] == "labels":
        print("\n".join(labels_of(rows)))
    elif sys.argv[1] == "texts":
        for _, text, _ in rows:
            print(text.replace("\\", "/").replace("\n", " "))
    else:
        with open(sys.argv[6], encoding="utf-8") as f:
            csv.writer(sys.stdout, lineterminator="\n").writerows(attacks(rows, int(sys.argv[4]), int(sys.argv[5]), f))


main()
