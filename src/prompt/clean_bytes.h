/*-------------------------------------------------------------------------
 *
 * clean_bytes.h
 *	  The two tables by which text is misread: CP1252 and GBK.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QC_PROMPT_CLEAN_BYTES_H
#define QC_PROMPT_CLEAN_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "prompt/buf.h"

/*
 * CP1252 as the web reads it, and with it Latin-1: a byte without a character
 * of its own is the control character of its number.
 */
extern uint32_t qc_cp1252_char(unsigned char byte);

/* The byte that is read as this character, in either; -1: none. */
extern int	qc_cp1252_byte(uint32_t c);

/* The two bytes that GBK reads as this character, user-defined ones included; 0: none. */
extern unsigned qc_gbk_code(uint32_t c);

/* Append a character in UTF-8. */
extern void qc_buf_add_char(QcBuf *buf, uint32_t c);

#endif							/* QC_PROMPT_CLEAN_BYTES_H */
