/* The signature of a failure: its message without what changes from run to run, so that equal
 * failures fall into one bucket. Paths lose their directories; numbers, addresses, sized Verilog
 * literals, times and seeds become '#'; blanks shrink; what cannot be printed becomes '?'. Digits
 * inside a name stay (uart0, x10). */
#ifndef SIGNATURE_H
#define SIGNATURE_H

#include "common/base/pure/compiler.h"

#define SIGNATURE_MAX 256 /* bytes with NUL */

/* Writes the signature of `message` into `out`, which has SIGNATURE_MAX bytes. Idempotent. */
void signature_make(const char *message, char *out);

/* Is `wanted` (as a person wrote it, numbers and all) part of a failure with this message? True
 * when it, or its own signature, is contained in the message or in the message's signature. */
bool signature_has(const char *message, const char *wanted);

#endif
