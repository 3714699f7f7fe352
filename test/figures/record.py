#!/usr/bin/env python3
"""Asks a model in five ways about each row and writes down what it said; see test/figures/record.

usage: record.py load WHEEL SET ROWS          the rows as CSV: number, text, label
       record.py ask URL BODIES SCORES PARALLEL   one JSON object a row, to standard output

BODIES: number, label, request body (JSON) a line, separated by tabs; SCORES: number, label, scores of the extension.
"""
import concurrent.futures
import csv
import http.client
import json
import math
import re
import sys
import threading
import urllib.parse

import sets

VOTES = 5
local = threading.local()


def ask(url, body):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection(url.netloc, timeout=300)
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
             "temperature": 0, "max_tokens": 40, "model": body.get("model")}
    words = content(ask(url, asked))
    number = re.search(r'"confidence"\s*:\s*"?(\d+(?:\.\d+)?)', words)
    label = re.search(r'"label"\s*:\s*"([^"]*)"', words)
    return (label.group(1) if label and label.group(1) in labels else None,
            float(number.group(1)) if number else None)


def about(url, number, truth, body, scores):
    first = ask(url, body)
    votes = [content(ask(url, dict(body, temperature=1, seed=seed))) for seed in range(VOTES)]
    said, sure = verbal(url, body, scores)
    return {"row": number, "truth": truth, "scores": {k: round(v, 6) for k, v in scores.items()},
            "written": content(first), "geometric_mean": geometric_mean(first), "votes": votes,
            "said": said, "sure": sure}


def main():
    if sys.argv[1] == "load":
        csv.writer(sys.stdout, lineterminator="\n").writerows(sets.rows_of(sys.argv[2], sys.argv[3], int(sys.argv[4])))
        return
    url = urllib.parse.urlsplit(sys.argv[2])
    with open(sys.argv[3], encoding="utf-8") as f:
        bodies = {int(n): json.loads(b) for n, b in (line.rstrip("\n").split("\t", 1) for line in f)}
    with open(sys.argv[4], encoding="utf-8") as f:
        known = [line.rstrip("\n").split("\t") for line in f]
    with concurrent.futures.ThreadPoolExecutor(int(sys.argv[5])) as pool:
        for row in pool.map(lambda k: about(url, int(k[0]), k[1], bodies[int(k[0])], json.loads(k[2])), known):
            print(json.dumps(row, ensure_ascii=False), flush=True)


main()
