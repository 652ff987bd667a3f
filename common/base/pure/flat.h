/* Flat, length-prefixed encoding: what the journal's payloads, a lease's sealed specification,
 * execd's requests and the shepherd's records are written in. Unsigned numbers are LEB128, signed
 * ones zigzag LEB128, bytes are a length and the bytes. The reader never allocates and never reads
 * past its end. */
#ifndef CQ_FLAT_H
#define CQ_FLAT_H

#include "common/base/pure/str.h"

void flat_put_u64(struct cq_str *out, uint64_t value);
void flat_put_i64(struct cq_str *out, int64_t value);
void flat_put_bytes(struct cq_str *out, const void *data, size_t bytes);
void flat_put_text(struct cq_str *out, const char *text); /* NULL is written as "" */

struct flat_reader {
    const uint8_t *data;
    size_t len, pos;
    bool failed; /* sticky: once set, every read gives zero */
};

struct flat_reader flat_reader_of(const void *data, size_t bytes);

/* Reads. Past the end, or on a malformed number, they set `failed` and return 0 / empty. */
uint64_t flat_get_u64(struct flat_reader *r);
int64_t flat_get_i64(struct flat_reader *r);

/* Points into the reader's buffer; sets *bytes. A length over `max_bytes` or past the end fails. */
const void *flat_get_bytes(struct flat_reader *r, size_t max_bytes, size_t *bytes);

/* A copy as a C string; NUL inside fails the reader. Caller frees; never NULL ("" on failure). */
char *flat_get_text(struct flat_reader *r, size_t max_bytes);

/* A list's count, refused over `max_count` or when the rest of the buffer cannot hold so many
 * elements. */
size_t flat_get_count(struct flat_reader *r, size_t max_count);

bool flat_at_end(const struct flat_reader *r); /* all read, nothing failed */

#endif
