/*
 * packed.h - a file that the program carries. The build packs it with `gzip -9n` (RFC 1952: a header of ten
 * bytes, raw deflate, checksum and size), or takes it in as it is where there is no zlib. The assembler puts
 * it in.
 */
#ifndef DAEMON_PACKED_H
#define DAEMON_PACKED_H

#include "adit.h"
#include "daemon/buffer.h"

/* At file scope: NAME_packed() is what $(BUILD)/packed/FILE holds. */
#define PACKED_FILE(name, file)                                                       \
    __asm__(".pushsection .rodata\n"                                                  \
            ".balign 16\n"                                                            \
            "adit_" #name "_begin: .incbin \"packed/" file "\"\n"                     \
            "adit_" #name "_end: .byte 0\n"                                           \
            ".balign 4\n"                                                             \
            "adit_" #name "_len: .long adit_" #name "_end - adit_" #name "_begin\n"   \
            ".popsection\n");                                                         \
    extern const uint8_t adit_##name##_begin[] __attribute__((visibility("hidden"))); \
    extern const uint32_t adit_##name##_len __attribute__((visibility("hidden")));    \
    static struct span name##_packed(void)                                            \
    {                                                                                 \
        return span_make(adit_##name##_begin, adit_##name##_len);                     \
    }

/* The file itself, into an empty buffer; is_failed without memory. */
void packed_open(struct buffer *out, struct span packed);

#endif
