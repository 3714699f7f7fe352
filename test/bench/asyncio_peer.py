"""The Python peer of the benches: a client with asyncio that labels a table from outside, as well as one writes it.

usage: asyncio_peer.py [--keep] [--aiohttp] CONNINFO PORT PATH CONNECTIONS < BODY

As many coroutines as connections, each with a kept connection and one request on it at a time; they take rows from what
asyncpg reads ahead in key order, 1024 at a time.  Another task, with a database connection of its own, writes label and
confidence in UPDATEs of up to 500 rows from unnest while the requests go on.  BODY holds @TEXT@ once.  Prints seconds,
and the CPU seconds of its own and of its two backends.  With --keep it writes nothing and has the answers of all rows in
memory at the end, as who reads a query's rows has.

HTTP over streams, with no more of it than this server needs; with --aiohttp by that library, as clients mostly are
written, at more than twice the cost.  uvloop and orjson, because they are faster than what comes with Python.  An answer's
status is looked at; nothing is tried again.
"""
import asyncio
import collections
import math
import os
import sys
import time

import asyncpg
import orjson
import uvloop

MARK = b"@TEXT@"
READ_ROWS = 1024
WRITE_FROM = 256  # answers to wait for before an UPDATE
WRITE_ROWS = 500
READ = f"SELECT id, body FROM ticket WHERE id > $1::int8 AND label IS NULL ORDER BY id LIMIT {READ_ROWS}"
READ_ALL = READ.replace(" AND label IS NULL", "")
WRITE = """UPDATE ticket AS t SET label = r.label, confidence = r.confidence
    FROM unnest($1::int8[], $2::text[], $3::float8[]) AS r(id, label, confidence)
    WHERE t.id = r.id AND t.label IS NULL"""


class Rows:
    """The rows to ask about; the next ones are read while the last ones are asked about."""

    def __init__(self, conn, query):
        self.conn = conn
        self.query = query
        self.rows = collections.deque()
        self.lock = asyncio.Lock()
        self.over = False
        self.read_after(0)

    def read_after(self, row_id):
        self.coming = asyncio.create_task(self.conn.fetch(self.query, row_id))

    async def next(self):
        while not self.rows and not self.over:
            async with self.lock:
                if not self.rows and not self.over:
                    self.rows.extend(await self.coming)
                    if self.rows:
                        self.read_after(self.rows[-1][0])
                    else:
                        self.over = True
        return self.rows.popleft() if self.rows else None


class Answers:
    """What is to be written: answers are added by the requests and written by a task."""

    def __init__(self, conn):
        self.conn = conn
        self.waiting = []
        self.enough = asyncio.Event()
        self.over = False

    def add(self, row_id, label, confidence):
        self.waiting.append((row_id, label, confidence))
        if len(self.waiting) >= WRITE_FROM:
            self.enough.set()

    def end(self):
        self.over = True
        self.enough.set()

    async def write(self):
        while self.waiting or not self.over:
            await self.enough.wait()
            self.enough.clear()
            while len(self.waiting) >= WRITE_FROM or (self.over and self.waiting):
                batch, self.waiting = self.waiting[:WRITE_ROWS], self.waiting[WRITE_ROWS:]
                await self.conn.execute(WRITE, *zip(*batch))


async def reply_of(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(head)
    at = head.index(b"content-length:") + 15
    return await reader.readexactly(int(head[at:head.index(b"\r", at)]))


def verdict(reply):
    """Label and confidence: the probability of what was answered."""
    choice = orjson.loads(reply)["choices"][0]
    return choice["message"]["content"], math.exp(sum(t["logprob"] for t in choice["logprobs"]["content"]))


async def ask(rows, answers, port, path, before, after):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
            "Content-Type: application/json\r\nContent-Length: ").encode()
    while (row := await rows.next()) is not None:
        body = before + orjson.dumps(row[1])[1:-1] + after
        writer.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        answers.add(row[0], *verdict(await reply_of(reader)))
    writer.close()


async def ask_by_aiohttp(rows, answers, session, path, before, after):
    while (row := await rows.next()) is not None:
        body = before + orjson.dumps(row[1])[1:-1] + after
        async with session.post(path, data=body, headers={"Content-Type": "application/json"}) as reply:
            reply.raise_for_status()
            answers.add(row[0], *verdict(await reply.read()))


async def ask_all(rows, answers, port, path, connections, body, library):
    if not library:
        await asyncio.gather(*(ask(rows, answers, port, path, *body) for _ in range(connections)))
        return
    import aiohttp  # only who asks for it must have it
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*(ask_by_aiohttp(rows, answers, session, path, *body) for _ in range(connections)))


def backend_cpu(conn):
    with open(f"/proc/{conn.get_server_pid()}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def connect(conninfo):
    words = dict(word.split("=") for word in conninfo.split())
    return await asyncpg.connect(host=words["host"], user=words["user"], database=words["dbname"])


async def main(keep, library, conninfo, port, path, connections):
    body = sys.stdin.buffer.read().split(b"\n")[0].split(MARK)
    conns = [await connect(conninfo) for _ in range(1 if keep else 2)]
    # what Python takes to start is not the client's
    began = time.monotonic(), time.process_time()
    rows, answers = Rows(conns[0], READ_ALL if keep else READ), Answers(conns[-1])
    writing = None if keep else asyncio.create_task(answers.write())
    await ask_all(rows, answers, port, path, connections, body, library)
    if writing:
        answers.end()
        await writing
    seconds, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    print(f"{seconds:.6f} {cpu + sum(map(backend_cpu, conns)):.6f} {len(answers.waiting)}")


if __name__ == "__main__":
    args = [arg for arg in sys.argv[1:] if arg not in ("--keep", "--aiohttp")]
    if len(args) != 4:
        sys.exit("usage: asyncio_peer.py [--keep] [--aiohttp] CONNINFO PORT PATH CONNECTIONS < BODY")
    uvloop.install()
    asyncio.run(main("--keep" in sys.argv, "--aiohttp" in sys.argv, args[0], int(args[1]), args[2], int(args[3])))
