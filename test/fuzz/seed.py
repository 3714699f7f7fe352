#!/usr/bin/env python3
"""Makes the seed corpus: the recorded replies with few alternatives, and small bodies of the other kinds.

usage: seed.py FIXTURES CORPUS
"""
import json
import os
import sys


def first_bytes(mode, labels):
    return bytes([0x40 | mode, 0x40 + labels])  # printable; fuzz_reply.c takes them apart


def labels_of(name):
    if "shared" in name or "prefill" in name or name == "label_truncated":
        return 1
    if "rare" in name or "fragments" in name:
        return 2
    return 3 if "quoted" in name else 0


def small(reply):
    for choice in reply.get("choices", []):
        for entry in ((choice.get("logprobs") or {}).get("content") or []):
            entry["top_logprobs"] = entry["top_logprobs"][:3]
            for token in [entry] + entry["top_logprobs"]:
                token["logprob"] = round(token["logprob"], 3)
    for key in ("timings", "model", "system_fingerprint", "object", "created", "id"):
        reply.pop(key, None)
    return reply


def entry(token, logprob, *top):
    return {"token": token, "bytes": list(token.encode()), "logprob": logprob,
            "top_logprobs": [{"token": t, "bytes": list(t.encode()), "logprob": p} for t, p in top]}


def chat(content, entries=None, finish="stop"):
    choice = {"message": {"content": content}, "finish_reason": finish}
    if entries:
        choice["logprobs"] = {"content": entries}
    return {"choices": [choice]}


OTHERS = {
    "vllm_masked": (0, 1, chat("card", [entry("card", -0.1, ("card", -0.1), ("top", -2.4)),
                                        entry("<|im_end|>", -0.4, ("<|im_end|>", -0.4), ("_arr", -1.2), ("x", -9999.0))])),
    "vllm_fragments": (0, 2, chat("龘龘", [entry("", -0.1, ("", -0.1), ("", -2.4)), entry("龘", 0.0, ("龘", 0.0), ("龙", -9999.0)),
                                           entry("", -0.2), entry("龘", 0.0), entry("<|im_end|>", 0.0)])),
    "lmdeploy": (0, 7, chat(" yes", [entry("Ġyes", -0.4, ("yes", -2), ("no", -1.6)), entry("</s>", 0.0)])),
    "ollama": (4, 0, {"message": {"content": "\"A\""}, "done_reason": "stop",
                      "logprobs": [entry("\"", -2, ("A", -0.2), ("\"B", -3)), entry("A", -0.5, ("A", -0.5), ("B", -1)),
                                   entry("\"", 0.0), entry("", 0.0)]}),
    "ollama_fragments": (0, 2, {"message": {"content": "\"龘㗊\""}, "done_reason": "stop",
                                "logprobs": [entry("\"", 0.0), entry("�", -0.3, ("�", -0.3), ("�", -1.4)), entry("�", 0.0),
                                             entry("�", -0.9), entry("�", 0.0), entry("\"", 0.0)]}),
    "completions": (0, 0, {"choices": [{"text": " refund", "logprobs": {"tokens": [" ref", "und"], "token_logprobs": [-0.3, None],
                                        "top_logprobs": [{" ref": -0.3, " bug": -1.5}, {"und": 0.0}]}}]}),
    "inference": (3, 0, {"response": "Here: ```json\n{\"label\": \"Bug\", \"confidence\": \"85%\", \"reason\": \"it \"broke\" \\u00e9\"}\n```"}),
    "inference_object": (3, 0, {"response": {"label": "bug", "confidence": 0.9, "reason": "x"}}),
    "thinking": (1, 0, chat("<think>refund?</think>\n{\"label\":\"bug\",\"reason\":\"x\\ny\"}")),
    "nested": (1, 0, chat("{\"a\":[{\"b\":\"}\"}],\"label\":\"bug\",\"reason\":\"x\"}")),
    "string": (0, 3, chat("\"say \\\"hi\\\"\"")),
    "comma": (1, 3, chat("{\"label\":\"a, b\"}", [entry("{\"label\":\"", 0.0), entry("a", 0.0), entry(",", -0.5, ("\"}", -0.9)),
                                                  entry(" b", 0.0), entry("\"}", 0.0)])),
    "subset": (8, 1, chat("card_arrival", [entry("card", -0.3), entry("_arr", -0.5, (":", -1.0)), entry("ival", 0.0)])),
    "one_label": (0, 6, chat("one", [entry("one", -0.1, ("two", -2.5))])),
    "case": (0, 4, chat("Us", [entry("Us", -0.1)])),
    "prefix": (0, 5, chat("满意", [entry("满意", -0.1), entry("", -0.4, ("", -0.4), ("度", -1.1))])),
    "tgi": (0, 0, {"generated_text": "bug", "details": {"finish_reason": "eos_token"}}),
    "tgi_error": (0, 0, {"error": "Model is overloaded", "error_type": "overloaded"}),
    "fastapi": (0, 0, {"detail": [{"loc": ["body", "top_logprobs"], "msg": "too large"}]}),
    "sglang_error": (0, 0, {"object": "error", "message": "[503] full", "type": "x", "code": 400}),
}

RAW = {
    "nan": (0, 0, b'{"choices":[{"message":{"content":"bug"},"logprobs":{"content":[{"token":"bug","logprob":NaN,'
                  b'"top_logprobs":[{"token":"refund","logprob":-Infinity}]}]}}]}'),
    "nul": (1, 0, b'{"choices":[{"message":{"content":"{\\"label\\":\\"bug\\",\\"reason\\":\\"a\\\\u0000b\\"}\\u0000x"}}]}'),
    "not_utf8": (1, 0, b'{"response":"{\\"label\\":\\"bug\\",\\"reason\\":\\"a\xff\xe4\xb8\\"}"}'),
    "html": (0, 0, b"<html>502 Bad Gateway</html>"),
    "cut": (0, 0, b'{"choices":[{"message":{"content":"bu'),
}


def main():
    fixtures, corpus = os.path.join(sys.argv[1], "llamacpp"), sys.argv[2]
    seeds = {}
    for name in sorted(os.listdir(fixtures)):
        if name.endswith(".reply.json") and not name.startswith(("props", "models", "health")):
            name = name[:-len(".reply.json")]
            reply = small(json.load(open(os.path.join(fixtures, name + ".reply.json"))))
            seeds[name] = (3 if name == "confidence" else 1 if "reason" in name else 0, labels_of(name), reply)
    seeds.update(OTHERS)
    for name, (mode, labels, reply) in seeds.items():
        body = json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode()
        RAW[name] = (mode, labels, body)
    for name, (mode, labels, body) in RAW.items():
        if len(body) <= 8000:
            with open(os.path.join(corpus, name), "wb") as out:
                out.write(first_bytes(mode, labels) + body)


if __name__ == "__main__":
    main()
