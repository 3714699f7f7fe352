#!/usr/bin/env python3
"""Records replies of a model server on their way to the extension; see test/figures/replay.

usage: replay.py listen PORT URL FILE      passes requests on to URL, writes each reply into FILE
       replay.py ask URL FOLDER PSQL...    what the extension makes of texts.csv and task.json there: one JSON object a text,
                                           to standard output
"""
import csv
import http.client
import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.parse

REASON_TOKENS = 30  # of a reply: logprobs make it long
PATIENCE = 3600  # seconds


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001b3) & 0xffffffffffffffff
    return value


def line_of(request, reply):
    """As the mock's replay.c reads it.  A model is often named by its file, of which the folder is nobody's business."""
    asked = json.loads(request)
    folder = re.match(r"(?:.*/)?", asked.get("model") or "").group(0)
    reply = reply.replace(f'"model":"{folder}'.encode(), b'"model":"')
    text = [m["content"] for m in asked["messages"] if m["role"] == "user"][-1]
    form = "object" if "response_format" in asked else "label"
    return f'["{fnv1a(text.encode()):016x}","{form}",{reply.decode()}]\n'


def handler(url, out):
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
            server.request(self.command, self.path, body or None, {"Content-Type": "application/json"})
            reply = server.getresponse()
            text = reply.read()
            if self.path.endswith("/chat/completions") and reply.status == 200:
                with lock:
                    out.write(line_of(body, text))
                    out.flush()
            self.send_response(reply.status)
            for name in ("Content-Type", "Server"):
                if reply.getheader(name):
                    self.send_header(name, reply.getheader(name))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = pass_on

    return Handler


def listen(port, url, path):
    with open(path, "w", encoding="utf-8") as out:
        http.server.ThreadingHTTPServer(("127.0.0.1", port), handler(urllib.parse.urlsplit(url), out)).serve_forever()


def ask(url, folder, psql):
    with open(f"{folder}/texts.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    with open(f"{folder}/task.json", encoding="utf-8") as f:
        task = json.load(f)
    values = ", ".join(f"({number}, $t${truth}$t$, $t${text}$t$)" for number, truth, text in rows)
    question = f"$q${json.dumps(task['labels'])}$q$::jsonb, instructions => $q${task['instructions']}$q$"
    sql = f"""
        CREATE EXTENSION qwen_classify;
        CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify
            OPTIONS (url '{url}', request_timeout '{PATIENCE}s', max_tokens '{REASON_TOKENS}', max_concurrency '4');
        CREATE TABLE mail (id int, truth text, body text);
        INSERT INTO mail VALUES {values};
        CREATE TABLE scored AS SELECT id, qwen_scores(body, {question}) AS scores FROM mail;
        CREATE TABLE explained AS SELECT id, (c).* FROM
            (SELECT id, qwen_classify(body, {question}) AS c FROM mail WHERE id <= {task['with_reason']} OFFSET 0) x;
        SELECT json_build_object('id', m.id, 'truth', truth, 'scores', scores, 'label', e.label, 'confidence', confidence, 'reason', reason)
            FROM mail m JOIN scored s ON s.id = m.id LEFT JOIN explained e ON e.id = m.id ORDER BY m.id"""
    subprocess.run(psql + ["-qAt", "-c", sql], check=True)


if sys.argv[1] == "listen":
    listen(int(sys.argv[2]), sys.argv[3], sys.argv[4])
else:
    ask(sys.argv[2], sys.argv[3], sys.argv[4:])
