#!/usr/bin/env python3
"""The figures of confidence, from what a model said (said/, recorded by test/figures/record); plain text, seeded.

usage: tell.py FIGURE [SET...]      all recorded sets, if none is named
    confidence    label probabilities against other ways to be told how sure a model is
    calibration   log-loss on held-out rows after so many reviews
    certificate   promises broken, and what is kept, beside the plug-in threshold
    drift         false alarms and days until a change is seen, beside PSI
    reason        labels with and without a reason

calibration, certificate and drift are the program of figures.c, which make builds out of the extension's own statistics.
"""
import collections
import json
import math
import pathlib
import random
import subprocess
import sys

import sets

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "tmp_check/figures/figures"
MODEL = "small"
DRAWS = 2000
LEAST = 20  # rows of a figure
VOTES = 5
VOTED, DRAWN, SPOKEN = f"{VOTES} votes", f"{VOTES} votes, drawn", "its own word"
WAYS = ("probability", "geometric mean", VOTED, DRAWN, SPOKEN)


# ---- what was recorded ----

def recorded(name, way):
    path = HERE / "said" / f"{name}.{MODEL}.{way}.jsonl"
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as f:
        return {row["row"]: row for row in map(json.loads, f)}


def chosen(argv):
    names = argv or [name for name in sets.LABELS if recorded(name, "scores")]
    for name in names:
        if name not in sets.LABELS:
            sys.exit(f"tell.py: there is no set {name}")
    return names


def best(scores):
    return max(sorted(scores), key=scores.get)


# ---- the program ----

def program(*arguments, rows=()):
    subprocess.run(["make", "-s", "-C", HERE], check=True)
    return subprocess.run([PROGRAM, *arguments], input="".join(rows), stdout=subprocess.PIPE, check=True, text=True).stdout


def lines_of(name):
    labels = sorted(sets.LABELS[name])
    for row in recorded(name, "scores").values():
        label = best(row["scores"])
        yield " ".join(map(str, (row["scores"][label], int(label == row["truth"]), labels.index(row["truth"]), labels.index(label),
                                 *(row["scores"][each] for each in labels)))) + "\n"


def by_program(figure, names):
    for name in names:
        lines = list(lines_of(name))
        right = sum(line.split()[1] == "1" for line in lines)
        print(f"{name}: {len(lines)} rows, {len(sets.LABELS[name])} labels, {100 * right / len(lines):.1f} % right\n")
        print(program(figure, str(len(sets.LABELS[name])), rows=lines), flush=True)


# ---- how sure ----

def auroc(pairs):
    """Of (number, right): a right one has the higher number, ties counting half."""
    pairs = sorted(pairs)
    rights = sum(right for _, right in pairs)
    wrongs = len(pairs) - rights
    if not rights or not wrongs:
        return math.nan
    rank_sum = start = 0
    while start < len(pairs):
        end = start
        while end < len(pairs) and pairs[end][0] == pairs[start][0]:
            end += 1
        rank_sum += (start + 1 + end) / 2 * sum(right for _, right in pairs[start:end])
        start = end
    return (rank_sum - rights * (rights + 1) / 2) / (rights * wrongs)


def brier(pairs):
    return sum((p - right) ** 2 for p, right in pairs) / len(pairs)


def vote_share(votes, label, labels):
    return (votes.count(label) + 0.5) / (len(votes) + 0.5 * labels)


def most_voted(votes):
    return collections.Counter(votes).most_common(1)[0][0]


def own_label(way, row):
    return {"probability": lambda: best(row["scores"]), "geometric mean": lambda: row["written"],
            VOTED: lambda: most_voted(row["votes"]), DRAWN: lambda: most_voted(row["drawn"]),
            SPOKEN: lambda: row["said"]}[way]()


def number_of(way, row, label):
    """How sure the way is of the label, which need not be its own."""
    labels = len(row["scores"])
    sure = row.get("sure", 0) / 100
    return {"probability": lambda: row["scores"][label],
            "geometric mean": lambda: row["geometric_mean"] if row["written"] == label else 1 - row["geometric_mean"],
            VOTED: lambda: vote_share(row["votes"], label, labels), DRAWN: lambda: vote_share(row["drawn"], label, labels),
            SPOKEN: lambda: sure if row["said"] == label else (1 - sure) / (labels - 1)}[way]()


def joined(name):
    """What was recorded in all ways, but for one of a handful of rows, and votes drawn from the probabilities."""
    ways = [way for way in (recorded(name, way) for way in ("scores", "words", "votes")) if len(way) >= LEAST]
    source = random.Random(7)
    for number, row in ways[0].items():
        if len(ways) > 1 and all(number in way for way in ways):
            row = {key: value for way in ways for key, value in way[number].items()}
            row["drawn"] = source.choices(sorted(row["scores"]), [row["scores"][label] for label in sorted(row["scores"])], k=VOTES)
            yield row


