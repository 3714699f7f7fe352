/*-------------------------------------------------------------------------
 *
 * clean_urls.c
 *	  URLs in running text: left out, or the host's name in their place.
 *
 * Not a parser: it finds what a reader takes for one.  The sign before a URL,
 * brackets round it and the sentence's end after it are not of it.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const starts[] = {"https://", "http://", "ftp://", "www."};

/* What a URL is made of: ASCII without brackets and quotes, so a Chinese sentence goes on after it. */
static bool
is_url_byte(unsigned char c)
{
	return c > 0x20 && c < 0x7F && strchr("<>\"'{}|\\^`", c) == NULL;
}

static bool
is_name_byte(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c >= 0x80;
}

/* A Chinese sentence goes straight on to a URL; a word or an address does not. */
static bool
may_precede(unsigned char c)
{
	return c >= 0x80 || (!is_name_byte(c) && strchr("@/_:", c) == NULL);
}

/* Bytes of the scheme at s, or of nothing for "www."; -1: no URL begins here. */
static int
scheme_length(const char *s, size_t len)
{
	size_t		i;

	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
	{
		size_t		n = strlen(starts[i]);

		if (len > n && strncasecmp(s, starts[i], n) == 0 && is_name_byte((unsigned char) s[n]))
			return starts[i][n - 1] == '/' ? (int) n : 0;
	}
	return -1;
}

/* The end without what closes a sentence or a bracket that was opened before. */
static size_t
trim_end(const char *s, size_t n)
{
	while (n > 0)
	{
		const char *opener = s[n - 1] == ')' ? "(" : s[n - 1] == ']' ? "[" : NULL;

		if (opener != NULL ? memchr(s, opener[0], n) != NULL : strchr(".,;:!?", s[n - 1]) == NULL)
			break;
		n--;
	}
	return n;
}

/* The host's name in a URL, without "www." and a user's name. */
static void
add_domain(const char *s, size_t len, QcBuf *out)
{
	size_t		end = 0;
	const char *at;

	while (end < len && strchr("/?#", s[end]) == NULL)
		end++;
	at = memchr(s, '@', end);
	if (at != NULL)
	{
		end -= (size_t) (at + 1 - s);
		s = at + 1;
	}
	if (end > 4 && strncasecmp(s, "www.", 4) == 0)
	{
		s += 4;
		end -= 4;
	}
	qc_buf_add(out, s, end);
}

/* Bytes of the URL at s, 0: none; what is put in its place is added. */
static size_t
replace_url(const char *s, size_t len, QcUrls urls, QcBuf *out)
{
	int			scheme = scheme_length(s, len);
	size_t		n;

	if (scheme < 0)
		return 0;
	for (n = (size_t) scheme; n < len && is_url_byte((unsigned char) s[n]);)
		n++;
	n = trim_end(s, n);
	if (n <= (size_t) scheme)
		return 0;
	if (urls == QC_URLS_DOMAIN)
		add_domain(s + scheme, n - (size_t) scheme, out);
	return n;
}

bool
qc_clean_urls(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	bool		changed = false;
	size_t		from = 0;
	size_t		at = 0;

	while (at < len)
	{
		size_t		n = 0;
		QcBuf		instead = {0};

		if (strchr("hHfFwW", s[at]) != NULL && (at == 0 || may_precede((unsigned char) s[at - 1])))
			n = replace_url(s + at, len - at, options->urls, &instead);
		if (n > 0)
		{
			changed = true;
			qc_buf_add(out, s + from, at - from);
			if (instead.len > 0)
				qc_buf_add(out, instead.data, instead.len);
			out->failed = out->failed || instead.failed;
			from = at + n;
			at = from;
		}
		else
			at++;
		free(instead.data);
	}
	qc_buf_add(out, s + from, len - from);
	return changed;
}
