/* Records: the facts of the journal as C structs, from records.def. A record owns its texts and
 * bytes; records are reference-counted so that the turn, the store thread and the core can share
 * one. */
#ifndef CHIPQ_RECORD_H
#define CHIPQ_RECORD_H

#include "common/base/pure/err.h"
#include "common/base/pure/id.h"
#include "common/base/pure/str.h"

struct record_bytes {
    uint8_t *data;
    size_t len;
};

/* clang-format off */
#define REC_C_u64(name)   uint64_t name;
#define REC_C_i64(name)   int64_t name;
#define REC_C_text(name)  char *name;
#define REC_C_bytes(name) struct record_bytes name;
#define REC_C_uuid(name)  struct cq_uuid name;
#define RECORD(NAME, name, type, version, doc) struct name { char unused_;
#define FIELD(kind, name, doc)                 REC_C_##kind(name)
#define END(name)                              };
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END

enum record_type {
    RECORD_NONE = 0,
#define RECORD(NAME, name, type, version, doc) RECORD_##NAME = (type),
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
};

struct record {
    enum record_type type;
    unsigned refs; /* private to record.c, changed atomically: threads share records */
    union {
#define RECORD(NAME, name, type, version, doc) struct name name;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    } u;
};
/* clang-format on */

struct record *record_new(enum record_type type); /* zeroed; texts NULL until set (read as "") */
struct record *record_ref(struct record *r);      /* one more holder; contents are final by now */
void record_free(struct record *r);               /* drops one holder; accepts NULL */
const char *record_type_name(enum record_type type);
uint64_t record_type_version(enum record_type type);

/* Payload in flat encoding. Decoding is bounded and strict: CQ_E_PROTOCOL says which record and
 * field; a version newer than ours is CQ_E_VERSION; payloads of older versions end early. Caller
 * frees *out. */
void record_encode(const struct record *r, struct cq_str *out);
int record_decode(enum record_type type, uint64_t version, const void *data, size_t bytes,
                  struct record **out, struct cq_err *err) CQ_MUST_CHECK;

void record_format_json(const struct record *r,
                        struct cq_str *out); /* for dumps; one object, no newline */

#endif
