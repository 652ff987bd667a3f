/* Lists the files under out/ with their digests. */
#include "plugins/sdk/artefact.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sodium.h>
#include <unistd.h>

#define ARTEFACT_DEPTH_MAX 8

static int digest_fd(int fd, const char *path, char *hex, uint64_t *bytes, struct cq_err *err)
{
    unsigned char buf[65536], hash[ARTEFACT_HASH_BYTES];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    uint64_t total = 0;
    for (;;) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
        if (n == 0)
            break;
        (void)crypto_generichash_update(&state, buf, (unsigned long long)n);
        total += (uint64_t)n;
    }
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    (void)sodium_bin2hex(hex, 2 * sizeof hash + 1, hash, sizeof hash);
    *bytes = total;
    return 0;
}

int artefact_digest(const char *path, char *hex, uint64_t *bytes, struct cq_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno, "%s", path);
    int rc = digest_fd(fd, path, hex, bytes, err);
    (void)close(fd);
    return rc;
}

void artefacts_fini(struct artefacts *a)
{
    free(a->items);
    *a = (struct artefacts){0};
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct artefact *)a)->path, ((const struct artefact *)b)->path);
}

static int add_file(struct artefacts *a, const char *path, struct cq_err *err)
{
    struct artefact item = {0};
    if (a->count == ARTEFACTS_MAX || !cq_copy_text(item.path, sizeof item.path, path)
        || !cq_is_utf8(path, strlen(path))) {
        a->left_off++;
        return 0;
    }
    if (artefact_digest(path, item.hex, &item.bytes, err))
        return -1;
    cq_grow(&a->items, &a->cap, a->count);
    a->items[a->count++] = item;
    return 0;
}

static int walk(FTS *tree, struct artefacts *a, struct cq_err *err)
{
    for (FTSENT *entry = fts_read(tree); entry; entry = fts_read(tree)) {
        if (entry->fts_info == FTS_D && entry->fts_level > ARTEFACT_DEPTH_MAX)
            (void)fts_set(tree, entry, FTS_SKIP);
        if (entry->fts_info == FTS_F && add_file(a, entry->fts_path, err))
            return -1;
    }
    return 0;
}

int artefacts_collect(const char *dir, struct artefacts *out, struct cq_err *err)
{
    struct artefacts a = {0};
    if (sodium_init() < 0)
        return cq_fail(err, CQ_E_INTERNAL, "libsodium does not start");
    char *roots[] = {cq_strdup(dir), NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
    int rc = tree ? walk(tree, &a, err) : cq_fail_errno(err, CQ_E_IO, errno, "%s", dir);
    if (tree)
        (void)fts_close(tree);
    free(roots[0]);
    if (rc) {
        artefacts_fini(&a);
        return -1;
    }
    if (a.count > 1)
        qsort(a.items, a.count, sizeof *a.items, by_path);
    *out = a;
    return 0;
}
