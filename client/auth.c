#include "client/auth.h"

#include <string.h>

#include "client/texts.h"
#include "ssh/cert.h"
#include "ssh/ssh.h"

static const char default_order[] = "publickey,keyboard-interactive,password";

static void say(const struct auth *a, enum log_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);

static void say(const struct auth *a, enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    a->prompt->log(a->prompt->ctx, level, line);
}

void auth_init(struct auth *a, const struct options *options, const struct client_prompt *prompt,
               struct identities *ids, const char *user, const char *host)
{
    memset(a, 0, sizeof *a);
    a->options = options;
    a->prompt = prompt;
    a->ids = ids;
    a->user = user;
    a->host = host;
}

/* RFC 4251 §5 name-lists and ours are both commas without blanks. */
static bool list_has(struct span list, struct span name)
{
    struct span one;
    while (text_comma(&list, &one))
        if (span_eq(one, name))
            return true;
    return false;
}

static bool list_has_text(struct span list, const char *name)
{
    return list_has(list, span_str(name));
}

/* ---- publickey ---- */

static bool is_accepted_here(const struct auth *a, const char *alg)
{
    const char *list = a->options->pubkey_algorithms;
    return list == NULL || list_has_text(span_str(list), alg);
}

/* RFC 8332 §3.3: the list tells which RSA signatures the server takes (also below a certificate). Of those
 * the first of ours; without a list that is tried unasked. NULL: none that we make. [RFC 8308 3.1b 3.1c] */
static const char *rsa_algorithm(const struct auth *a, bool is_cert, struct span sig_algs)
{
    static const char *const algs[] = {"rsa-sha2-512", "rsa-sha2-256"};
    const char *ours = a->options->pubkey_algorithms;
    struct span order = span_str(ours != NULL ? ours : ssh_list_default(SSH_LIST_PUBKEY)), one;
    while (text_comma(&order, &one))
        for (size_t i = 0; i < ADIT_COUNT(algs); i++) {
            const char *name = is_cert ? cert_alg_of_sigalg(span_str(algs[i])) : algs[i];
            if (span_is(one, name) && (sig_algs.n == 0 || list_has_text(sig_algs, algs[i])))
                return name;
        }
    return NULL;
}

static const char *algorithm_for(const struct auth *a, const struct identity *id, struct span sig_algs)
{
    if (id->type == KEY_RSA)
        return rsa_algorithm(a, id->is_cert, sig_algs);
    const char *name = id->is_cert ? cert_type_name(id->type) : key_type_name(id->type);
    return is_accepted_here(a, name) ? name : NULL;
}

/* With SHA-256 what was offered with SHA-512. */
static const char *rsa_weaker(const struct identity *id)
{
    return id->is_cert ? cert_alg_of_sigalg(span_str("rsa-sha2-256")) : "rsa-sha2-256";
}

static void offer(struct auth *a, struct session_question *q, struct identity *id, const char *alg,
                  bool probe)
{
    char text[IDENTITY_TEXT_CAP];
    identity_describe(id, text);
    say(a, LOG_LEVEL_DEBUG1, "Offering public key: %s%s", text, probe ? "" : " signed");
    q->credential = a->tried = SESSION_CREDENTIAL_PUBLICKEY;
    q->key_blob = span_make(id->blob, id->blob_len);
    q->key_alg = span_str(alg);
    q->probe = probe;
    a->last = id;
}

/* The same RSA key once more with SHA-256, for a server that did not say what it takes. [RFC 8308 3.1c] */
static bool offer_again(struct auth *a, struct session_question *q)
{
    struct identity *id = a->last;
    bool again = a->rsa_fallback && id != NULL && !id->is_dead && !id->was_accepted;
    a->rsa_fallback = false;
    if (again)
        offer(a, q, id, rsa_weaker(id), !identity_needs_no_probe(id));
    return again;
}

