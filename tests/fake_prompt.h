/*
 * fake_prompt.h - a struct client_prompt with scripted answers that keeps all it was told.
 */
#ifndef FAKE_PROMPT_H
#define FAKE_PROMPT_H

#include <string.h>

#include "../client/prompt.h"
#include "test.h"

struct fake_prompt {
    const char *answers[8]; /* in order; NULL: nobody answers */
    const char *lack;       /* why nobody does just now; NULL: nobody ever does */
    size_t asked;
    char log[8192];
    char questions[4096];
    enum prompt_kind kinds[8];
    enum prompt_purpose purposes[8];
    struct client_prompt prompt;
};

static inline void fake_append(char *to, size_t cap, const char *text)
{
    size_t n = strlen(to);
    adit_format(to + n, cap - n, "%s\n", text);
}

static inline bool fake_ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    struct fake_prompt *f = ctx;
    assert_true(f->asked < ADIT_COUNT(f->answers));
    const char *given = f->answers[f->asked];
    f->purposes[f->asked] = q->purpose;
    f->kinds[f->asked++] = q->kind;
    fake_append(f->questions, sizeof f->questions, q->text);
    if (given == NULL && f->lack != NULL)
        (void)adit_fail(q->lack, ADIT_E_MEMORY, "%s", f->lack);
    if (given == NULL)
        return false;
    assert_true(strlen(given) < cap);
    strcpy(answer, given);
    return true;
}

static inline void fake_log(void *ctx, enum log_level level, const char *line)
{
    struct fake_prompt *f = ctx;
    if (level <= LOG_LEVEL_INFO)
        fake_append(f->log, sizeof f->log, line);
}

static inline void fake_prompt_init(struct fake_prompt *f)
{
    memset(f, 0, sizeof *f);
    f->prompt = (struct client_prompt){.ctx = f, .ask = fake_ask, .log = fake_log, .cancel_fd = -1};
}

#endif
