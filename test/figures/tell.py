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
VOTES = 5


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
        yield (f"{row['scores'][label]} {int(label == row['truth'])} {labels.index(row['truth'])} {labels.index(label)}\n")


def by_program(figure, names):
    for name in names:
        lines = list(lines_of(name))
        right = sum(line.split()[1] == "1" for line in lines)
        print(f"{name}: {len(lines)} rows, {len(sets.LABELS[name])} labels, {100 * right / len(lines):.1f} % right\n")
        print(program(figure, rows=lines), flush=True)


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


def told(name):
    """By row: (number, right) of the label that each way itself gives."""
    scores, words, votes = (recorded(name, way) for way in ("scores", "words", "votes"))
    labels = len(sets.LABELS[name])
    ways = collections.OrderedDict()
    rows = [r for r in scores if r in words and r in votes]
    own = {r: best(scores[r]["scores"]) for r in rows}
    most = {r: collections.Counter(votes[r]["votes"]).most_common(1)[0][0] for r in rows}
    ways["probability"] = [(scores[r]["scores"][own[r]], own[r] == scores[r]["truth"]) for r in rows]
    ways["geometric mean"] = [(words[r]["geometric_mean"], words[r]["written"] == scores[r]["truth"]) for r in rows]
    ways[f"{VOTES} votes"] = [(vote_share(votes[r]["votes"], most[r], labels), most[r] == scores[r]["truth"]) for r in rows]
    ways["its own word"] = [((words[r]["sure"] if words[r]["sure"] is not None else 0) / 100,
                             words[r]["said"] == scores[r]["truth"]) for r in rows]
    silent = sum(words[r]["said"] is None or words[r]["sure"] is None for r in rows)
    return ways, silent


def about_one_label(name):
    """The same, but each number is about one label, the most probable one: how well each ranks the same mistakes."""
    scores, words, votes = (recorded(name, way) for way in ("scores", "words", "votes"))
    labels = len(sets.LABELS[name])
    ways = collections.OrderedDict((way, []) for way in ("probability", "geometric mean", f"{VOTES} votes", "its own word"))
    for r in scores:
        if r not in words or r not in votes:
            continue
        label = best(scores[r]["scores"])
        right = label == scores[r]["truth"]
        sure = (words[r]["sure"] or 0) / 100
        written = words[r]["geometric_mean"] if words[r]["written"] == label else 1 - words[r]["geometric_mean"]
        spoken = sure if words[r]["said"] == label else (1 - sure) / (labels - 1)
        for way, number in zip(ways, (scores[r]["scores"][label], written,
                                      vote_share(votes[r]["votes"], label, labels), spoken)):
            ways[way].append((number, right))
    return ways


def calibrated(pairs):
    """Out of fold, by the map that so many reviews get."""
    lines = [f"{min(max(p, 0), 1)} {int(right)} 0 0\n" for p, right in pairs]
    return [(float(p), right) for p, (_, right) in zip(program("fold", rows=lines).split(), pairs)]


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
        ways, silent = told(name)
        n = len(ways["probability"])
        if n < 20:
            print(f"{name}: only {n} rows were recorded in all ways\n")
            continue
        print(f"{name}: {n} rows, {len(sets.LABELS[name])} labels; {silent} without a label of the list or a number of its own\n")
        print("each way about the label that it gives")
        print_ways(ways)
        print("each way about the most probable label")
        print_ways(about_one_label(name))


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
