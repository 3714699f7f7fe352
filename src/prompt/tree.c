/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  A server's JSON as a tree, parsed within limits and into few blocks.
 *
 * A string is never longer than its literal, so it is unescaped where it
 * stands in our copy of the text, and its end takes the place of the closing
 * quote.  Recursion is as deep as QC_MAX_DEPTH lets it be.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/tree.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/ascii.h"
#include "prompt/buf.h"
#include "prompt/json.h"
#include "prompt/text.h"

/* 16 kB of nodes; an answer of three tokens fills three. */
#define BLOCK_NODES 250

/* Fit an int for certain. */
#define SHORT_DIGITS 9

/* More digits than these change no double; they are left out. */
#define MAX_DIGITS 18

/* Both exact as doubles: their quotient is the nearest double, without help. */
#define EXACT_TEN 22
#define EXACT_MANTISSA (UINT64_C(1) << 53)

/* Powers of ten in reach of a double, and some; beyond them all is 0 or infinite. */
#define MAX_EXPONENT 400

typedef struct QcTreeBlock
{
	struct QcTreeBlock *next;
	int			used;
	cJSON		node[BLOCK_NODES];
} QcTreeBlock;

typedef struct QcTreeParser
{
	QcTree	   *tree;
	char	   *at;
	char	   *end;			/* a NUL stands there */
	int			depth;
} QcTreeParser;

static bool parse_value(QcTreeParser *p, cJSON *node);

static cJSON *
new_node(QcTree *tree)
{
	QcTreeBlock *block = tree->block;
	cJSON	   *node;

	if (block == NULL || block->used == BLOCK_NODES)
	{
		block = malloc(sizeof(QcTreeBlock));
		if (block == NULL)
			return NULL;
		block->used = 0;
		block->next = tree->block;
		tree->block = block;
	}
	node = &block->node[block->used++];
	memset(node, 0, sizeof(cJSON));
	return node;
}

/* Hostile text may hold NULs: they are white space, as all control characters. */
static void
skip_space(QcTreeParser *p)
{
	while (p->at < p->end && (unsigned char) *p->at <= ' ')
		p->at++;
}

static bool
accept(QcTreeParser *p, char c)
{
	skip_space(p);
	if (*p->at != c || p->at == p->end)
		return false;
	p->at++;
	return true;
}

/* ---- strings ---- */

/* The value of four hex digits, -1 if they are not. */
static long
hex4(const char *s, const char *end)
{
	long		value = 0;
	int			i;

	if (end - s < 4)
		return -1;
	for (i = 0; i < 4; i++)
	{
		static const char digits[] = "0123456789abcdef";
		const char *digit = s[i] >= '0' ? strchr(digits, s[i] | 0x20) : NULL;

		if (digit == NULL)
			return -1;
		value = value * 16 + (digit - digits);
	}
	return value;
}

/*
 * What follows \u: a character or a surrogate pair.  Half a pair, where a
 * server cut its text, is U+FFFD: one character must not cost the answer.
 * Bytes written, 0: wrong.
 */
