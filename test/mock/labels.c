/*-------------------------------------------------------------------------
 *
 * labels.c
 *		The labels that a system message lists.
 *
 * After a line "Labels:" and up to a blank line, a line is "- label",
 * "- label: description", or with letter codes "A = label".  Without such a list
 * the answer to a question of "Yes or No" is one of the two.
 *
 *-------------------------------------------------------------------------
 */
#include "labels.h"

#include <ctype.h>

#include "arena.h"

/* hint: where it probably is, since requests list labels in one order. */
ptrdiff_t
labels_find(const Str *names, size_t n, Str name, size_t hint)
{
	if (hint < n && str_eq(names[hint], name))
		return (ptrdiff_t) hint;
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return (ptrdiff_t) i;
	return -1;
}

static Str
next_line(Str *s)
{
	ptrdiff_t	eol = str_find(*s, STR("\n"));
	Str			line = {s->p, eol < 0 ? s->n : (size_t) eol};

	*s = str_from(*s, eol < 0 ? s->n : line.n + 1);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* One or two letters before " = ", with or without a dash. */
static Str
code_of(Str line)
{
	size_t		n = 0;

	while (n < line.n && n < 3 && isalpha((unsigned char) line.p[n]))
		n++;
	if (n == 0 || n > 2 || !str_starts(str_from(line, n), STR(" = ")))
		return NO_STR;
	return (Str) {line.p, n};
}

/*
 * The label without its description. A label may hold ": " itself; where the
 * request names the labels elsewhere, the longest of those that fits is it.
 */
static Str
without_description(Str line, const Str *known, size_t n_known)
{
	ptrdiff_t	colon = str_find(line, STR(": "));
	Str			best = NO_STR;

	for (size_t i = 0; colon >= 0 && i < n_known; i++)
		if (known[i].n > best.n && str_starts(line, known[i]) &&
			(line.n == known[i].n || str_starts(str_from(line, known[i].n), STR(": "))))
			best = (Str) {line.p, known[i].n};
	if (best.n > 0)
		return best;
	return (Str) {line.p, colon < 0 ? line.n : (size_t) colon};
}

static bool
find_block(Str *system)
{
	while (system->n > 0)
	{
		Str			line = str_trim(next_line(system));

		if (str_ends(line, STR("Labels:")) || str_ends(line, STR("labels:")))
			return true;
	}
	return false;
}

static void
take_line(Listed *l, Str line, const Str *known, size_t n_known)
{
	bool		dash = str_starts(line, STR("- "));
	Str			code;

	if (dash)
		line = str_from(line, 2);
	code = code_of(line);
	if (code.n > 0)
		line = str_from(line, code.n + 3);
	else if (!dash)
		return;
	l->codes |= code.n > 0;
	l->code[l->n] = code;
	l->name[l->n++] = without_description(line, known, n_known);
}

/* The answers to a question, where the system message ends with such a rule. */
static void
take_yes_no(Listed *l)
{
	static Str	name[] = {{"Yes", 3}, {"No", 2}};
	static Str	code[2];

	l->name = name;
	l->code = code;
	l->n = 2;
}

void
labels_listed(Listed *l, Str system, const Str *known, size_t n_known)
{
	size_t		lines = 1;
	bool		asks = str_find(system, STR("Yes or No")) >= 0;

	*l = (Listed) {0};
	if (!find_block(&system))
	{
		if (asks)
			take_yes_no(l);
		return;
	}
	for (size_t i = 0; i < system.n; i++)
		lines += system.p[i] == '\n';
	l->name = arena_alloc(lines * sizeof(Str));
	l->code = arena_alloc(lines * sizeof(Str));
	while (system.n > 0)
	{
		Str			line = next_line(&system);

		if (str_trim(line).n == 0)
			return;
		take_line(l, line, known, n_known);
	}
}
