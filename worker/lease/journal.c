/* The journal of one lease: make, append, read. */
#include "worker/lease/journal.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char journal_magic[8] = {'c', 'h', 'i', 'p', 'q', 'l', 's', '3'};

static const char *const limit_texts[] = {
#define X(name, text) text,
    LIMIT_KINDS(X)
#undef X
};

const char *limit_kind_text(uint32_t limit)
{
    return limit < CQ_COUNT(limit_texts) ? limit_texts[limit] : "";
}

int journal_make(int dir_fd, const char *name, const struct lease_header *header,
                 struct cq_err *err)
{
    int fd =
        openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cq_fail_errno(err, errno == EEXIST ? CQ_E_CONFLICT : CQ_E_IO, errno,
                             "cannot make %s", name);
    struct lease_header h = *header;
    memcpy(h.magic, journal_magic, sizeof h.magic);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && write_all(fd, &h, sizeof h) == 0)
        return fd;
    int why = errno;
    (void)unlinkat(dir_fd, name, 0);
    close(fd);
    return cq_fail_errno(err, CQ_E_IO, why, "cannot write %s", name);
}

int journal_open(int dir_fd, const char *name, bool *is_held, struct cq_err *err)
{
    int fd = openat(dir_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot open %s", name);
    *is_held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    return fd;
}

int journal_read_header(int fd, struct lease_header *out, struct cq_err *err)
{
    struct lease_header h;
    if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h
        || memcmp(h.magic, journal_magic, sizeof h.magic) != 0)
        return cq_fail(err, CQ_E_PROTOCOL, "this is no journal of a lease");
    h.cores[sizeof h.cores - 1] = '\0';
    *out = h;
    return 0;
}

/* Field 22 of /proc/PID/stat; 0 when the process is gone or only a zombie. */
static uint64_t process_born(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    if (p == NULL || p[1] == '\0' || p[2] == 'Z' || p[2] == 'X')
        return 0;
    for (int field = 2; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

void journal_set_keeper(int fd, int64_t pid, uint32_t slot)
{
    struct lease_header h;
    if (journal_read_header(fd, &h, NULL) != 0)
        return;
    h.keeper_pid = pid;
    h.keeper_slot = slot;
    h.keeper_born = process_born(pid);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int plain = open(path, O_WRONLY | O_CLOEXEC); /* pwrite on an O_APPEND descriptor appends */
    if (plain < 0)
        return;
    ssize_t n = pwrite(plain, &h, sizeof h, 0);
    (void)n; /* without it the next agent waits for the lock alone */
    close(plain);
}

bool journal_keeper_lives(const struct lease_header *header)
{
    return header->keeper_pid > 0 && header->keeper_born != 0
           && process_born(header->keeper_pid) == header->keeper_born;
}

/* Cuts off what is no whole record at the end. */
static void cut_torn(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct lease_header))
        return;
    off_t torn =
        (st.st_size - (off_t)sizeof(struct lease_header)) % (off_t)sizeof(struct lease_record);
    if (torn && ftruncate(fd, st.st_size - torn) != 0)
        return; /* readers skip it as well */
}

int journal_append(int fd, const struct lease_record *r, bool sync, struct cq_err *err)
{
    if (write_all(fd, r, sizeof *r) == 0 && (!sync || fdatasync(fd) == 0))
        return 0;
    int why = errno;
    cut_torn(fd);
    return cq_fail_errno(err, CQ_E_IO, why, "cannot write the journal of the lease");
}

int journal_read(int fd, journal_fn fn, void *arg, struct cq_err *err)
{
    off_t at = sizeof(struct lease_header);
    for (size_t i = 0; i < JOURNAL_RECORDS_MAX; i++) {
        struct lease_record r;
        ssize_t n = pread(fd, &r, sizeof r, at);
        if (n < 0)
            return cq_fail_errno(err, CQ_E_IO, errno, "cannot read the journal of the lease");
        if (n < (ssize_t)sizeof r)
            return 0;
        if (r.version != LEASE_RECORD_VERSION)
            return cq_fail(err, CQ_E_PROTOCOL, "record %zu of the journal is damaged", i + 1);
        r.place[sizeof r.place - 1] = r.cause[sizeof r.cause - 1] = '\0';
        fn(arg, &r);
        at += (off_t)sizeof r;
    }
    return cq_fail(err, CQ_E_LIMIT, "the journal of the lease is too long");
}