static int
unescape_unicode(QcTreeParser *p, char *to)
{
	long		c = hex4(p->at, p->end);
	long		low = -1;

	if (c < 0)
		return 0;
	p->at += 4;
	if (c >= 0xD800 && c <= 0xDBFF && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u')
		low = hex4(p->at + 2, p->end);
	if (low >= 0xDC00 && low <= 0xDFFF)
	{
		p->at += 6;
		c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
	}
	else if (c >= 0xD800 && c <= 0xDFFF)
		c = 0xFFFD;
	return (int) qc_utf8_put(to, (uint32_t) c);
}

/* The escape after the backslash.  Bytes written, 0: wrong. */
static int
unescape(QcTreeParser *p, char *to)
{
	static const char from[] = "bfnrt\"\\/";
	static const char into[] = "\b\f\n\r\t\"\\/";
	char		c = *p->at;
	const char *known = c != '\0' ? strchr(from, c) : NULL;

	if (p->at == p->end)
		return 0;
	p->at++;
	if (c == 'u')
		return unescape_unicode(p, to);
	if (known == NULL)
		return 0;
	*to = into[known - from];
	return 1;
}

/* The string whose opening quote was read; NULL: wrong. */
static char *
parse_string(QcTreeParser *p)
{
	char	   *start = p->at;
	char	   *to;

	while (p->at < p->end && *p->at != '"' && *p->at != '\\')
		p->at++;
	to = p->at;
	while (p->at < p->end && *p->at != '"')
	{
		int			n;

		if (*p->at != '\\')
		{
			*to++ = *p->at++;
			continue;
		}
		p->at++;
		n = unescape(p, to);
		if (n == 0)
			return NULL;
		to += n;
	}
	if (p->at == p->end)
		return NULL;
	p->at++;
	*to = '\0';
	return start;
}

/* ---- numbers ---- */

/* Digits go into *mantissa as far as they matter; returns how many were left out. */
static int
parse_digits(QcTreeParser *p, uint64_t *mantissa, int *seen, int *digits)
{
	int			left_out = 0;

	for (; *p->at >= '0' && *p->at <= '9'; p->at++)
	{
		(*digits)++;
		if (*seen < MAX_DIGITS)
		{
			*mantissa = *mantissa * 10 + (uint64_t) (*p->at - '0');
			*seen += *mantissa != 0;
		}
		else
			left_out++;
	}
	return left_out;
}

static int
parse_exponent(QcTreeParser *p)
{
	char	   *at = p->at;
	bool		minus;
	int			exponent = 0;

	if (*at != 'e' && *at != 'E')
		return 0;
	at++;
	minus = *at == '-';
	if (*at == '-' || *at == '+')
		at++;
	if (*at < '0' || *at > '9')
		return 0;
	for (; *at >= '0' && *at <= '9'; at++)
		exponent = exponent < INT_MAX / 20 ? exponent * 10 + (*at - '0') : exponent;
	p->at = at;
	return minus ? -exponent : exponent;
}

/*
 * strtod is right to the last bit and takes 200 ns for it; a logarithm of a
 * probability needs no more than its first six digits.
 */
static double
scaled(uint64_t mantissa, int exponent)
{
	static const long double ten[] = {
		1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L,
		1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L
	};
	static const double exact_ten[] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
		1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	const int	most = (int) (sizeof(ten) / sizeof(ten[0])) - 1;
	long double value = (long double) mantissa;

	if (mantissa == 0)
		return 0;
	if (exponent > MAX_EXPONENT)
		return INFINITY;
	if (exponent < -MAX_EXPONENT)
		return 0;
	if (exponent <= 0 && exponent >= -EXACT_TEN && mantissa < EXACT_MANTISSA)
		return (double) mantissa / exact_ten[-exponent];
	for (; exponent > most; exponent -= most)
		value *= ten[most];
	for (; exponent < -most; exponent += most)
		value /= ten[most];
	return (double) (exponent < 0 ? value / ten[-exponent] : value * ten[exponent]);
}

static void
set_number(cJSON *node, double value)
{
	node->type = cJSON_Number;
	node->valuedouble = value;
	node->valueint = value >= INT_MAX ? INT_MAX : value <= INT_MIN ? INT_MIN : (int) value;
}

/* Most numbers of an answer are bytes and ids: false unless it is a short integer. */
static bool
parse_short(QcTreeParser *p, cJSON *node)
{
	char	   *at = p->at;
	int			value = 0;

	for (; *at >= '0' && *at <= '9'; at++)
	{
		if (at - p->at >= SHORT_DIGITS)
			return false;
		value = value * 10 + (*at - '0');
	}
	if (*at == '.' || *at == 'e' || *at == 'E')
		return false;
	p->at = at;
	node->type = cJSON_Number;
	node->valueint = value;
	node->valuedouble = value;
	return true;
}

static bool
parse_number(QcTreeParser *p, cJSON *node)
{
	bool		minus = *p->at == '-';
	uint64_t	mantissa = 0;
	int			seen = 0;
	int			digits = 0;
	int			exponent;
	double		value;

	p->at += minus;
	exponent = parse_digits(p, &mantissa, &seen, &digits);
	if (*p->at == '.' && digits > 0)
	{
		char	   *point = ++p->at;

		exponent += parse_digits(p, &mantissa, &seen, &digits) - (int) (p->at - point);
	}
	if (digits == 0)
		return false;
	exponent += parse_exponent(p);
	value = scaled(mantissa, exponent);
	set_number(node, minus ? -value : value);
	return true;
}

/* ---- words ---- */

/* JSON's words, and those of printers of floats that were not told of JSON. */
static bool
parse_word(QcTreeParser *p, cJSON *node)
{
	static const struct
	{
		const char *word;
		int			type;
		double		value;
	}			known[] =
	{
		{"null", cJSON_NULL, 0},
		{"true", cJSON_True, 1},
		{"false", cJSON_False, 0},
		{"-Infinity", cJSON_NULL, 0},
		{"-inf", cJSON_NULL, 0},
		{"Infinity", cJSON_Number, QC_NOT_A_NUMBER},
		{"NaN", cJSON_Number, QC_NOT_A_NUMBER},
		{"nan", cJSON_Number, QC_NOT_A_NUMBER}
	};
	size_t		i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		size_t		n = strlen(known[i].word);

		if ((size_t) (p->end - p->at) < n || memcmp(p->at, known[i].word, n) != 0)
			continue;
		p->at += n;
		if (known[i].type == cJSON_Number)
			set_number(node, known[i].value);
		else
		{
			node->type = known[i].type;
			node->valueint = known[i].value != 0;
		}
		return true;
	}
	return false;
}

