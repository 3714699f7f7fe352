/*-------------------------------------------------------------------------
 *
 * posterior.c
 *	  From the tokens' probabilities to the labels'.
 *
 * The labels are the leaves of a tree whose edges are tokens.  The reply shows
 * one path through it, and at each node of that path the alternatives and
 * their probabilities.  From the root on:
 *
 * - every token that some label, as far as still possible, may go on with,
 *   takes its probability along; all others are outside.  What fits is
 *   renormalised at each node, which is what a server does that decodes under
 *   a grammar, so it makes no difference on which side of its grammar the
 *   server took the numbers;
 * - a token that one label alone may go on with decides for that label, since
 *   the rest of it has no alternative; several spellings add up;
 * - a token that several may go on with is a subtree.  The one on the path is
 *   entered; the reply says nothing about the inside of the others, so their
 *   mass stays undivided.
 *
 * Invariant: path plus all mass given away is 1 after every node.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/posterior.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/subtree.h"
#include "prompt/text.h"

/* No request asks for as many; a hostile body's alternatives cost squares. */
#define MAX_TOKENS 64

/* A probability that a grammar's mask leaves is far below; rounding is too. */
#define OUTSIDE_MASS 1e-6

/* What reported probabilities lack to 1 by rounding alone. */
#define TAIL_MASS 1e-5

/* What a node does to the walk. */
typedef enum Step
{
	STEP_ON,					/* go to the next position */
	STEP_STOP,					/* nothing more can be told apart */
	STEP_LOST,					/* the path is not that of a label */
	STEP_NO_MEMORY
} Step;

typedef struct Walk
{
	const QcReply *reply;
	const QcSpan *span;
	QcSpelling	spelling;
	QcVerdict  *out;
	int		   *alive;			/* labels that the path may still become */
	int			nalive;
	int		   *set;			/* those that fit the token in hand */
	bool	   *seen;			/* those that fit some token of the node */
	size_t		depth;			/* bytes of the alive labels that are there */
	bool		entered;		/* some of them are of the label itself */
	double		path;
	bool		probing;		/* go on behind the decision, to see what is */
	bool		outside;		/* reported there: something but labels? */
	bool		masked;			/* no, nothing */
	double		reach;			/* for coverage: how much of the mass went */
	double		coverage;		/* along before the label, and what fitted; */
	bool		covered;		/* whether the label's first byte was seen */
} Walk;

/* The distinct tokens of one position, the chosen one first. */
typedef struct Node
{
	const QcToken *token[MAX_TOKENS];
	double		p[MAX_TOKENS];	/* their probabilities */
	bool		fits[MAX_TOKENS];	/* some label: set by fitting_mass */
	int			n;
	size_t		start;			/* in the text */
} Node;

/*
 * Fragments of unknown bytes are told apart by their probability; a known
 * token that occurs twice is the same one.
 */
static bool
same_token(const QcToken *a, const QcToken *b)
{
	if (a->len < 0 || b->len < 0)
		return a->len < 0 && b->len < 0 && fabs(a->logprob - b->logprob) < OUTSIDE_MASS;
	return a->len == b->len &&
		(a->len == 0 || (a->bytes[0] == b->bytes[0] &&
						 memcmp(a->bytes, b->bytes, (size_t) a->len) == 0));
}

static void
collect(Node *node, const QcPosition *position)
{
	int			i;
	int			k;

	node->token[0] = &position->chosen;
	node->n = 1;
	node->start = position->start;
	for (i = 0; i < position->ntop && node->n < MAX_TOKENS; i++)
	{
		const QcToken *token = &position->top[i];
		int			known = token->len < 0 ? 1 : node->n;

		/* Two unknown fragments of equal probability may well be two. */
		for (k = 0; k < known && !same_token(node->token[k], token); k++)
			continue;
		if (k == known)
			node->token[node->n++] = token;
	}
	for (k = 0; k < node->n; k++)
		node->p[k] = exp(node->token[k]->logprob);
}

/* Labels that go on with a character of several bytes, the given one or others. */
static int
fit_fragment(const Walk *walk, const char *text, size_t len, bool chosen, int *set)
{
	size_t		char_len = qc_utf8_char(text, len, NULL);
	int			found = 0;
	int			i;

	for (i = 0; i < walk->nalive; i++)
	{
		const char *rest = walk->spelling.text[walk->alive[i]] + walk->depth;
		size_t		left = walk->spelling.len[walk->alive[i]] - walk->depth;
		bool		same = char_len > 0 && left >= char_len &&
			memcmp(rest, text, char_len) == 0;

		if (left == 0 || (unsigned char) rest[0] < 0x80)
			continue;
		if (chosen ? char_len > 0 && rest[0] == text[0] : !same)
			set[found++] = walk->alive[i];
	}
	return found;
}

