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

/* Takes off what may stand before a number of ssh's own: blanks and a sign. True when it was a '-'. */
bool units_sign_take(struct span *text);

/* A port as ssh takes it: a number of min to 65535 (a '+' before it is fine), or the name of a service, which
 * is looked up. */
bool units_port(struct span text, uint16_t min, uint16_t *out) ADIT_MUST_USE;

/* A size: "1073741824", "16k", "1.5G"; k m g t p e in either case are powers of 1024, a fraction has at most
 * six digits and no unit above t. At most INT64_MAX. */
bool units_size(struct span text, uint64_t *bytes) ADIT_MUST_USE;

#endif
