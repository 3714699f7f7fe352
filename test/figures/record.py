#!/usr/bin/env python3
"""Asks a model about each row in one of four ways and appends what it said to a file; see test/figures/record.

usage: record.py load WHEEL SET ROWS                       the rows as CSV: number, text, label
       record.py scores|words|votes|reason URL SET FILE PARALLEL PSQL...   the table said is in PSQL's database
"""
import concurrent.futures
import csv
import http.client
import json
import math
import os
import re
import subprocess
import sys
import threading
import urllib.parse

import sets

VOTES = 5
BATCH = 16  # rows of one statement: what an interruption loses
PATIENCE = 3600  # seconds; the server may be stopped for a while
local = threading.local()


def rows_of_query(psql, *queries):
    out = subprocess.run(psql + ["-qAt"] + [a for query in queries for a in ("-c", query)], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode().splitlines()]


def question(name):
    """The arguments after the text, as SQL."""
    labels = json.dumps(sets.LABELS[name], ensure_ascii=False)
    return f"$q${labels}$q$::jsonb, instructions => $q${sets.INSTRUCTIONS[name]}$q$"


def scores_query(name, numbers):
    return (f"SELECT json_build_object('row', row, 'truth', truth, 'scores', qwen_scores(body, {question(name)})) "
            f"FROM said WHERE row IN ({numbers}) ORDER BY row")


def reason_query(name, numbers):
    return ("SELECT json_build_object('row', row, 'truth', truth, 'label', (c).label, 'confidence', (c).confidence, "
            "'reason', length((c).reason)) FROM (SELECT row, truth, "
            f"qwen_classify(body, {question(name)}) AS c FROM said WHERE row IN ({numbers}) OFFSET 0) x ORDER BY row")


def bodies(psql, name):
    """What the extension asks, by row.  It looks at the server first: of one that it does not know a preview is a guess."""
    return {r["row"]: (r["truth"], r["body"]) for r in rows_of_query(
        psql, "DO $$ BEGIN PERFORM qwen.check_server('qwen'); END $$",
        "SELECT json_build_object('row', row, 'truth', truth, 'body', "
        f"qwen.preview(body, {question(name)}, with_reason => false)::json) FROM said")}


def ask(url, body):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
    local.connection.request("POST", url.path + "/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    reply = local.connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"HTTP {reply.status}: {text[:200]}")
    return json.loads(text)["choices"][0]


def geometric_mean(choice):
    """Of the probabilities of the tokens that were written, as the best-known labelling library takes it."""
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return math.exp(sum(t["logprob"] for t in tokens) / len(tokens)) if tokens else None


def content(choice):
    return choice["message"]["content"].strip().strip('"')


def verbal(url, body, labels):
    """What the model says of itself, in the words in which it is mostly asked."""
    system = body["messages"][0]["content"]
    asked = {"messages": [{"role": "system", "content": system + '\nAnswer with JSON only: {"label": one of the labels, '
                           '"confidence": how sure you are, 0 to 100}'}, body["messages"][-1]],
             "temperature": 0, "max_tokens": 30, "model": body.get("model")}
    words = content(ask(url, asked))
    number = re.search(r'"confidence"\s*:\s*"?(\d+(?:\.\d+)?)', words)
    label = re.search(r'"label"\s*:\s*"([^"]*)"', words)
    return (label.group(1) if label and label.group(1) in labels else None,
            float(number.group(1)) if number else None)


def words(url, name, _, body):
    said, sure = verbal(url, body, sets.LABELS[name])
    return {"said": said, "sure": sure}


def votes(url, _, number, body):
    """Each row has seeds of its own: the same ones would draw the same places of all distributions."""
    first = ask(url, body)
    return {"written": content(first), "geometric_mean": geometric_mean(first),
            "votes": [content(ask(url, dict(body, temperature=1, seed=number * VOTES + i))) for i in range(VOTES)]}


BY_HAND = {"words": words, "votes": votes}


def known_rows(path):
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as f:
        return {json.loads(line)["row"] for line in f}


def rounded(row):
    if "scores" in row:
        row["scores"] = {label: round(p, 6) for label, p in row["scores"].items()}
    return row


def ask_all(way, url, name, numbers, parallel, psql):
    """Yields the rows one after another, in the order asked."""
    if way in BY_HAND:
        known = bodies(psql, name)
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            yield from pool.map(lambda n: {"row": n, "truth": known[n][0], **BY_HAND[way](url, name, n, known[n][1])}, numbers)
        return
    query = scores_query if way == "scores" else reason_query
    for start in range(0, len(numbers), BATCH):
        yield from rows_of_query(psql, query(name, ", ".join(map(str, numbers[start:start + BATCH]))))


def main():
    if sys.argv[1] == "load":
        csv.writer(sys.stdout, lineterminator="\n").writerows(sets.rows_of(sys.argv[2], sys.argv[3], int(sys.argv[4]), "all"))
        return
    way, url, name, path, parallel = sys.argv[1:6]
    psql = sys.argv[6:]
    done = known_rows(path)
    numbers = [n for n in rows_of_query(psql, "SELECT row FROM said ORDER BY ctid") if n not in done]
    with open(path, "a", encoding="utf-8") as out:
        for row in ask_all(way, urllib.parse.urlsplit(url), name, numbers, int(parallel), psql):
            print(json.dumps(rounded(row), ensure_ascii=False), file=out, flush=True)


main()
