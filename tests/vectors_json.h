/*
 * vectors_json.h - runs the cases of published test vectors: Wycheproof's JSON layout, and text files of
 * "name: hex" lines. For the programs tests/vectors_*.c alone; these are tools, so a broken file ends them.
 */
#ifndef VECTORS_JSON_H
#define VECTORS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../adit.h"

/* Bytes of a case, allocated to their exact size so that a sanitizer sees a read past them. */
struct vec {
    uint8_t *p;
    size_t n;
};

static inline _Noreturn void vec_die(const char *what, const char *where)
{
    fprintf(stderr, "%s: %s\n", where, what);
    exit(2);
}

static inline struct vec vec_alloc(size_t n)
{
    struct vec v = {malloc(n > 0 ? n : 1), n};
    if (v.p == NULL)
        vec_die("no memory", "vectors");
    return v;
}

static inline struct vec vec_copy(struct vec v)
{
    struct vec copy = vec_alloc(v.n);
    memcpy(copy.p, v.p, v.n);
    return copy;
}

static inline void vec_free(struct vec v)
{
    free(v.p);
}

static inline struct span vec_span(struct vec v)
{
    return span_make(v.p, v.n);
}

static inline bool vec_eq(struct vec v, const void *p, size_t n)
{
    return v.n == n && memcmp(v.p, p, n) == 0;
}

static inline unsigned vec_nibble(char c)
{
    const char *digits = "0123456789abcdef", *at;
    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    if (c == 0 || (at = strchr(digits, c)) == NULL)
        vec_die("not a hexadecimal digit", "vectors");
    return (unsigned)(at - digits);
}

static inline struct vec vec_unhex(const char *hex, size_t digits)
{
    if (digits % 2 != 0)
        vec_die("an odd number of hexadecimal digits", "vectors");
    struct vec v = vec_alloc(digits / 2);
    for (size_t i = 0; i < v.n; i++)
        v.p[i] = (uint8_t)(vec_nibble(hex[2 * i]) << 4 | vec_nibble(hex[2 * i + 1]));
    return v;
}

/* The hexadecimal member `name` of a JSON object; it must be there. The caller frees it. */
static inline struct vec vec_get(json_t *object, const char *name)
{
    const char *hex = json_string_value(json_object_get(object, name));
    if (hex == NULL)
        vec_die("a case lacks this member", name);
    return vec_unhex(hex, strlen(hex));
}

static inline const char *vec_result(json_t *test)
{
    const char *result = json_string_value(json_object_get(test, "result"));
    if (result == NULL)
        vec_die("a case lacks this member", "result");
    return result;
}

static inline bool vec_is_valid(json_t *test)
{
    return strcmp(vec_result(test), "valid") == 0;
}

static inline bool vec_has_flag(json_t *test, const char *flag)
{
    json_t *flags = json_object_get(test, "flags");
    for (size_t i = 0; i < json_array_size(flags); i++)
        if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0)
            return true;
    return false;
}

struct vec_tally {
    unsigned passed, failed;
};

static inline void vec_count(struct vec_tally *t, bool ok, const char *file, long long id)
{
    if (ok)
        t->passed++;
    else
        t->failed++;
    if (!ok)
        printf("  FAILED %s case %lld\n", file, id);
}

/* Prints one file's line and adds it to the total. A file without a case is a failure. */
static inline void vec_file_done(const char *file, struct vec_tally t, struct vec_tally *total)
{
    printf("%-50s %5u passed %5u failed\n", file, t.passed, t.failed);
    if (t.passed + t.failed == 0) {
        printf("  FAILED %s: no case in it\n", file);
        t.failed = 1;
    }
    total->passed += t.passed;
    total->failed += t.failed;
}

/* One Wycheproof case: true when the product did what the case says. */
typedef bool vec_case(json_t *group, json_t *test);

static inline void vec_run_json(const char *dir, const char *file, vec_case *run, struct vec_tally *total)
{
    char path[4096];
    json_error_t error;
    struct vec_tally tally = {0, 0};
    snprintf(path, sizeof path, "%s/wycheproof/%s", dir, file);
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        vec_die(error.text, path);
    json_t *groups = json_object_get(root, "testGroups");
    for (size_t g = 0; g < json_array_size(groups); g++) {
        json_t *group = json_array_get(groups, g), *tests = json_object_get(group, "tests");
        for (size_t i = 0; i < json_array_size(tests); i++) {
            json_t *test = json_array_get(tests, i);
            vec_count(&tally, run(group, test), file, json_integer_value(json_object_get(test, "tcId")));
        }
    }
    json_decref(root);
    vec_file_done(file, tally, total);
}

/* The closing line, and the program's exit status. */
static inline int vec_end(struct vec_tally total)
{
    printf("%u passed, %u failed\n", total.passed, total.failed);
    return total.failed > 0 || total.passed == 0;
}

#endif
