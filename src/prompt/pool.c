/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Examples from which some are chosen for each text.
 *
 * Candidates come from two rankings, by trigrams and by rare words, which see
 * different things: spelling and inflection, and what a text is about.  A text
 * that is nearly the row's own is left out: it would be the answer itself.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/pool.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/examples.h"
#include "prompt/fault.h"
#include "prompt/json.h"
#include "prompt/similar.h"

#define THE_SAME		0.9		/* more similar: the same text */
#define RARE_WORDS		12		/* of a text, by which it is looked for */

typedef struct QcShot
{
	char	   *user;			/* the text as a row would be sent */
	int			label;
	bool		corrected;
	QcMark	   *trigram;
	int			ntrigrams;
} QcShot;

/* The examples; prompts that differ in the order of the labels share them. */
typedef struct QcShots
{
	int			users;
	int			n;
	QcShot	   *shot;
	QcIndex		trigrams;
	QcIndex		words;
	double	   *score;			/* of each, while one text is looked at */
} QcShots;

struct QcPool
{
	QcShots    *of;
	int			shots;			/* that are shown with a text */
	int			nlabels;
	int		   *place;			/* of each label, in this prompt; NULL: the same */
	char	  **answer[QC_N_MODES]; /* of each label; made at first use */
};

static void
free_shots(QcShots *of)
{
	if (of == NULL || --of->users > 0)
		return;
	for (int i = 0; i < of->n; i++)
	{
		free(of->shot[i].user);
		free(of->shot[i].trigram);
	}
	qc_index_free(&of->trigrams);
	qc_index_free(&of->words);
	free(of->score);
	free(of->shot);
	free(of);
}

void
qc_pool_free(QcPool *pool)
{
	if (pool == NULL)
		return;
	for (int mode = 0; mode < QC_N_MODES; mode++)
	{
		for (int i = 0; pool->answer[mode] != NULL && i < pool->nlabels; i++)
			free(pool->answer[mode][i]);
		free(pool->answer[mode]);
	}
	free_shots(pool->of);
	free(pool->place);
	free(pool);
}

bool
qc_pool_share(QcPrompt *to, const QcPrompt *from, const int *place)
{
	const QcPool *its = from->pool;
	QcPool	   *pool;

	if (its == NULL)
		return true;
	to->pool = pool = calloc(1, sizeof(QcPool));
	if (pool == NULL)
		return false;
	pool->of = its->of;
	pool->of->users++;
	pool->shots = its->shots;
	pool->nlabels = its->nlabels;
	pool->place = malloc((size_t) (pool->nlabels + 1) * sizeof(int));
	if (pool->place != NULL)
		memcpy(pool->place, place, (size_t) pool->nlabels * sizeof(int));
	return pool->place != NULL;
}

/* ---- reading ---- */

static int
label_of(const QcPrompt *prompt, const char *name)
{
	for (int i = 0; name != NULL && i < prompt->labels->n; i++)
		if (strcmp(prompt->labels->label[i].name, name) == 0)
			return i;
	return -1;
}

bool
qc_prompt_shows(const QcPrompt *prompt, const char *text, size_t len)
{
	QcMark		a[QC_MOST_MARKS];
	QcMark		b[QC_MOST_MARKS];
	int			na = qc_trigrams(text, len, a);

	for (int i = 0; i < prompt->nexamples; i++)
	{
		const char *shown = prompt->example[i].input;

		if (strcmp(shown, text) == 0 ||
			qc_similarity(a, na, b, qc_trigrams(shown, strlen(shown), b)) > THE_SAME)
			return true;
	}
	return false;
}

/* False: no memory.  *taken: it is part of the pool. */
static bool
read_shot(const QcPrompt *prompt, const cJSON *object, QcShot *shot, bool *taken)
{
	const char *input = qc_json_string(object, "input");
	QcMark		mark[QC_MOST_MARKS];
	bool		cut;

	shot->label = label_of(prompt, qc_json_string(object, "label"));
	*taken = input != NULL && shot->label >= 0 && !qc_prompt_shows(prompt, input, strlen(input));
	if (!*taken)
		return true;
	shot->corrected = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "corrected"));
	shot->ntrigrams = qc_trigrams(input, strlen(input), mark);
	shot->user = qc_user_message(input, strlen(input), QC_SHOT_CHARS, &cut);
	shot->trigram = malloc((size_t) (shot->ntrigrams + 1) * sizeof(QcMark));
	if (shot->trigram != NULL)
		memcpy(shot->trigram, mark, (size_t) shot->ntrigrams * sizeof(QcMark));
	return shot->user != NULL && shot->trigram != NULL;
}