/*
 * The labels that may go on with the k-th token of a node.  A fragment whose
 * bytes the server did not tell: the chosen one begins the character that the
 * text has there, another one some other character.
 */
static int
fit(const Walk *walk, const Node *node, int k, size_t *depth_after)
{
	const QcToken *token = node->token[k];
	const char *text = walk->reply->text + node->start;

	int			n;

	*depth_after = walk->depth;
	if (token->len < 0)
		return fit_fragment(walk, text, walk->reply->text_len - node->start,
							k == 0, walk->set);
	n = qc_spelling_fit(&walk->spelling, walk->alive, walk->nalive, walk->depth,
						token, walk->set, depth_after);

	/* A longer way to the same label: as the way taken, it says nothing. */
	return k > 0 && *depth_after <= walk->spelling.before ? 0 : n;
}

/*
 * Whether a token before the label merely has other white space than the
 * answer: a grammar lets it pass, so it is no sign that there was none.
 */
static bool
other_spacing(const Walk *walk, const QcToken *token)
{
	const char *before = walk->spelling.text[walk->alive[0]] + walk->depth;
	const char *s = token->bytes;

	if (walk->depth >= walk->spelling.before && !walk->spelling.loose)
		return false;
	if (walk->depth > walk->spelling.before)
		return false;
	s += strspn(s, " \t\r\n");
	before += strspn(before, " \t\r\n");
	return *s == '\0' || (walk->spelling.in_string && *s == *before);
}

/* The mass of a node that fits; marks which of its tokens do, and which labels they fit. */
static double
fitting_mass(Walk *walk, Node *node)
{
	double		mass = 0;
	size_t		depth_after;
	int			n;
	int			i;
	int			k;

	memset(walk->seen, 0, sizeof(bool) * (size_t) walk->spelling.n);
	for (k = 0; k < node->n; k++)
	{
		n = fit(walk, node, k, &depth_after);
		for (i = 0; i < n; i++)
			walk->seen[walk->set[i]] = true;
		node->fits[k] = n > 0;
		if (n > 0)
			mass += node->p[k];
		else if (node->token[k]->len >= 0 && node->p[k] > OUTSIDE_MASS &&
				 !other_spacing(walk, node->token[k]))
			walk->outside = true;
	}
	return mass;
}

/*
 * What n labels that a list does not mention have at most: together not more
 * than it leaves, one by one not more than the least that it does mention.
 */
static double
most_unseen(const Node *node, int n)
{
	double		sum = 0;
	double		least = 1;
	int			k;

	for (k = 0; k < node->n; k++)
	{
		sum += node->p[k];
		least = fmin(least, node->p[k]);
	}
	return fmax(fmin(1 - sum, n * least), 0);
}

/*
 * The mass of labels that the list was too short to show.  Behind a grammar all
 * is on the labels, so what is left is theirs.  Before it nobody knows how much of
 * it is: half of what they may have, and the settled shares are as uncertain.
 */
static double
tail_mass(Walk *walk, const Node *node, double fitting, int n)
{
	double		tail = walk->masked ? 1 - fitting : most_unseen(node, n);

	if (tail < TAIL_MASS)
		return 0;
	if (walk->masked)
		return tail;
	walk->out->least *= (fitting + tail / 2) / (fitting + tail);
	walk->out->most *= (fitting + tail / 2) / fitting;
	return tail / 2;
}

static double
share_tail(Walk *walk, const Node *node, double fitting, Step *step)
{
	double		tail;
	int			n = 0;
	int			i;

	for (i = 0; i < walk->nalive; i++)
	{
		if (!walk->seen[walk->alive[i]])
			walk->set[n++] = walk->alive[i];
	}
	tail = n > 0 ? tail_mass(walk, node, fitting, n) : 0;
	if (tail > 0 && !qc_subtree_add(walk->out, walk->set, n, walk->path * tail / (fitting + tail)))
		*step = STEP_NO_MEMORY;
	return tail;
}

/*
 * How much of the model's mass was on the labels at all.  Tokens before the
 * label (a quote that the grammar forces) only count as far as some of their
 * alternatives are labels already.
 */
static void
add_coverage(Walk *walk, double fitting, double chosen, bool enters)
{
	if (enters)
	{
		walk->coverage += walk->reach * fmin(fitting, 1);
		walk->covered = true;
	}
	else
	{
		walk->coverage += walk->reach * (fitting - chosen) / fitting;
		walk->reach *= chosen / fitting;
	}
}

