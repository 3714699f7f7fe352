/*-------------------------------------------------------------------------
 *
 * verbal.c
 *	  The confidence that a model says of itself.
 *
 * Asked for 0 to 100, models answer on either scale.  The point tells them
 * apart: 1 is one percent, 1.0 is certain.  Words ("high") are no numbers and
 * none is made of them.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/verbal.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "prompt/text.h"

#define FULL_WIDTH_PERCENT "\xEF\xBC\x85"

/* Digits from *at on, added to *value with their place; false if there are none. */
static bool
read_digits(const char *s, size_t len, size_t *at, double *value, double place)
{
	size_t		start = *at;

	for (; *at < len && isdigit((unsigned char) s[*at]); (*at)++)
	{
		if (place < 1)
		{
			*value += place * (s[*at] - '0');
			place /= 10;
		}
		else
			*value = *value * 10 + (s[*at] - '0');
	}
	return *at > start;
}

double
qc_verbal_confidence(const char *s, size_t len)
{
	size_t		at = 0;
	double		value = 0;
	bool		point = false;
	bool		percent;

	qc_trim_quotes(s, &at, &len);
	if (!read_digits(s, len, &at, &value, 1))
		return NAN;
	if (at < len && s[at] == '.')
	{
		at++;
		point = true;
		if (!read_digits(s, len, &at, &value, 0.1))
			return NAN;
	}
	qc_trim_space(s, &at, &len);
	percent = (len - at == 1 && s[at] == '%') ||
		(len - at == 3 && memcmp(s + at, FULL_WIDTH_PERCENT, 3) == 0);
	if (at < len && !percent)
		return NAN;
	if (percent || !point || value > 1)
		value /= 100;
	return value <= 1 ? value : NAN;
}
