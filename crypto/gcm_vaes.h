/*
 * gcm_vaes.h - AES-GCM's loop by VAES and VPCLMULQDQ, for long messages. Of crypto/ alone; nothing of it
 * exists on other architectures than x86-64.
 */
#ifndef CRYPTO_GCM_VAES_H
#define CRYPTO_GCM_VAES_H
#ifdef __x86_64__

#include "gcm_x86.h"

/* The fastest that cpu() allows: in 512 bits, in 256, or NULL. For gcm_x86_key_init. */
const struct gcm_x86_kernel *gcm_vaes_kernel(void);

#endif
#endif
