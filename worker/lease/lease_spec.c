/* The lease's specification, and sealed memory to hand such things on in. */
#include "worker/lease/lease_spec.h"
#include "common/base/pure/flat.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPEC_VERSION = 2, SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

void lease_spec_encode(const struct lease_spec *s, struct cq_str *out)
{
    flat_put_u64(out, SPEC_VERSION);
    flat_put_u64(out, s->lease);
    flat_put_u64(out, s->epoch);
    flat_put_u64(out, s->mem_mib);
    flat_put_u64(out, s->cores);
    flat_put_u64(out, s->membind);
    flat_put_i64(out, s->until_us);
    flat_put_text(out, s->dir);
    flat_put_text(out, s->cpus);
    flat_put_text(out, s->mems);
}

static void get_bounded(struct flat_reader *r, char *to, size_t size)
{
    size_t bytes;
    const char *at = flat_get_bytes(r, size - 1, &bytes);
    memcpy(to, at, bytes);
    to[bytes] = '\0';
    if (strlen(to) != bytes)
        r->failed = true;
}

int lease_spec_decode(const void *data, size_t bytes, struct lease_spec *out, struct cq_err *err)
{
    struct flat_reader r = flat_reader_of(data, bytes);
    static struct lease_spec s;
    uint64_t version = flat_get_u64(&r);
    if (version != SPEC_VERSION)
        return cq_fail(err, CQ_E_VERSION, "lease specification has version %llu, expected %d",
                       (unsigned long long)version, SPEC_VERSION);
    s.lease = flat_get_u64(&r);
    s.epoch = flat_get_u64(&r);
    s.mem_mib = flat_get_u64(&r);
    s.cores = flat_get_u64(&r);
    s.membind = flat_get_u64(&r);
    s.until_us = flat_get_i64(&r);
    get_bounded(&r, s.dir, sizeof s.dir);
    get_bounded(&r, s.cpus, sizeof s.cpus);
    get_bounded(&r, s.mems, sizeof s.mems);
    if (!flat_at_end(&r) || s.lease == 0 || s.membind >= MEMBIND_COUNT || s.dir[0] != '/')
        return cq_fail(err, CQ_E_PROTOCOL, "malformed lease specification");
    *out = s;
    return 0;
}

int sealed_memory_make(const char *name, const void *data, size_t bytes, struct cq_err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_all(fd, data, bytes) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return cq_fail_errno(err, CQ_E_IO, why, "cannot make sealed memory");
}

const void *sealed_memory_map(int fd, size_t max_bytes, size_t *bytes, struct cq_err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0 || st.st_size <= 0) {
        (void)cq_fail(err, CQ_E_PROTOCOL, "not a sealed memory");
        return NULL;
    }
    if ((uint64_t)st.st_size > max_bytes) {
        (void)cq_fail(err, CQ_E_LIMIT, "sealed memory of %lld bytes, at most %zu are allowed",
                      (long long)st.st_size, max_bytes);
        return NULL;
    }
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        (void)cq_fail_errno(err, CQ_E_IO, errno, "cannot map sealed memory");
        return NULL;
    }
    *bytes = (size_t)st.st_size;
    return at;
}
