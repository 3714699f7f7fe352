/*-------------------------------------------------------------------------
 *
 * user.c
 *	  The user message: the row's text, cut and defused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "prompt/bound.h"
#include "prompt/buf.h"
#include "prompt/defuse.h"
#include "prompt/message.h"

char *
qc_user_message(const char *text, size_t len, size_t max_chars, bool *was_cut)
{
	QcBuf		buf = {0};
	size_t		chars;
	size_t		head;
	size_t		tail;

	len = qc_utf8_valid(text, len, &chars);
	*was_cut = max_chars > 0 && chars > max_chars;
	if (!*was_cut)
	{
		qc_defuse(&buf, text, len);
		return qc_buf_take(&buf);
	}
	tail = max_chars / 4;
	head = qc_skip_chars(text, len, 0, max_chars - tail);
	tail = qc_skip_chars(text, len, head, chars - max_chars);
	head = qc_bound_before(text, len, head);
	tail = qc_bound_after(text, len, tail);
	qc_defuse(&buf, text, head);
	qc_buf_adds(&buf, "\n[...]\n");
	qc_defuse(&buf, text + tail, len - tail);
	return qc_buf_take(&buf);
}

/* The text first: up to the question, all questions about it begin alike. */
char *
qc_prompt_user(const QcPrompt *prompt, const char *text, size_t len,
			   size_t max_chars, bool *was_cut)
{
	char	   *message = qc_user_message(text, len, max_chars, was_cut);
	size_t		before;
	char	   *whole;

	if (message == NULL || prompt->question == NULL)
		return message;
	before = strlen(message);
	whole = realloc(message, before + strlen(prompt->question) + 1);
	if (whole == NULL)
		free(message);
	else
		strcpy(whole + before, prompt->question);
	return whole;
}
