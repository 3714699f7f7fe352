/*-------------------------------------------------------------------------
 *
 * identity.h
 *		What each kind of server says of itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MOCK_IDENTITY_H
#define MOCK_IDENTITY_H

#include "exchange.h"

extern void identity_answer(Exchange *x);

#endif							/* MOCK_IDENTITY_H */
