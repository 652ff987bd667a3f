#include "common/client/local.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/wire/message.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_BYTES = 5, NAME_BYTES = 12 };

void local_add(struct cq_str *out, enum local_frame type, const void *data, size_t bytes)
{
    const uint8_t head[HEAD_BYTES] = {(uint8_t)type, (uint8_t)bytes, (uint8_t)(bytes >> 8),
                                      (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 24)};
    cq_str_append(out, head, sizeof head);
    cq_str_append(out, data, bytes);
}

int local_next(const struct cq_str *in, size_t *at, struct local_piece *out)
{
    const uint8_t *head = (const uint8_t *)in->data + *at;
    if (in->len - *at < HEAD_BYTES)
        return 0;
    size_t bytes = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
    if (bytes > WIRE_FRAME_MAX)
        return -1;
    if (in->len - *at - HEAD_BYTES < bytes)
        return 0;
    *out = (struct local_piece){head[0], (const char *)head + HEAD_BYTES, bytes};
    *at += HEAD_BYTES + bytes;
    return 1;
}

void local_drop(struct cq_str *in, size_t bytes)
{
    if (bytes > 0 && bytes < in->len)
        memmove(in->data, in->data + bytes, in->len - bytes);
    if (bytes > 0)
        cq_str_truncate(in, in->len - bytes);
}

/* Ours, a directory, closed to all others. */
static bool is_safe(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid()
           && (st.st_mode & 077) == 0;
}

static char *make_dir(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *dir = runtime && *runtime == '/' && is_safe(runtime)
                    ? path_format("%s/chipq", runtime)
                    : path_format("/tmp/chipq-%u", (unsigned)geteuid());
    if ((mkdir(dir, 0700) == 0 || errno == EEXIST) && is_safe(dir))
        return dir;
    free(dir);
    return NULL;
}

/* One name a key, scheduler and version of chipq. */
static void name_of(const struct curve_key *key, char hex[2 * NAME_BYTES + 1])
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    uint8_t hash[crypto_generichash_BYTES_MIN];
    cq_str_printf(&text, "%s\n%s\n%s", CHIPQ_VERSION, key->public_key, key->endpoint);
    for (size_t i = 0; i < key->n_servers; i++)
        cq_str_printf(&text, "\n%s", key->servers[i]);
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)text.data, text.len, NULL,
                             0);
    (void)sodium_bin2hex(hex, 2 * NAME_BYTES + 1, hash, NAME_BYTES);
}

char *local_path(const struct curve_key *key)
{
    char hex[2 * NAME_BYTES + 1];
    char *dir CQ_CLEANUP(cq_free_ptr) = make_dir();
    if (dir == NULL)
        return NULL;
    name_of(key, hex);
    char *path = path_format("%s/%s.sock", dir, hex);
    if (strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path)
        return path;
    free(path);
    return NULL;
}
