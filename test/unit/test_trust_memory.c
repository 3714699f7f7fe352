/*-------------------------------------------------------------------------
 *
 * test_trust_memory.c
 *	  Each allocation of src/trust/stats/ fails once: it is told, nothing leaks.
 *
 * The linker sends the allocations here (--wrap).  Leaks are the sanitizer's to
 * find.
 *
 *-------------------------------------------------------------------------
 */
#include "trust/stats/certificate.h"
#include "trust/stats/choose.h"
#include "trust/stats/drift.h"
#include "trust/stats/reliability.h"
#include "trust/stats/score.h"

#include "trust_data.h"

extern void *__real_malloc(size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern void *__wrap_realloc(void *p, size_t size);

/* The allocation that fails, counted down; 0: none does any more. */
static long fail_at = 0;

static bool
fails(void)
{
	return fail_at > 0 && --fail_at == 0;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

static QcStat
chosen(void)
{
	QcReviews	reviews = {1000, data_p, NULL, data_right, data_weight};
	QcChoice	choice;
	QcModel		model;
	QcStat		status = qc_model_choose(&reviews, 1, &model, &choice);

	if (status != QC_STAT_OK && model.map.params != NULL)
		return QC_STAT_INPUT;
	qc_model_free(&model);
	return status;
}

/* With all that may be added, and packed. */
static QcStat
fitted_model(void)
{
	QcRecipe	recipe = {QC_MAP_PLATT, QC_MIX_FITTED, true, QC_PER_LABEL_SLOPE};
	QcReviews	reviews = detailed_rows(400, 0, true);
	QcModel		model;
	double	   *number = NULL;
	int			n;
	QcStat		status = qc_model_fit(&recipe, &reviews, &model);

	if (status != QC_STAT_OK)
		return status;
	status = qc_model_pack(&model, &number, &n);
	free(number);
	qc_model_free(&model);
	return status;
}

static QcStat
fitted_isotonic(void)
{
	QcReviews	reviews = {100, data_p, NULL, data_right, NULL};
	QcMap		map;
	QcStat		status = qc_map_fit(QC_MAP_ISOTONIC, &reviews, &map);

	qc_map_free(&map);
	return status;
}

static QcStat
begun(void)
{
	QcCertificate certificate;

	return qc_certificate_begin(&certificate, QC_TARGET_TABLE, 0.05, 0.05, data_p, 100, 100);
}

static QcStat
drifted(void)
{
	QcDrift		drift;

	return qc_drift_deciles(data_p, 100, data_p + 100, 100, 1, &drift);
}

static QcStat
brier(void)
{
	QcMeasure	out;

	return qc_score_brier(data_p, data_right, 100, 0.95, 1, &out);
}

static QcStat
auroc(void)
{
	QcMeasure	out;

	return qc_score_auroc(data_p, data_right, 100, 0.95, &out);
}

static QcStat
slope(void)
{
	QcMeasure	out;
	QcMeasure	intercept;

	return qc_score_slope(data_p, data_right, 100, 0.95, &out, &intercept);
}

static QcStat
bins(void)
{
	QcBin		bin[QC_BINS];
	int			used;

	return qc_reliability_bins(data_p, data_right, 100, QC_BINS, 0.95, bin, &used);
}

static QcStat
noise(void)
{
	double		mean;
	double		sd;

	return qc_reliability_floor(data_p, 100, QC_BINS, 10, 1, &mean, &sd);
}

int
main(void)
{
	static const struct
	{
		const char *name;
		QcStat		(*run) (void);
		int			allocations;	/* at least */
	}			rows[] = {
		{"choose", chosen, 60}, {"isotonic", fitted_isotonic, 4}, {"model", fitted_model, 10},
		{"certificate", begun, 1}, {"deciles", drifted, 1}, {"Brier", brier, 1}, {"AUROC", auroc, 1}, {"slope", slope, 1}, {"bins", bins, 1}, {"floor", noise, 1}};
	int			i;

	make_rows(1000, 0);
	for (i = 0; i < N(rows); i++)
	{
		QcStat		status = QC_STAT_NO_MEMORY;
		int			failed;

		for (failed = 0; status == QC_STAT_NO_MEMORY && failed < 5000; failed++)
		{
			fail_at = failed + 1;
			status = rows[i].run();
		}
		fail_at = 0;
		tap_ok(status == QC_STAT_OK && failed > rows[i].allocations, rows[i].name, "status %d after %d failures", status, failed - 1);
	}
	return tap_end();
}
