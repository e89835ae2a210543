#include "client/reclaim.h"

#include <string.h>

static const char marker[] = "adit-reclaim: ";

bool reclaim_id_same(const struct reclaim_id *a, const struct reclaim_id *b)
{
    return a->pid == b->pid && a->parent == b->parent && a->start == b->start;
}

/* ---- Commands ----
 * One line without quotes inside, for a csh or a fish must hand it on as it is. Behind the name of the
 * program, which may hold blanks and parentheses, stand the state, the parent and, as the 20th, the start. */

void reclaim_who(char out[static RECLAIM_COMMAND_CAP])
{
    (void)adit_format(out, RECLAIM_COMMAND_CAP,
                      "exec sh -c 'l=; read -r l </proc/$PPID/stat; set -- ${l##*)}; "
                      "echo %s$PPID $2 ${20}'",
                      marker);
}

/* look GONE OTHER: says so and ends, unless it is still that process. One that is dead and not waited for yet
 * (Z) has let go of its ports. */
void reclaim_end(const struct reclaim_id *id, char out[static RECLAIM_COMMAND_CAP])
{
    const unsigned pid = id->pid;
    (void)adit_format(out, RECLAIM_COMMAND_CAP,
                      "exec sh -c 'say() { echo %s$1; exit; }; "
                      "look() { gone=$1; other=$2; l=; read -r l </proc/%u/stat || say $gone; "
                      "set -- ${l##*)}; case $1 in Z|X) say $gone;; esac; "
                      "case $2/${20} in %u/%llu) ;; *) say $other;; esac; }; "
                      "look gone other; kill %u || say denied; "
                      "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 || sleep 1; look ended ended; done; "
                      "kill -9 %u; sleep 1; look ended ended; say alive'",
                      marker, pid, (unsigned)id->parent, (unsigned long long)id->start, pid, pid);
}

/* ---- Answers ---- */

/* Behind the marker, without the line's end; empty: there is none. */
static struct span last_line(const char *text)
{
    size_t end = strlen(text);
    if (end > 0 && text[end - 1] == '\n')
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    struct span line = span_make(text + begin, end - begin);
    size_t n = sizeof marker - 1;
    if (line.n <= n || memcmp(line.p, marker, n) != 0)
        return span_make(NULL, 0);
    return span_sub(line, n, SIZE_MAX);
}

/* Takes a number and the blank behind it. False: there is none, or it is greater than that. */
static bool take_number(struct span *line, uint64_t most, uint64_t *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < line->n && line->p[n] >= '0' && line->p[n] <= '9'; n++) {
        unsigned digit = line->p[n] - '0';
        if (*out > (most - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    bool is_last = n == line->n;
    if (n == 0 || (!is_last && line->p[n] != ' '))
        return false;
    *line = span_sub(*line, is_last ? n : n + 1, SIZE_MAX);
    return true;
}

enum reclaim_who reclaim_read_who(const char *text, struct reclaim_id *out)
{
    struct span line = last_line(text);
    uint64_t pid, parent, start;
    if (!take_number(&line, INT32_MAX, &pid) || pid < 2)
        return RECLAIM_WHO_FOREIGN;
    if (line.n == 0)
        return RECLAIM_WHO_NO_PROC;
    if (!take_number(&line, INT32_MAX, &parent) || !take_number(&line, UINT64_MAX, &start) || line.n != 0)
        return RECLAIM_WHO_FOREIGN;
    *out = (struct reclaim_id){(uint32_t)pid, (uint32_t)parent, start};
    return RECLAIM_WHO_KNOWN;
}

enum reclaim_end reclaim_read_end(const char *text)
{
    static const char *const words[] = {
        [RECLAIM_END_DONE] = "ended",    [RECLAIM_END_GONE] = "gone",   [RECLAIM_END_OTHER] = "other",
        [RECLAIM_END_DENIED] = "denied", [RECLAIM_END_ALIVE] = "alive",
    };
    struct span line = last_line(text);
    for (size_t i = 0; i < ADIT_COUNT(words); i++)
        if (span_is(line, words[i]))
            return (enum reclaim_end)i;
    return RECLAIM_END_FOREIGN;
}
