/*-------------------------------------------------------------------------
 *
 * test_posterior.c
 *	  From tokens to the labels' probabilities, worked out by hand.
 *
 * The expectations are written as the fractions that the rule gives, so that
 * they can be checked against the tokens above them.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/answer.h"

#include "replies.h"
#include "tap.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

#define LABEL	QC_MODE_LABEL
#define REASON	QC_MODE_REASON
#define RENORM	QC_SOURCE_RENORM
#define MASKD	QC_SOURCE_MASKED
#define NOTOLD	QC_SOURCE_NONE

#define MAX_LABELS 6

/* U+9F98, U+35CA and their pieces; U+9F99 shares two bytes with the first. */
#define DA		"\xE9\xBE\x98"
#define DA_1	"\xE9\xBE"
#define DA_2	"\x98"
#define LONG	"\xE9\xBE\x99"
#define LEI		"\xE3\x97\x8A"
#define LEI_1	"\xE3\x97"
#define LEI_2	"\x8A"

typedef struct Row
{
	const char *name;
	const char *label[MAX_LABELS + 1];
	bool		codes;
	int			subset[MAX_LABELS + 1];	/* 1 + index, 0 ends it; none: all */
	QcMode		mode;
	Style		style;
	const char *content;
	const char *finish;
	Pos			pos[MAX_POSITIONS];
	QcSource	source;
	int			found;
	double		posterior[MAX_LABELS];
	double		coverage;		/* -1: NaN */
	double		lo;				/* lo and hi 0: both the posterior */
	double		hi;
	int			nsubtrees;
} Row;

