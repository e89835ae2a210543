#include "test.h"

#include <string.h>

#include "client/fingerprint.h"
#include "keyfiles.h"

/* As ssh-keygen -lv -E has them. */
static const struct {
    const char *key;
    enum fingerprint_hash hash;
    const char *text, *art;
} rows[] = {
    {"ed25519", FINGERPRINT_SHA256, "SHA256:QRN64AtOinJqOOrnxlbiSBWcoeZPdIEf/ws7NeU1TLo",
     "+--[ED25519 256]--+\n"
     "|  ..+.. +.       |\n"
     "|  .= o.+ .   .   |\n"
     "| o .=.= o   +    |\n"
     "|o..=.o + . o +   |\n"
     "|o.+.. . S o o .  |\n"
     "|o+o. . . + E     |\n"
     "|=.+.o   + o      |\n"
     "|oo *   o .       |\n"
     "|o.=.    .        |\n"
     "+----[SHA256]-----+"},
    {"rsa4096", FINGERPRINT_SHA256, "SHA256:Ok5fuuzwM4dC0qrM0wmsi55pAKCOB+crSHkEJmdaDjE",
     "+---[RSA 4096]----+\n"
     "|E.               |\n"
     "|+++              |\n"
     "|=B.              |\n"
     "|= o.             |\n"
     "|+=o  .  S        |\n"
     "|o+=.. o.         |\n"
     "|+o.+ ==  ..      |\n"
     "|=+= +o.*+o.      |\n"
     "|=*+o  .oB=       |\n"
     "+----[SHA256]-----+"},
    {"ecdsa521", FINGERPRINT_SHA256, "SHA256:T0xh5gN2LRIa1xGa5GAnIuae/pG2Xs48dsiUAOF+SGI",
     "+---[ECDSA 521]---+\n"
     "|  +.. = BoB+     |\n"
     "| +.. o @.Oo..    |\n"
     "|.E+.  . +.+.     |\n"
     "|.= o.    o .     |\n"
     "|  = .. .S o      |\n"
     "| . . .o  o       |\n"
     "|  . +o..  .      |\n"
     "|   o B= .        |\n"
     "|   .+.+o         |\n"
     "+----[SHA256]-----+"},
    {"sk_ed25519", FINGERPRINT_SHA256, "SHA256:vALeyUV6siQJRGwJhZUTsiM1mfhcnlvpQG8s5eLV2Sw",
     "+[ED25519-SK 256]-+\n"
     "|oOO*             |\n"
     "|o=O.o .          |\n"
     "|++.= * o.+       |\n"
     "|..o.*.O+E o      |\n"
     "|   .+X+ S.       |\n"
     "|   .o*.* .       |\n"
     "|    . * .        |\n"
     "|       .         |\n"
     "|                 |\n"
     "+----[SHA256]-----+"},
    {"ed25519", FINGERPRINT_MD5, "MD5:a8:9c:9e:24:a9:80:c5:8f:b1:ae:56:3c:29:96:8d:7f",
     "+--[ED25519 256]--+\n"
     "|                 |\n"
     "|                 |\n"
     "|                 |\n"
     "| .     .         |\n"
     "|  O . . S        |\n"
     "|.* & o           |\n"
     "|+ O B            |\n"
     "|.+ = E           |\n"
     "|+.. +            |\n"
     "+------[MD5]------+"},
    {"rsa4096", FINGERPRINT_MD5, "MD5:39:4c:c8:e8:99:b1:36:4d:44:cb:da:e9:ec:67:c5:26",
     "+---[RSA 4096]----+\n"
     "|     .o          |\n"
     "|     = o         |\n"
     "|    o * .        |\n"
     "|   . X + .       |\n"
     "|    O + S.       |\n"
     "|   . +  E.+      |\n"
     "|      o  +       |\n"
     "|     .  o        |\n"
     "|      .o         |\n"
     "+------[MD5]------+"},
    {"ecdsa521", FINGERPRINT_MD5, "MD5:68:b9:1e:a1:7e:8d:f7:52:0f:97:66:fe:3f:72:5e:fa",
     "+---[ECDSA 521]---+\n"
     "|                 |\n"
     "|                 |\n"
     "|                 |\n"
     "|       o         |\n"
     "|      = S    .   |\n"
     "|     o o  o =    |\n"
     "|    . oo . B    .|\n"
     "|   . .o.+   o. +.|\n"
     "|    .... o.  .*+E|\n"
     "+------[MD5]------+"},
    {"sk_ed25519", FINGERPRINT_MD5, "MD5:be:10:45:96:2c:07:38:25:6d:6e:49:9a:45:73:df:aa",
     "+[ED25519-SK 256]-+\n"
     "|    .==o+.       |\n"
     "|    o.*=+. .     |\n"
     "|     O +. . .    |\n"
     "|    o +.   .     |\n"
     "|     .. S .      |\n"
     "|       o .       |\n"
     "|      . E        |\n"
     "|       . .       |\n"
     "|        .        |\n"
     "+------[MD5]------+"},
};

static void test_as_ssh_keygen(void **state)
{
    uint8_t blob[4096];
    char text[FINGERPRINT_CAP], art[FINGERPRINT_ART_CAP];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct span key = span_make(blob, file_public(rows[i].key, blob, sizeof blob));
        fingerprint_text(key, rows[i].hash, text);
        fingerprint_art(key, rows[i].hash, art);
        assert_string_equal(text, rows[i].text);
        assert_string_equal(art, rows[i].art);
    }
}

/* What is no key has a picture all the same, with an empty frame. */
static void test_no_key(void **state)
{
    char art[FINGERPRINT_ART_CAP];
    (void)state;
    fingerprint_art(span_str("x"), FINGERPRINT_SHA256, art);
    assert_memory_equal(art, "+-----------------+\n|", 21);
    assert_int_equal(strlen(art), 11 * 20 - 1);
}

/* One walk in about fifty ends where it began: the end is what is shown, so that there always is one. */
static void test_end_is_always_there(void **state)
{
    unsigned without_start = 0;
    (void)state;
    for (uint16_t i = 0; i < 2000; i++) {
        char art[FINGERPRINT_ART_CAP];
        fingerprint_art(span_make(&i, sizeof i), FINGERPRINT_MD5, art);
        char *in = art + 20; /* behind the frame's first line */
        in[9 * 20] = 0;
        assert_non_null(strchr(in, 'E'));
        assert_ptr_equal(strchr(in, 'E'), strrchr(in, 'E'));
        without_start += strchr(in, 'S') == NULL;
        assert_true(strchr(in, 'S') != NULL || in[4 * 20 + 9] == 'E');
    }
    assert_true(without_start > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_ssh_keygen), cmocka_unit_test(test_no_key),
                                       cmocka_unit_test(test_end_is_always_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