/* Follow the chosen token: what fits it is alive now. */
static Step
follow(Walk *walk, const Node *node, double total)
{
	size_t		depth_after;
	int			n = fit(walk, node, 0, &depth_after);
	const QcToken *token = node->token[0];
	bool		ended;

	if (n == 0)
		return STEP_LOST;
	ended = token->len == 0 ||
		(token->len > 0 && depth_after > walk->spelling.len[walk->set[0]]);
	memcpy(walk->alive, walk->set, sizeof(int) * (size_t) n);
	walk->nalive = n;
	walk->depth = depth_after;
	walk->path *= node->p[0] / total;
	return ended ? STEP_STOP : STEP_ON;
}

/* One position: share its mass, follow its token. */
static Step
visit(Walk *walk, const QcPosition *position)
{
	Node		node;
	double		fitting;
	double		total;
	size_t		depth_after;
	Step		step = STEP_ON;
	bool		enters;
	int			k;

	collect(&node, position);
	fitting = fitting_mass(walk, &node);
	if (!node.fits[0])
		return STEP_LOST;
	if (!(fitting > 0))
		return STEP_STOP;
	total = fitting + share_tail(walk, &node, fitting, &step);
	for (k = 1; k < node.n && step == STEP_ON; k++)
	{
		if (node.fits[k] &&
			!qc_subtree_add(walk->out, walk->set, fit(walk, &node, k, &depth_after),
							walk->path * node.p[k] / total))
			step = STEP_NO_MEMORY;
	}
	if (step != STEP_ON)
		return step;
	step = follow(walk, &node, total);
	enters = walk->depth > walk->spelling.before || position->chosen.len <= 0;
	if (!walk->entered)
		add_coverage(walk, fitting, node.p[0], enters);
	walk->entered |= enters;
	return step;
}

/*
 * A position of which the server told nothing but its bytes.  If they fit all
 * that is alive, nothing was decided there; else nobody knows how much.
 */
static Step
pass_unseen(Walk *walk, const QcPosition *position)
{
	size_t		depth_after;
	int			n = qc_spelling_fit(&walk->spelling, walk->alive, walk->nalive,
									walk->depth, &position->chosen, walk->set,
									&depth_after);

	if (n == 0)
		return STEP_LOST;
	if (n < walk->nalive)
		return STEP_STOP;
	walk->depth = depth_after;
	walk->entered |= walk->depth > walk->spelling.before;
	return STEP_ON;
}

/*
 * After a fragment of unknown bytes: on vLLM the next position has the whole
 * character and the walk goes on with it.  Where the fragments themselves took
 * up the character, the rest of them tells nothing; if all that is alive
 * agrees on the character it is skipped.  Returns the next position, -1 to
 * stop.
 */
static int
after_fragment(Walk *walk, int i)
{
	const QcReply *reply = walk->reply;
	size_t		start = reply->position[i].start;
	size_t		taken;
	int			next = i + 1;

	if (reply->position[i].chosen.bytes[0] == '\0')
		return next;
	while (next < reply->npositions && reply->position[next].chosen.len < 0)
		next++;
	if (next == reply->npositions)
		return -1;
	taken = reply->position[next].start - start;
	for (i = 0; i < walk->nalive; i++)
	{
		int			label = walk->alive[i];

		if (walk->spelling.len[label] - walk->depth < taken ||
			memcmp(walk->spelling.text[label] + walk->depth, reply->text + start, taken) != 0)
			return -1;
	}
	walk->depth += taken;
	return next;
}

/* Whether one label is left, and the walk has nothing else to learn. */
static bool
is_decided(const Walk *walk)
{
	return walk->nalive == 1 && walk->entered && !walk->probing;
}

/* Walk from position i until one label is left or the reply tells no more. */
static Step
follow_path(Walk *walk, int i)
{
	Step		step = STEP_ON;

	while (step == STEP_ON && i >= 0 && i < walk->reply->npositions && !is_decided(walk))
	{
		const QcPosition *position = &walk->reply->position[i];

		step = position->unseen ? pass_unseen(walk, position) : visit(walk, position);
		if (step == STEP_ON)
			i = !position->unseen && position->chosen.len < 0 ? after_fragment(walk, i) : i + 1;
	}
	if (step == STEP_ON || (step == STEP_LOST && walk->nalive == 1 && walk->entered))
		step = STEP_STOP;
	if (step == STEP_STOP && !qc_subtree_add(walk->out, walk->alive, walk->nalive, walk->path))
		step = STEP_NO_MEMORY;
	return step;
}

/*
 * Where the walk begins: the position that holds the label's first byte, or
 * the quote before it, whose alternatives may hold the quote and a label's
 * first letters together.  -1: the reply has no such position.
 */
