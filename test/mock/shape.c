/*-------------------------------------------------------------------------
 *
 * shape.c
 *		The form that an answer must have: fixed text and places to fill.
 *
 * Made from the request's constraint if its kind obeys one, else from what
 * the system message asks for in words, as a model would do.
 *
 * Invariant: after shape_of_ask there is at least one choice unless the
 * shape consists of true/false questions or is broken, and each choice has its surface
 * (as written in the answer), its value (unescaped) and its name (the label,
 * which differs from the value where letter codes or a prefill are used).
 *
 *-------------------------------------------------------------------------
 */
#include "shape.h"

#include "arena.h"
#include "constraint.h"
#include "grammar.h"
#include "labels.h"

/* More parts than any schema of a client of ours has. */
#define MAX_PARTS 256

/* Literal text is joined, so that it is tokenised as one piece. */
void
shape_add(Shape *s, PartType type, Str text)
{
	Part	   *last = s->n_parts ? &s->part[s->n_parts - 1] : NULL;
	Buf			both = {0};

	if (s->part == NULL)
		s->part = arena_alloc(MAX_PARTS * sizeof(Part));
	if (type == PART_LIT && last && last->type == PART_LIT)
	{
		buf_str(&both, last->text);
		buf_str(&both, text);
		last->text = arena_copy(buf_view(&both));
		buf_free(&both);
	}
	else if (s->n_parts < MAX_PARTS)
		s->part[s->n_parts++] = (Part) {type, text};
}

/* Room for n choices, to be filled by the caller. */
void
shape_choices(Shape *s, size_t n)
{
	s->choice = arena_alloc(n * sizeof(Choice));
	memset(s->choice, 0, n * sizeof(Choice));
	s->n_choices = n;
}

/* A label inside a JSON string. */
static Str
json_escaped(Str s)
{
	Buf			b = {0};
	Str			out;

	buf_json(&b, s);
	out = arena_copy(buf_view(&b));
	buf_free(&b);
	return out;
}

/* And back; cJSON knows all escapes. */
static Str
json_unescaped(Str s)
{
	Buf			b = {0};
	cJSON	   *item;

	if (str_find(s, STR("\\")) < 0)
		return s;
	buf_char(&b, '"');
	buf_str(&b, s);
	buf_char(&b, '"');
	item = cJSON_ParseWithLength(b.data, b.len);
	buf_free(&b);
	return item ? json_text(item) : s;
}

/* ---- from a JSON schema ---- */

/* The label. An empty list cannot be obeyed, and servers refuse it. */
static void
add_enum(Shape *s, const cJSON *values)
{
	const cJSON *v;
	size_t		n = 0;

	shape_choices(s, (size_t) cJSON_GetArraySize(values));
	cJSON_ArrayForEach(v, values)
		s->choice[n++].surface = json_escaped(json_text(v));
	s->broken = n == 0;
	shape_add(s, PART_LIT, STR("\""));
	if (n > 0)
		shape_add(s, PART_LABEL, NO_STR);
	shape_add(s, PART_LIT, STR("\""));
}

/* One value of an object, by its type. */
static void
add_value(Shape *s, Str name, const cJSON *schema)
{
	const cJSON *values = json_get(schema, "enum");
	Str			type = json_text(json_get(schema, "type"));

	if (values && s->n_choices == 0)
		add_enum(s, values);
	else if (str_eq(type, STR("integer")) || str_eq(type, STR("number")))
		shape_add(s, PART_CONF, NO_STR);
	else if (str_eq(type, STR("boolean")))
		shape_add(s, PART_BOOL, name);
	else
	{
		shape_add(s, PART_LIT, STR("\""));
		shape_add(s, PART_REASON, NO_STR);
		shape_add(s, PART_LIT, STR("\""));
	}
}

/* A key with the punctuation before it. */
static void
add_key(Shape *s, Str name, bool first)
{
	if (!first)
		shape_add(s, PART_LIT, s->spaces ? STR(", \"") : STR(",\""));
	else
		shape_add(s, PART_LIT, STR("{\""));
	shape_add(s, PART_LIT, json_escaped(name));
	shape_add(s, PART_LIT, s->spaces ? STR("\": ") : STR("\":"));
}

/* Members in the order of the schema, as grammars produce them. */
static void
from_schema(Shape *s, const cJSON *schema)
{
	const cJSON *values = json_get(schema, "enum");
	const cJSON *property;
	bool		first = true;

	s->json = true;
	if (values)
	{
		add_enum(s, values);
		return;
	}
	cJSON_ArrayForEach(property, json_get(schema, "properties"))
	{
		add_key(s, str_of(property->string), first);
		add_value(s, str_of(property->string), property);
		first = false;
	}
	shape_add(s, PART_LIT, first ? STR("{}") : STR("}"));
}

/* ---- from lists and words ---- */

/* A list of whole answers. */
static void
from_choice(Shape *s, const cJSON *values)
{
	const cJSON *v;
	size_t		n = 0;

	shape_choices(s, (size_t) cJSON_GetArraySize(values));
	cJSON_ArrayForEach(v, values)
		s->choice[n++].surface = json_text(v);
	s->broken = n == 0;
	if (n > 0)
		shape_add(s, PART_LABEL, NO_STR);
}

