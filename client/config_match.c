#include "client/config_match.h"

#include <string.h>

#include "client/jump_spec.h"
#include "client/patterns.h"
#include "client/texts.h"

bool config_host_matches(const struct config_reader *r, const struct line_words *words)
{
    bool matches = false;
    for (size_t i = 0; i < words->count; i++) {
        const char *pattern = words->item[i];
        bool negated = pattern[0] == '!';
        if (!pattern_matches(span_str(pattern + (negated ? 1 : 0)), span_str(r->facts->host)))
            continue;
        if (negated)
            return false;
        matches = true;
    }
    return matches;
}

/* ---- Match ---- */

struct match {
    struct config_reader *reader;
    struct expand_names names; /* as far as the options know by now */
    struct config_names_room room;
    bool result;
};

static enum adit_err bad_condition(struct adit_error *err, const char *fmt, const char *word)
{
    char text[256];
    adit_format(text, sizeof text, fmt, word);
    return adit_fail(err, ADIT_E_CONFIG, "Bad Match condition: %s", text);
}

static const char *session_type_of(const struct config_reader *r)
{
    if (r->options->session_type == SESSION_TYPE_SUBSYSTEM)
        return "subsystem";
    if (r->options->session_type == SESSION_TYPE_NONE)
        return "none";
    return r->facts->command != NULL && r->facts->command[0] != 0 ? "exec" : "shell";
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* What the criterion's patterns are compared with; NULL: it is not one of those. */
static const char *subject_of(const struct match *m, const char *name, bool *any_case)
{
    const struct config_reader *r = m->reader;
    *any_case = false;
    if (text_same(name, "host") || text_same(name, "originalhost")) {
        *any_case = true;
        return text_same(name, "host") ? m->names.host : r->facts->given_host;
    }
    if (text_same(name, "user"))
        return text_or_empty(m->names.remote_user);
    if (text_same(name, "localuser"))
        return text_or_empty(m->names.local_user);
    if (text_same(name, "tagged"))
        return text_or_empty(r->options->tag);
    if (text_same(name, "command"))
        return text_or_empty(r->facts->command);
    if (text_same(name, "version"))
        return text_or_empty(r->facts->version);
    return text_same(name, "sessiontype") ? session_type_of(r) : NULL;
}

/* ssh leaves it to the user to quote tokens; names that would do harm in a shell are refused here as they
 * are on the command line. */
static enum adit_err check_for_shell(const struct match *m, const char *command, struct adit_error *err)
{
    const struct expand_names *n = &m->names;
    if (strchr(command, '%') == NULL)
        return ADIT_E_OK;
    if (!jump_spec_is_host(span_str(n->host)) || !jump_spec_is_host(span_str(n->given_host)))
        return adit_fail(err, ADIT_E_CONFIG, "Match exec: hostname contains invalid characters");
    if (n->host_key != NULL && !jump_spec_is_host(span_str(n->host_key)))
        return adit_fail(err, ADIT_E_CONFIG, "Match exec: HostKeyAlias contains invalid characters");
    if (n->remote_user != NULL && *n->remote_user != 0 && !jump_spec_is_user(span_str(n->remote_user)))
        return adit_fail(err, ADIT_E_CONFIG, "Match exec: remote username contains invalid characters");
    return ADIT_E_OK;
}

static enum adit_err match_exec(struct match *m, const char *argument, bool *matches, struct adit_error *err)
{
    char command[EXPAND_PATH_CAP];
    const struct config_hooks *hooks = m->reader->hooks;
    enum adit_err e = check_for_shell(m, argument, err);
    if (e == ADIT_E_OK)
        e = expand_tokens(command, argument, NULL, &m->names, err);
    return e == ADIT_E_OK ? hooks->exec(hooks->ctx, command, matches, err) : e;
}

static enum adit_err match_one(struct match *m, const char *name, const char *argument, bool negated,
                               struct adit_error *err)
{
    const struct config_hooks *hooks = m->reader->hooks;
    bool matches = false, any_case;
    enum adit_err e = ADIT_E_OK;
    const char *subject = subject_of(m, name, &any_case);
    if (subject != NULL)
        matches = (any_case ? patterns_match_any_case(argument, subject)
                            : patterns_match(argument, subject)) == PATTERN_MATCH;
    else if (text_same(name, "localnetwork"))
        e = hooks->local_network(hooks->ctx, argument, &matches, err);
    else if (!text_same(name, "exec"))
        return bad_condition(err, "Unsupported Match attribute %s", name);
    else if (!m->result || m->reader->is_never)
        return ADIT_E_OK; /* ssh does not run a command whose result plays no part */
    else
        e = match_exec(m, argument, &matches, err);
    m->result = m->result && matches != negated;
    return e;
}

/* "canonical" and "final" have no argument. */
static bool match_pass(struct match *m, const char *name, bool negated)
{
    bool is_final = text_same(name, "final");
    if (!is_final && !text_same(name, "canonical"))
        return false;
    m->reader->wants_final = m->reader->wants_final || is_final;
    m->result = m->result && m->reader->is_final != negated;
    return true;
}

static enum adit_err match_words(struct match *m, const struct line_words *words, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0, count = 0; i < words->count && e == ADIT_E_OK; i++, count++) {
        char name[64];
        const char *word = words->item[i];
        bool negated = word[0] == '!';
        word += negated ? 1 : 0;
        const char *equals = strchr(word, '=');
        adit_format(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - word) : (int)strlen(word),
                    word);
        if (text_same(name, "all")) {
            if (count > 1 || i + 1 < words->count)
                return bad_condition(err, "'%s' cannot be combined with other Match attributes", name);
            m->result = m->result && !negated;
        } else if (!match_pass(m, name, negated)) {
            const char *argument = equals != NULL         ? equals + 1
                                   : i + 1 < words->count ? words->item[++i]
                                                          : NULL;
            bool may_be_empty = text_same(name, "tagged") || text_same(name, "command");
            if (argument == NULL || (*argument == 0 && !may_be_empty))
                return bad_condition(err, "missing argument for Match '%s'", name);
            e = match_one(m, name, argument, negated, err);
        }
    }
    return e;
}

enum adit_err config_match(struct config_reader *r, const struct line_words *words, bool *matches,
                           struct adit_error *err)
{
    struct match m = {.reader = r, .result = true};
    if (words->count == 0)
        return bad_condition(err, "%s", "a criterion is missing");
    enum adit_err e = config_names(r, &m.names, &m.room, err);
    if (e == ADIT_E_OK)
        e = match_words(&m, words, err);
    *matches = m.result;
    return e;
}