static bool has_head(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static bool offer_identity(struct auth *a, struct session_question *q, struct identity *id)
{
    if (id->was_accepted || id->is_dead || !identity_unlock(a->ids, id))
        return false;
    const char *alg = algorithm_for(a, id, q->sig_algs);
    if (alg == NULL) {
        say(a, LOG_LEVEL_DEBUG1, "%s: no signature algorithm in common with the server", id->name);
        return false;
    }
    a->rsa_fallback =
        q->sig_algs.n == 0 && has_head(alg, "rsa-sha2-512") && is_accepted_here(a, rsa_weaker(id));
    offer(a, q, id, alg, !identity_needs_no_probe(id));
    return true;
}

static bool try_publickey(struct auth *a, struct session_question *q)
{
    if (offer_again(a, q))
        return true;
    while (a->next < a->ids->count)
        if (offer_identity(a, q, a->ids->item[a->next++]))
            return true;
    return false;
}

/* ---- Methods that need a person ---- */

static bool may_ask(const struct auth *a)
{
    return !a->options->batch_mode;
}

static bool try_kbdint(struct auth *a, struct session_question *q)
{
    /* A server that takes the method and then asks nothing would go round for ever. */
    bool asked_nothing = a->kbdints > 0 && !a->kbdint_asked;
    if (!may_ask(a) || asked_nothing || a->kbdints >= a->options->password_prompts)
        return false;
    a->kbdints++;
    a->kbdint_asked = false;
    q->credential = a->tried = SESSION_CREDENTIAL_KBDINT;
    q->submethods = span_str(a->options->kbdint_devices); /* [RFC 4256 3.1c] */
    return true;
}

static struct prompt_question secret(enum prompt_purpose purpose, const char *text)
{
    return (struct prompt_question){.kind = PROMPT_SECRET, .purpose = purpose, .text = text};
}

/* Asks for one secret into the question's own room. False: it was not given, or it does not fit. */
static bool ask_into(struct auth *a, struct session_question *q, struct prompt_question asked,
                     struct span *out)
{
    char answer[PROMPT_ANSWER_CAP], subject[LIMIT_USER + LIMIT_HOST + 2];
    struct adit_error lack = {0};
    (void)adit_format(subject, sizeof subject, "%s@%s", a->user, a->host);
    asked.subject = subject;
    asked.lack = &lack;
    bool fine = a->prompt->ask(a->prompt->ctx, &asked, answer, sizeof answer);
    if (!fine && lack.code != ADIT_E_OK)
        (void)adit_fail(a->ids->lack, lack.code, "%s", lack.text);
    size_t n = fine ? strlen(answer) : 0;
    fine = fine && n <= sizeof q->reply - q->reply_len;
    if (fine) {
        memcpy(q->reply + q->reply_len, answer, n);
        *out = span_make(q->reply + q->reply_len, n);
        q->reply_len += n;
    }
    adit_wipe(answer, sizeof answer);
    return fine;
}

static bool try_password(struct auth *a, struct session_question *q)
{
    char text[LIMIT_USER + LIMIT_HOST + 32];
    if (!may_ask(a) || a->passwords >= a->options->password_prompts)
        return false;
    if (a->passwords++ > 0)
        say(a, LOG_LEVEL_ERROR, "Permission denied, please try again.");
    adit_format(text, sizeof text, "%s@%s's password: ", a->user, a->host);
    if (!ask_into(a, q, secret(PROMPT_FOR_PASSWORD, text), &q->password)) {
        a->passwords = a->options->password_prompts; /* nobody answers: do not ask again */
        return false;
    }
    q->credential = a->tried = SESSION_CREDENTIAL_PASSWORD;
    return true;
}

/* The first of the reasons counts: where something was to be had and was not, it may be another time. */
static void tell_lack(const struct auth *a, struct session_question *q)
{
    const struct adit_error *lack = a->ids->lack;
    if (lack->code != ADIT_E_OK)
        (void)adit_fail(&q->why_not, lack->code, "%s@%s: %s", a->user, a->host, lack->text);
}

/* ---- keyboard-interactive: RFC 4256 ---- */

/* §3.3: an instruction should not be cut; one that fills the screen a hundred times is. */
enum { TITLE_MAX = 16 * 1024, PIECE_MAX = 1000 };

static const char cut_sign[] = " [...] ";

/* Whole lines, where they are not longer than a piece; else whole characters. */
static struct span next_piece(struct span *rest)
{
    size_t n = rest->n < PIECE_MAX ? rest->n : PIECE_MAX, line = n;
    while (n < rest->n && line > 0 && rest->p[line - 1] != '\n')
        line--;
    while (n < rest->n && line == 0 && n > PIECE_MAX - 4 && (rest->p[n] & 0xc0) == 0x80)
        n--;
    struct span piece = span_sub(*rest, 0, line > 0 ? line : n);
    *rest = span_sub(*rest, piece.n, rest->n);
    return piece;
}

static void write_piece(struct auth *a, struct span text)
{
    char clean[PIECE_MAX + 1];
    adit_text_clean(clean, sizeof clean, text, true);
    struct span rest = span_str(clean), line;
    while (text_line(&rest, &line))
        if (line.n > 0)
            say(a, LOG_LEVEL_INFO, "%.*s", (int)line.n, (const char *)line.p);
}

/* [RFC 4256 3.2c 3.2e 3.3a 3.3b 3.3c 3.3e] */
static void write_title(struct auth *a, struct span text)
{
    struct span rest = span_sub(text, 0, TITLE_MAX);
    while (rest.n > 0)
        write_piece(a, next_piece(&rest));
    if (text.n > TITLE_MAX)
        say(a, LOG_LEVEL_INFO, "%s", cut_sign);
}

/* [RFC 4256 3.3b] */
static void clean_or_cut(char *out, size_t cap, struct span text)
{
    enum { LONGEST = 4 }; /* a character in UTF-8 */
    if (adit_text_clean(out, cap, text, true) + LONGEST < cap)
        return; /* nothing was left out for want of room */
    size_t n = adit_text_clean(out, cap - sizeof cut_sign + 1, text, true);
    memcpy(out + n, cut_sign, sizeof cut_sign);
}

/* RFC 4256 §3.2: prompts are shown as the server words them, under a name that says whose they are. Half of
 * what a question may have: others put names before it. [RFC 4256 3.3c 3.3d 3.3f 3.3h] */
static bool answer_prompt(struct auth *a, struct session_question *q, size_t i)
{
    char text[PROMPT_TEXT_CAP / 2];
    size_t n = adit_format(text, sizeof text, "(%s@%s) ", a->user, a->host);
    clean_or_cut(text + n, sizeof text - n, q->prompts[i].text);
    const struct prompt_question asked = {
        .kind = q->prompts[i].echo ? PROMPT_LINE : PROMPT_SECRET, .purpose = PROMPT_FOR_CODE, .text = text};
    return ask_into(a, q, asked, &q->answers[i]);
}

/* [RFC 4256 3.2e 3.3g 3.4c] */
void auth_kbdint(struct auth *a, struct session_question *q)
{
    a->kbdint_asked = a->kbdint_asked || q->prompt_count > 0;
    write_title(a, q->name);
    write_title(a, q->instruction);
    q->accept = q->prompt_count == 0 || may_ask(a);
    for (size_t i = 0; i < q->prompt_count && q->accept; i++)
        q->accept = answer_prompt(a, q, i);
    if (q->accept)
        return;
    tell_lack(a, q);
    (void)adit_fail(&q->why_not, ADIT_E_AUTH, "%s@%s: the server's question was not answered", a->user,
                    a->host);
}

/* RFC 4252 §8: the server wants another password. */
static bool ask_new_password(struct auth *a, struct session_question *q)
{
    char text[LIMIT_USER + LIMIT_HOST + 64];
    struct span again;
    adit_format(text, sizeof text, "Enter %s@%s's old password: ", a->user, a->host);
    if (!ask_into(a, q, secret(PROMPT_FOR_PASSWORD, text), &q->old_password))
        return false;
    for (uint32_t tries = 0; tries < a->options->password_prompts; tries++) {
        adit_format(text, sizeof text, "Enter %s@%s's new password: ", a->user, a->host);
        if (!ask_into(a, q, secret(PROMPT_FOR_OTHER, text), &q->password) || q->password.n == 0)
            return false;
        adit_format(text, sizeof text, "Retype %s@%s's new password: ", a->user, a->host);
        if (!ask_into(a, q, secret(PROMPT_FOR_OTHER, text), &again))
            return false;
        if (span_eq(q->password, again))
            return true;
        say(a, LOG_LEVEL_INFO, "Mismatch; try again.");
    }
    return false;
}

void auth_password_change(struct auth *a, struct session_question *q)
{
    write_title(a, q->instruction);
    q->credential = SESSION_CREDENTIAL_GIVE_UP;
    /* As often as for the password itself: a program that answers would go round for ever. */
    if (may_ask(a) && a->changes++ < a->options->password_prompts && ask_new_password(a, q))
        q->credential = SESSION_CREDENTIAL_PASSWORD;
    if (q->credential != SESSION_CREDENTIAL_GIVE_UP)
        return;
    tell_lack(a, q);
    (void)adit_fail(&q->why_not, ADIT_E_AUTH, "%s@%s: the server wants the password changed", a->user,
                    a->host);
}

/* ---- The order ---- */

/* PubkeyAuthentication host-bound: not without the server's word that it knows what that is. */
static bool pubkey_is_on(const struct auth *a, const struct session_question *q)
{
    return a->options->pubkey_auth &&
           (a->options->pubkey_auth_mode != PUBKEY_AUTH_HOST_BOUND || q->host_bound);
}

static bool method_is_on(const struct auth *a, const struct session_question *q, struct span method)
{
    return (span_is(method, "publickey") && pubkey_is_on(a, q)) ||
           (span_is(method, "keyboard-interactive") && a->options->kbdint_auth) ||
           (span_is(method, "password") && a->options->password_auth);
}

static bool try_method(struct auth *a, struct session_question *q, struct span method)
{
    if (span_is(method, "publickey"))
        return try_publickey(a, q);
    if (span_is(method, "keyboard-interactive"))
        return try_kbdint(a, q);
    return span_is(method, "password") && try_password(a, q);
}

static struct span preferred(const struct auth *a)
{
    return span_str(a->options->preferred_auth != NULL ? a->options->preferred_auth : default_order);
}

/* Before the server has said what it takes: a signature that nobody is asked for saves a round trip, anything
 * else waits. */
static void first_credential(struct auth *a, struct session_question *q)
{
    struct span order = preferred(a), method;
    q->credential = a->tried = SESSION_CREDENTIAL_NONE;
    while (text_comma(&order, &method) && !method_is_on(a, q, method)) {
    }
    if (!span_is(method, "publickey") || !pubkey_is_on(a, q) || a->ids->count == 0)
        return;
    if (identity_needs_no_probe(a->ids->item[0]) && offer_identity(a, q, a->ids->item[0]))
        a->next = 1;
}

/* What the last answer means for the keys. [RFC 4252 5.1h] */
static void learn(struct auth *a, const struct session_question *q)
{
    adit_text_clean(a->methods, sizeof a->methods, q->methods, false);
    if (!q->partial)
        return;
    say(a, LOG_LEVEL_VERBOSE, "Authenticated with partial success.");
    if (a->last != NULL && a->tried == SESSION_CREDENTIAL_PUBLICKEY)
        identities_accepted(a->ids, a->last); /* a server that wants two keys wants another one */
    a->rsa_fallback = false;
    if (++a->partials > LIMIT_AUTH_PARTIALS) /* what is left of the tries is all that it gets */
        return;
    a->next = 0;
    a->passwords = a->kbdints = 0;
}

static void give_up(struct auth *a, struct session_question *q)
{
    q->credential = SESSION_CREDENTIAL_GIVE_UP;
    tell_lack(a, q);
    (void)adit_fail(&q->why_not, ADIT_E_AUTH, "%s@%s: Permission denied (%s).", a->user, a->host, a->methods);
}

void auth_credential(struct auth *a, struct session_question *q)
{
    struct span order = preferred(a), method;
    /* A key that was offered unasked and could not sign has sent nothing: nothing is known yet. */
    bool is_unsent = q->methods.n == 0 && a->last != NULL && a->last->is_dead;
    if (q->first || is_unsent) {
        a->last = NULL;
        first_credential(a, q);
        return;
    }
    learn(a, q);
    say(a, LOG_LEVEL_DEBUG1, "Authentications that can continue: %s", a->methods);
    while (text_comma(&order, &method)) {
        if (!method_is_on(a, q, method) || !list_has(q->methods, method))
            continue;
        say(a, LOG_LEVEL_DEBUG1, "Next authentication method: %.*s", (int)method.n, (const char *)method.p);
        if (try_method(a, q, method))
            return;
    }
    say(a, LOG_LEVEL_DEBUG1, "No more authentication methods to try.");
    give_up(a, q);
}

void auth_sign(struct auth *a, struct session_question *q)
{
    struct adit_error why = {0};
    struct identity *id = identities_find(a->ids, q->blob);
    if (id == NULL)
        return; /* not a key of ours: no signature */
    a->ids->host_key = q->host_key;
    a->ids->host_signature = q->host_signature;
    a->ids->session_id = q->session_id;
    if (identity_sign(a->ids, id, q->alg, q->data, q->reply, &q->reply_len, &why) != ADIT_E_OK) {
        q->reply_len = 0;
        a->rsa_fallback = false;
        say(a, LOG_LEVEL_ERROR, "%s: no signature: %s", id->name, why.text);
        if (why.code == ADIT_E_MEMORY || why.code == ADIT_E_LIMIT)
            (void)adit_fail(a->ids->lack, why.code, "a key could not sign: %s: %s", id->name, why.text);
    }
}