/* One that fails is freed with the others. */
static bool
read_shots(const QcPrompt *prompt, QcShots *pool, const cJSON *tree)
{
	const cJSON *object;
	bool		taken;

	pool->shot = calloc((size_t) cJSON_GetArraySize(tree) + 1, sizeof(QcShot));
	if (pool->shot == NULL)
		return false;
	cJSON_ArrayForEach(object, tree)
	{
		bool		good = read_shot(prompt, object, &pool->shot[pool->n], &taken);

		pool->n += taken;
		if (!good)
			return false;
	}
	return true;
}

/* The marks of all texts, as the index takes them. */
static bool
make_index(const QcShots *pool, QcIndex *index, bool words)
{
	size_t		room = 1;
	size_t		n = 0;
	QcPosting  *posting;
	bool		good;

	for (int i = 0; i < pool->n; i++)
		room += words ? QC_MOST_MARKS : (size_t) pool->shot[i].ntrigrams;
	posting = malloc(room * sizeof(QcPosting));
	if (posting == NULL)
		return false;
	for (int i = 0; i < pool->n; i++)
	{
		const QcShot *shot = &pool->shot[i];
		QcMark		word[QC_MOST_MARKS];
		const QcMark *mark = words ? word : shot->trigram;
		int			nmarks = words ? qc_words(shot->user, strlen(shot->user), word) : shot->ntrigrams;

		for (int m = 0; m < nmarks; m++)
			posting[n++] = (QcPosting) {mark[m], i};
	}
	good = qc_index_make(index, posting, n, pool->n);
	free(posting);
	return good;
}

/* An empty one; the prompt has it from now on. */
static QcPool *
make_pool(QcPrompt *prompt, int shots)
{
	QcPool	   *pool = calloc(1, sizeof(QcPool));

	if (pool == NULL)
		return NULL;
	prompt->pool = pool;
	pool->shots = shots < QC_MOST_SHOTS ? shots : QC_MOST_SHOTS;
	pool->nlabels = prompt->labels->n;
	pool->of = calloc(1, sizeof(QcShots));
	if (pool->of == NULL)
		return NULL;
	pool->of->users = 1;
	return pool;
}

bool
qc_pool_read(QcPrompt *prompt, const char *json, int shots, QcFault *fault)
{
	size_t		where;
	cJSON	   *tree = qc_json_parse(json, strlen(json), &where);
	QcPool	   *pool;

	if (!cJSON_IsArray(tree))
	{
		cJSON_Delete(tree);
		return qc_fault(fault, QC_STATUS_EXAMPLES_JSON, -1, "", 0);
	}
	pool = make_pool(prompt, shots);
	if (pool == NULL || !read_shots(prompt, pool->of, tree) ||
		!make_index(pool->of, &pool->of->trigrams, false) || !make_index(pool->of, &pool->of->words, true))
		pool = NULL;
	else
		pool->of->score = malloc((size_t) (pool->of->n + 1) * sizeof(double));
	cJSON_Delete(tree);
	if (pool == NULL || pool->of->score == NULL)
		return qc_fault(fault, QC_STATUS_NO_MEMORY, -1, "", 0);
	return true;
}

/* ---- choosing ---- */

/* The best by score, those without points left out; of equals the first. */
static int
best_of(const double *score, int n, int *best)
{
	int			nbest = 0;

	for (int i = 0; i < n; i++)
	{
		int			at;

		if (score[i] <= 0 || (nbest == QC_MOST_CANDIDATES && score[i] <= score[best[nbest - 1]]))
			continue;
		at = nbest < QC_MOST_CANDIDATES ? nbest++ : nbest - 1;
		for (; at > 0 && score[best[at - 1]] < score[i]; at--)
			best[at] = best[at - 1];
		best[at] = i;
	}
	return nbest;
}

/* By trigrams: the similarity, 0 for what is nearly the text itself. */
static int
rank_by_trigrams(const QcShots *pool, const QcMark *mark, int n, int *best)
{
	memset(pool->score, 0, (size_t) pool->n * sizeof(double));
	qc_index_count(&pool->trigrams, mark, n, pool->score);
	for (int i = 0; i < pool->n; i++)
	{
		double		shared = pool->score[i];

		pool->score[i] = shared > 0 ? shared / (n + pool->shot[i].ntrigrams - shared) : 0;
		if (pool->score[i] > THE_SAME)
			pool->score[i] = 0;
	}
	return best_of(pool->score, pool->n, best);
}

static int
rank_by_words(const QcShots *pool, const QcMark *mark, int n, int *best)
{
	memset(pool->score, 0, (size_t) pool->n * sizeof(double));
	qc_index_weigh(&pool->words, mark, n, RARE_WORDS, pool->score);
	return best_of(pool->score, pool->n, best);
}