/* The object that a system message describes without a schema. */
static void
add_described_object(Shape *s, Str rule)
{
	s->json = true;
	add_key(s, STR("label"), true);
	shape_add(s, PART_LIT, STR("\""));
	shape_add(s, PART_LABEL, NO_STR);
	shape_add(s, PART_LIT, STR("\""));
	if (str_find(rule, STR("confidence")) >= 0)
	{
		add_key(s, STR("confidence"), false);
		shape_add(s, PART_CONF, NO_STR);
	}
	if (str_find(rule, STR("reason")) >= 0)
	{
		add_key(s, STR("reason"), false);
		shape_add(s, PART_LIT, STR("\""));
		shape_add(s, PART_REASON, NO_STR);
		shape_add(s, PART_LIT, STR("\""));
	}
	shape_add(s, PART_LIT, STR("}"));
}

/*
 * What a system message says after its last blank line: the labels and the
 * examples before it may well hold the word JSON.
 */
static Str
output_rule(Str system)
{
	ptrdiff_t	blank;

	while ((blank = str_find(system, STR("\n\n"))) >= 0 && system.n > (size_t) blank + 2)
		system = str_from(system, (size_t) blank + 2);
	return system;
}

static void
from_system(Shape *s, const Ask *ask, bool json)
{
	Str			rule = output_rule(ask->system);
	Listed		l;

	labels_listed(&l, ask->system, NULL, 0);
	shape_choices(s, l.n ? l.n : 1);
	if (l.n == 0)
		s->choice[0].surface = STR("ok");
	json |= str_find(rule, STR("JSON")) >= 0;
	for (size_t i = 0; i < l.n; i++)
	{
		Str			label = l.code[i].n ? l.code[i] : l.name[i];

		s->choice[i].surface = json ? json_escaped(label) : label;
	}
	if (json)
		add_described_object(s, rule);
	else
		shape_add(s, PART_LABEL, NO_STR);
}

/* ---- what the choices mean ---- */

/* Whether each choice stands in quotes of its own. */
static bool
all_quoted(const Shape *s)
{
	for (size_t i = 0; i < s->n_choices; i++)
	{
		Str			c = s->choice[i].surface;

		if (c.n < 2 || c.p[0] != '"' || c.p[c.n - 1] != '"')
			return false;
	}
	return s->n_choices > 0;
}

/* Choices with their quotes, as some grammars have them: quotes go outside. */
static void
move_quotes_out(Shape *s)
{
	Shape		moved = *s;

	if (!all_quoted(s))
		return;
	moved.part = NULL;
	moved.n_parts = 0;
	moved.json = true;
	for (size_t i = 0; i < s->n_choices; i++)
	{
		s->choice[i].surface.p++;
		s->choice[i].surface.n -= 2;
	}
	for (size_t i = 0; i < s->n_parts; i++)
	{
		bool		label = s->part[i].type == PART_LABEL;

		if (label)
			shape_add(&moved, PART_LIT, STR("\""));
		shape_add(&moved, s->part[i].type, s->part[i].text);
		if (label)
			shape_add(&moved, PART_LIT, STR("\""));
	}
	*s = moved;
}

/* One after the other. */
static Str
joined(Str a, Str b)
{
	char	   *both = arena_alloc(a.n + b.n + 1);

	if (a.n)
		memcpy(both, a.p, a.n);
	if (b.n)
		memcpy(both + a.n, b.p, b.n);
	return (Str) {both, a.n + b.n};
}

/* A code means the label beside it; a prefill is the label's beginning. */
static void
name_choice(Choice *c, const Listed *l, Str prefill, size_t hint)
{
	ptrdiff_t	i;

	c->name = c->value;
	i = l->codes ? labels_find(l->code, l->n, c->value, hint) : -1;
	if (i >= 0)
		c->name = l->name[i];
	else if (prefill.n > 0 && labels_find(l->name, l->n, c->value, hint) < 0)
		c->name = joined(prefill, c->value);
}

/* Values first: the list in the system message is read with them. */
static void
name_choices(Shape *s, const Ask *ask)
{
	Str		   *known = arena_alloc((s->n_choices + 1) * sizeof(Str));
	Listed		l;

	if (s->n_parts > 0 && s->part[0].type == PART_LIT && s->part[0].text.n > 0 &&
		s->part[0].text.p[0] == '{')
		s->json = true;
	for (size_t i = 0; i < s->n_choices; i++)
	{
		Choice	   *c = &s->choice[i];

		c->value = s->json ? json_unescaped(c->surface) : c->surface;
		known[i] = c->value;
	}
	labels_listed(&l, ask->system, known, s->n_choices);
	s->listed = l.name;
	s->n_listed = l.n;
	for (size_t i = 0; i < s->n_choices; i++)
		name_choice(&s->choice[i], &l, ask->prefill, i);
}

/* unbound: the constraint is not obeyed. */
void
shape_of_ask(Shape *s, const Ask *ask, bool unbound, bool spaces)
{
	Constraint	c = unbound ? (Constraint) {0} : constraint_of(ask);

	*s = (Shape) {.spaces = spaces,.bound = c.type != CON_NONE};
	switch (c.type)
	{
		case CON_CHOICE:
			from_choice(s, c.json);
			break;
		case CON_SCHEMA:
			from_schema(s, c.json);
			break;
		case CON_REGEX:
			s->broken |= !grammar_regex(s, c.text);
			break;
		case CON_GBNF:
			s->broken |= !grammar_gbnf(s, c.text);
			break;
		default:
			from_system(s, ask, c.type == CON_JSON);
	}
	move_quotes_out(s);
	name_choices(s, ask);
}
