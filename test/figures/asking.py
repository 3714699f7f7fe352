"""Asking a real model row by row through psql, and telling what its answers are worth: for several, examples and split.

A row is (number, text, truth).  What was said of it is one line of JSON: the number, the truth and the answers.

usage: asking.py B C      McNemar's p where B rows are right in one way alone and C in the other
"""
import json
import math
import os
import subprocess
import sys


# ---- asking ----

def psql_lines(psql, query):
    out = subprocess.run(psql + ["-qAt"], input=query.encode(), stdout=subprocess.PIPE, check=True).stdout
    return out.decode().splitlines()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def create_task(psql, name, labels, instructions, more=""):
    psql_lines(psql, f"DO $do$ BEGIN PERFORM qwen.create_task('{name}', {quoted(json.dumps(labels, ensure_ascii=False))}, "
                     f"{quoted(instructions)}{more}); END $do$;")


def counted(plan):
    """What the prefetch node under a plan counts."""
    if "Requests" in plan:
        return {"requests": plan["Requests"], "tokens": plan.get("Tokens", 0) - plan.get("Cached Tokens", 0)}
    return next((found for below in plan.get("Plans", []) for found in [counted(below)] if found), None)


def scores(psql, task, rows):
    """The labels' probabilities of each row, and what they cost all together: requests, and tokens that no cache had."""
    numbers = ", ".join(str(number) for number, _, _ in rows)
    texts = ", ".join(quoted(text) for _, text, _ in rows)
    lines = psql_lines(psql, "EXPLAIN (ANALYZE, COSTS off, TIMING off, FORMAT json) CREATE TEMP TABLE said AS "
                             f"SELECT row, qwen_scores(body, task => '{task}') AS scores FROM unnest(ARRAY[{numbers}], ARRAY[{texts}]) v(row, body);\n"
                             "SELECT json_build_object('row', row, 'scores', scores) FROM said;")
    end = lines.index("]") + 1
    said = {r["row"]: {k: round(v, 6) for k, v in r["scores"].items()} for r in map(json.loads, lines[end:])}
    return [said[number] for number, _, _ in rows], counted(json.loads("\n".join(lines[:end]))[0]["Plan"])


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def ask(rows, path, batch, answers):
    """Those that are not in the file yet; batch: of one statement, which is what an interruption loses."""
    done = {r["row"] for r in read(path)} if os.path.exists(path) else set()
    rows = [r for r in rows if r[0] not in done]
    with open(path, "a", encoding="utf-8") as out:
        for start in range(0, len(rows), batch):
            some = rows[start:start + batch]
            for row, said in zip(some, answers(some)):
                print(json.dumps({"row": row[0], "truth": row[2], **said}, ensure_ascii=False), file=out, flush=True)


def main(tell, ask):
    """tell FILE...; or WAY SET WHEEL ROWS FILE URL PSQL..."""
    if sys.argv[1] == "tell":
        for path in sys.argv[2:]:
            tell(path)
        return
    name, wheel, count, path, _ = sys.argv[2:7]
    ask(name, wheel, int(count), path, sys.argv[7:])


# ---- telling ----

def top(scored):
    return max(scored, key=scored.get)


def right(rows, way):
    return [top(r[way]) == r["truth"] for r in rows]


def binomial(n, p, counts):
    return sum(math.comb(n, k) * p ** k * (1 - p) ** (n - k) for k in counts)


def mcnemar(b, c):
    """Two-sided and exact: of those that differ each side is as likely."""
    return min(1, 2 * binomial(b + c, 0.5, range(min(b, c) + 1)))


def bound(good, low, high):
    """Where good ends to hold, from low on; to 1e-6."""
    while abs(high - low) > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def share(k, n):
    """k of n with the exact interval of 95 % (Clopper and Pearson)."""
    low = bound(lambda p: binomial(n, p, range(k, n + 1)) < 0.025, 0, k / n) if k > 0 else 0
    high = bound(lambda p: binomial(n, p, range(k + 1)) < 0.025, 1, k / n) if k < n else 1
    return f"{k}/{n} ({low:.2f} to {high:.2f})"


def paired(rows, a, b):
    """How two ways differ on the same rows."""
    x, y = right(rows, a), right(rows, b)
    only_a, only_b = sum(p and not q for p, q in zip(x, y)), sum(q and not p for p, q in zip(x, y))
    return f"only {a} right {only_a}, only {b} right {only_b}: p = {mcnemar(only_a, only_b):.3f} (McNemar, exact)"


if __name__ == "__main__":
    print(f"{mcnemar(int(sys.argv[1]), int(sys.argv[2])):.3f}")
