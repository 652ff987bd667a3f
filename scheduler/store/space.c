/* Room on the disk. Under the low-water mark the caller takes no new work. A ballast file keeps
 * some bytes for the ends of what runs: under half of the mark, or when a write finds no room, they
 * go to the WAL and the database file themselves. Only freed, a job that fills the disk would have
 * them first. The ballast is made again when there is room for it above the mark. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_US = 1000000 };
enum { DEFAULT_LOW_WATER_BYTES = 64 << 20, BALLAST_BYTES_MAX = 16 << 20, MARK_PER_BALLAST = 4 };

/* The topmost directory above the file that is still on its file system. */
static char *mount_of(const char *file)
{
    struct stat here, up;
    char *at = cq_strdup(file), *slash;
    while ((slash = strrchr(at, '/')) != NULL && slash != at) {
        *slash = '\0';
        char *parent CQ_CLEANUP(cq_free_ptr) = path_format("%s/..", at);
        if (stat(at, &here) != 0 || stat(parent, &up) != 0)
            break;
        if (here.st_dev != up.st_dev)
            return at;
    }
    free(at);
    return cq_strdup("/");
}

void space_init(struct store *s, const struct store_options *o)
{
    struct space *p = &s->space;
    p->ballast_path = path_format("%s-ballast", o->path);
    p->wal_path = path_format("%s-wal", o->path);
    p->mount = mount_of(o->path);
    p->low_water_bytes = o->low_water_bytes ? o->low_water_bytes : DEFAULT_LOW_WATER_BYTES;
    p->ballast_bytes = o->ballast_bytes ? o->ballast_bytes : p->low_water_bytes / MARK_PER_BALLAST;
    if (o->ballast_bytes == 0 && p->ballast_bytes > BALLAST_BYTES_MAX)
        p->ballast_bytes = BALLAST_BYTES_MAX;
    p->has_ballast = access(p->ballast_path, F_OK) == 0;
}

void space_fini(struct store *s)
{
    free(s->space.ballast_path);
    free(s->space.wal_path);
    free(s->space.mount);
}

/* Without room there is none: the next look tries again. */
static void make_ballast(struct space *p)
{
    int fd = open(p->ballast_path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    p->has_ballast = posix_fallocate(fd, 0, (off_t)p->ballast_bytes) == 0;
    (void)close(fd);
    if (!p->has_ballast)
        (void)unlink(p->ballast_path);
}

/* Behind the WAL's end, where SQLite does not see them. It has no lock on this file that a close
 * could take away, as it has on the database. */
static void reserve_wal(const struct space *p, uint64_t bytes)
{
    struct stat st;
    int fd = open(p->wal_path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0)
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size + (off_t)bytes);
    (void)close(fd);
}

/* A checkpoint makes the database larger. Chunks keep SQLite from cutting off what it does not use
 * yet; with bytes 0 it does so at the next checkpoint. */
static void reserve_database(struct store *s, uint64_t bytes)
{
    int chunk = (int)bytes;
    struct stat st;
    (void)sqlite3_file_control(s->db, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
    if (bytes == 0 || stat(s->path, &st) != 0)
        return;
    sqlite3_int64 size = st.st_size + 1;
    (void)sqlite3_file_control(s->db, "main", SQLITE_FCNTL_SIZE_HINT, &size);
}

bool space_give_ballast(struct store *s)
{
    struct space *p = &s->space;
    if (p->is_given)
        return false;
    (void)unlink(p->ballast_path);
    p->has_ballast = false;
    p->is_given = true;
    reserve_wal(p, p->ballast_bytes - p->ballast_bytes / 4);
    reserve_database(s, p->ballast_bytes / 4);
    if (atomic_load(&p->room) < ROOM_TIGHT)
        atomic_store(&p->room, ROOM_TIGHT);
    return true;
}

static void take_back(struct store *s)
{
    s->space.is_given = false;
    reserve_database(s, 0);
}

static uint64_t free_bytes_of(struct store *s)
{
    struct statvfs fs;
    if (statvfs(s->path, &fs) != 0)
        return 0;
    return CQ_FP("store.space.low") != 0 ? s->space.low_water_bytes / 4
                                         : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* What was given may show as free where files cannot be made longer beforehand: so tight ends at
 * the mark itself. */
static enum store_room room_of(const struct space *p, uint64_t free_bytes)
{
    if (free_bytes >= p->low_water_bytes)
        return ROOM_FINE;
    return p->is_given || free_bytes < p->low_water_bytes / 2 ? ROOM_TIGHT : ROOM_LOW;
}

void space_check(struct store *s)
{
    struct space *p = &s->space;
    uint64_t free_bytes = free_bytes_of(s);
    enum store_room room = room_of(p, free_bytes);
    atomic_store(&p->free_bytes, free_bytes);
    atomic_store(&p->room, (int)(s->waiting != NULL ? ROOM_NONE : room));
    if (room == ROOM_TIGHT)
        (void)space_give_ballast(s);
    else if (room == ROOM_FINE && p->is_given)
        take_back(s);
    if (!p->has_ballast && free_bytes > p->low_water_bytes + 2 * p->ballast_bytes)
        make_ballast(p);
}

void store_look_at_room(struct store *s)
{
    int64_t now_us = clock_mono_us();
    int fine = ROOM_FINE;
    if (now_us < s->space.ask_at_us)
        return;
    s->space.ask_at_us = now_us + LOOK_US;
    if (free_bytes_of(s) >= s->space.low_water_bytes && store_space(s).room == ROOM_FINE)
        return;
    (void)atomic_compare_exchange_strong(&s->space.room, &fine, (int)ROOM_LOW);
    (void)pthread_mutex_lock(&s->lock);
    s->must_look = true;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

struct store_space store_space(const struct store *s)
{
    return (struct store_space){.room = (enum store_room)atomic_load(&s->space.room),
                                .free_bytes = atomic_load(&s->space.free_bytes),
                                .low_water_bytes = s->space.low_water_bytes,
                                .mount = s->space.mount};
}

bool store_is_low(const struct store *s)
{
    return atomic_load(&s->space.room) != ROOM_FINE;
}