/* ---- bytes ---- */

static char *
skip_blanks(char *s)
{
	while (qc_ascii_blank(*s))
		s++;
	return s;
}

/* One of "[1, 20, 255]" from *at on, which moves behind what follows it; -1: it is not a byte. */
static int
next_byte(char **at, char *follows)
{
	char	   *s = skip_blanks(*at);
	int			value = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9' && value <= 255; s++)
		value = value * 10 + (*s - '0');
	s = skip_blanks(s);
	*follows = *s;
	*at = s + 1;
	return value <= 255 && (*follows == ',' || *follows == ']') ? value : -1;
}

/* An array of bytes and nothing else, unescaped as strings are; false: something else, as it was. */
static bool
parse_bytes(QcTreeParser *p, cJSON *node)
{
	char	   *at = p->at + 1;
	char	   *to = p->at;
	char		follows = '[';
	int			n = 0;

	if (*at == ']')
		at++;
	else
	{
		while (follows != ']')
		{
			if (next_byte(&at, &follows) < 0)
				return false;
			n++;
		}
		at = p->at + 1;
		for (int i = 0; i < n; i++)
			*to++ = (char) next_byte(&at, &follows);
	}
	*to = '\0';
	node->type = cJSON_Array;
	node->valuestring = p->at;
	node->valueint = n;
	p->at = at;
	return true;
}

/* ---- arrays and objects ---- */

static bool
parse_member(QcTreeParser *p, cJSON *member)
{
	skip_space(p);
	return (*p->at == '[' && strcmp(member->string, "bytes") == 0 && parse_bytes(p, member)) ||
		parse_value(p, member);
}

static bool
parse_key(QcTreeParser *p, cJSON *member)
{
	if (!accept(p, '"'))
		return false;
	member->string = parse_string(p);
	return member->string != NULL && accept(p, ':');
}

/* The members of an array or object whose opening bracket was read. */
static bool
parse_members(QcTreeParser *p, cJSON *node, bool keyed)
{
	char		close = keyed ? '}' : ']';
	cJSON	   *last = NULL;

	node->type = keyed ? cJSON_Object : cJSON_Array;
	if (accept(p, close))
		return true;
	do
	{
		cJSON	   *member = new_node(p->tree);

		if (member == NULL ||
			!(keyed ? parse_key(p, member) && parse_member(p, member) : parse_value(p, member)))
			return false;
		if (last == NULL)
			node->child = member;
		else
			last->next = member;
		member->prev = last;
		last = member;
	} while (accept(p, ','));

	/* cJSON keeps the last member there */
	node->child->prev = last;
	return accept(p, close);
}

static bool
parse_deeper(QcTreeParser *p, cJSON *node, bool keyed)
{
	bool		good;

	if (p->depth >= QC_MAX_DEPTH)
		return false;
	p->at++;
	p->depth++;
	good = parse_members(p, node, keyed);
	p->depth--;
	return good;
}

static bool
parse_value(QcTreeParser *p, cJSON *node)
{
	skip_space(p);
	switch (*p->at)
	{
		case '{':
			return parse_deeper(p, node, true);
		case '[':
			return parse_deeper(p, node, false);
		case '"':
			p->at++;
			node->type = cJSON_String;
			node->valuestring = parse_string(p);
			return node->valuestring != NULL;
		case '-':
			return (p->at[1] >= '0' && p->at[1] <= '9') ? parse_number(p, node) : parse_word(p, node);
		default:
			if (*p->at < '0' || *p->at > '9')
				return parse_word(p, node);
			return parse_short(p, node) || parse_number(p, node);
	}
}

bool
qc_tree_parse(QcTree *tree, const char *s, size_t len)
{
	static const char mark[] = "\xEF\xBB\xBF";
	QcTreeParser p = {0};
	cJSON	   *root;

	memset(tree, 0, sizeof(*tree));
	if (len >= 3 && memcmp(s, mark, 3) == 0)
	{
		s += 3;
		len -= 3;
	}
	tree->text = qc_strndup(s, len);
	if (tree->text == NULL)
		return false;
	p.tree = tree;
	p.at = tree->text;
	p.end = tree->text + len;
	root = new_node(tree);
	if (root != NULL && parse_value(&p, root))
		tree->root = root;
	return tree->root != NULL;
}

char *
qc_tree_take_text(QcTree *tree)
{
	char	   *text = tree->text;

	tree->text = NULL;
	return text;
}

void
qc_tree_free(QcTree *tree)
{
	while (tree->block != NULL)
	{
		QcTreeBlock *next = tree->block->next;

		free(tree->block);
		tree->block = next;
	}
	free(tree->text);
	memset(tree, 0, sizeof(*tree));
}
