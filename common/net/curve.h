/* CURVE keys and the files they live in. Text, mode 0600, one "name value" a line, '#' comments:
 *
 *   chipq-key 1                     format version, first line
 *   principal acme/ann              enterprise/user; "server" has none
 *   role designer                   designer admin platform worker server
 *   public  <40 characters of Z85>
 *   secret  <40 characters of Z85>
 *   server  <40 characters of Z85>  the scheduler's public key; may repeat, for key changes
 *   endpoint ipc:///path            where the scheduler listens; or tcp://host:port
 *
 * Unknown names are refused. Secrets are wiped with curve_key_wipe, never printed. */
#ifndef CHIPQ_CURVE_H
#define CHIPQ_CURVE_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

enum {
    CURVE_Z85_CHARS = 40,
    CURVE_KEY_BYTES = 32,
    CURVE_SERVERS_MAX = 4,
    CURVE_ENDPOINT_BYTES = 256,
    CURVE_FILE_MAX = 4096,
};

struct curve_key {
    char principal[128]; /* "" when the file names none */
    char role[32];
    char public_key[CURVE_Z85_CHARS + 1];
    char secret_key[CURVE_Z85_CHARS + 1]; /* "" in a file of a public key only */
    char servers[CURVE_SERVERS_MAX][CURVE_Z85_CHARS + 1];
    size_t n_servers;
    char endpoint[CURVE_ENDPOINT_BYTES]; /* "" when the file names none */
};

/* Draws a new pair into public_key and secret_key; the other fields are left alone. CQ_E_INTERNAL
 * when libsodium cannot be used. */
int curve_key_generate(struct curve_key *key, struct cq_err *err) CQ_MUST_CHECK;

/* Reads a file with a secret: it must be a regular file of ours, closed to others, not a symbolic
 * link, in a directory that no other account may write to. Errors: CQ_E_NOT_FOUND, CQ_E_DENIED
 * (says which chmod helps), CQ_E_INVALID (says which line). Blocks. */
int curve_key_read(const char *path, struct curve_key *key, struct cq_err *err) CQ_MUST_CHECK;

/* Writes atomically with mode 0600, replacing. Blocks (fsync). */
int curve_key_write(const char *path, const struct curve_key *key,
                    struct cq_err *err) CQ_MUST_CHECK;

/* The text form, both ways. `text` need not be terminated. Parse: `key` is set only on success. */
int curve_key_parse(const char *text, size_t bytes, struct curve_key *key,
                    struct cq_err *err) CQ_MUST_CHECK;
void curve_key_format(const struct curve_key *key, struct cq_str *out);

void curve_key_wipe(struct curve_key *key); /* zeroes all of it, in a way compilers keep */

bool curve_is_z85(const char *text); /* 40 characters of the alphabet that decode to a key */

/* False when `z85` is no key; `bytes` is then untouched. */
bool curve_z85_decode(const char *z85, uint8_t bytes[CURVE_KEY_BYTES]) CQ_MUST_CHECK;
void curve_z85_encode(const uint8_t bytes[CURVE_KEY_BYTES], char z85[CURVE_Z85_CHARS + 1]);

#endif
