/* A growable byte string. Zeroed memory is a valid empty string; `data` is NUL-terminated whenever
 * it is not NULL (use cq_str_text for an always-valid C string). Release with cq_str_fini. */
#ifndef CQ_STR_H
#define CQ_STR_H

#include "common/base/pure/compiler.h"

struct cq_str {
    char *data;
    size_t len, cap;
};

void cq_str_fini(struct cq_str *s);  /* accepts zeroed memory; leaves it zeroed */
void cq_str_clear(struct cq_str *s); /* keeps the memory */
void cq_str_append(struct cq_str *s, const void *data, size_t bytes);
void cq_str_add(struct cq_str *s, const char *text);
void cq_str_add_char(struct cq_str *s, char c);
void cq_str_printf(struct cq_str *s, const char *fmt, ...) CQ_PRINTF(2, 3); /* appends */
void cq_str_truncate(struct cq_str *s, size_t len);                         /* len <= s->len */
const char *cq_str_text(const struct cq_str *s); /* "" when empty; borrowed until the next change */
char *cq_str_take(struct cq_str *s);             /* caller frees; s is empty afterwards */

/* Appends `text` with C0, DEL, C1, invalid UTF-8, bidi and zero-width characters escaped as \xHH /
 * \u{H}, so that one line stays one line on a terminal (security.md section 7.5). */
void cq_str_add_printable(struct cq_str *s, const char *text, size_t bytes);

/* Copies with truncation; always terminates when size > 0. Returns false when it had to cut. */
bool cq_copy_text(char *to, size_t size, const char *from);

bool cq_str_starts(const char *text, const char *prefix);

/* True for valid UTF-8 without NUL, at most max_bytes long. Overlong forms and surrogates are
 * refused. */
bool cq_is_utf8(const char *text, size_t bytes);

/* The candidate closest to `word` by edit distance, if it is close enough to be what was meant;
 * else NULL. `candidates` ends with NULL. For "did you mean". */
const char *cq_closest(const char *word, const char *const *candidates);

#endif
