/*-------------------------------------------------------------------------
 *
 * grammar.c
 *		Reads GBNF grammars and regular expressions into an answer's shape.
 *
 * Both are parsed into one small tree, which is then walked once: literal
 * text is kept, the first alternation of nothing but literals is the label,
 * classes of digits are a confidence and other classes a reason. That covers
 * what a client of ours sends and is not a matcher: it cannot check a text.
 *
 * Invariant: a tree belongs to the request arena; the walk ends, whatever
 * rules refer to themselves, because its depth is limited.
 *
 *-------------------------------------------------------------------------
 */
#include "grammar.h"

#include <ctype.h>
#include <stdlib.h>

#include "arena.h"

#define MAX_DEPTH 64
#define MAX_RULES 64

/* A tree of both languages. */
typedef enum NodeType
{
	NODE_LIT,
	NODE_CLASS,
	NODE_SEQ,
	NODE_ALT,
	NODE_REP,
	NODE_REF
} NodeType;

typedef struct Node
{
	NodeType	type;
	Str			text;			/* literal, class body, or rule name */
	struct Node *kid;			/* first child */
	struct Node *next;			/* sibling */
	int			min;			/* of a repetition */
} Node;

typedef struct Rule
{
	Str			name;
	Node	   *node;
} Rule;

typedef struct Parser
{
	const char *p;
	const char *end;
	bool		regex;
	bool		bad;
	int			depth;
	Rule		rule[MAX_RULES];
	int			n_rules;
} Parser;

/* Groups nest: an atom can be a whole alternation. */
static Node *parse_alt(Parser *g);

/* All of a tree lives as long as the request. */
static Node *
new_node(NodeType type, Str text, Node *kid)
{
	Node	   *n = arena_alloc(sizeof(Node));

	*n = (Node) {.type = type,.text = text,.kid = kid,.min = 1};
	return n;
}

static bool
at(const Parser *g, char c)
{
	return g->p < g->end && *g->p == c;
}

/* White space and comments between the elements of a GBNF rule. */
static void
skip_space(Parser *g, bool newlines)
{
	if (g->regex)
		return;
	while (g->p < g->end)
	{
		if (*g->p == '#')
			while (g->p < g->end && *g->p != '\n')
				g->p++;
		else if (*g->p == ' ' || *g->p == '\t' || (newlines && isspace((unsigned char) *g->p)))
			g->p++;
		else
			return;
	}
}

/* ---- literals and classes ---- */

