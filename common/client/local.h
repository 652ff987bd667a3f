/* Between a command and chipq-helper: a Unix stream socket with frames of type and length, and the
 * place where a helper that is shared listens. Neither trusts the other beyond its account. */
#ifndef CHIPQ_LOCAL_H
#define CHIPQ_LOCAL_H

#include "common/base/pure/str.h"
#include "common/net/curve.h"

enum local_frame {
    LOCAL_KEY = 'K',     /* command, first, on the descriptor that it gave: the key as text */
    LOCAL_STATE = 'S',   /* helper: one byte, enum zsock_state */
    LOCAL_MESSAGE = 'M', /* either: one wire message */
};
enum { LOCAL_FD = 3 }; /* in the helper: where the command that started it is */

struct local_piece {
    uint8_t type;
    const char *data; /* in the buffer that was looked at */
    size_t bytes;
};

void local_add(struct cq_str *out, enum local_frame type, const void *data, size_t bytes);

/* The frame at `*at` of `in`, which moves behind it. 1 = there is one, 0 = not whole yet, -1 = this
 * is no frame, or one of more than a message's bytes. */
int local_next(const struct cq_str *in, size_t *at, struct local_piece *out);

/* Takes the first `bytes` away. */
void local_drop(struct cq_str *in, size_t bytes);

/* Where the helper for this key listens, in a directory of ours that is closed to others
 * ($XDG_RUNTIME_DIR/chipq, else /tmp/chipq-UID), which is made. NULL when no place is safe. Caller
 * frees. Blocks. */
char *local_path(const struct curve_key *key);

#endif