def told(rows, label_of):
    """By way: (number, right) of each row's label; a way only if each row has it."""
    needed = {"geometric mean": "written", VOTED: "votes", SPOKEN: "said"}
    ways = collections.OrderedDict((way, []) for way in WAYS if all(needed.get(way, "row") in row for row in rows))
    for row in rows:
        for way in ways:
            label = label_of(way, row)
            ways[way].append((number_of(way, row, label), label == row["truth"]))
    return ways


def calibrated(pairs):
    """Out of fold, by the map that so many reviews get."""
    lines = [f"{min(max(p, 0), 1)} {int(right)} 0 0\n" for p, right in pairs]
    return [(float(p), right) for p, (_, right) in zip(program("fold", "0", rows=lines).split(), pairs)]


def interval(values):
    values = sorted(v for v in values if not math.isnan(v))
    return values[int(0.025 * len(values))], values[int(0.975 * len(values))]


def drawn(ways, measure, seed):
    """Bootstrap over rows, the same rows for all ways."""
    n = len(next(iter(ways.values())))
    source = random.Random(seed)
    result = {way: [] for way in ways}
    for _ in range(DRAWS):
        rows = [source.randrange(n) for _ in range(n)]
        for way, pairs in ways.items():
            result[way].append(measure([pairs[i] for i in rows]))
    return result


def measured(ways, measure, seed):
    draws = drawn(ways, measure, seed)
    first = next(iter(ways))
    for way, pairs in ways.items():
        value = measure(pairs)
        lo, hi = interval(draws[way])
        text = f"{value:.3f} ({lo:.3f} to {hi:.3f})"
        if way != first:
            lo, hi = interval([a - b for a, b in zip(draws[way], draws[first])])
            text += f" {value - measure(ways[first]):+.3f} ({lo:+.3f} to {hi:+.3f})"
        yield way, text


def print_ways(ways):
    columns = [dict(measured(ways, auroc, 1)), dict(measured(ways, brier, 2)),
               dict(measured(collections.OrderedDict((w, calibrated(p)) for w, p in ways.items()), brier, 3))]
    print(f"{'':15} {'right':>7}  {'AUROC (difference)':50} {'Brier (difference)':50} Brier after calibration, out of fold")
    for way, pairs in ways.items():
        right = sum(right for _, right in pairs) / len(pairs)
        print(f"{way:15} {100 * right:5.1f} %  " + " ".join(f"{column[way]:50}" for column in columns).rstrip())
    print()


def confidence(names):
    for name in names:
        rows = list(joined(name))
        if len(rows) < LEAST:
            print(f"{name}: only {len(rows)} rows were recorded in all ways\n")
            continue
        spoken = [row for row in rows if row.get("said", "") is not None and row.get("sure", 0) is not None]
        print(f"{name}: {len(spoken)} rows, {len(sets.LABELS[name])} labels; {len(rows) - len(spoken)} more are left out, "
              "of which it said no label of the list or no number\n")
        rows = spoken
        print("each way about the label that it gives")
        print_ways(told(rows, own_label))
        print("each way about the most probable label")
        print_ways(told(rows, lambda _, row: best(row["scores"])))


# ---- the reason ----

def reason(names):
    print(f"{'':10} {'rows':>5}  {'label only':>10} {'with reason':>12} {'only the first right':>21} {'only the second':>16} {'McNemar p':>10}"
          f"   AUROC label only, with reason")
    for name in names:
        scores, reasons = recorded(name, "scores"), recorded(name, "reason")
        rows = [r for r in scores if r in reasons]
        if not rows:
            continue
        alone = {r: best(scores[r]["scores"]) == scores[r]["truth"] for r in rows}
        beside = {r: reasons[r]["label"] == scores[r]["truth"] for r in rows}
        b = sum(alone[r] and not beside[r] for r in rows)
        c = sum(beside[r] and not alone[r] for r in rows)
        ranks = (auroc([(max(scores[r]["scores"].values()), alone[r]) for r in rows]),
                 auroc([(reasons[r]["confidence"] or 0, beside[r]) for r in rows]))
        print(f"{name:10} {len(rows):5}  {100 * sum(alone.values()) / len(rows):8.1f} % {100 * sum(beside.values()) / len(rows):10.1f} % "
              f"{b:21} {c:16} {float(program('mcnemar', str(b), str(c))):10.2g}   {ranks[0]:.3f}, {ranks[1]:.3f}")


def main():
    figures = {"confidence": confidence, "reason": reason,
               **{f: (lambda names, f=f: by_program(f, names)) for f in ("calibration", "certificate", "drift")}}
    if len(sys.argv) < 2 or sys.argv[1] not in figures:
        sys.exit(__doc__)
    figures[sys.argv[1]](chosen(sys.argv[2:]))


main()