static const Row rows[] = {
	{.name = "raw",
		.label = {"refund", "bug", "praise"}, .content = "refund",
		.pos = {{{"refund", .6}, {"bug", .2}, {"pr", .1}, {"The", .05}}, {{END, .9}, {":", .05}}},
		.source = RENORM, .found = 0, .posterior = {.6 / .9, .2 / .9, .1 / .9}, .coverage = .9},

	{.name = "masked",
		.label = {"refund", "bug", "praise"}, .style = VLLM, .content = "refund",
		.pos = {{{"refund", .6}, {"bug", .3}, {"praise", .1}, {"The", MASKED}}, {{END, 1}, {":", MASKED}}},
		.source = MASKD, .found = 0, .posterior = {.6, .3, .1}, .coverage = -1},

	{.name = "several spellings",
		.label = {"refund", "bug"}, .content = "refund",
		.pos = {{{"refund", .5}, {"ref", .2}, {" refund", .05}, {"bug", .15}, {"b", .02}, {"Refund", .03}, {" ", .03}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.75 / .92, .17 / .92}, .coverage = .92},

	{.name = "a spelling in two tokens is the one chosen",
		.label = {"refund", "bug"}, .content = "refund",
		.pos = {{{"re", .5}, {"refund", .1}, {"bug", .2}, {"x", .2}}, {{"fund", .6}, {"ply", .4}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.6 / .8, .2 / .8}, .coverage = .8},

	{.name = "shared first tokens",
		.label = {"card_arrival", "card_linking", "top_up"}, .content = "card_arrival",
		.pos = {{{"card", .6}, {"top", .3}, {"x", .1}}, {{"_arr", .5}, {"_link", .3}, {"x", .2}},
		{{"ival", .9}, {"iving", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0,
		.posterior = {6 / 9. * 5 / 8., 6 / 9. * 3 / 8., 3 / 9.}, .coverage = .9},

	{.name = "subtrees off the path",
		.label = {"card_arrival", "card_linking", "top_up", "top_down"}, .content = "card_arrival",
		.pos = {{{"card", .5}, {"top", .4}, {"c", .02}, {"x", .08}}, {{"_arr", .75}, {"_link", .25}},
		{{"ival", 1}}, {{END, 1}}},
		.source = RENORM, .found = 0,
		.posterior = {.375 / .92 + .01 / .92, .125 / .92 + .01 / .92, .2 / .92, .2 / .92},
		.coverage = .92, .lo = .375 / .92, .hi = .395 / .92, .nsubtrees = 2},

	{.name = "subtrees with the same members are one",
		.label = {"top_up", "top_down", "x"}, .content = "x",
		.pos = {{{"x", .5}, {"top", .2}, {"to", .1}, {"t", .1}, {"top_", .1}}, {{END, 1}}},
		.source = MASKD, .found = 2, .posterior = {.25, .25, .5}, .coverage = -1, .nsubtrees = 1},

	{.name = "the largest wins, not the greedy path",
		.label = {"card_a", "card_b", "transfer"}, .content = "card_a",
		.pos = {{{"card", .5}, {"transfer", .4}, {"x", .1}}, {{"_a", .51}, {"_b", .49}}, {{END, 1}}},
		.source = RENORM, .found = 2, .posterior = {5 / 9. * .51, 5 / 9. * .49, 4 / 9.}, .coverage = .9},

	{.name = "but with a reason the one that is named",
		.label = {"card_a", "card_b", "transfer"}, .mode = REASON, .content = "{\"label\":\"card_a\"}",
		.pos = {{{"{\"", 1}}, {{"label", 1}}, {{"\":\"", 1}}, {{"card", .5}, {"transfer", .4}, {"x", .1}},
		{{"_a", .51}, {"_b", .49}}, {{"\"}", 1}}},
		.source = RENORM, .found = 0, .posterior = {5 / 9. * .51, 5 / 9. * .49, 4 / 9.}, .coverage = .9},

	{.name = "a label that begins another, ended",
		.label = {"card", "card_arrival", "top"}, .content = "card",
		.pos = {{{"card", .9}, {"top", .1}}, {{END, .7}, {"_arr", .2}, {":", .1}}},
		.source = RENORM, .found = 0, .posterior = {.9 * 7 / 9, .9 * 2 / 9, .1}, .coverage = 1},

	{.name = "the same, masked",
		.label = {"card", "card_arrival", "top"}, .style = VLLM, .content = "card",
		.pos = {{{"card", .9}, {"top", .1}}, {{END, .7}, {"_arr", .3}}},
		.source = MASKD, .found = 0, .posterior = {.63, .27, .1}, .coverage = -1},

	{.name = "the same, gone on",
		.label = {"card", "card_arrival", "top"}, .style = VLLM, .content = "card_arrival",
		.pos = {{{"card", .9}, {"top", .1}}, {{"_arr", .7}, {END, .3}}, {{"ival", 1}}, {{END, 1}}},
		.source = MASKD, .found = 1, .posterior = {.27, .63, .1}, .coverage = -1},

	{.name = "the same, its end not reported",
		.label = {"card", "card_arrival", "top"}, .style = SGLANG, .content = "card",
		.pos = {{{"card", .8}, {"top", .2}}},
		.source = MASKD, .found = 0, .posterior = {.4, .4, .2}, .coverage = -1,
		.lo = -1, .hi = .8, .nsubtrees = 1},

	{.name = "the same, and nothing else to tell",
		.label = {"card", "card_arrival"}, .style = SGLANG, .content = "card",
		.pos = {{{"card", 1}}},
		.source = NOTOLD, .found = 0},

	{.name = "the same in an object",
		.label = {"card", "card_arrival"}, .mode = REASON, .content = "{\"label\": \"card\"}",
		.pos = {{{"{\"", 1}}, {{"label", 1}}, {{"\":", 1}}, {{" \"", 1}}, {{"card", 1}},
		{{"\"}", .6}, {"_arr", .2}, {"\",", .1}, {"\"", .05}, {" ", .05}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.75 / .95, .2 / .95}, .coverage = 1},

	{.name = "the same, ended by a line break",
		.label = {"card", "card_arrival"}, .content = "card\n",
		.pos = {{{"card", 1}}, {{"\n", .5}, {"_arr", .25}, {"x", .25}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {2 / 3., 1 / 3.}, .coverage = 1},

	{.name = "a delimiter within another label",
		.label = {"a", "a, b"}, .content = "a",
		.pos = {{{"a", 1}}, {{END, .7}, {",", .3}}},
		.source = MASKD, .found = 0, .posterior = {.7, .3}, .coverage = -1},

	{.name = "the same in an object",
		.label = {"a", "a, b"}, .mode = REASON, .style = SGLANG, .content = "{\"label\":\"a, b\"}",
		.pos = {{{"{\"label\":\"", 1}}, {{"a", 1}}, {{",", .6}, {"\"}", .4}}, {{" b", 1}}, {{"\"}", 1}}},
		.source = MASKD, .found = 1, .posterior = {.4, .6}, .coverage = -1},

	{.name = "a token with the label and what closes it",
		.label = {"a", "ab"}, .mode = REASON, .style = SGLANG, .content = "{\"label\":\"a\"}",
		.pos = {{{"{\"label\":\"", 1}}, {{"a\"", .5}, {"a", .2}, {"ab\"}", .2}, {"ax", .1}}, {{"}", 1}}},
		.source = RENORM, .found = 0, .posterior = {.5 / .9 + .1 / .9, .2 / .9 + .1 / .9}, .coverage = .9,
		.lo = .5 / .9, .hi = .7 / .9, .nsubtrees = 1},

	{.name = "Chinese, one a part of the other",
		.label = {"\xE6\xBB\xA1\xE6\x84\x8F", "\xE6\xBB\xA1\xE6\x84\x8F\xE5\xBA\xA6", "\xE5\x85\xB6\xE4\xBB\x96"},
		.style = VLLM, .content = "\xE6\xBB\xA1\xE6\x84\x8F",
		.pos = {{{"\xE6\xBB\xA1\xE6\x84\x8F", .9}, {"\xE5\x85\xB6\xE4\xBB\x96", .1}}, {{END, .6}, {"\xE5\xBA\xA6", .4}}},
		.source = MASKD, .found = 0, .posterior = {.54, .36, .1}, .coverage = -1},

	{.name = "fragments with their bytes",
		.label = {DA DA, DA LEI, LEI}, .style = SGLANG, .content = DA DA,
		.pos = {{{DA_1, .6}, {LEI_1, .3}, {"x", .1}}, {{DA_2, .9}, {"\x99", .1}},
		{{DA_1, .6}, {LEI_1, .2}, {LEI, .1}, {"x", .1}}, {{DA_2, 1}}},
		.source = RENORM, .found = 0, .posterior = {6 / 9. * 6 / 9., 6 / 9. * 3 / 9., 3 / 9.}, .coverage = .9},

	{.name = "fragments as vLLM shows them",
		.label = {DA DA, DA LEI, LEI}, .style = VLLM, .content = DA LEI,
		.pos = {{{DA_1, .7}, {LEI_1, .3}}, {{DA_2, 1, DA}, {"\x99", MASKED, LONG}},
		{{LEI_1, .4}, {DA_1, .6}}, {{LEI_2, 1, LEI}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.42, .28, .3}, .coverage = -1},

	{.name = "told apart by the character's end",
		.label = {DA, LONG, LEI}, .style = VLLM, .content = DA,
		.pos = {{{DA_1, .7}, {LEI_1, .3}}, {{DA_2, .8, DA}, {"\x99", .2, LONG}}, {{END, 1}}},
		/* the other fragment may begin either of the others */
		.source = MASKD, .found = 0, .posterior = {.56, .14 + .15, .15}, .coverage = -1, .nsubtrees = 1},

	{.name = "three fragments of which two show nothing",
		.label = {DA, LEI}, .style = VLLM, .content = DA,
		.pos = {{{"\xE9", .7}, {"\xE3", .3}}, {{"\xBE", 1}}, {{DA_2, 1, DA}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.7, .3}, .coverage = -1},

	{.name = "fragments as replacement characters",
		.label = {DA DA, DA LEI, LEI}, .style = OLLAMA, .content = "\"" DA LEI "\"",
		.pos = {{{"\"", 1}}, {{DA_1, .7}, {LEI_1, .3}}, {{DA_2, 1}}, {{LEI_1, .4}, {DA_1, .6}}, {{LEI_2, 1}},
		{{"\"", 1}}, {{END, 1}}},
		.source = MASKD, .found = 1, .posterior = {.35, .35, .3}, .coverage = -1,
		.lo = -1, .hi = .7, .nsubtrees = 1},

	{.name = "replacement characters that all agree on",
		.label = {DA "a", DA "b"}, .style = OLLAMA, .content = "\"" DA "a\"",
		.pos = {{{"\"", 1}}, {{DA_1, 1}}, {{DA_2, 1}}, {{"a", .6}, {"b", .4}}, {{"\"", 1}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.6, .4}, .coverage = -1},

	{.name = "codes",
		.label = {"refund", "bug"}, .codes = true, .content = "A",
		.pos = {{{"A", .8}, {"B", .1}, {"All", .03}, {" A", .03}, {"a", .02}, {"AB", .02}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.83 / .93, .1 / .93}, .coverage = .93},

	{.name = "codes in Ollama's quotes",
		.label = {"refund", "bug"}, .codes = true, .style = OLLAMA, .content = "\"A\"",
		.pos = {{{"\"", .1}, {"A", .83}, {"\"A", .05}, {"\"B", .02}}, {{"A", .6}, {"B", .3}, {"x", .1}},
		{{"\"", .9}, {"\".", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0,
		.posterior = {.05 / .17 + .1 / .17 * 6 / 9., .02 / .17 + .1 / .17 * 3 / 9.},
		.coverage = .07 / .17 + .1 / .17 * .9},

	{.name = "the quote and the letter are one token",
		.label = {"refund", "bug"}, .codes = true, .style = OLLAMA, .content = "\"A\"",
		.pos = {{{"\"A", .5}, {"\"B", .2}, {"\"", .2}, {"\"C", .1}}, {{"\"", 1}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {5 / 7., 2 / 7.}, .coverage = -1},

	{.name = "LMDeploy's alphabet",
		.label = {"yes", "no"}, .style = LMDEPLOY, .content = " yes",
		.pos = {{{" yes", .7}, {"yes", .1}, {" no", .1}, {"no", .05}, {"x", .05}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.8 / .95, .15 / .95}, .coverage = .95},

	{.name = "LMDeploy's alphabet beside an answer that is spelt the same without it",
		.label = {"yes", "no"}, .style = LMDEPLOY, .content = "yes",
		.pos = {{{"yes", .5}, {" yes", .2}, {" no", .1}, {"no", .15}, {"x", .05}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.7 / .95, .25 / .95}, .coverage = .95},

	{.name = "LMDeploy's alphabet, Chinese beside English",
		.label = {"yes", DA DA}, .style = LMDEPLOY, .content = "yes",
		.pos = {{{"yes", .6}, {DA DA, .3}, {"x", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.6 / .9, .3 / .9}, .coverage = .9},

	{.name = "accents in text are no alphabet",
		.label = {"yes", "\xC3\xA9t\xC3\xA9"}, .style = OLLAMA, .content = "yes",
		.pos = {{{"yes", .6}, {"\xC3\xA9t\xC3\xA9", .3}, {"x", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.6 / .9, .3 / .9}, .coverage = .9},

	{.name = "LMDeploy's alphabet, Chinese",
		.label = {DA DA, LEI}, .style = LMDEPLOY, .content = DA DA,
		.pos = {{{DA_1, .6}, {LEI_1, .3}, {DA DA, .1}}, {{DA_2, 1}}, {{DA_1, 1}}, {{DA_2, 1}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.7, .3}, .coverage = -1},

	{.name = "the completions layout",
		.label = {"refund", "bug"}, .style = COMPLETIONS, .content = " refund",
		.pos = {{{" ref", .5}, {" bug", .25}, {"\n", .25}}, {{"und", 1}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {2 / 3., 1 / 3.}, .coverage = -1},

	{.name = "a subset",
		.label = {"card_arrival", "card_linking", "top_up"}, .subset = {2, 1}, .content = "card_linking",
		.pos = {{{"card", .5}, {"top", .5}}, {{"_link", .6}, {"_arr", .2}, {"x", .2}}, {{"ing", 1}}, {{END, 1}}},
		.source = RENORM, .found = 1, .posterior = {.25, .75, 0}, .coverage = .5},

	{.name = "a short list behind a grammar",
		.label = {"one", "two", "three", "four"}, .style = VLLM, .content = "one",
		.pos = {{{"one", .5}, {"two", .3}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.5, .3, .1, .1}, .coverage = -1, .nsubtrees = 1},

	{.name = "a list of the chosen one alone",
		.label = {"one", "two"}, .style = SGLANG, .content = "one",
		.pos = {{{"one", .8}}},
		.source = MASKD, .found = 0, .posterior = {.8, .2}, .coverage = -1},

	{.name = "a label that is in no list",
		.label = {"one", "two", "three"}, .content = "one",
		.pos = {{{"one", .5}, {"two", .3}, {"x", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.5 / .85, .3 / .85, .05 / .85}, .coverage = .8,
		.lo = .5 / .9, .hi = .5 / .8},

	{.name = "several that are in no list have at most what the least in it has",
		.label = {"one", "two", "three", "four"}, .content = "one",
		.pos = {{{"one", .5}, {"two", .2}, {"x", .05}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.5 / .75, .2 / .75, .025 / .75, .025 / .75}, .coverage = .7,
		.lo = .5 / .8, .hi = .5 / .7, .nsubtrees = 1},

	{.name = "the chosen one's probability alone, before a grammar",
		.label = {"one", "two"}, .content = "one",
		.pos = {{{"one", .6}, {"x", .3}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.6 / .65, .05 / .65}, .coverage = .6,
		.lo = .6 / .7, .hi = 1},

	{.name = "the grammar forced what the model did not want",
		.label = {"one", "two"}, .content = "one",
		.pos = {{{"one", .01}, {"I", .9}, {"two", .005}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {2 / 3., 1 / 3.}, .coverage = .015},

	{.name = "no probability at all",
		.label = {"one", "two"}, .content = "one",
		.pos = {{{"one", MASKED}, {"two", MASKED}}, {{END, MASKED}}},
		.source = NOTOLD, .found = 0},

	{.name = "a token twice",
		.label = {"one", "two"}, .content = "one",
		.pos = {{{"one", .5}, {"two", .5}, {"one", .5}, {"two", .5}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.5, .5}, .coverage = -1},

	{.name = "another case",
		.label = {"refund", "bug"}, .content = "REFUND",
		.pos = {{{"REF", .5}, {"Bug", .2}, {"b", .1}, {"x", .2}}, {{"UND", 1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {5 / 8., 3 / 8.}, .coverage = .8},

	{.name = "full width: the tokens do not spell the label",
		.label = {"A", "B"}, .content = "\xEF\xBC\xA1",
		.pos = {{{"\xEF\xBC\xA1", .5}, {"B", .5}}, {{END, 1}}},
		.source = NOTOLD, .found = 0},

	{.name = "other spacing is no sign of a missing grammar",
		.label = {"bug", "refund"}, .mode = REASON, .style = VLLM, .content = "{\"label\": \"bug\"}",
		.pos = {{{"{\"", 1}}, {{"label", 1}}, {{"\":", 1}}, {{" \"", .7}, {"\"", .2}, {"  \"", .1}},
		{{"bug", .6}, {"refund", .4}}, {{"\"}", .5}, {"\"", .3}, {"\",", .2}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.6, .4}, .coverage = -1},

	{.name = "the label after a reason that names labels",
		.label = {"bug", "refund"}, .mode = REASON, .style = SGLANG,
		.content = "{\"reason\":\"\\\"label\\\": refund or bug\",\"label\":\"bug\"}",
		.pos = {{{"{\"reason\":\"\\\"label\\\": ", 1}}, {{"refund", .9}, {"bug", .1}}, {{" or bug", 1}}, {{"\",\"label\":\"", 1}},
		{{"bug", .7}, {"refund", .3}}, {{"\"}", 1}}},
		.source = MASKD, .found = 0, .posterior = {.7, .3}, .coverage = -1},

	{.name = "escapes",
		.label = {"say \"hi\"", "say \"no\"", "a\\b"}, .mode = REASON, .content = "{\"label\":\"say \\\"hi\\\"\"}",
		.pos = {{{"{\"label\":\"", 1}}, {{"say", .8}, {"a\\\\", .1}, {"a\\", .05}, {"x", .05}}, {{" \\\"", 1}},
		{{"hi", .6}, {"no", .2}, {"x", .2}}, {{"\\\"\"}", 1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.8 / .95 * .75, .8 / .95 * .25, .15 / .95}, .coverage = .95},

	{.name = "behind a thinking block",
		.label = {"bug", "refund"}, .content = "<think>refund?</think>\n\nbug",
		.pos = {{{"<think>", 1}}, {{"refund", .5}, {"bug", .5}}, {{"?", 1}}, {{"</think>", 1}}, {{"\n\n", 1}},
		{{"bug", .7}, {"refund", .2}, {"x", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {7 / 9., 2 / 9.}, .coverage = .9},

	{.name = "in a fence",
		.label = {"bug", "refund"}, .mode = REASON, .content = "```json\n{\"label\": \"bug\"}\n```",
		.pos = {{{"```", 1}}, {{"json", 1}}, {{"\n", 1}}, {{"{\"label\": \"", 1}}, {{"bug", .8}, {"refund", .2}},
		{{"\"}\n", 1}}, {{"```", 1}}, {{END, 1}}},
		.source = MASKD, .found = 0, .posterior = {.8, .2}, .coverage = -1},

	{.name = "an answer begun for the model",
		.label = {"card_arrival", "card_linking", "top_up"}, .content = "card_arrival",
		.pos = {{{"_arr", .6}, {"_link", .2}, {"_up", .2}}, {{"ival", 1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.75, .25, 0}, .coverage = -1},

	{.name = "labels with white space round them",
		.label = {" refund", "bug "}, .content = "refund",
		.pos = {{{" refund", .3}, {"refund", .3}, {"bug", .2}, {"x", .2}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {.75, .25}, .coverage = .8},

	{.name = "one label",
		.label = {"bug"}, .content = "bug",
		.pos = {{{"bug", .9}, {"x", .1}}, {{END, 1}}},
		.source = RENORM, .found = 0, .posterior = {1}, .coverage = .9},

	{.name = "cut within the label",
		.label = {"card_arrival", "top_up"}, .content = "card_arr", .finish = "length",
		.pos = {{{"card", .6}, {"top", .3}, {"x", .1}}, {{"_arr", 1}}},
		.source = RENORM, .found = 0, .posterior = {2 / 3., 1 / 3.}, .coverage = .9},

	{.name = "cut at one token",
		.label = {"refund", "bug"}, .content = "ref", .finish = "length",
		.pos = {{{"ref", .6}, {"bug", .4}}},
		.source = MASKD, .found = 0, .posterior = {.6, .4}, .coverage = -1}
};

static bool
near(double seen, double expected)
{
	return expected < 0 ? isnan(seen) : fabs(seen - expected) < 1e-9;
}

static int
count_labels(const Row *row)
{
	int			n = 0;

	while (row->label[n] != NULL)
		n++;
	return n;
}

/* Read the row's body; subset must outlive the verdict's use. */
static QcReading
read_row(const Row *row, const QcLabels *labels, QcVerdict *v)
{
	static Out	out;
	int			subset[MAX_LABELS];
	QcAsked		asked = {labels, row->mode, row->codes, NULL, 0};
	QcReply		reply;
	QcReading	reading;

	while (row->subset[asked.nsubset] > 0)
	{
		subset[asked.nsubset] = row->subset[asked.nsubset] - 1;
		asked.nsubset++;
	}
	asked.subset = asked.nsubset > 0 ? subset : NULL;
	put_body(&out, row->content, row->finish ? row->finish : "stop", row->pos, MAX_POSITIONS, row->style);
	qc_reply_parse(out.body, out.len, &reply);
	reading = qc_verdict_read(&reply, &asked, v, NULL);
	qc_reply_free(&reply);
	return reading;
}

static void
test_row(const Row *row)
{
	QcFault		fault;
	int			n = count_labels(row);
	QcLabels   *labels = qc_labels_from_names(row->label, n, &fault);
	QcVerdict	v;
	QcReading	reading = read_row(row, labels, &v);
	bool		told = row->source != NOTOLD;
	double		p = row->posterior[row->found];
	double		lo = row->lo == 0 && row->hi == 0 ? p : fmax(row->lo, 0);
	double		hi = row->lo == 0 && row->hi == 0 ? p : row->hi;
	char		seen[256] = "";
	bool		same = reading == QC_READ_OK && v.source == row->source && v.label == row->found &&
		(v.posterior != NULL) == told && v.nsubtrees == row->nsubtrees &&
		near(v.coverage, told ? row->coverage : -1) && near(v.confidence, told ? p : -1) &&
		near(v.lo, told ? lo : -1) && near(v.hi, told ? hi : -1) &&
		v.truncated == (row->finish != NULL);
	double		sum = 0;
	int			i;

	for (i = 0; i < n && v.posterior != NULL; i++)
	{
		same = same && near(v.posterior[i], row->posterior[i]);
		sum += v.posterior[i];
		sprintf(seen + strlen(seen), " %.6f", v.posterior[i]);
	}
	same = same && (!told || fabs(sum - 1) < 1e-9);
	tap_ok(same, row->name, "reading %d source %d label %d:%s coverage %g lo %g hi %g subtrees %d",
		   reading, v.source, v.label, seen, v.coverage, v.lo, v.hi, v.nsubtrees);
	qc_verdict_free(&v);
	qc_labels_free(labels);
}

/* Follow-up questions about the subtrees of one verdict. */
static const char *const tree[] = {"card", "top_a_x", "top_a_y", "top_b", "zip_a", "zip_b"};

static const Row first_row = {
	.label = {"card", "top_a_x", "top_a_y", "top_b", "zip_a", "zip_b"}, .content = "card", .style = VLLM,
	.pos = {{{"card", .3}, {"top", .5}, {"zip", .2}}, {{END, 1}}}
};

static const Row top_row = {
	.subset = {2, 3, 4}, .content = "top_b", .style = VLLM,
	.pos = {{{"top", 1}}, {{"_b", .8}, {"_a", .2}}, {{END, 1}}}
};

static const Row top_a_row = {
	.subset = {2, 3}, .content = "top_a_x", .style = VLLM,
	.pos = {{{"top", 1}}, {{"_a", 1}}, {{"_x", .9}, {"_y", .1}}, {{END, 1}}}
};

static const Row useless_row = {.subset = {2, 3}, .content = "top_a_x", .style = VLLM};

static bool
is_verdict(const QcVerdict *v, int label, const double *p, double lo, double hi, int nsubtrees)
{
	bool		same = v->label == label && near(v->confidence, p[label]) &&
		near(v->lo, lo) && near(v->hi, hi) && v->nsubtrees == nsubtrees;
	int			i;

	for (i = 0; i < 6; i++)
		same = same && near(v->posterior[i], p[i]);
	return same;
}

static void
test_refine(QcMode mode)
{
	static const double before[] = {.3, .5 / 3, .5 / 3, .5 / 3, .1, .1};
	static const double after_top[] = {.3, .05, .05, .4, .1, .1};
	static const double after_top_a[] = {.3, .09, .01, .4, .1, .1};
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(tree, 6, &fault);
	Row			first = first_row;
	Row			child = top_row;
	QcVerdict	v;
	QcVerdict	c;
	int			best = mode == LABEL ? 3 : 0;

	first.mode = mode;
	read_row(&first, labels, &v);
	if (mode != LABEL)
		v.label = 0;
	tap_ok(is_verdict(&v, 0, before, .3, .3, 2), "before", "label %d %g", v.label, v.confidence);

	child.mode = LABEL;
	read_row(&child, labels, &c);
	qc_verdict_refine(&v, 0, &c, mode);
	qc_verdict_free(&c);
	tap_ok(is_verdict(&v, best, after_top, best ? .4 : .3, best ? .4 : .3, 2),
		   "a subtree refined, its own subtree kept", "label %d %g %d", v.label, v.confidence, v.nsubtrees);
	tap_ok(v.nsubtrees == 2 && v.subtree[1].n == 2 && v.subtree[1].member[0] == 1 &&
		   near(v.subtree[1].mass, .1), "with its share of the mass", "%g", v.subtree[1].mass);

	read_row(&useless_row, labels, &c);
	qc_verdict_refine(&v, 1, &c, mode);
	qc_verdict_free(&c);
	tap_ok(is_verdict(&v, best, after_top, best ? .4 : .3, best ? .4 : .3, 2),
		   "an answer without probabilities changes nothing", "-");

	child = top_a_row;
	read_row(&child, labels, &c);
	qc_verdict_refine(&v, 1, &c, mode);
	qc_verdict_refine(&v, 7, &c, mode);
	qc_verdict_free(&c);
	tap_ok(is_verdict(&v, best, after_top_a, best ? .4 : .3, best ? .4 : .3, 1), "and down to the leaves",
		   "label %d %g %d", v.label, v.posterior[1], v.nsubtrees);
	qc_verdict_free(&v);
	qc_labels_free(labels);
}

/* llama.cpp's fragments, whose alternatives belong to the last one of them. */
static void
test_folded(void)
{
	static const char *const same[] = {DA "a", DA "b"};
	static const char *const other[] = {DA, LONG, LEI};
	static const char body[] =
	"{\"choices\":[{\"message\":{\"content\":\"" DA "%s\"},\"finish_reason\":\"stop\",\"logprobs\":{\"content\":["
	"{\"id\":5,\"token\":\"" DA "\",\"bytes\":[233,190,152],\"logprob\":-0.2231435513142097,\"top_logprobs\":["
	"{\"id\":5,\"token\":\"\xEF\xBF\xBD\",\"bytes\":[152],\"logprob\":-0.2231435513142097},"
	"{\"id\":6,\"token\":\"\xEF\xBF\xBD\",\"bytes\":[153],\"logprob\":-1.6094379124341003}]},"
	"%s{\"id\":9,\"token\":\"\",\"bytes\":[],\"logprob\":0,\"top_logprobs\":[]}]}}]}";
	static const char a[] =
	"{\"id\":7,\"token\":\"a\",\"bytes\":[97],\"logprob\":-0.6931471805599453,\"top_logprobs\":["
	"{\"id\":7,\"token\":\"a\",\"bytes\":[97],\"logprob\":-0.6931471805599453},"
	"{\"id\":8,\"token\":\"b\",\"bytes\":[98],\"logprob\":-0.6931471805599453}]},";
	char		text[4000];
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(same, 2, &fault);
	QcAsked		asked = {labels, LABEL, false, NULL, 0};
	QcReply		reply;
	QcVerdict	v;

	snprintf(text, sizeof(text), body, "a", a);
	qc_reply_parse(text, strlen(text), &reply);
	qc_verdict_read(&reply, &asked, &v, NULL);
	tap_ok(reply.npositions == 4 && reply.position[0].unseen && v.label == 0 && near(v.confidence, .5),
		   "a folded character that all labels share", "%d %g", reply.npositions, v.confidence);
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	qc_labels_free(labels);

	asked.labels = labels = qc_labels_from_names(other, 3, &fault);
	snprintf(text, sizeof(text), body, "", "");
	qc_reply_parse(text, strlen(text), &reply);
	qc_verdict_read(&reply, &asked, &v, NULL);
	tap_ok(v.label == 0 && v.source == NOTOLD && isnan(v.confidence),
		   "one whose beginning was decided unseen", "%d %g", v.label, v.confidence);
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	qc_labels_free(labels);
}

int
main(void)
{
	size_t		i;

	for (i = 0; i < N(rows); i++)
		test_row(&rows[i]);
	test_refine(LABEL);
	test_refine(REASON);
	test_folded();
	return tap_end();
}
