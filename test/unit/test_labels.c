/*-------------------------------------------------------------------------
 *
 * test_labels.c
 *	  Sets of labels: everything that may be wrong with one, and finding the
 *	  label that an answer means.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "prompt/labels.h"
#include "prompt/message.h"

#include "tap.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

typedef struct JsonRow
{
	const char *json;
	QcStatus	status;
	int			index;
	const char *detail;			/* NULL: any */
} JsonRow;

static const JsonRow json_rows[] = {
	{"{\"a\": \"x\", \"b\": null}", QC_STATUS_OK, 0, NULL},
	{"[\"a\", \"b\"]", QC_STATUS_OK, 0, NULL},
	{" [\"a\"]\t", QC_STATUS_OK, 0, NULL},
	{"[\"US\", \"us\"]", QC_STATUS_OK, 0, NULL},
	{"[\"\\u4e2d\\u6027\", \"say \\\"hi\\\"\"]", QC_STATUS_OK, 0, NULL},
	{"{}", QC_STATUS_LABELS_EMPTY, -1, ""},
	{"[]", QC_STATUS_LABELS_EMPTY, -1, ""},
	{"", QC_STATUS_LABELS_JSON, -1, NULL},
	{"{\"a\"", QC_STATUS_LABELS_JSON, -1, NULL},
	{"[\"a\"] x", QC_STATUS_LABELS_JSON, -1, "byte 7"},
	{"\"a\"", QC_STATUS_LABELS_JSON, -1, NULL},
	{"12", QC_STATUS_LABELS_JSON, -1, NULL},
	{"[\"a\", 1]", QC_STATUS_LABELS_JSON, 1, NULL},
	{"[\"a\\u0000b\"]", QC_STATUS_LABELS_JSON, -1, "\\u0000"},
	{"[\"a\\\\u0000b\"]", QC_STATUS_OK, 0, NULL},
	{"{\"a\": {\"b\": null}}", QC_STATUS_OK, 0, NULL},
	{"{\"a\": {\"\": \"of a\", \"b\": null}, \"b\": [\"c\", \"d\"], \"c\": \"x\"}", QC_STATUS_OK, 0, NULL},
	{"{\"a\": {\"b\": null}, \"c\": {\"b\": null}}", QC_STATUS_OK, 0, NULL},
	{"{\"a\": null, \"b\": [1]}", QC_STATUS_LABELS_JSON, -1, ""},
	{"{\"a\": [[\"b\"]]}", QC_STATUS_LABELS_NESTED, -1, ""},
	{"[{\"a\": null}]", QC_STATUS_LABELS_NESTED, 0, ""},
	{"{\"a\": {}}", QC_STATUS_LABEL_CHILDLESS, -1, "a"},
	{"{\"a\": []}", QC_STATUS_LABEL_CHILDLESS, -1, "a"},
	{"{\"a\": {\"b\": {\"\": \"x\"}}}", QC_STATUS_LABEL_CHILDLESS, -1, "a/b"},
	{"{\"a\": {\"\": 1, \"b\": null}}", QC_STATUS_LABELS_DESCRIPTION, -1, "a"},
	{"{\"a\": {\"\": \"x\", \"b\": null, \"\": \"y\"}}", QC_STATUS_LABEL_DUPLICATE, -1, ""},
	{"{\"a\": {\"b\": 1}}", QC_STATUS_LABELS_DESCRIPTION, -1, "b"},
	{"{\"a\": {\"b\": null, \"c\": {\"d\": null, \"d\": null}}}", QC_STATUS_LABEL_DUPLICATE, -1, "a/c/d"},
	{"{\"a\": {\"b\": null}, \"a\": {\"c\": null}}", QC_STATUS_LABEL_DUPLICATE, -1, "a"},
	{"{\"a\": {\"b/c\": null}}", QC_STATUS_LABEL_SEPARATOR, -1, "b/c"},
	{"{\"a/b\": null, \"c\": {\"d\": null}}", QC_STATUS_LABEL_SEPARATOR, -1, "a/b"},
	{"{\"a/b\": null, \"c\": null}", QC_STATUS_OK, 0, NULL},
	{"{\"a\": [\"b\", null]}", QC_STATUS_LABEL_NULL, -1, ""},
	{"{\"a\": [\"\"]}", QC_STATUS_LABEL_BLANK, -1, ""},
	{"{\"\": \"x\", \"b\": null}", QC_STATUS_LABEL_BLANK, 0, ""},
	{"{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":null}}}}}}}}", QC_STATUS_OK, 0, NULL},
	{"{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":[\"8\"]}}}}}}}", QC_STATUS_OK, 0, NULL},
	{"{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":[\"9\"]}}}}}}}}", QC_STATUS_LABELS_DEEP, -1, "1/2/3/4/5/6/7/8"},
	{"[[\"a\"]]", QC_STATUS_LABELS_NESTED, 0, ""},
	{"{\"a\": 1}", QC_STATUS_LABELS_DESCRIPTION, 0, "a"},
	{"{\"a\": true}", QC_STATUS_LABELS_DESCRIPTION, 0, "a"},
	{"[\"a\", null]", QC_STATUS_LABEL_NULL, 1, ""},
	{"[\"\"]", QC_STATUS_LABEL_BLANK, 0, ""},
	{"[\"a\", \" \\t\"]", QC_STATUS_LABEL_BLANK, 1, NULL},
	{"[\"\\u3000\\u00a0\"]", QC_STATUS_LABEL_BLANK, 0, NULL},
	{"[\"a\\nb\"]", QC_STATUS_LABEL_CONTROL, 0, NULL},
	{"[\"a\\u0085\"]", QC_STATUS_LABEL_CONTROL, 0, NULL},
	{"[\"x<|im_end|>\"]", QC_STATUS_LABEL_CONTROL, 0, "x<|im_end|>"},
	{"[\"<think>\"]", QC_STATUS_LABEL_CONTROL, 0, NULL},
	{"[\"a < b\", \"<|\", \"a <|b\"]", QC_STATUS_OK, 0, NULL},
	{"[\"a\", \"b\", \"a\"]", QC_STATUS_LABEL_DUPLICATE, 2, "a"},
	{"{\"a\": null, \"a\": \"again\"}", QC_STATUS_LABEL_DUPLICATE, 1, "a"},
	{"[\"\xff\"]", QC_STATUS_BAD_UTF8, -1, "byte 3"},
	{"[\"\xed\xa0\x80\"]", QC_STATUS_BAD_UTF8, -1, "byte 3"}
};

/* The answer that no label fits: last, and under a name that none of them has. */
static void
test_none(void)
{
	QcFault		fault = {0};
	const char *const name[] = {"a", "NONE of these", "None Of These (2)"};
	QcLabels   *labels = qc_labels_from_names(name, 3, &fault);

	tap_ok(labels != NULL && !labels->abstains && qc_labels_own(labels) == 3 && !qc_label_is_none(labels, 2),
		   "a set without it", "status %d", fault.status);
	tap_ok(labels != NULL && qc_labels_add_none(labels, &fault), "it is added", "status %d", fault.status);
	tap_ok(labels != NULL && labels->n == 4 && qc_labels_own(labels) == 3 && qc_label_is_none(labels, 3) &&
		   !qc_label_is_none(labels, 2), "as the last", "n %d", labels != NULL ? labels->n : 0);
	tap_ok(labels != NULL && strcmp(labels->label[3].name, "none of these (3)") == 0 &&
		   qc_labels_find(labels, "None of these (3)", 17) == 3 && qc_labels_find(labels, "none of these", 13) == 1,
		   "under a name of its own", "%s", labels != NULL ? labels->label[3].name : "");
	qc_labels_free(labels);
}

static void
test_json(void)
{
	size_t		i;

	for (i = 0; i < N(json_rows); i++)
	{
		const JsonRow *row = &json_rows[i];
		QcFault		fault = {0};
		QcLabels   *labels = qc_labels_from_json(row->json, strlen(row->json), "/", &fault);
		bool		good = labels != NULL ? row->status == QC_STATUS_OK :
			fault.status == row->status && fault.index == row->index &&
			(row->detail == NULL || strcmp(fault.detail, row->detail) == 0);

		tap_ok(good, row->json, "status %d index %d detail \"%s\"",
			   labels != NULL ? 0 : (int) fault.status, fault.index, fault.detail);
		qc_labels_free(labels);
	}
}

static void
test_order(void)
{
	const char *json = "{\"b\": \"second\", \"a\": \"\", \"c\": null}";
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_json(json, strlen(json), "/", &fault);

	tap_ok(labels != NULL && labels->n == 3 && strcmp(labels->label[0].name, "b") == 0 &&
		   strcmp(labels->label[1].name, "a") == 0 && strcmp(labels->label[2].name, "c") == 0,
		   "the order written is kept", "n %d", labels != NULL ? labels->n : -1);
	tap_ok(labels != NULL && strcmp(labels->label[0].description, "second") == 0 &&
		   labels->label[1].description == NULL && labels->label[2].description == NULL,
		   "an empty description is none", "-");
	qc_labels_free(labels);
}

static bool
is_node(const QcLabels *labels, int i, const char *name, int parent, int nchildren,
		const char *own, const char *description)
{
	const QcLabel *label = &labels->label[i];

	return strcmp(label->name, name) == 0 && label->parent == parent &&
		label->nchildren == nchildren && strcmp(label->name + label->own, own) == 0 &&
		(description == NULL ? label->description == NULL :
		 label->description != NULL && strcmp(label->description, description) == 0);
}

static void
test_tree(void)
{
	const char *json = "{\"f\": {\"s\": \"shares\", \"\": \"money\", \"l\": [\"h\", \"c\"]}, \"s\": null}";
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_json(json, strlen(json), " > ", &fault);
	QcLabels   *flat = qc_labels_from_json("[\"a\"]", 5, "/", &fault);

	tap_ok(labels != NULL && labels->tree && labels->n == 6, "a tree lists all its nodes", "%d", fault.status);
	tap_ok(is_node(labels, 0, "f", -1, 2, "f", "money") &&
		   is_node(labels, 1, "f > s", 0, 0, "s", "shares") &&
		   is_node(labels, 2, "f > l", 0, 2, "l", NULL) &&
		   is_node(labels, 3, "f > l > h", 2, 0, "h", NULL) &&
		   is_node(labels, 4, "f > l > c", 2, 0, "c", NULL) &&
		   is_node(labels, 5, "s", -1, 0, "s", NULL),
		   "by their paths, parents first, in the order written", "-");
	tap_ok(qc_labels_find(labels, "F > S", 5) == 1, "a path is found as any label is", "-");
	tap_ok(flat != NULL && !flat->tree && is_node(flat, 0, "a", -1, 0, "a", NULL), "a list is no tree", "-");
	qc_labels_free(labels);
	qc_labels_free(flat);
}

/* A chain of 8 labels of len characters each: its path has 8 * len + 7. */
static QcStatus
status_of_chain(int len)
{
	char		json[4000] = "";
	QcFault		fault = {0};
	QcLabels   *labels;

	for (int i = 0; i < 8; i++)
		sprintf(json + strlen(json), "{\"%0*d\":", len, i);
	strcat(json, "null}}}}}}}}");
	labels = qc_labels_from_json(json, strlen(json), "/", &fault);
	qc_labels_free(labels);
	return fault.status;
}

static QcStatus
status_of_nodes(int inner)
{
	char	   *json = malloc((size_t) inner * 20 + 20);
	size_t		n = 0;
	QcFault		fault = {0};
	QcLabels   *labels;

	for (int i = 0; i < inner; i++)
		n += (size_t) sprintf(json + n, "%c\"%d\":[\"a\"]", i > 0 ? ',' : '{', i);
	strcpy(json + n, "}");
	labels = qc_labels_from_json(json, strlen(json), "/", &fault);
	qc_labels_free(labels);
	free(json);
	return fault.status;
}

static void
test_tree_limits(void)
{
	tap_ok(status_of_chain(24) == QC_STATUS_OK, "a path of 199 characters", "-");
	tap_ok(status_of_chain(25) == QC_STATUS_LABEL_TOO_LONG, "a path of 207", "-");
	tap_ok(status_of_nodes(500) == QC_STATUS_OK, "1,000 nodes", "-");
	tap_ok(status_of_nodes(501) == QC_STATUS_LABELS_TOO_MANY, "1,002 nodes", "-");
}

/* n labels, the first len characters long; the names are distinct. */
static QcStatus
status_of(int n, int len)
{
	char	  **name = calloc((size_t) n + 1, sizeof(char *));
	QcFault		fault = {0};
	QcLabels   *labels;
	int			i;
	int			k;

	for (i = 0; i < n; i++)
	{
		name[i] = calloc(1, (size_t) len * 4 + 16);
		for (k = 0; i == 0 && k < len; k++)
			strcat(name[i], "\xF0\x9F\x98\x80");
		if (i > 0)
			sprintf(name[i], "label %d", i);
	}
	labels = qc_labels_from_names((const char *const *) name, n, &fault);
	if (labels != NULL)
		fault.status = QC_STATUS_OK;
	for (i = 0; i < n; i++)
		free(name[i]);
	free(name);
	qc_labels_free(labels);
	return fault.status;
}

static void
test_limits(void)
{
	const char *null_name[] = {"a", NULL};
	const char *bad_name[] = {"a", "b\xC0\xAF"};
	QcFault		fault = {0};

	tap_ok(status_of(1000, 1) == QC_STATUS_OK, "1,000 labels", "-");
	tap_ok(status_of(1001, 1) == QC_STATUS_LABELS_TOO_MANY, "1,001 labels", "-");
	tap_ok(status_of(0, 1) == QC_STATUS_LABELS_EMPTY, "no label", "-");
	tap_ok(status_of(1, 200) == QC_STATUS_OK, "200 characters of 4 bytes", "-");
	tap_ok(status_of(1, 201) == QC_STATUS_LABEL_TOO_LONG, "201 characters", "-");
	tap_ok(qc_labels_from_names(null_name, 2, &fault) == NULL &&
		   fault.status == QC_STATUS_LABEL_NULL && fault.index == 1, "a NULL name", "-");
	tap_ok(qc_labels_from_names(bad_name, 2, &fault) == NULL &&
		   fault.status == QC_STATUS_BAD_UTF8 && fault.index == 1 &&
		   strcmp(fault.detail, "byte 2") == 0, "an overlong form", "%s", fault.detail);
}

static void
test_detail_clip(void)
{
	char		json[1000] = "{\"";
	QcFault		fault = {0};
	int			i;

	for (i = 0; i < 100; i++)
		strcat(json, "\xE4\xB8\xAD");
	strcat(json, "\": 1}");
	tap_ok(qc_labels_from_json(json, strlen(json), "/", &fault) == NULL &&
		   strlen(fault.detail) == 255, "a long detail is clipped", "%s", fault.detail);
	json[0] = '\0';
	strcat(json, "{\"x");
	for (i = 0; i < 100; i++)
		strcat(json, "\xE4\xB8\xAD");
	strcat(json, "\": 1}");
	tap_ok(qc_labels_from_json(json, strlen(json), "/", &fault) == NULL &&
		   strlen(fault.detail) == 253 &&
		   qc_utf8_valid(fault.detail, 253, NULL) == 253,
		   "and at a character", "%s", fault.detail);
}

typedef struct FindRow
{
	const char *answer;
	int			found;
} FindRow;

static const char *const find_names[] = {
	"refund", "Bug Report", "\xE7\xA7\x91\xE6\x8A\x80", "US", "us", "caf\xC3\xA9", "\"quoted\"",
	"ABC\xEF\xBC\x91", "spam", ("stra\xC3\x9F" "e"), " spaced "
};

static const FindRow find_rows[] = {
	{"refund", 0}, {"Refund", 0}, {" refund\n", 0}, {"\"refund\"", 0}, {"'REFUND'", 0},
	{"`refund`", 0}, {"\xE2\x80\x9Crefund\xE2\x80\x9D", 0},
	{"\xE3\x80\x8C\xE7\xA7\x91\xE6\x8A\x80\xE3\x80\x8D", 2},
	{"\xEF\xBD\x92\xEF\xBD\x85\xEF\xBD\x86\xEF\xBD\x95\xEF\xBD\x8E\xEF\xBD\x84", 0},	/* full width */
	{"bug report", 1}, {"Bug\xE3\x80\x80Report", 1}, {"bug", -1}, {"bug  report", -1},
	{"US", 3}, {"us", 4}, {"Us", -1}, {"\xEF\xBC\xB5\xEF\xBC\xB3", -1},
	{"cafe\xCC\x81", 5}, {"CAF\xC3\x89", 5}, {"cafe", -1},
	{"\"quoted\"", 6}, {"quoted", 6}, {"abc1", 7}, {"STRASSE", 9}, {"spaced", 10},
	{"not spam", -1}, {"spam.", -1}, {"spam, refund", -1}, {"the label is spam", -1},
	{"refunds", -1}, {"", -1}, {"\"\"", -1}, {" ", -1}, {"\xFF", -1}, {"refund\xFF", -1}
};

static void
test_find(void)
{
	QcFault		fault = {0};
	QcLabels   *labels = qc_labels_from_names(find_names, (int) N(find_names), &fault);
	size_t		i;

	for (i = 0; i < N(find_rows); i++)
	{
		const FindRow *row = &find_rows[i];
		int			found = qc_labels_find(labels, row->answer, strlen(row->answer));
		char		name[32];

		snprintf(name, sizeof(name), "answer %zu", i);
		tap_ok(found == row->found, name, "\"%s\" is %d", row->answer, found);
	}
	tap_ok(qc_labels_find(labels, "refund\0x", 8) == -1, "a NUL in the answer", "-");
	qc_labels_free(labels);
}

static void
test_codes(void)
{
	char		buf[4];

	tap_ok(strcmp(qc_label_code(0, 26, buf), "A") == 0, "A of 26", "%s", buf);
	tap_ok(strcmp(qc_label_code(25, 26, buf), "Z") == 0, "Z of 26", "%s", buf);
	tap_ok(strcmp(qc_label_code(0, 27, buf), "AA") == 0, "AA of 27", "%s", buf);
	tap_ok(strcmp(qc_label_code(26, 27, buf), "BA") == 0, "BA of 27", "%s", buf);
	tap_ok(strcmp(qc_label_code(675, 676, buf), "ZZ") == 0, "ZZ of 676", "%s", buf);
	tap_ok(strcmp(qc_label_code(676, 1000, buf), "BAA") == 0, "BAA of 1,000", "%s", buf);
}

int
main(void)
{
	test_none();
	test_json();
	test_order();
	test_tree();
	test_tree_limits();
	test_limits();
	test_detail_clip();
	test_find();
	test_codes();
	return tap_end();
}
