#include "cli/ttymodes.h"

#include <unistd.h>

/* Opcodes of RFC 4254 §8 and, for IUTF8, RFC 8160. */
enum { OP_ISPEED = 128, OP_OSPEED = 129, CHARACTER_NONE = 255 };

struct character {
    uint8_t opcode, index;
};

static const struct character characters[] = {
    {1, VINTR},  {2, VQUIT}, {3, VERASE}, {4, VKILL},     {5, VEOF},     {6, VEOL},    {7, VEOL2},
    {8, VSTART}, {9, VSTOP}, {10, VSUSP}, {12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {18, VDISCARD},
};

enum field { INPUT, LOCAL, OUTPUT, CONTROL };
struct flag {
    uint8_t opcode, field;
    tcflag_t mask, value; /* value: what the masked bits are when the flag is on */
};
#define FLAG(opcode, field, bit) \
    {                            \
        opcode, field, bit, bit  \
    }

static const struct flag flags[] = {
    FLAG(30, INPUT, IGNPAR),   FLAG(31, INPUT, PARMRK),   FLAG(32, INPUT, INPCK),
    FLAG(33, INPUT, ISTRIP),   FLAG(34, INPUT, INLCR),    FLAG(35, INPUT, IGNCR),
    FLAG(36, INPUT, ICRNL),    FLAG(37, INPUT, IUCLC),    FLAG(38, INPUT, IXON),
    FLAG(39, INPUT, IXANY),    FLAG(40, INPUT, IXOFF),    FLAG(41, INPUT, IMAXBEL),
    FLAG(42, INPUT, IUTF8),    FLAG(50, LOCAL, ISIG),     FLAG(51, LOCAL, ICANON),
#ifdef XCASE
    FLAG(52, LOCAL, XCASE),
#endif
    FLAG(53, LOCAL, ECHO),     FLAG(54, LOCAL, ECHOE),    FLAG(55, LOCAL, ECHOK),
    FLAG(56, LOCAL, ECHONL),   FLAG(57, LOCAL, NOFLSH),   FLAG(58, LOCAL, TOSTOP),
    FLAG(59, LOCAL, IEXTEN),   FLAG(60, LOCAL, ECHOCTL),  FLAG(61, LOCAL, ECHOKE),
    FLAG(62, LOCAL, PENDIN),   FLAG(70, OUTPUT, OPOST),   FLAG(71, OUTPUT, OLCUC),
    FLAG(72, OUTPUT, ONLCR),   FLAG(73, OUTPUT, OCRNL),   FLAG(74, OUTPUT, ONOCR),
    FLAG(75, OUTPUT, ONLRET),  {90, CONTROL, CSIZE, CS7}, {91, CONTROL, CSIZE, CS8},
    FLAG(92, CONTROL, PARENB), FLAG(93, CONTROL, PARODD),
};

static uint32_t speed_of(speed_t speed)
{
    static const struct {
        speed_t code;
        uint32_t baud;
    } speeds[] = {{B50, 50},       {B75, 75},         {B110, 110},      {B134, 134},     {B150, 150},
                  {B200, 200},     {B300, 300},       {B600, 600},      {B1200, 1200},   {B1800, 1800},
                  {B2400, 2400},   {B4800, 4800},     {B9600, 9600},    {B19200, 19200}, {B38400, 38400},
                  {B57600, 57600}, {B115200, 115200}, {B230400, 230400}};
    for (size_t i = 0; i < ADIT_COUNT(speeds); i++)
        if (speeds[i].code == speed)
            return speeds[i].baud;
    return 9600;
}

static bool is_on(const struct termios *t, const struct flag *f)
{
    const tcflag_t fields[] = {
        [INPUT] = t->c_iflag, [LOCAL] = t->c_lflag, [OUTPUT] = t->c_oflag, [CONTROL] = t->c_cflag};
    return (fields[f->field] & f->mask) == f->value;
}

/* [RFC 4254 8b] */
size_t ttymodes_of(const struct termios *t, struct ssh_mode modes[static LIMIT_SESSION_MODES])
{
    size_t n = 0;
    modes[n++] = (struct ssh_mode){OP_OSPEED, speed_of(cfgetospeed(t))};
    modes[n++] = (struct ssh_mode){OP_ISPEED, speed_of(cfgetispeed(t))};
    for (size_t i = 0; i < ADIT_COUNT(characters); i++) {
        cc_t c = t->c_cc[characters[i].index];
        modes[n++] = (struct ssh_mode){characters[i].opcode, c == _POSIX_VDISABLE ? CHARACTER_NONE : c};
    }
    for (size_t i = 0; i < ADIT_COUNT(flags); i++)
        modes[n++] = (struct ssh_mode){flags[i].opcode, is_on(t, &flags[i])};
    return n;
}
