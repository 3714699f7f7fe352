#!/usr/bin/env python3
"""Works out the labels' probabilities of the recorded replies, for test_recorded.c.

usage: recorded.py FIXTURES > recorded.inc

Written apart from src/prompt, from the rule alone: at each position the tokens that some label may go on with are
renormalised, a token of one label decides for it, a token of several is a subtree; subtrees off the path are shared
evenly. Labels that a list does not mention have half of what they may have: what it leaves, or its least for each. Labels and form of the answer are taken from the recorded requests.
"""
import json
import math
import os
import sys

NAMES = ["label", "label_unsure", "label_top5", "label_special_tokens", "label_unbound", "label_long_text", "emoji_text",
         "label_shared", "label_shared_unsure", "label_shared_topup", "label_quoted", "label_truncated",
         "label_prefill_boundary", "reason", "reason_top5", "reason_object", "reason_unbound", "reason_shared",
         "reason_quoted", "reason_truncated", "reason_truncated_label",
         "zh_label", "zh_rare", "zh_shared", "zh_reason", "zh_rare_reason"]


def labels_of(request):
    lines = request["messages"][0]["content"].split("Labels:\n")[1].split("\n\n")[0].split("\n")
    return [line[2:].split(": ")[0] for line in lines]


def walk(spelt, positions, start, in_string):
    """spelt: label -> bytes from the first position's first byte on; returns mass, coverage, subtrees, what bounds lose."""
    mass = dict.fromkeys(spelt, 0.0)
    alive, path, coverage, subtrees, uncertain = dict(spelt), 1.0, None, {}, 1.0
    for p in positions[start:]:
        chosen = bytes(p["bytes"])
        tokens = {chosen: math.exp(p["logprob"])}
        for t in p["top_logprobs"]:
            tokens.setdefault(bytes(t["bytes"]), math.exp(t["logprob"]))
        ways = {}
        for token, probability in tokens.items():
            w = token.lstrip(b" \t\r\n") if coverage is None and not in_string else token
            if not w and token:
                continue
            on = {l: rest[len(w):] for l, rest in alive.items() if rest.startswith(w) and (w or not rest)}
            if not on and w:
                on = {l: b"" for l, rest in alive.items()
                      if w.startswith(rest) and w[len(rest):len(rest) + 1] in ((b'"',) if in_string else
                      (b'"', b"'", b"`", b",", b"}", b" ", b"\n", b"\t", b"\r"))}
            if on:
                ways[token] = (probability, on)
        total = sum(probability for probability, _ in ways.values())
        if coverage is None:
            coverage = total
        unseen = [l for l in alive if not any(l in on for _, on in ways.values())]
        tail = min(1 - sum(tokens.values()), len(unseen) * min(tokens.values())) if unseen else 0
        if tail >= 1e-5:
            uncertain *= (total + tail / 2) / (total + tail)
            total += tail / 2
            for l in unseen:
                mass[l] += path * tail / 2 / total / len(unseen)
            if len(unseen) > 1:
                subtrees[tuple(unseen)] = subtrees.get(tuple(unseen), 0.0) + path * tail / 2 / total
        for token, (probability, on) in ways.items():
            if token == chosen:
                continue
            share = path * probability / total
            if len(on) > 1:
                subtrees[tuple(on)] = subtrees.get(tuple(on), 0.0) + share
            for l in on:
                mass[l] += share / len(on)
        probability, on = ways[chosen]
        path, alive = path * probability / total, on
        if len(alive) == 1:
            break
    for l in alive:
        mass[l] += path / len(alive)
    return mass, coverage, subtrees, uncertain


def main():
    for name in NAMES:
        request = json.load(open(os.path.join(sys.argv[1], "llamacpp", name + ".request.json")))
        reply = json.load(open(os.path.join(sys.argv[1], "llamacpp", name + ".reply.json")))
        choice = reply["choices"][0]
        content, positions = choice["message"]["content"].encode(), choice["logprobs"]["content"]
        labels = labels_of(request)
        reason = content.startswith(b"{")
        offset, start, before = 0, 0, b""
        if name.startswith("label_prefill"):
            before = content[:-sum(len(p["bytes"]) for p in positions)]
        if reason:
            begin = content.index(b'"label": "') + len(b'"label": "')
            while offset + len(positions[start]["bytes"]) < begin:
                offset += len(positions[start]["bytes"])
                start += 1
            if offset + len(positions[start]["bytes"]) == begin:
                offset += len(positions[start]["bytes"])  # the quote stands alone: nothing of a label is in its alternatives
                start += 1
        spelt = {}
        for l in labels:
            s = (json.dumps(l, ensure_ascii=False)[1:-1] if reason else l).encode()
            if s.startswith(before):
                spelt[l] = (content[offset:begin] if reason else b"") + s[len(before):]
        mass, coverage, subtrees, uncertain = walk(spelt, positions, start, reason)
        best = max(mass, key=mass.get)
        if reason:
            value = content[begin:].split(b'"')[0] if not name.endswith("quoted") else b'say'
            best = [l for l in labels if l.encode().startswith(value)][0]
        lo = uncertain * (mass[best] - sum(m / len(s) for s, m in subtrees.items() if best in s))
        print("\t{%s, %s, %d, %d, %.6f, %.6f,\n\t\t{%s},\n\t\t{%s}}," % (
            json.dumps(name), "REASON" if reason else "LABEL", labels.index(best), len(subtrees),
            -1 if before else coverage, lo,
            ", ".join(json.dumps(l, ensure_ascii=False) for l in labels),
            ", ".join("%.6f" % mass.get(l, 0.0) for l in labels)))


if __name__ == "__main__":
    main()