static int
first_position(const QcReply *reply, const QcSpan *span)
{
	size_t		byte = span->start;
	int			first = -1;
	int			i;

	if (span->in_string)
		byte--;
	for (i = 0; i < reply->npositions && reply->position[i].start <= byte; i++)
	{
		/* Of those that begin at the same byte the first shows the choice. */
		if (first < 0 || reply->position[i].start > reply->position[first].start)
			first = i;
	}
	if (first < 0 && reply->npositions > 0 && reply->position[0].start < span->end)
		first = 0;				/* the answer was begun for the model */
	return first;
}

/* Begin with the labels asked about that spell what the walk does not see. */
static void
revive(Walk *walk, const QcAsked *asked, size_t from)
{
	int			n = asked->subset != NULL ? asked->nsubset : asked->labels->n;
	int			i;

	walk->depth = from > walk->span->start ? from - walk->span->start : 0;
	walk->nalive = 0;
	for (i = 0; i < n; i++)
	{
		int			label = asked->subset != NULL ? asked->subset[i] : i;

		if (walk->depth > 0 &&
			(walk->spelling.len[label] < walk->depth ||
			 memcmp(walk->spelling.text[label], walk->reply->text + walk->span->start,
					walk->depth) != 0))
			continue;
		walk->alive[walk->nalive++] = label;
	}
	walk->entered = walk->depth > 0;
	walk->path = walk->reach = 1;
	walk->coverage = 0;
	walk->covered = false;
	walk->out->least = walk->out->most = 1;
	memset(walk->out->posterior, 0, sizeof(double) * (size_t) asked->labels->n);
	qc_subtree_clear(walk->out);
}

/* Whether the reply told labels apart at all. */
static bool
tells(const Walk *walk, int asked)
{
	const QcVerdict *out = walk->out;

	return asked == 1 || out->nsubtrees != 1 || out->subtree[0].n < asked ||
		out->subtree[0].mass < 1 - OUTSIDE_MASS;
}

/*
 * Twice: the first time shows whether anything outside the labels was
 * reported, that is on which side of its grammar the server counts.
 */
static Step
walk_twice(Walk *walk, const QcAsked *asked, int first)
{
	size_t		from = walk->reply->position[first].start;
	Step		step;
	int			n;

	revive(walk, asked, from);
	n = walk->nalive;
	if (n == 0)
		return STEP_LOST;
	walk->probing = true;
	step = follow_path(walk, first);
	if (step != STEP_STOP)
		return step;
	walk->probing = false;
	walk->masked = !walk->outside;
	revive(walk, asked, from);
	step = follow_path(walk, first);
	return step == STEP_STOP && !tells(walk, n) ? STEP_LOST : step;
}

static bool
prepare(Walk *walk, const QcAsked *asked, int first)
{
	size_t		n = (size_t) asked->labels->n;
	size_t		from = walk->reply->position[first].start;

	walk->alive = calloc(n, sizeof(int));
	walk->set = calloc(n, sizeof(int));
	walk->seen = calloc(n, sizeof(bool));
	walk->out->posterior = calloc(n, sizeof(double));
	return walk->alive != NULL && walk->set != NULL && walk->seen != NULL &&
		walk->out->posterior != NULL &&
		qc_spelling_create(&walk->spelling, asked, walk->span, walk->reply->text,
						   from < walk->span->start ? from : walk->span->start);
}

QcWalked
qc_posterior_walk(const QcReply *reply, const QcAsked *asked,
				  const QcSpan *span, QcVerdict *out)
{
	Walk		walk = {0};
	Step		step = STEP_LOST;
	int			first = first_position(reply, span);

	if (first < 0)
		return QC_WALK_NONE;
	walk.reply = reply;
	walk.span = span;
	walk.out = out;
	if (!prepare(&walk, asked, first))
		step = STEP_NO_MEMORY;
	else
		step = walk_twice(&walk, asked, first);
	qc_spelling_free(&walk.spelling);
	free(walk.alive);
	free(walk.set);
	free(walk.seen);
	if (step == STEP_STOP && qc_verdict_normalise(out, asked->labels->n))
	{
		out->source = walk.masked ? QC_SOURCE_MASKED : QC_SOURCE_RENORM;
		out->coverage = walk.masked || !walk.covered ? NAN : fmin(walk.coverage, 1);
		return QC_WALK_OK;
	}
	qc_subtree_clear(out);
	free(out->posterior);
	out->posterior = NULL;
	return step == STEP_NO_MEMORY ? QC_WALK_NO_MEMORY : QC_WALK_NONE;
}
