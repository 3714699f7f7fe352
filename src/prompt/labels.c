/*-------------------------------------------------------------------------
 *
 * labels.c
 *	  Making a set of labels, from names or from JSON, and checking it.
 *
 * A label goes into a prompt, into a grammar and back out of an answer, so
 * what could not make that round is refused here, where the user can still
 * be told which label it is.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/labels.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/defuse.h"
#include "prompt/fault.h"
#include "prompt/json.h"
#include "prompt/message.h"
#include "prompt/text.h"

/* What stands in a name: the reasons for which it may be refused. */
typedef struct NameLook
{
	size_t		chars;
	bool		blank;
	bool		control;		/* a control character or a control token */
} NameLook;

static NameLook
look_at(const char *name, size_t len)
{
	NameLook	look = {0, true, false};
	size_t		at = 0;
	uint32_t	c = 0;

	while (at < len)
	{
		if (qc_special_at(name + at, len - at) > 0)
			look.control = true;
		at += qc_utf8_char(name + at, len - at, &c);
		look.chars++;
		look.blank &= qc_is_space(c);
		look.control |= c < 0x20 || (c >= 0x7F && c < 0xA0);
	}
	return look;
}

static bool
check_name(const char *name, int i, QcFault *fault)
{
	size_t		len;
	size_t		good;
	NameLook	look;

	if (name == NULL)
		return qc_fault(fault, QC_STATUS_LABEL_NULL, i, "", 0);
	len = strlen(name);
	good = qc_utf8_valid(name, len, NULL);
	if (good < len)
		return qc_fault_at(fault, QC_STATUS_BAD_UTF8, i, good);
	look = look_at(name, len);
	if (look.blank)
		return qc_fault(fault, QC_STATUS_LABEL_BLANK, i, name, len);
	if (look.control)
		return qc_fault(fault, QC_STATUS_LABEL_CONTROL, i, name, len);
	if (look.chars > QC_MAX_LABEL_CHARS)
		return qc_fault(fault, QC_STATUS_LABEL_TOO_LONG, i, name, len);
	return true;
}

static bool
check_description(const char *description, int i, QcFault *fault)
{
	size_t		len = description != NULL ? strlen(description) : 0;
	size_t		good = qc_utf8_valid(description, len, NULL);

	if (good < len)
		return qc_fault_at(fault, QC_STATUS_BAD_UTF8, i, good);
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const QcLabel *const *x = a;
	const QcLabel *const *y = b;
	int			order = strcmp((*x)->name, (*y)->name);

	/* Equal names in the order written: the later one is the duplicate. */
	return order != 0 ? order : (*x > *y) - (*x < *y);
}

static bool
check_duplicates(const QcLabels *labels, QcFault *fault)
{
	/* Sorted by name: pairs among 1,000 would cost a statement milliseconds. */
	const QcLabel *sorted[QC_MAX_LABELS];
	const QcLabel *twice = NULL;
	int			i;

	for (i = 0; i < labels->n; i++)
		sorted[i] = &labels->label[i];
	qsort(sorted, (size_t) labels->n, sizeof(sorted[0]), compare_names);
	for (i = 1; i < labels->n; i++)
	{
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
			(twice == NULL || sorted[i] < twice))
			twice = sorted[i];
	}
	if (twice == NULL)
		return true;
	return qc_fault(fault, QC_STATUS_LABEL_DUPLICATE,
					labels->tree ? -1 : (int) (twice - labels->label),
					twice->name, strlen(twice->name));
}

/* Room for n labels, counted in as they are added. */
static QcLabels *
make_labels(int n, QcFault *fault)
{
	QcLabels   *labels;

	if (n <= 0)
	{
		qc_fault(fault, QC_STATUS_LABELS_EMPTY, -1, "", 0);
		return NULL;
	}
	if (n > QC_MAX_LABELS)
	{
		qc_fault(fault, QC_STATUS_LABELS_TOO_MANY, -1, "", 0);
		return NULL;
	}
	labels = calloc(1, sizeof(QcLabels));
	if (labels != NULL)
		labels->label = calloc((size_t) n, sizeof(QcLabel));
	if (labels == NULL || labels->label == NULL)
	{
		qc_labels_free(labels);
		qc_fault(fault, QC_STATUS_NO_MEMORY, -1, "", 0);
		return NULL;
	}
	return labels;
}

static bool
copy_description(QcLabel *label, const char *description)
{
	if (description == NULL || description[0] == '\0')
		return true;
	label->description = qc_strndup(description, strlen(description));
	return label->description != NULL;
}

static bool
add_label(QcLabels *labels, const char *name, const char *description, QcFault *fault)
{
	QcLabel    *label = &labels->label[labels->n];

	if (!check_name(name, labels->n, fault) ||
		!check_description(description, labels->n, fault))
		return false;
	labels->n++;
	label->parent = -1;
	label->name = qc_strndup(name, strlen(name));
	if (label->name == NULL || !copy_description(label, description))
		return qc_fault(fault, QC_STATUS_NO_MEMORY, -1, "", 0);
	return true;
}