static unsigned
hex_digits(Parser *g, int n)
{
	unsigned	v = 0;

	for (int i = 0; i < n && g->p < g->end && isxdigit((unsigned char) *g->p); i++)
	{
		char		c = *g->p++;

		v = v * 16 + (unsigned) (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return v;
}

/* After a backslash in a literal. */
static void
parse_escape(Parser *g, Buf *out)
{
	char		c = *g->p++;

	if (c == 'n')
		buf_char(out, '\n');
	else if (c == 't')
		buf_char(out, '\t');
	else if (c == 'r')
		buf_char(out, '\r');
	else if (c == 'x' || c == 'u' || c == 'U')
		buf_codepoint(out, hex_digits(g, c == 'x' ? 2 : c == 'u' ? 4 : 8));
	else
		buf_char(out, c);
}

/* Takes over the text and frees it. */
static Node *
literal_node(Buf *text)
{
	Node	   *n = new_node(NODE_LIT, arena_copy(buf_view(text)), NULL);

	buf_free(text);
	return n;
}

/* A literal of GBNF. */
static Node *
parse_quoted(Parser *g)
{
	Buf			text = {0};

	g->p++;
	while (g->p < g->end && *g->p != '"')
		if (*g->p == '\\' && g->p + 1 < g->end)
		{
			g->p++;
			parse_escape(g, &text);
		}
		else
			buf_char(&text, *g->p++);
	g->bad |= g->p >= g->end;
	g->p++;
	return literal_node(&text);
}

/* Plain characters of a regular expression; the last may be repeated. */
static Node *
parse_plain(Parser *g)
{
	Buf			text = {0};
	const char *before = g->p;
	size_t		before_len = 0;

	do
	{
		if (g->p + 1 < g->end && *g->p == '\\' && strchr("dws", g->p[1]))
			break;
		before = g->p;
		before_len = text.len;
		if (*g->p == '\\' && g->p + 1 < g->end)
		{
			g->p++;
			parse_escape(g, &text);
		}
		else
			buf_char(&text, *g->p++);
	} while (g->p < g->end && !strchr("()[]|.*+?{", *g->p));
	if (g->p < g->end && before_len > 0 && strchr("*+?{", *g->p))
	{
		text.len = before_len;
		g->p = before;
	}
	return literal_node(&text);
}

/* Only the body of a class is kept; emit_class judges by it. */
static Node *
parse_class(Parser *g)
{
	const char *from = ++g->p;
	Node	   *n;

	if (at(g, '^'))
		g->p++;
	while (g->p < g->end && *g->p != ']')
		g->p += *g->p == '\\' ? 2 : 1;
	g->bad |= g->p >= g->end;
	n = new_node(NODE_CLASS, (Str) {from, g->bad ? 0 : (size_t) (g->p - from)}, NULL);
	g->p++;
	return n;
}

/* ---- structure ---- */

/* ( ... ), and (?: ... ) in a regular expression. */
static Node *
parse_group(Parser *g)
{
	Node	   *n;

	g->p++;
	if (g->regex && at(g, '?'))
		g->p += 2;				/* (?: */
	n = parse_alt(g);
	skip_space(g, true);
	g->bad |= !at(g, ')');
	g->p++;
	return n;
}

/* A rule's name, defined here or referred to. */
static Node *
parse_name(Parser *g)
{
	const char *from = g->p;

	while (g->p < g->end && (isalnum((unsigned char) *g->p) || *g->p == '-' || *g->p == '_'))
		g->p++;
	g->bad |= g->p == from;
	return new_node(NODE_REF, (Str) {from, (size_t) (g->p - from)}, NULL);
}

/* The smallest thing that can be repeated. */
static Node *
parse_atom(Parser *g)
{
	if (at(g, '('))
		return parse_group(g);
	if (at(g, '['))
		return parse_class(g);
	if (at(g, '.'))
	{
		g->p++;
		return new_node(NODE_CLASS, STR("^\n"), NULL);
	}
	if (!g->regex)
		return at(g, '"') ? parse_quoted(g) : parse_name(g);
	if (g->p + 1 < g->end && *g->p == '\\' && strchr("dws", g->p[1]))
	{
		g->p += 2;
		return new_node(NODE_CLASS, g->p[-1] == 'd' ? STR("0-9") :
						g->p[-1] == 's' ? STR(" ") : STR("a-z"), NULL);
	}
	return parse_plain(g);
}

/* An atom with its *, +, ? or {m,n}. */
static Node *
parse_repeated(Parser *g)
{
	Node	   *n = parse_atom(g);

	while (g->p < g->end && strchr("*+?{", *g->p))
	{
		n = new_node(NODE_REP, NO_STR, n);
		n->min = *g->p == '+' ? 1 : 0;
		if (*g->p == '{')
		{
			n->min = atoi(g->p + 1);
			while (g->p < g->end && *g->p != '}')
				g->p++;
		}
		g->p++;
	}
	return n;
}

/* Whether a GBNF rule ends here: a new line that begins "name ::=". */
static bool
ends_sequence(Parser *g)
{
	const char *p;

	if (g->p >= g->end || *g->p == '|' || *g->p == ')')
		return true;
	if (g->regex || *g->p != '\n')
		return false;
	skip_space(g, true);
	for (p = g->p; p < g->end && (isalnum((unsigned char) *p) || *p == '-' || *p == '_'); p++)
		;
	while (p < g->end && *p == ' ')
		p++;
	return g->p >= g->end || (g->end - p >= 3 && memcmp(p, "::=", 3) == 0) ||
		*g->p == '|' || *g->p == ')';
}

/* Elements one after the other; each must take something. */
static Node *
parse_seq(Parser *g)
{
	Node	   *seq = new_node(NODE_SEQ, NO_STR, NULL);
	Node	  **last = &seq->kid;

	skip_space(g, false);
	while (!g->bad && !ends_sequence(g))
	{
		const char *before = g->p;

		*last = parse_repeated(g);
		last = &(*last)->next;
		g->bad |= g->p == before;
		skip_space(g, false);
	}
	return seq;
}

/* Sequences with | between; one alone is left as it is. */
static Node *
parse_alt(Parser *g)
{
	Node	   *alt = new_node(NODE_ALT, NO_STR, NULL);
	Node	  **last = &alt->kid;

	if (++g->depth > MAX_DEPTH)
		g->bad = true;
	for (;;)
	{
		*last = parse_seq(g);
		last = &(*last)->next;
		if (g->bad || !at(g, '|'))
			break;
		g->p++;
		skip_space(g, true);
	}
	g->depth--;
	return alt->kid->next ? alt : alt->kid;
}

/* name ::= alternatives, rule by rule. */
static void
parse_rules(Parser *g)
{
	for (;;)
	{
		Rule	   *r;

		skip_space(g, true);
		if (g->p >= g->end || g->bad)
			return;
		if (g->n_rules == MAX_RULES)
		{
			g->bad = true;
			return;
		}
		r = &g->rule[g->n_rules++];
		r->name = parse_name(g)->text;
		skip_space(g, false);
		g->bad |= g->end - g->p < 3 || memcmp(g->p, "::=", 3) != 0;
		if (g->bad)
			return;
		g->p += 3;
		skip_space(g, true);
		r->node = parse_alt(g);
	}
}

/* ---- from the tree to the shape ---- */

/* What a name stands for; an unknown name spoils the grammar. */
static const Node *
deref(Parser *g, const Node *n)
{
	for (int i = 0; i < MAX_DEPTH && n && n->type == NODE_REF; i++)
	{
		const Node *found = NULL;

		for (int r = 0; r < g->n_rules; r++)
			if (str_eq(g->rule[r].name, n->text))
				found = g->rule[r].node;
		n = found;
	}
	g->bad |= n == NULL;
	return n;
}

/* Appends the text of a tree of literals only; false for any other tree. */
static bool
literal_text(Parser *g, const Node *n, Buf *out, int depth)
{
	n = deref(g, n);
	if (n == NULL || depth > MAX_DEPTH)
		return false;
	if (n->type == NODE_LIT)
		buf_str(out, n->text);
	else if (n->type != NODE_SEQ)
		return false;
	for (const Node *k = n->kid; k; k = k->next)
		if (!literal_text(g, k, out, depth + 1))
			return false;
	return true;
}

/* An alternation of literals becomes the label's choices. */
static bool
take_choices(Parser *g, Shape *s, const Node *alternatives, bool siblings)
{
	Buf			text = {0};
	size_t		n = 0;
	bool		literal = true;

	for (const Node *k = alternatives; k && literal; k = siblings ? k->next : NULL)
	{
		literal = literal_text(g, k, &text, 0);
		n++;
	}
	if (literal)
	{
		shape_choices(s, n);
		n = 0;
		for (const Node *k = alternatives; k; k = siblings ? k->next : NULL)
		{
			text.len = 0;
			literal_text(g, k, &text, 0);
			s->choice[n++].surface = arena_copy(buf_view(&text));
		}
		shape_add(s, PART_LABEL, NO_STR);
	}
	buf_free(&text);
	return literal;
}

/* The first class in a tree, which says what the whole tree can hold. */
static const Node *
first_class(Parser *g, const Node *n, int depth)
{
	n = depth > MAX_DEPTH ? NULL : deref(g, n);
	if (n == NULL || n->type == NODE_CLASS)
		return n;
	for (const Node *k = n->kid; k; k = k->next)
	{
		const Node *found = first_class(g, k, depth + 1);

		if (found)
			return found;
	}
	return NULL;
}

/*
 * A class is a place to fill: digits ask for a confidence, white space for
 * nothing, anything else for a reason. Neighbours of one kind are one place.
 */
static void
emit_class(Shape *s, Str class)
{
	PartType	last = s->n_parts ? s->part[s->n_parts - 1].type : PART_LIT;
	bool		space = class.n > 0;

	for (size_t i = 0; i < class.n; i++)
		space &= strchr(" \\tnr\n\t", class.p[i]) != NULL;
	if (space)
		return;
	if (isdigit((unsigned char) class.p[0]) && class.n <= 3)
	{
		if (last != PART_CONF)
			shape_add(s, PART_CONF, NO_STR);
	}
	else if (last != PART_REASON)
		shape_add(s, PART_REASON, NO_STR);
}

/*
 * Walks the tree from left to right. What can be left out is left out, and
 * of several ways the first is taken.
 */
static void
emit(Parser *g, Shape *s, const Node *n, int depth)
{
	const Node *class;

	n = deref(g, n);
	if (n == NULL || depth > MAX_DEPTH || g->bad)
		return;
	switch (n->type)
	{
		case NODE_LIT:
			shape_add(s, PART_LIT, n->text);
			break;
		case NODE_CLASS:
			emit_class(s, n->text);
			break;
		case NODE_SEQ:
			for (const Node *k = n->kid; k; k = k->next)
				emit(g, s, k, depth + 1);
			break;
		case NODE_ALT:
			if (s->n_choices == 0 && take_choices(g, s, n->kid, true))
				break;
			class = first_class(g, n, depth);
			if (class)
				emit_class(s, class->text);
			else
				emit(g, s, n->kid, depth + 1);
			break;
		default:				/* a repetition */
			class = first_class(g, n->kid, depth);
			if (class)
				emit_class(s, class->text);
			else if (n->min > 0)
				emit(g, s, n->kid, depth + 1);
	}
}

/* A root of one literal is a label with one choice. */
static bool
to_shape(Parser *g, Shape *s, const Node *root)
{
	if (g->bad)
		return false;
	if (!take_choices(g, s, root, false))
		emit(g, s, root, 0);
	return !g->bad;
}

bool
grammar_gbnf(Shape *s, Str grammar)
{
	Parser		g = {.p = grammar.p,.end = grammar.p + grammar.n};
	Node		root = {.type = NODE_REF,.text = STR("root")};

	parse_rules(&g);
	return to_shape(&g, s, &root);
}

bool
grammar_regex(Shape *s, Str regex)
{
	Parser		g = {.p = regex.p,.end = regex.p + regex.n,.regex = true};
	Node	   *root;

	if (at(&g, '^'))
		g.p++;
	if (g.p < g.end && g.end[-1] == '$')
		g.end--;
	root = parse_alt(&g);
	return g.p == g.end && to_shape(&g, s, root);
}
