#!/usr/bin/env python3
"""The peer of the model bench: so many requests at a time, nothing else.

usage: model.py URL BODIES PARALLEL

BODIES holds a request's body a line.  Prints seconds.
"""
import http.client
import sys
import threading
import time
import urllib.parse


def work(place, path, bodies, taken, lock):
    connection = http.client.HTTPConnection(place, timeout=120)
    while True:
        with lock:
            if taken[0] == len(bodies):
                return
            body = bodies[taken[0]]
            taken[0] += 1
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            sys.exit(f"HTTP {reply.status}")


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as f:
        bodies = [line.encode() for line in f.read().splitlines()]
    taken, lock = [0], threading.Lock()
    threads = [threading.Thread(target=work, args=(url.netloc, url.path + "/chat/completions", bodies, taken, lock))
               for _ in range(int(sys.argv[3]))]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{time.monotonic() - begun:.3f}")


main()