/* The last look at a set; whatever is wrong frees it. */
static QcLabels *
finish_labels(QcLabels *labels, bool good, QcFault *fault)
{
	if (good && check_duplicates(labels, fault))
		return labels;
	qc_labels_free(labels);
	return NULL;
}

QcLabels *
qc_labels_from_names(const char *const *name, int n, QcFault *fault)
{
	QcLabels   *labels = make_labels(n, fault);
	bool		good = true;
	int			i;

	if (labels == NULL)
		return NULL;
	for (i = 0; i < n && good; i++)
		good = add_label(labels, name[i], NULL, fault);
	return finish_labels(labels, good, fault);
}

/* ---- JSON ---- */

/* A tree under construction. */
typedef struct Build
{
	QcLabels   *labels;
	const char *separator;
	QcFault    *fault;
} Build;

/* Where the labels stand that are being added. */
typedef struct Level
{
	int			parent;			/* -1: at the root */
	int			depth;			/* from 1 */
	bool		keyed;			/* of an object: name and value */
} Level;

static bool
is_inner(const cJSON *value)
{
	return cJSON_IsObject(value) || cJSON_IsArray(value);
}

/* The member of an inner node that describes it. */
static bool
is_own_description(const cJSON *member, const Level *level)
{
	return level->parent >= 0 && level->keyed && member->string[0] == '\0';
}

/* A position in the list says where to look at the root alone: below, the path does. */
static int
shown_index(const Level *level, int i)
{
	return level->parent < 0 ? i : -1;
}

/* The path, malloc'ed: the parent's, the separator, the name. */
static char *
path_of(const Build *build, const Level *level, const char *name)
{
	QcBuf		path = {0};

	if (level->parent >= 0)
	{
		qc_buf_adds(&path, build->labels->label[level->parent].name);
		qc_buf_adds(&path, build->separator);
	}
	qc_buf_adds(&path, name);
	return qc_buf_take(&path);
}

/* What a name in a tree may not be beside what any label may not. */
static bool
check_path(const Build *build, const char *path, const char *name)
{
	size_t		chars = 0;

	if (strstr(name, build->separator) != NULL)
		return qc_fault(build->fault, QC_STATUS_LABEL_SEPARATOR, -1, name, strlen(name));
	qc_utf8_valid(path, strlen(path), &chars);
	if (chars > QC_MAX_LABEL_CHARS)
		return qc_fault(build->fault, QC_STATUS_LABEL_TOO_LONG, -1, path, strlen(path));
	return true;
}

/* Its name and description; the separator matters once there is a tree. */
static bool
add_node(const Build *build, const Level *level, int i, const char *name,
		 const char *description)
{
	QcLabels   *labels = build->labels;
	QcLabel    *label = &labels->label[labels->n];
	int			index = shown_index(level, i);
	char	   *path;

	if (!check_name(name, index, build->fault) ||
		!check_description(description, index, build->fault))
		return false;
	path = path_of(build, level, name);
	if (path == NULL)
		return qc_fault(build->fault, QC_STATUS_NO_MEMORY, -1, "", 0);
	labels->n++;
	label->name = path;
	label->own = strlen(path) - strlen(name);
	label->parent = level->parent;
	if (!copy_description(label, description))
		return qc_fault(build->fault, QC_STATUS_NO_MEMORY, -1, "", 0);
	if (level->parent >= 0)
		labels->label[level->parent].nchildren++;
	return !labels->tree || check_path(build, path, name);
}

static bool add_members(const Build *build, const cJSON *list, int parent, int depth);

static bool
describe_parent(const Build *build, const Level *level, const cJSON *member)
{
	QcLabel    *label = &build->labels->label[level->parent];
	const char *description = cJSON_GetStringValue(member);

	if (!cJSON_IsString(member) && !cJSON_IsNull(member))
		return qc_fault(build->fault, QC_STATUS_LABELS_DESCRIPTION, -1,
						label->name, strlen(label->name));
	if (label->description != NULL)
		return qc_fault(build->fault, QC_STATUS_LABEL_DUPLICATE, -1, "", 0);
	if (!check_description(description, -1, build->fault))
		return false;
	return copy_description(label, description) ||
		qc_fault(build->fault, QC_STATUS_NO_MEMORY, -1, "", 0);
}

/*
 * One member of the JSON: a name, a name with its description, or a name with
 * the labels within it.  Numbers are refused rather than printed: 1 and 1.0
 * would be two labels.
 */
static bool
add_member(const Build *build, const Level *level, int i, const cJSON *member)
{
	const char *name = level->keyed ? member->string : cJSON_GetStringValue(member);
	const char *shown = name != NULL ? name : "";
	int			index = shown_index(level, i);
	int			node = build->labels->n;

	if (is_own_description(member, level))
		return describe_parent(build, level, member);
	if (is_inner(member) && !level->keyed)
		return qc_fault(build->fault, QC_STATUS_LABELS_NESTED, index, shown, strlen(shown));
	if (is_inner(member))
		return add_node(build, level, i, name, NULL) &&
			add_members(build, member, node, level->depth + 1);
	if (!cJSON_IsString(member) && !cJSON_IsNull(member))
		return qc_fault(build->fault, level->keyed ? QC_STATUS_LABELS_DESCRIPTION :
						QC_STATUS_LABELS_JSON, index, shown, strlen(shown));
	return add_node(build, level, i, name, level->keyed ? cJSON_GetStringValue(member) : NULL);
}

