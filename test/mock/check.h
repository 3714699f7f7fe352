/*-------------------------------------------------------------------------
 *
 * check.h
 *		What a server refuses before it generates anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_CHECK_H
#define MOCK_CHECK_H

#include "ask.h"
#include "behaviour.h"
#include "fault.h"
#include "http.h"

extern bool check_key(const HttpReq *req, const Behaviour *b);
extern bool check_request(Fault *f, const HttpReq *req, const Ask *ask, const Behaviour *b);

#endif							/* MOCK_CHECK_H */
