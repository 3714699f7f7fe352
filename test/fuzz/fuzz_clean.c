/*-------------------------------------------------------------------------
 *
 * fuzz_clean.c
 *	  Any bytes, cleaned in every combination of the options.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/clean.h"
#include "prompt/message.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A server encoding that has Latin-1's characters and no others. */
static bool
fits_latin1(void *arg, uint32_t c)
{
	(void) arg;
	return c < 0x100;
}

static void
set_options(QcCleanOptions *options, unsigned bits)
{
	memset(options, 0, sizeof(*options));
	options->html = bits & 1;
	options->mojibake = bits & 2;
	options->controls = bits & 4;
	options->boilerplate = bits & 8;
	options->punctuation = bits & 16;
	options->space = bits & 32;
	options->urls = (QcUrls) (bits >> 6 & 3) % 3;
	if (bits & 256)
		options->fits = fits_latin1;
}

static bool
is_latin1(const char *s, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
		if ((unsigned char) s[i] > 0xC3)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	QcCleanOptions options;
	const char *text = (const char *) data + 2;
	char	   *clean;
	char	   *again;
	size_t		len;
	size_t		len2;
	bool		stopped;

	if (size < 2)
		return 0;
	size -= 2;
	set_options(&options, data[0] | (data[1] & 1) << 8);
	clean = qc_clean(text, size, &options, &len, &stopped);
	MUST(clean != NULL && !stopped && clean[len] == '\0');
	MUST(len <= size * 2 + 16);
	if (qc_utf8_valid(text, size, NULL) == size)
		MUST(qc_utf8_valid(clean, len, NULL) == len);
	if (options.fits != NULL && is_latin1(text, size) && qc_utf8_valid(text, size, NULL) == size)
		MUST(is_latin1(clean, len));

	/* a function of the text alone */
	again = qc_clean(text, size, &options, &len2, &stopped);
	MUST(len == len2 && memcmp(clean, again, len) == 0);
	free(again);
	free(clean);
	return 0;
}
