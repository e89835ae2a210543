/*
 * options_values.h - how the values of ssh_config(5)'s keywords are judged and kept: a setter a form of
 * value. For options_table.c and options.c alone.
 *
 * Each takes its words from the line's; what is left over afterwards is the caller's complaint.
 */
#ifndef CLIENT_OPTIONS_VALUES_H
#define CLIENT_OPTIONS_VALUES_H

#include "client/options_table.h"

/* Sets a row of any kind. */
option_setter option_set_row;

/* The next word, or NULL. */
const char *option_word_next(struct option_words *words);
/* The next word, which must be there and hold something: NULL with err set. */
const char *option_word_wanted(const struct option_row *row, struct option_words *words,
                               struct adit_error *err);

/* A command: the rest of the line, without the = that ssh passes over before it, however many they are. */
const char *option_command(const struct option_words *words);

/* ADIT_E_USAGE with "KEYWORD: " before the text. */
enum adit_err option_bad(const struct option_row *row, struct adit_error *err, const char *fmt, ...)
    ADIT_PRINTF(3, 4);
enum adit_err option_missing(const struct option_row *row, struct adit_error *err);
enum adit_err option_unsupported(const struct option_row *row, const char *word, struct adit_error *err);

/* Replaces a text that the options own. */
enum adit_err option_text_replace(char **to, const char *text, struct adit_error *err) ADIT_MUST_USE;
/* Adds a text to a list. */
enum adit_err option_text_add(struct texts *to, const char *text, struct adit_error *err) ADIT_MUST_USE;
void *option_field(struct options *o, const struct option_row *row);

/* options_connect.c */
option_setter option_set_port, option_set_rekey, option_set_compression, option_set_ip_qos,
    option_set_version_addendum, option_set_backoff;
/* options_values.c */
option_setter option_set_update_host_keys, option_set_fingerprint, option_set_pubkey_auth, option_set_agent,
    option_set_forward_agent, option_set_add_keys, option_set_mask, option_set_escape, option_set_keystroke,
    option_set_persist, option_set_facility, option_set_refuse, option_set_ready_fd, option_set_tunnel_device;
/* options_lists.c */
option_setter option_set_algos, option_set_files, option_set_key_file, option_set_forward_local,
    option_set_forward_remote, option_set_forward_dynamic, option_set_permit_open, option_set_channel_timeout,
    option_set_send_env, option_set_env, option_set_log_verbose, option_set_domains, option_set_cnames,
    option_set_proxy_command, option_set_proxy_jump, option_set_proxy_url;

/* The names of IPQoS for an IP_TOS value, or NULL: ssh prints them. */
const char *option_ip_qos_name(int value);

#endif
