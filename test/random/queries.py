"""Random statements over the tables of tables.sql, with calls in all places.

A Script is a list of statements that are run in a transaction which is rolled
back.  Whatever its rows depend on beside the data is kept out: with workers the
order in which rows come is nobody's, so nothing then may hang on it.
"""
import dataclasses
import random

LABELS = ("'{refund, bug, praise}'", "ARRAY['bug', 'other']", "'{\"one\": \"the first\", \"two\": null}'::jsonb", "'{one, two, three}'")
WORDS = ("'bug'", "'refund'", "'one'", "'other'", "'praise'")
TABLES = ("a", "a", "b", "b", "p", "p", "labelled", "guarded")
COLUMNS = {"id": "int", "k": "int", "cat": "text", "body": "text", "done": "text", "score": "num"}
TOGGLES = ("seqscan", "indexscan", "indexonlyscan", "bitmapscan", "hashjoin", "mergejoin", "nestloop", "sort", "hashagg",
           "material", "memoize", "incremental_sort", "partitionwise_join", "partitionwise_aggregate", "partition_pruning")


@dataclasses.dataclass
class Script:
    settings: list
    statements: list
    may_stop: bool = False      # some of its rows may never be asked for
    parallel: bool = False
    errors: bool = False        # an argument may raise


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.names = 0
        self.may_stop = self.parallel = self.errors = False

    # ---- small things ----

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    def pick(self, of):
        return self.rng.choice(of)

    def some(self, low, high):
        return range(self.rng.randint(low, high))

    def name(self):
        self.names += 1
        return f"t{self.names}"

    # ---- expressions; a scope is a list of (column, type) ----

    def column(self, scope, kind):
        of = [name for name, its in scope if its == kind]
        return self.pick(of) if of else {"text": "'case 7'", "int": "3", "num": "0.7", "bool": "true"}[kind]

    def plain_text(self, scope, depth):
        col = self.column(scope, "text")
        return self.pick((
            lambda: col, lambda: col, lambda: col,
            lambda: f"({col} || {self.column(scope, 'text')})",
            lambda: f"coalesce({col}, {self.column(scope, 'text')})",
            lambda: f"upper({col})",
            lambda: f"('number ' || {self.integer(scope)})",
            lambda: f"('all ' || {self.column(scope, 'int')} % 4)",
            lambda: f"'text {self.rng.randrange(5)}'",
            lambda: self.erring(scope, col),
            lambda: self.call(scope, depth - 1) if depth > 0 else col,
        ))()

    def erring(self, scope, col):
        return f"({col} || 60 / ({self.column(scope, 'int')} - {self.rng.randrange(8)}))" if self.errors else col

    def function(self, scope, depth):
        return f"({self.plain_text(scope, depth)}, {self.pick(LABELS)})"

    def call(self, scope, depth=1):
        """A call that gives text."""
        args = self.function(scope, depth)
        return self.pick((
            f"qwen_label{args}", f"qwen_label{args}", f"qwen_label{args}", f"(qwen_classify{args}).label",
            f"(qwen_classify{args}).reason", f"(qwen_scores{args})::text", f"inlined({self.plain_text(scope, 0)})",
            f"together({self.plain_text(scope, 0)}, {self.plain_text(scope, 0)})",
        ))

    def text(self, scope, depth=2):
        if depth <= 0 or self.one_in(4):
            return self.plain_text(scope, 0)
        return self.pick((
            lambda: self.call(scope), lambda: self.call(scope), lambda: self.call(scope),
            lambda: f"CASE WHEN {self.test(scope, depth - 1)} THEN {self.text(scope, depth - 1)} "
                    f"WHEN {self.test(scope, depth - 1)} THEN {self.text(scope, depth - 1)} ELSE {self.text(scope, depth - 1)} END",
            lambda: f"CASE {self.call(scope)} WHEN 'bug' THEN {self.text(scope, depth - 1)} WHEN {self.pick(WORDS)} THEN 'x' END",
            lambda: f"coalesce({self.text(scope, depth - 1)}, {self.text(scope, depth - 1)}, 'none')",
            lambda: f"nullif({self.text(scope, depth - 1)}, {self.pick(WORDS)})",
            lambda: f"({self.text(scope, depth - 1)} || {self.text(scope, depth - 1)})",
            lambda: f"greatest({self.call(scope)}, {self.text(scope, depth - 1)})",
            lambda: f"(ARRAY[{self.call(scope)}, {self.plain_text(scope, 0)}])[{self.rng.randint(1, 2)}]",
            lambda: f"({self.scalar(scope)})",
            lambda: f"row({self.call(scope)}, {self.column(scope, 'int')})::text",
        ))()

    def integer(self, scope):
        return self.pick((self.column(scope, "int"), f"({self.column(scope, 'int')} + {self.rng.randrange(4)})",
                          f"({self.column(scope, 'int')} % {self.rng.randint(2, 5)})"))

    def number(self, scope):
        args = self.function(scope, 1)
        return self.pick((f"(qwen_classify{args}).confidence", f"(qwen_scores{args} ->> {self.pick(WORDS)})::float8",
                          self.column(scope, "num")))

    def test(self, scope, depth=2):
        tests = [
            lambda: f"{self.column(scope, 'int')} {self.pick(('<', '>', '<=', '<>'))} {self.rng.randrange(40)}",
            lambda: f"{self.call(scope)} = {self.pick(WORDS)}",
            lambda: f"{self.call(scope)} IN ({self.pick(WORDS)}, {self.pick(WORDS)})",
            lambda: f"{self.call(scope)} IS {self.pick(('', 'NOT '))}NULL",
            lambda: f"{self.number(scope)} > 0.7",
            lambda: f"{self.call(scope)} <> {self.column(scope, 'text')}",
            lambda: f"({self.call(scope)}, {self.column(scope, 'int')}) > ('bug', 3)",
        ]
        if depth > 0:
            tests += [
                lambda: f"({self.test(scope, depth - 1)} AND {self.test(scope, depth - 1)})",
                lambda: f"({self.test(scope, depth - 1)} OR {self.test(scope, depth - 1)})",
                lambda: f"NOT {self.test(scope, depth - 1)}",
                lambda: f"({self.test(scope, depth - 1)}) IS NOT {self.pick(('TRUE', 'FALSE', 'NULL'))}",
                lambda: self.exists(scope),
                lambda: self.member(scope),
            ]
        return self.pick(tests)()

    # ---- subqueries in expressions ----

    def table(self):
        alias = self.name()
        return f"{self.pick(TABLES)} {alias}", [(f"{alias}.{col}", kind) for col, kind in COLUMNS.items()]

    def correlation(self, inner, outer):
        return f"{self.column(inner, 'int')} = {self.column(outer, 'int')}" if self.one_in(2) else self.test(inner + outer, 0)

    def exists(self, scope):
        item, inner = self.table()
        self.may_stop = True
        return f"{self.pick(('', 'NOT '))}EXISTS (SELECT {self.pick(('1', '', self.call(inner)))} FROM {item} " \
               f"WHERE {self.correlation(inner, scope)} AND {self.test(inner + scope, 0)})"

    def member(self, scope):
        item, inner = self.table()
        self.may_stop = True
        where = self.pick(("", f" WHERE {self.correlation(inner, scope)}"))
        return f"{self.pick((self.call(scope), self.column(scope, 'text')))} {self.pick(('IN', 'NOT IN', '= ANY', '> ALL'))} " \
               f"(SELECT {self.text(inner, 1)} FROM {item}{where})"

    def scalar(self, scope):
        item, inner = self.table()
        return self.pick((
            lambda: f"SELECT {self.pick(('max', 'min'))}({self.text(inner + scope, 1)}) FROM {item} WHERE {self.correlation(inner, scope)}",
            lambda: f"SELECT label FROM qwen_classify{self.function(scope, 1)}",
            lambda: f"SELECT {self.call(scope)}",
            lambda: f"SELECT string_agg(x, ',') FROM (SELECT {self.text(inner, 1)} AS x FROM {item} WHERE {self.correlation(inner, scope)} "
                    f"ORDER BY 1) s",
        ))()

    # ---- FROM ----

    def item(self, depth, lateral):
        """(text, scope); lateral: the columns that it may use, or None."""
        alias = self.name()
        choices = [self.table, self.table, self.table]
        if depth > 0:
            choices += [lambda: self.subquery(alias, depth - 1, None), lambda: self.values(alias)]
        if lateral:
            choices += [
                lambda: (f"LATERAL qwen_classify{self.function(lateral, 1)} {alias}",
                         [(f"{alias}.label", "text"), (f"{alias}.confidence", "num"), (f"{alias}.reason", "text")]),
                lambda: self.subquery(alias, 0, lateral),
                lambda: (f"LATERAL (SELECT {self.call(lateral)} AS c) {alias}", [(f"{alias}.c", "text")]),
                lambda: (f"LATERAL jsonb_each_text(qwen_scores{self.function(lateral, 1)}) {alias}",
                         [(f"{alias}.key", "text"), (f"{alias}.value", "text")]),
                lambda: (f"LATERAL of_kind({self.column(lateral, 'int')} % 3) {alias} (c)", [(f"{alias}.c", "text")]),
            ]
        return self.pick(choices)()

    def subquery(self, alias, depth, lateral):
        query, kinds = self.select(depth, lateral)
        scope = [(f"{alias}.c{i}", kind) for i, kind in enumerate(kinds, 1)]
        return f"{'LATERAL ' if lateral else ''}({query}) {alias}", scope

    def values(self, alias):
        rows = ", ".join(f"({i}, {self.call([])}, {self.text([], 1)})" for i in self.some(2, 6))
        return f"(VALUES {rows}) {alias} (n, v, w)", [(f"{alias}.n", "int"), (f"{alias}.v", "text"), (f"{alias}.w", "text")]

    def joined(self, depth, lateral=None):
        text, scope = self.item(depth, lateral)
        for _ in self.some(0, 2):
            kind = self.pick(("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"))
            sees = scope + (lateral or []) if kind in ("JOIN", "LEFT JOIN", "CROSS JOIN") else None
            more, inner = self.item(depth, sees)
            ints = [any(its == "int" for _, its in s) for s in (scope, inner)]
            equal = f"{self.column(scope, 'int')} = {self.column(inner, 'int')}" if all(ints) else \
                f"{self.column(scope, 'text')} = {self.column(inner, 'text')}"
            extra = "" if kind == "FULL JOIN" or self.one_in(2) else f" AND {self.test(scope + inner, 1)}"
            if kind != "FULL JOIN" and self.one_in(6):
                equal = f"{self.call(scope)} = {self.text(inner, 1)}"
            text = f"{text} {kind} {more}" + ("" if kind == "CROSS JOIN" else f" ON {equal}{extra}")
            scope = scope + inner
        return text, scope

    # ---- SELECT ----

    def output(self, scope, kinds=None):
        kinds = kinds or [self.pick(("text", "text", "int", "num")) for _ in self.some(1, 4)]
        make = {"text": self.text, "int": self.integer, "num": self.number, "bool": self.test}
        return [make[kind](scope) for kind in kinds], kinds

    def where(self, scope):
        return f" WHERE {self.test(scope)}" if self.one_in(2) else ""

    def plain(self, depth, lateral, kinds=None):
        source, scope = self.joined(depth, lateral)
        items, kinds = self.output(scope + (lateral or []), kinds)
        distinct = "DISTINCT " if self.one_in(8) else ""
        return f"SELECT {distinct}{self.listed(items)} FROM {source}{self.where(scope + (lateral or []))}", kinds

    @staticmethod
    def listed(items):
        return ", ".join(f"{item} AS c{i}" for i, item in enumerate(items, 1))

    def aggregate(self, scope):
        where = f" FILTER (WHERE {self.test(scope, 1)})" if self.one_in(3) else ""
        return self.pick((
            lambda: (f"count(*){where}", "int"),
            lambda: (f"count({self.pick(('', 'DISTINCT '))}{self.text(scope, 1)}){where}", "int"),
            lambda: (f"{self.pick(('min', 'max'))}({self.text(scope)}){where}", "text"),
            lambda: (f"max({self.number(scope)}){where}", "num"),
            lambda: (f"sum(round(({self.number(scope)} * 1000)::numeric)){where}", "num"),
            lambda: (f"string_agg({(x := self.text(scope, 1))}, ',' ORDER BY {x}){where}", "text"),
            lambda: (f"qwen_label(max({self.text(scope, 1)}), {self.pick(LABELS)})", "text"),
            lambda: (f"bool_or({self.test(scope, 1)})::text", "text"),
        ))()

    def grouped(self, depth, lateral):
        source, scope = self.joined(depth, lateral)
        scope = scope + (lateral or [])
        keys, kinds = self.output(scope, [self.pick(("text", "text", "int")) for _ in self.some(0, 2)])
        aggregates = [self.aggregate(scope) for _ in self.some(1, 2)]
        query = f"SELECT {self.listed(keys + [text for text, _ in aggregates])} FROM {source}{self.where(scope)}"
        if keys:
            by = ", ".join(keys)
            query += f" GROUP BY {self.pick((by, by, f'ROLLUP ({by})', f'GROUPING SETS (({by}), ())'))}"
        if self.one_in(3):
            query += f" HAVING {self.aggregate(scope)[0]} IS NOT NULL"
        return query, kinds + [kind for _, kind in aggregates]

    def windowed(self, depth, lateral):
        source, scope = self.joined(depth, lateral)
        scope = scope + (lateral or [])
        part = self.pick(("", f"PARTITION BY {self.text(scope, 1)}", f"PARTITION BY {self.integer(scope)}"))
        order = "" if self.parallel else f" ORDER BY {self.column(scope, 'int')}, {self.text(scope, 1)}"
        functions = ["count(*)", f"max({self.text(scope, 1)})", f"count({self.call(scope)}) FILTER (WHERE {self.test(scope, 0)})"]
        if not self.parallel:
            functions += ["row_number()", f"lag({self.call(scope)})", f"first_value({self.text(scope, 1)})", "rank()",
                          f"qwen_label(lead({self.column(scope, 'text')}), {self.pick(LABELS)})"]
        items, kinds = self.output(scope, ["text"])
        function = self.pick(functions)
        over = f" OVER ({part}{order})"
        function = function.replace("), ", f"){over}, ", 1) if function.startswith("qwen_label(lead") else function + over
        kind = "int" if function.startswith(("count", "row_number", "rank")) else "text"
        return f"SELECT {self.listed(items + [function])} FROM {source}{self.where(scope)}", kinds + [kind]

    def set_operation(self, depth):
        kinds = [self.pick(("text", "int")) for _ in self.some(1, 2)]
        parts = [self.plain(depth, None, kinds)[0] for _ in self.some(2, 3)]
        text = parts[0]
        for part in parts[1:]:
            text += f" {self.pick(('UNION ALL', 'UNION ALL', 'UNION', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL'))} {part}"
        return text, kinds

    def with_query(self, depth):
        name = self.name()
        how = self.pick(("", "", "MATERIALIZED ", "NOT MATERIALIZED "))
        inner, kinds = self.select(depth, None)
        scope = [(f"x.c{i}", kind) for i, kind in enumerate(kinds, 1)]
        source, other = self.table()
        items, kinds = self.output(scope + other)
        self.may_stop = True    # a CTE is read as far as anybody wants it
        return f"WITH {name} AS {how}({inner}) SELECT {self.listed(items)} FROM {name} x " \
               f"{self.pick(('JOIN', 'LEFT JOIN'))} {source} ON {self.column(scope, 'int')} = {self.column(other, 'int')}", kinds

    def recursive(self):
        name = self.name()
        return f"WITH RECURSIVE {name} (n, c) AS (SELECT 1, qwen_label('start', '{{one, two}}') UNION ALL SELECT n + 1, " \
               f"{self.call([(f'{name}.c', 'text'), (f'{name}.n', 'int')])} FROM {name} WHERE n < {self.rng.randint(2, 6)}) " \
               f"SELECT n AS c1, {self.text([('n', 'int'), ('c', 'text')], 1)} AS c2 FROM {name}", ["int", "text"]

    def no_table(self):
        items, kinds = self.output([])
        return f"SELECT {self.listed(items)}{self.where([])}", kinds

    def series(self):
        """A set-returning function among the columns."""
        item, scope = self.table()
        return f"SELECT generate_series(1, {self.column(scope, 'int')} % 3) AS c1, {self.text(scope)} AS c2 FROM {item}" \
               f"{self.where(scope)}", ["int", "text"]

    def select(self, depth, lateral):
        makers = [lambda: self.plain(depth, lateral)] * 4 + [lambda: self.grouped(depth, lateral), lambda: self.windowed(depth, lateral)]
        if depth > 0 and not lateral:
            makers += [lambda: self.set_operation(depth - 1), lambda: self.with_query(depth - 1), self.series, self.no_table, self.recursive]
        query, kinds = self.pick(makers)()
        if self.one_in(4) and not query.startswith("WITH"):
            query = self.cut(query, kinds)
        return query, kinds

    def cut(self, query, kinds):
        """ORDER BY, LIMIT; with workers only in an order that leaves no choice."""
        every = ", ".join(str(i) for i in range(1, len(kinds) + 1))
        order = every if self.parallel else self.pick((every, "1", ""))
        self.may_stop = True
        text = query + (f" ORDER BY {order}" if order else "")
        return text + self.pick((f" LIMIT {self.rng.randrange(12)}", f" LIMIT {self.rng.randrange(5)} OFFSET {self.rng.randrange(9)}",
                                 f" OFFSET {self.rng.randrange(20)}", " FETCH FIRST 5 ROWS WITH TIES" if order else ""))

    def ordered(self):
        """A table in the order of its key, cut: the LIMIT that the node knows."""
        self.may_stop = True
        table = self.pick(("a", "b", "p"))
        scope = [(col, kind) for col, kind in COLUMNS.items()]
        where = self.pick(("", f" WHERE {self.test(scope)}"))
        lock = self.pick(("", "", " FOR UPDATE", " FOR UPDATE SKIP LOCKED", " FOR SHARE"))
        return f"SELECT {self.listed([self.text(scope), 'id'])} FROM {table}{where} ORDER BY id LIMIT {self.rng.randrange(25)}{lock}"

    # ---- data-modifying statements ----

    def target(self):
        table = self.pick(("a", "b", "p"))
        return table, [(f"{table}.{col}", kind) for col, kind in COLUMNS.items()]

    def assignments(self, scope):
        return self.pick((
            lambda: f"done = {self.text(scope)}",
            lambda: f"done = {self.call(scope)}, score = {self.number(scope)}",
            lambda: f"(done, score) = (SELECT label, confidence FROM qwen_classify{self.function(scope, 1)})",
            lambda: f"done = (SELECT label FROM qwen_classify{self.function(scope, 0)}), cat = 'x'",
            lambda: f"k = length(coalesce({self.call(scope)}, '')), done = {self.text(scope, 1)}",
        ))()

    def returning(self, scope):
        return self.pick(("", f" RETURNING {self.listed(self.output(scope)[0])}"))

    def update(self):
        table, scope = self.target()
        if self.one_in(3):
            return f"UPDATE {table} SET {self.assignments(scope)}{self.where(scope)}{self.returning(scope)}"
        more, other = self.pick((self.table, lambda: self.item(0, None)))()
        return f"UPDATE {table} SET {self.assignments(scope + other)} FROM {more} WHERE {self.column(scope, 'int')} = " \
               f"{self.column(other, 'int')} AND {self.test(scope + other, 1)}{self.returning(scope + other)}"

    def lateral_update(self):
        """A table that is updated cannot be seen by LATERAL in its own FROM: the call's table is a second one."""
        table = self.pick(("a", "b"))
        source = [(f"s.{col}", kind) for col, kind in COLUMNS.items()]
        return f"UPDATE {table} SET done = c.label, score = c.confidence FROM {table} s, LATERAL " \
               f"qwen_classify{self.function(source, 1)} c WHERE s.id = {table}.id AND {self.test(source, 1)}"

    def delete(self):
        table, scope = self.target()
        if self.one_in(2):
            return f"DELETE FROM {table}{self.where(scope)}{self.returning(scope)}"
        more, other = self.item(1, None)
        return f"DELETE FROM {table} USING {more} WHERE {self.column(scope, 'int')} = {self.column(other, 'int')} " \
               f"AND {self.test(scope + other, 1)}{self.returning(scope)}"

    def insert(self):
        table, scope = self.target()
        query, _ = self.plain(1, None, ["int", "text", "text", "num"])
        number = "(row_number() OVER ())::int + 1000" if not self.parallel else "1000 + x.c1 * 100 + length(x.c2) % 90"
        rows = f"SELECT {number}, coalesce(x.c1, 0) % 9, x.c2, x.c3, x.c3, x.c4 FROM ({query}) x"
        if self.one_in(2):
            rows = "VALUES " + ", ".join(f"({2000 + i}, {i}, {self.text([], 1)}, 'new {i}', {self.call([])}, NULL)" for i in self.some(1, 7))
        conflict = self.pick(("", "", " ON CONFLICT DO NOTHING",
                              f" ON CONFLICT ({'id, k' if table == 'p' else 'id'}) DO UPDATE SET done = qwen_label(excluded.body, '{{one, two}}')"))
        if self.one_in(3):
            rows = f"SELECT id + {self.pick((0, 20, 500))}, k, cat, body, {self.text([('body', 'text'), ('k', 'int')])}, score FROM {table}"
        return f"INSERT INTO {table} (id, k, cat, body, done, score) {rows}{conflict}{self.returning(scope)}"

    def merge(self):
        table, scope = self.pick(("a", "b")), None
        scope = [(f"{table}.{col}", kind) for col, kind in COLUMNS.items()]
        source = [(f"s.{col}", kind) for col, kind in COLUMNS.items()]
        return f"MERGE INTO {table} USING {self.pick(('a', 'b', 'labelled'))} s ON s.id + {self.pick((0, 10))} = {table}.id " \
               f"WHEN MATCHED AND {self.test(scope + source, 1)} THEN UPDATE SET done = {self.text(source + scope, 1)} " \
               f"WHEN MATCHED AND {table}.k > 3 THEN DELETE " \
               f"WHEN NOT MATCHED THEN INSERT (id, k, body, done) VALUES (s.id + 3000, s.k, s.body, {self.text(source, 1)})"

    def modifying_with(self):
        table, scope = self.target()
        scope = [(col, kind) for col, kind in COLUMNS.items()]
        return f"WITH u AS (UPDATE {table} SET {self.assignments(scope)}{self.where(scope)} RETURNING id, body, done, " \
               f"{self.call(scope)} AS l) SELECT {self.text([('body', 'text'), ('done', 'text'), ('l', 'text'), ('id', 'int')])} FROM u"

    # ---- scripts ----

    def settings(self):
        found = [f"enable_{name} = off" for name in TOGGLES[:9] if self.one_in(6)]
        found += [f"enable_{name} = {self.pick(('on', 'off'))}" for name in TOGGLES[9:] if self.one_in(4)]
        found.append(f"jit = {'on' if self.one_in(8) else 'off'}")
        if found[-1].endswith("on"):
            found += ["jit_above_cost = 0", f"jit_inline_above_cost = {self.pick((0, -1))}", f"jit_optimize_above_cost = {self.pick((0, -1))}"]
        if self.parallel:
            found += ["parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0",
                      "min_parallel_index_scan_size = 0", f"parallel_leader_participation = {self.pick(('on', 'off'))}"]
        else:
            found.append("max_parallel_workers_per_gather = 0")
        if self.one_in(3):
            found.append(f"work_mem = {self.pick((64, 128, 1024))}")
        if self.one_in(3):
            found.append(f"qwen_classify.max_in_flight = {self.pick((1, 2, 5, 16, 200))}")
        if self.one_in(4):
            found.append(f"plan_cache_mode = force_{self.pick(('generic', 'custom'))}_plan")
        found.append("qwen_classify.on_error = " + self.pick(("'null'", "'null'", "'label'", "'error'")))
        if self.one_in(4):
            found.append("qwen_classify.server = slow")
        return found

    def cursor(self):
        query = self.select(1, None)[0]
        self.may_stop = True
        scroll = self.pick(("NO SCROLL ", "NO SCROLL ", "SCROLL ")) + "CURSOR" + self.pick(("", "", " WITH HOLD"))
        moves = [self.pick((1, 1, 3, 10, "ALL", "FORWARD 4")) for _ in self.some(1, 4)]
        if not scroll.startswith("NO"):
            moves += [self.pick(("BACKWARD 3", "FIRST", "LAST", "ABSOLUTE 2", "RELATIVE -1", "PRIOR", "BACKWARD ALL", 5)) for _ in self.some(1, 4)]
        return [f"DECLARE c {scroll} FOR {query}"] + [f"FETCH {move} FROM c" for move in moves] + ["CLOSE c"]

    def prepared(self):
        scope = [(f"a.{col}", kind) for col, kind in COLUMNS.items()]
        scope += [("$1", "int"), ("$2", "text")]
        self.may_stop = True
        query = f"SELECT {self.listed([self.text(scope), self.text(scope)])} FROM a WHERE a.id > $1 AND {self.test(scope, 1)}"
        limit = " ORDER BY a.id LIMIT $1" if self.one_in(2) else ""
        calls = [f"EXECUTE q ({self.rng.randrange(40)}, {self.pick(('NULL', WORDS[0], WORDS[2]))})" for _ in self.some(1, 3)]
        return [f"PREPARE q (int, text) AS {query}{limit}"] + calls + ["DEALLOCATE q"]

    def loop(self):
        query = self.select(1, None)[0]
        self.may_stop = True
        return [f"SELECT * FROM looped($q${query}$q$, {self.pick((1, 5, 12, 1000))})"]

    def script(self):
        self.may_stop = False
        self.parallel = self.one_in(4)
        self.errors = self.one_in(15)
        settings = self.settings()
        kind = self.rng.randrange(100)
        if kind < 62:
            statements = [self.select(2, None)[0]]
        elif kind < 66:
            statements = [self.ordered()]
        elif kind < 88:
            modify = self.pick((self.update, self.update, self.lateral_update, self.delete, self.insert, self.insert, self.merge,
                                self.modifying_with))
            statements = [modify()] + [f"SELECT * FROM {table} ORDER BY id, k" for table in ("a", "b", "p")]
        else:
            statements = self.pick((self.cursor, self.cursor, self.prepared, self.loop))()
        return Script(settings, statements, self.may_stop, self.parallel, self.errors)
