"""Scores labels token by token on llama-server and compares with what the extension said.

usage: posterior.py URL LABELS REQUESTS SCORES...

Three oracles, all from logits before any grammar (llama-server reports them so):
  spellings  what constrained decoding samples from: at each token, the tokens that go on spelling a label, renormalised;
             every spelling of a label counts, not only the tokenizer's own
  canonical  the same over the tokenizer's own spelling of each label, each label's tokens forced one by one
  sequence   each label's tokens and the end of turn multiplied up, renormalised over the labels: another quantity, which
             no constrained decoder samples from; for information
The first is asked twice, one row at a time and four rows side by side: llama.cpp's numbers depend on the batch that a
token is computed in, and the difference of the two is as near as anything can come.
"""
import concurrent.futures
import http.client
import json
import math
import statistics
import sys
import urllib.parse

TOP = 500         # tokens asked for at a node: what is not among them has no mass to speak of
OPEN_BELOW = 1e-4  # a subtree with less mass is shared out evenly and not opened


class Server:
    def __init__(self, url):
        self.at = urllib.parse.urlsplit(url)
        self.conn = None

    def post(self, path, body):
        for last in (False, True):
            try:
                if self.conn is None:
                    self.conn = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=300)
                self.conn.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                reply = json.loads(self.conn.getresponse().read())
                break
            except (http.client.HTTPException, OSError):
                self.conn = None  # the server closes a connection after a number of requests
                if last:
                    raise
        if "error" in reply:
            raise SystemExit("%s: %s" % (path, reply["error"]))
        return reply

    def tokens(self, text):
        return self.post("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def predict(self, tokens, n, n_probs, grammar=None):
        body = {"prompt": tokens, "n_predict": n, "n_probs": n_probs, "temperature": 0, "cache_prompt": True}
        if grammar:
            body["grammar"] = grammar
        return self.post("/completion", body)["completion_probabilities"]


def total_variation(p, q):
    return sum(abs(p[l] - q[l]) for l in p) / 2


def normalised(weights):
    total = sum(weights.values())
    return {k: v / total for k, v in weights.items()}


def spellings(server, prompt, labels, end):
    """The distribution that decoding under the grammar "one of the labels" samples from at temperature 1."""
    mass = dict.fromkeys(labels, 0.0)

    def walk(path, rests, m):
        if len(rests) == 1 or m < OPEN_BELOW:
            for l in rests:
                mass[l] += m / len(rests)
            return
        ways = []
        for t in server.predict(prompt + path, 1, TOP)[0]["top_logprobs"]:
            b = bytes(t["bytes"])
            if t["id"] == end:
                on = {l: b"" for l, r in rests.items() if not r}
            else:
                on = {l: r[len(b):] for l, r in rests.items() if b and r.startswith(b)}
            if on:
                ways.append((math.exp(t["logprob"]), t["id"], on))
        total = sum(w[0] for w in ways)
        for p, token, on in ways:
            if token == end:
                for l in on:
                    mass[l] += m * p / total
            else:
                walk(path + [token], on, m * p / total)

    walk([], {l: l.encode() for l in labels}, 1.0)
    return mass


def forced(server, prompt, spelt):
    """Log-probability of every token of every label, each label's own tokens forced by the grammar."""
    return {l: [t["logprob"] for t in server.predict(
                prompt, len(ids), 1, "root ::= " + " ".join("<[%d]>" % i for i in ids[:-1]))]  # then only the end is legal
            for l, ids in spelt.items()}


def canonical(logprobs, spelt):
    """Renormalise at each node of the labels' token tree."""
    result = {}
    for label, ids in spelt.items():
        p = 1.0
        for depth, token in enumerate(ids):
            ways = {}
            for other, other_ids in spelt.items():
                if other_ids[:depth] == ids[:depth] and len(other_ids) > depth:
                    ways.setdefault(other_ids[depth], math.exp(logprobs[other][depth]))
            p *= ways[token] / sum(ways.values())
        result[label] = p
    return normalised(result)


def prompt_of(server, request):
    return server.tokens(server.post("/apply-template", {"messages": request["messages"]})["prompt"])


def spellings_of(url, request, labels, end):
    server = Server(url)
    return spellings(server, prompt_of(server, request), labels, end)


def spelt_of(url, request, spelt):
    server = Server(url)
    logprobs = forced(server, prompt_of(server, request), spelt)
    return canonical(logprobs, spelt), normalised({l: math.exp(sum(v)) for l, v in logprobs.items()})


def read(path, key):
    with open(path) as f:
        return [json.loads(line)[key] for line in f if line.strip()]


def line(name, pairs):
    tv = [total_variation(p, q) for p, q in pairs]
    same = sum(max(p, key=p.get) == max(q, key=q.get) for p, q in pairs)
    print("%-24s %8.4f %8.4f %8.4f %8.4f   %d/%d" % (
        name, statistics.mean(tv), statistics.median(tv), sorted(tv)[max(0, math.ceil(len(tv) * 0.95) - 1)], max(tv), same, len(tv)))


def main():
    url, labels, requests = sys.argv[1], sys.argv[2].split(","), read(sys.argv[3], "request")
    server = Server(url)
    end = server.tokens("<|im_end|>")[0]
    spelt = {l: server.tokens(l) + [end] for l in labels}
    alone = [spellings_of(url, r, labels, end) for r in requests]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda r: spellings_of(url, r, labels, end), requests))
        own = list(pool.map(lambda r: spelt_of(url, r, spelt), requests))
    oracles = {"spellings": alone, "canonical": [o[0] for o in own], "sequence": [o[1] for o in own]}

    print("%d rows, %d labels; total variation: mean, median, 95th percentile, largest; rows with the same first label"
          % (len(requests), len(labels)))
    for path in sys.argv[4:]:
        scores = read(path, "scores")
        scores = [{l: float(s.get(l) or 0) for l in labels} for s in scores]
        name = "exact " + path.rsplit("/", 1)[-1]
        for oracle in oracles:
            line("%s, %s" % (name, oracle), list(zip(scores, oracles[oracle])))
    line("the oracle, twice", list(zip(alone, beside)))
    line("canonical, spellings", list(zip(oracles["canonical"], alone)))


if __name__ == "__main__":
    main()
