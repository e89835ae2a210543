/*
 * units.h - numbers, times and sizes as ssh's options write them.
 */
#ifndef CLIENT_UNITS_H
#define CLIENT_UNITS_H

#include "adit.h"

/* Decimal digits only (no sign, no blank), min <= value <= max. */
bool units_number(struct span text, uint32_t min, uint32_t max, uint32_t *out) ADIT_MUST_USE;

/* A time as sshd_config(5), TIME FORMATS, has it: "90", "1m30s", "2h"; units s m h d w in either case; the
 * parts are added up. "none" is not one. At most INT32_MAX seconds. */
bool units_time(struct span text, uint32_t *seconds) ADIT_MUST_USE;

/* A size: "1073741824", "16k", "1G". Powers of 1024. */
bool units_size(struct span text, uint64_t *bytes) ADIT_MUST_USE;

#endif