static double
similarity_of(const QcShots *pool, int shot, const QcMark *mark, int n)
{
	return qc_similarity(pool->shot[shot].trigram, pool->shot[shot].ntrigrams, mark, n);
}

/* Places in the pool of those that come into question, the nearest first. */
static int
nearest(const QcShots *pool, const char *text, size_t len, const QcMark *trigram, int ntrigrams,
		int *near)
{
	QcMark		word[QC_MOST_MARKS];
	int			a[QC_MOST_CANDIDATES];
	int			b[QC_MOST_CANDIDATES];
	int			na = rank_by_trigrams(pool, trigram, ntrigrams, a);
	int			nb = rank_by_words(pool, word, qc_words(text, len, word), b);
	int			joined[QC_MOST_CANDIDATES];
	int			njoined = qc_join_ranks(a, na, b, nb, QC_MOST_CANDIDATES, joined);
	int			n = 0;

	for (int i = 0; i < njoined; i++)
		if (similarity_of(pool, joined[i], trigram, ntrigrams) <= THE_SAME &&
			strcmp(pool->shot[joined[i]].user, text) != 0)
			near[n++] = joined[i];
	return n;
}

void
qc_pool_choose(const QcPrompt *prompt, const char *text, size_t len, QcChosen *chosen)
{
	const QcShots *pool = prompt->pool != NULL ? prompt->pool->of : NULL;
	QcCandidate candidate[QC_MOST_CANDIDATES];
	double		between[QC_MOST_CANDIDATES * QC_MOST_CANDIDATES];
	int			near[QC_MOST_CANDIDATES];
	QcMark		mark[QC_MOST_MARKS];
	int			nmarks;
	int			n;

	chosen->n = 0;
	if (pool == NULL || pool->n == 0)
		return;
	nmarks = qc_trigrams(text, len, mark);
	n = nearest(pool, text, len, mark, nmarks, near);
	for (int i = 0; i < n; i++)
	{
		const QcShot *shot = &pool->shot[near[i]];

		candidate[i] = (QcCandidate) {near[i], shot->label, shot->corrected,
		similarity_of(pool, near[i], mark, nmarks)};
		for (int j = 0; j <= i; j++)
			between[i * n + j] = between[j * n + i] = similarity_of(pool, near[j], shot->trigram, shot->ntrigrams);
	}
	chosen->n = qc_choose(candidate, n, between, prompt->pool->shots, chosen->pick);
	for (int i = 0; i < chosen->n; i++)
		chosen->pick[i] = near[chosen->pick[i]];
}

/* ---- showing ---- */

const char *
qc_pool_user(const QcPrompt *prompt, int pick)
{
	return prompt->pool->of->shot[pick].user;
}

static char *
write_label(const QcPrompt *prompt, int label, QcMode mode)
{
	QcExample	example = {.label = label,.confidence = NAN};
	QcBuf		buf = {0};

	qc_example_answer(&buf, prompt, &example, mode);
	return qc_buf_take(&buf);
}

/* A person gave a label and nothing else, so the label says it all. */
const char *
qc_pool_answer(QcPrompt *prompt, int pick, QcMode mode)
{
	QcPool	   *pool = prompt->pool;
	int			label = pool->of->shot[pick].label;

	if (pool->answer[mode] == NULL)
		pool->answer[mode] = calloc((size_t) pool->nlabels, sizeof(char *));
	if (pool->answer[mode] == NULL)
		return NULL;
	if (pool->answer[mode][label] == NULL)
		pool->answer[mode][label] = write_label(prompt, pool->place != NULL ? pool->place[label] : label, mode);
	return pool->answer[mode][label];
}

char *
qc_pool_lines(QcPrompt *prompt, const QcChosen *chosen, QcMode mode, const char *system)
{
	QcBuf		buf = {0};

	qc_buf_adds(&buf, system);
	qc_buf_adds(&buf, "\n\nExamples like the text:\n");
	for (int i = 0; i < chosen->n; i++)
	{
		const char *user = qc_pool_user(prompt, chosen->pick[i]);
		const char *answer = qc_pool_answer(prompt, chosen->pick[i], mode);

		qc_buf_adds(&buf, "Text: ");
		qc_buf_add_json(&buf, user, strlen(user));
		qc_buf_adds(&buf, "\nAnswer: ");
		qc_buf_adds(&buf, answer != NULL ? answer : "");
		qc_buf_adds(&buf, "\n");
		buf.failed |= answer == NULL;
	}
	return qc_buf_take(&buf);
}
