/*
 * config_match.h - the conditions of Host and Match, ssh_config(5). For config_reader.c alone.
 */
#ifndef CLIENT_CONFIG_MATCH_H
#define CLIENT_CONFIG_MATCH_H

#include "client/config_reader.h"
#include "client/line_words.h"

/* The arguments of Host. */
bool config_host_matches(const struct config_reader *r, const struct line_words *words);

/* The arguments of Match; sets wants_final. ADIT_E_CONFIG for a bad condition. With is_never nothing is run.
 */
enum adit_err config_match(struct config_reader *r, const struct line_words *words, bool *matches,
                           struct adit_error *err) ADIT_MUST_USE;

#endif
