/* Compiler attributes, and the calls that chipq never makes. The only file that names GNU
 * attributes. */
#ifndef CQ_COMPILER_H
#define CQ_COMPILER_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CQ_MUST_CHECK        __attribute__((warn_unused_result))
#define CQ_CLEANUP(fn)       __attribute__((cleanup(fn)))
#define CQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CQ_NORETURN          __attribute__((noreturn))
#define CQ_NO_ASAN           __attribute__((no_sanitize("address"))) /* runs on a foreign stack */
#define CQ_UNUSED            __attribute__((unused))

#define CQ_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Hands an owned pointer on: `return cq_steal(&p)` leaves NULL behind, so the cleanup frees
 * nothing. */
#define cq_steal(pp)                       \
    __extension__({                        \
        __typeof__(*(pp)) stolen_ = *(pp); \
        *(pp) = NULL;                      \
        stolen_;                           \
    })

/* Unbounded, locale-bound or shell-starting calls: each has a bounded counterpart in base. */
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gmtime localtime

#endif
