/*
 * client.h - all that one connection needs to know, and the answers to what its session asks.
 *
 * cli/ and the daemon stand on this: options in, a struct session_config out, questions answered. It reads
 * files and environment variables, and talks to a person only through struct client_prompt. It never prints,
 * never exits and starts no thread.
 *
 *     client_setup(&err);                                    once per process
 *     client_new(&client, &options, "host", NULL, &prompt, &err);
 *     session_start(&session, client_session_config(client), &ops, &err);
 *     ... ops.ask hands q to a thread that may block, and that calls client_answer(client, q) ...
 *     session_join(session, ...); client_free(client);
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "adit.h"
#include "client/options.h"
#include "client/prompt.h"
#include "forward/session.h"

struct client;
struct host_key_seen; /* host_keys.h */

/* Chooses the cryptographic code for this CPU, forbids core files and allows as many descriptors as the
 * channels of a session may take. ADIT_E_SYSTEM also where the system has no randomness. Once, before
 * anything else. */
enum adit_err client_setup(struct adit_error *err) ADIT_MUST_USE;

/* host: as the user gave it. stdio: the -W forward, or NULL. options, prompt and stdio are borrowed until
 * client_free. Reads known_hosts, key files and the agent's list (so it may block for seconds). Fails with
 * ADIT_E_CONFIG, ADIT_E_USAGE, ADIT_E_MEMORY. */
enum adit_err client_new(struct client **out, const struct options *options, const char *host,
                         const struct forward_spec *stdio, const struct client_prompt *prompt,
                         struct adit_error *err) ADIT_MUST_USE;
/* The same for a guest in somebody else's connection (cli/mux.h): its names, forwards, commands and control
 * path; no file is read, no agent asked, and no session can be started with it. */
enum adit_err client_new_guest(struct client **out, const struct options *options, const char *host,
                               const struct forward_spec *stdio, struct adit_error *err) ADIT_MUST_USE;
void client_free(struct client *client); /* after session_join; NULL is fine */

/* What the session is to be started with. The caller may set stdin_fd and stdout_fd (0 and 1 otherwise),
 * transport_fd and seed before session_start; it points into client. */
struct session_config *client_session_config(struct client *client);

/* Makes it a jump host: its stdio forward becomes the stream's (SESSION_FORWARD_JUMP), and standard input and
 * output are left alone. The stream is the session's from session_start on. */
void client_carry_stream(struct client *client, int stream_fd);

/* Adds a session channel to what the session is to carry. exec is borrowed until client_free. Before
 * session_start. ADIT_E_USAGE: there is one already. */
enum adit_err client_add_exec(struct client *client, const struct session_exec *exec,
                              struct adit_error *err) ADIT_MUST_USE;

/* Adds a control socket, once. control is borrowed until client_free. Before session_start, behind
 * client_add_exec. */
void client_add_control(struct client *client, const struct session_control *control);

/* The forward of a notice's index, as it was given; NULL for the session channel. */
const struct forward_spec *client_forward(const struct client *client, size_t index);

/* What a session is to be told of a forward that somebody names later; it points into spec and is as
 * short-lived. No path of it is expanded. */
struct session_forward client_forward_now(const struct client *client, const struct forward_spec *spec);
/* The same without a client. gateway_ports: where a local one without an address listens. */
struct session_forward client_forward_of(const struct forward_spec *spec, bool gateway_ports);

/* RemoteCommand and LocalCommand with their tokens replaced; NULL: there is none (or PermitLocalCommand says
 * no). */
const char *client_remote_command(const struct client *client);
const char *client_local_command(const struct client *client);

const char *client_host(const struct client *client); /* where it connects to */
uint16_t client_port(const struct client *client);
const char *client_user(const struct client *client);

/* ControlPath with its tokens expanded; NULL: there is none. */
const char *client_control_path(const struct client *client);

/* ProxyCommand and ProxyJump with their tokens expanded; NULL when there is none (or "none"). Never both. */
const char *client_proxy_command(const struct client *client);
const char *client_proxy_jump(const struct client *client);

/* The host key that was judged last, the name that known_hosts has for the host, and the file to which a new
 * key's line belongs (NULL: none). They live until the next question about a host key, or client_free. */
const struct host_key_seen *client_host_key(const struct client *client);
const char *client_known_name(const struct client *client);
const char *client_known_hosts(const struct client *client);

/* enum options_family and enum log_level, as a session has them. */
int client_family(uint32_t family);
enum session_level client_log_level(uint32_t level);

/* Answers q (session_answer is called here). May block for as long as a person or an agent takes. Any one
 * thread at a time, never the session's. */
void client_answer(struct client *client, struct session_question *q);
/* Refuses q at once: for a session that is being stopped. */
void client_refuse(struct client *client, struct session_question *q);

#endif
