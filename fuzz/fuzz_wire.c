#include "fuzz/fuzz.h"

/* What a getter accepts, its setter writes back byte for byte. */
static void mpint_round_trip(struct span in)
{
    uint8_t out[64 * 1024];
    struct rd r = rd_init(in);
    struct span m = rd_mpint(&r);
    if (!rd_ok(&r) || in.n > sizeof out)
        return;
    ALWAYS(m.n == 0 || m.p[0] != 0);
    struct wr w = wr_init(out, sizeof out);
    wr_mpint(&w, m);
    ALWAYS(span_eq(wr_done(&w), span_sub(in, 0, in.n - r.n)));
}

static void namelist_names(struct span in)
{
    struct rd r = rd_init(in);
    struct span list = rd_namelist(&r), rest = list, name;
    size_t total = 0;
    while (names_next(&rest, &name)) {
        ALWAYS(name.n > 0);
        ALWAYS(names_has(list, name));
        total += name.n + 1;
    }
    ALWAYS(list.n == 0 ? total == 0 : total == list.n + 1);
}

/* The input is a program: each byte picks a getter that reads what follows it. */
static void getters(struct span in)
{
    struct rd r = rd_init(in);
    while (rd_ok(&r) && r.n > 0) {
        size_t before = r.n;
        switch (rd_u8(&r) % 8) {
        case 0:
            rd_bool(&r);
            break;
        case 1:
            rd_u32(&r);
            break;
        case 2:
            rd_u64(&r);
            break;
        case 3:
            rd_string(&r);
            break;
        case 4:
            ALWAYS(rd_string_max(&r, 5).n <= 5);
            break;
        case 5:
            rd_mpint(&r);
            break;
        case 6:
            rd_bytes(&r, 3);
            break;
        default:
            break;
        }
        ALWAYS(r.n < before);
    }
    ALWAYS(rd_done(&r) || !rd_ok(&r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    mpint_round_trip(in);
    namelist_names(in);
    getters(in);
    return 0;
}
