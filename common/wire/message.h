/* Messages as C structs, and their codec. The structs, names, encoder and decoder all come from
 * messages.def.
 *
 * Kinds in C: u64 uint64_t; i64 int64_t; flag bool; str const char * (never NULL after decoding);
 * bin struct wire_bin; strs const char *const * with n_NAME; u64s const uint64_t * with n_NAME;
 * LIST(rec, x) const struct rec * with n_x. A struct that is encoded borrows everything; NULL texts
 * are sent as "". */
#ifndef CHIPQ_MESSAGE_H
#define CHIPQ_MESSAGE_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

#define WIRE_VERSION_MIN 1
#define WIRE_VERSION     1
#define WIRE_FRAME_MAX   1048576 /* bytes of one message */

struct wire_bin {
    const void *data;
    size_t len;
};

/* clang-format off */
#define REC(name, doc)                     struct name {
#define MSG(NAME, name, code, doc)         struct msg_##name { char unused_;
#define FIELD(kind, name, need, max, doc)  WIRE_C_##kind(name)
#define LIST(rec, name, max, doc)          const struct rec *name; size_t n_##name;
#define END(name)                          };
#define WIRE_C_u64(name)  uint64_t name;
#define WIRE_C_i64(name)  int64_t name;
#define WIRE_C_flag(name) bool name;
#define WIRE_C_str(name)  const char *name;
#define WIRE_C_bin(name)  struct wire_bin name;
#define WIRE_C_strs(name) const char *const *name; size_t n_##name;
#define WIRE_C_u64s(name) const uint64_t *name; size_t n_##name;
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END

enum msg_code {
    MSG_NONE = 0,
#define REC(name, doc)
#define MSG(NAME, name, code, doc) MSG_##NAME = (code),
#define FIELD(kind, name, need, max, doc)
#define LIST(rec, name, max, doc)
#define END(name)
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END
};

/* `when_away` of LOG_QUERY: what a follower wants of a machine that is away. */
enum { AWAY_FAILS, AWAY_IS_TOLD, AWAY_IS_AWAITED };

struct msg {
    enum msg_code code;
    uint64_t version;    /* of the wire; set by encode */
    uint64_t request;    /* chosen by the asker, echoed in the answer; 0 = no answer wanted */
    union {
#define REC(name, doc)
#define MSG(NAME, name, code, doc) struct msg_##name name;
#define FIELD(kind, name, need, max, doc)
#define LIST(rec, name, max, doc)
#define END(name)
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END
    } u;
    struct wire_arena *arena; /* owns what a decoded message points to */
};
/* clang-format on */

/* Decodes one frame. The frame is scanned and bounded before anything is allocated. `m` is valid
 * only on success and is released with msg_fini; it does not point into `data`. Errors:
 * CQ_E_PROTOCOL with what and where, CQ_E_VERSION. */
int msg_decode(const void *data, size_t bytes, struct msg *m, struct cq_err *err) CQ_MUST_CHECK;
void msg_fini(struct msg *m); /* accepts zeroed memory and messages that were not decoded */

/* The request id of a frame that msg_decode refused, so that the ERROR reaches the right asker; 0
 * when the frame is too broken to have one. */
uint64_t msg_request_of(const void *data, size_t bytes);
/* What a frame of ours says that it is; MSG_NONE when it is none. */
enum msg_code msg_code_of(const void *data, size_t bytes);

/* Appends the frame to `out`, or nothing. Errors name message and field: CQ_E_LIMIT, the frame or a
 * field is over its bound; CQ_E_INVALID, a text is not UTF-8 (make it so with cq_str_add_printable
 * when it comes from a tool). */
int msg_encode(const struct msg *m, struct cq_str *out, struct cq_err *err) CQ_MUST_CHECK;

const char *msg_code_name(enum msg_code code); /* "SUBMIT"; "?" for an unknown number */

#endif