static bool
add_members(const Build *build, const cJSON *list, int parent, int depth)
{
	Level		level = {parent, depth, cJSON_IsObject(list)};
	const QcLabel *label = parent >= 0 ? &build->labels->label[parent] : NULL;
	const cJSON *member;
	int			i = 0;

	if (depth > QC_MAX_LABEL_DEPTH)
		return qc_fault(build->fault, QC_STATUS_LABELS_DEEP, -1, label->name, strlen(label->name));
	cJSON_ArrayForEach(member, list)
	{
		if (!add_member(build, &level, i++, member))
			return false;
	}
	if (label != NULL && label->nchildren == 0)
		return qc_fault(build->fault, QC_STATUS_LABEL_CHILDLESS, -1, label->name, strlen(label->name));
	return true;
}

/* At least as many as there are labels at all depths; *tree: some are within others. */
static int
count_members(const cJSON *list, bool root, bool *tree)
{
	const cJSON *member;
	int			n = 0;

	cJSON_ArrayForEach(member, list)
	{
		if (!root && member->string != NULL && member->string[0] == '\0')
			continue;
		n++;
		if (!is_inner(member))
			continue;
		*tree = true;
		n += count_members(member, false, tree);
	}
	return n;
}

static QcLabels *
labels_from_tree(const cJSON *tree, const char *separator, QcFault *fault)
{
	Build		build = {NULL, separator, fault};
	bool		is_tree = false;

	if (!is_inner(tree))
	{
		qc_fault(fault, QC_STATUS_LABELS_JSON, -1, "", 0);
		return NULL;
	}
	build.labels = make_labels(count_members(tree, true, &is_tree), fault);
	if (build.labels == NULL)
		return NULL;
	build.labels->tree = is_tree;
	return finish_labels(build.labels, add_members(&build, tree, -1, 1), fault);
}

QcLabels *
qc_labels_from_json(const char *json, size_t len, const char *separator, QcFault *fault)
{
	size_t		where = qc_utf8_valid(json, len, NULL);
	QcLabels   *labels;
	cJSON	   *tree;

	/* cJSON takes any bytes, and an escaped NUL for the end of a name. */
	if (where < len)
	{
		qc_fault_at(fault, QC_STATUS_BAD_UTF8, -1, where);
		return NULL;
	}
	if (qc_json_has_nul(json, len))
	{
		qc_fault(fault, QC_STATUS_LABELS_JSON, -1, "\\u0000", 6);
		return NULL;
	}
	tree = qc_json_parse(json, len, &where);
	if (tree == NULL)
	{
		qc_fault_at(fault, QC_STATUS_LABELS_JSON, -1, where);
		return NULL;
	}
	labels = labels_from_tree(tree, separator, fault);
	cJSON_Delete(tree);
	return labels;
}

/*
 * A name that means none of the labels, by no way of writing it: with as many
 * labels as numbers tried, one is left.
 */
static char *
name_of_none(const QcLabels *labels)
{
	char		name[32] = "none of these";
	int			i;

	for (i = 2; qc_labels_find(labels, name, strlen(name)) >= 0; i++)
		snprintf(name, sizeof(name), "none of these (%d)", i);
	return qc_strndup(name, strlen(name));
}

bool
qc_labels_add_none(QcLabels *labels, QcFault *fault)
{
	static const char description[] = "no other label of this list fits the text";
	QcLabel    *grown = realloc(labels->label, sizeof(QcLabel) * (size_t) (labels->n + 1));
	QcLabel    *none;

	if (grown == NULL)
		return qc_fault(fault, QC_STATUS_NO_MEMORY, -1, "", 0);
	labels->label = grown;
	none = &grown[labels->n];
	memset(none, 0, sizeof(*none));
	none->parent = -1;
	none->name = name_of_none(labels);
	none->description = qc_strndup(description, strlen(description));
	labels->n++;
	labels->abstains = true;
	return (none->name != NULL && none->description != NULL) ||
		qc_fault(fault, QC_STATUS_NO_MEMORY, -1, "", 0);
}

void
qc_labels_free(QcLabels *labels)
{
	int			i;

	if (labels == NULL)
		return;
	for (i = 0; i < labels->n; i++)
	{
		free(labels->label[i].name);
		free(labels->label[i].description);
	}
	free(labels->label);
	free(labels);
}

const char *
qc_label_code(int i, int n, char *buf)
{
	int			width = n <= 26 ? 1 : n <= 26 * 26 ? 2 : 3;
	int			k;

	buf[width] = '\0';
	for (k = width - 1; k >= 0; k--)
	{
		buf[k] = (char) ('A' + i % 26);
		i /= 26;
	}
	return buf;
}
