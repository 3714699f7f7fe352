/*-------------------------------------------------------------------------
 *
 * complaint.c
 *	  The error in a body.
 *
 * Four shapes: {"error": {"message", "type", "code"}}, {"error": "text"} with
 * or without "error_type", the same members at the top (SGLang, LMDeploy,
 * DashScope), and FastAPI's {"detail": text or [{"msg"}]}.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/complaint.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/json.h"
#include "prompt/text.h"

/* Messages may quote the whole request; this much of one tells what is wrong. */
#define MAX_MESSAGE_BYTES 2000

static char *
keep(const char *s)
{
	return s != NULL ? qc_utf8_mend(s, qc_utf8_clip(s, strlen(s), MAX_MESSAGE_BYTES)) : NULL;
}

static char *
keep_taken(char *s)
{
	char	   *kept = keep(s);

	free(s);
	return kept;
}

/* A number that can be an HTTP status, else 0. */
static int
status_in(const char *s)
{
	long		status = s != NULL && isdigit((unsigned char) s[0]) ? strtol(s, NULL, 10) : 0;

	return status >= 100 && status <= 599 ? (int) status : 0;
}

static int
status_of(const cJSON *code)
{
	if (cJSON_IsNumber(code) && code->valuedouble >= 100 && code->valuedouble <= 599)
		return (int) code->valuedouble;
	return status_in(cJSON_GetStringValue(code));
}

/*
 * The most telling of the names: OpenAI's code ("context_length_exceeded")
 * says more than its type ("invalid_request_error"); a code that is a number
 * goes into error_code.
 */
static void
read_members(const cJSON *object, QcReply *out)
{
	const cJSON *code = cJSON_GetObjectItemCaseSensitive(object, "code");
	const char *name = cJSON_GetStringValue(code);

	out->error_code = status_of(code);
	if (name == NULL || name[0] == '\0' || status_of(code) != 0)
		name = qc_json_string(object, "type");
	if (name == NULL)
		name = qc_json_string(object, "error_type");
	out->error_type = keep(name);
}

/* FastAPI's list of what is wrong with the fields: "body.top_logprobs: message". */
static char *
detail_text(const cJSON *detail)
{
	QcBuf		buf = {0};
	const cJSON *item;
	const cJSON *place;

	if (cJSON_IsString(detail))
		return keep(detail->valuestring);
	cJSON_ArrayForEach(item, detail)
	{
		if (buf.len > 0)
			qc_buf_adds(&buf, "; ");
		cJSON_ArrayForEach(place, cJSON_GetObjectItemCaseSensitive(item, "loc"))
		{
			if (cJSON_IsString(place))
			{
				qc_buf_adds(&buf, place->valuestring);
				qc_buf_adds(&buf, place->next != NULL ? "." : ": ");
			}
		}
		if (qc_json_string(item, "msg") != NULL)
			qc_buf_adds(&buf, qc_json_string(item, "msg"));
	}
	return keep_taken(qc_buf_take(&buf));
}

static const char *
message_of(const cJSON *object)
{
	const char *message = qc_json_string(object, "message");

	return message != NULL ? message : qc_json_string(object, "msg");
}

/* The members of an answer: a body with one of them is no error for a "message". */
static bool
is_answer(const cJSON *body)
{
	return cJSON_HasObjectItem(body, "choices") || cJSON_HasObjectItem(body, "response") ||
		cJSON_HasObjectItem(body, "text") || cJSON_HasObjectItem(body, "generated_text") ||
		cJSON_HasObjectItem(body, "label");
}

static void
find_message(const cJSON *body, QcReply *out)
{
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(body, "error");

	if (cJSON_IsObject(error))
	{
		out->error = keep(message_of(error));
		read_members(error, out);
	}
	else if (cJSON_IsString(error))
	{
		out->error = keep(error->valuestring);
		read_members(body, out);
	}
	else if (!is_answer(body) && message_of(body) != NULL)
	{
		out->error = keep(message_of(body));
		read_members(body, out);
	}
	else if (!is_answer(body) && cJSON_HasObjectItem(body, "detail"))
		out->error = detail_text(cJSON_GetObjectItemCaseSensitive(body, "detail"));
	if (out->error == NULL && cJSON_IsObject(error))
		out->error = keep_taken(cJSON_PrintUnformatted(error));
}

bool
qc_complaint_read(const cJSON *body, QcReply *out)
{
	const char *bracket;

	if (!cJSON_IsObject(body))
		return false;
	find_message(body, out);
	if (out->error == NULL)
		return false;

	/* SGLang puts the status into the words: "[503] The request queue is full." */
	bracket = strchr(out->error, '[');
	if (out->error_code == 0 && bracket != NULL && status_in(bracket + 1) != 0 &&
		bracket[4] == ']')
		out->error_code = status_in(bracket + 1);
	return true;
}
