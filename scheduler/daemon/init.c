/* chipqd --init: a fresh instance. The database is made aside and renamed last, so that an --init
 * that was interrupted can be repeated; keys that are there already are kept. */
#include "scheduler/daemon/serve.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/net/curve.h"
#include "scheduler/core/core.h"
#include "scheduler/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONGEST_SOCKET = 33 }; /* "/run/leases/lease-" and 15 digits, ".sock" left for execd */

struct init_key {
    const char *file, *enterprise, *user, *role_name, *socket;
    enum role role;
};

static const char *login_name(void)
{
    const struct passwd *p = getpwuid(getuid());
    if (p == NULL || !is_name(p->pw_name) || strcmp(p->pw_name, "admin") == 0
        || strcmp(p->pw_name, "worker") == 0)
        return "user";
    return p->pw_name;
}

static int make_dirs(const struct daemon_options *o, struct cq_err *err)
{
    static const char *const names[] = {"",     "/keys",   "/db",   "/run",    "/run/leases",
                                        "/log", "/output", "/work", "/results"};
    for (size_t i = 0; i < CQ_COUNT(names); i++) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s%s", o->dir, names[i]);
        if (dir_make(path, 0700, err) != 0)
            return -1;
    }
    return 0;
}

static bool exists(const char *dir, const char *name)
{
    struct stat st;
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/%s", dir, name);
    return lstat(path, &st) == 0;
}

static int check_fresh(const struct daemon_options *o, struct cq_err *err)
{
    struct sockaddr_un address;
    if (strlen(o->dir) + LONGEST_SOCKET >= sizeof address.sun_path)
        return cq_fail(err, CQ_E_INVALID,
                       "%s is too long a path for sockets below it; at most %zu characters", o->dir,
                       sizeof address.sun_path - LONGEST_SOCKET - 1);
    if (exists(o->dir, "db/chipq.db"))
        return cq_fail(err, CQ_E_CONFLICT, "%s has a database already", o->dir);
    if (exists(o->dir, "run/chipqd.pid"))
        return cq_fail(err, CQ_E_CONFLICT,
                       "%s has served before, but its database db/chipq.db is missing: restore a "
                       "backup with chipqd --restore FILE, or remove the directory to start anew",
                       o->dir);
    return 0;
}

int daemon_no_database(const struct daemon_options *o, struct cq_err *err)
{
    if (exists(o->dir, "run/chipqd.pid"))
        return cq_fail(err, CQ_E_NOT_FOUND,
                       "the database %s/db/chipq.db is missing; put it back, or restore a backup: "
                       "chipqd --restore FILE",
                       o->dir);
    return cq_fail(err, CQ_E_NOT_FOUND,
                   "no database in %s; make one with chipqd --init or chipq up", o->dir);
}

/* Reads the key if it is there, else makes one; the file is written by write_key. */
static int find_key(const struct daemon_options *o, const char *file, struct curve_key *key,
                    struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/%s", o->dir, file);
    struct cq_err why = {0};
    *key = (struct curve_key){0};
    if (curve_key_read(path, key, &why) == 0)
        return 0;
    if (why.code != CQ_E_NOT_FOUND)
        return cq_fail(err, why.code, "%s", why.text);
    *key = (struct curve_key){0};
    return curve_key_generate(key, err);
}

static int write_key(const struct daemon_options *o, const char *file, const struct curve_key *key,
                     struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/keys/%s", o->dir, file);
    return curve_key_write(path, key, err);
}

static int make_server_key(const struct daemon_options *o, struct curve_key *key,
                           struct cq_err *err)
{
    if (find_key(o, "server.key", key, err) != 0)
        return -1;
    (void)cq_copy_text(key->role, sizeof key->role, "server");
    struct curve_key public_part = *key;
    (void)memset(public_part.secret_key, 0, sizeof public_part.secret_key);
    if (write_key(o, "server.key", key, err) != 0)
        return -1;
    return write_key(o, "server.pub", &public_part, err);
}

static int make_user_key(const struct daemon_options *o, const struct init_key *k,
                         const char *server, char *public_key, struct cq_err *err)
{
    struct curve_key key;
    if (find_key(o, k->file, &key, err) != 0)
        return -1;
    (void)snprintf(key.principal, sizeof key.principal, "%s%s%s", k->enterprise,
                   k->enterprise[0] ? "/" : "", k->user);
    (void)cq_copy_text(key.role, sizeof key.role, k->role_name);
    (void)cq_copy_text(key.servers[0], sizeof key.servers[0], server);
    key.n_servers = 1;
    (void)snprintf(key.endpoint, sizeof key.endpoint, "ipc://%s/run/%s", o->dir, k->socket);
    int rc = write_key(o, k->file, &key, err);
    (void)cq_copy_text(public_key, CURVE_Z85_CHARS + 1, key.public_key);
    curve_key_wipe(&key);
    return rc;
}

/* ---- the database ---- */

static int step(struct core *c, const struct input *in, struct effects *e, struct cq_err *err)
{
    if (core_step(c, in, clock_now(), e, err) != 0)
        return -1;
    for (size_t i = 0; i < e->n_outs; i++)
        if (e->outs[i].type == OUT_REPLY && e->outs[i].code != CQ_OK)
            return cq_fail(err, e->outs[i].code, "%s", e->outs[i].text ? e->outs[i].text : "");
    return 0;
}

static void add_entity(void *batch, const struct entity_view *e)
{
    store_batch_add_entity(batch, e);
}

static int write_genesis(struct store *s, struct core *c, struct effects *e, struct cq_err *err)
{
    struct store_batch *b = store_batch_new(s);
    int64_t wall_us = clock_now().wall_us;
    for (size_t i = 0; i < e->n_records; i++)
        store_batch_add_record(b, e->records[i], wall_us);
    e->n_records = 0;
    core_view_entities(c, add_entity, b);
    return store_write(s, b, err);
}

static int fill_core(struct core *c, const struct init_key *keys, size_t n,
                     char public_keys[][CURVE_Z85_CHARS + 1], struct effects *e, struct cq_err *err)
{
    core_load_done(c, clock_now(), e);
    struct input in = {.type = INPUT_ENTERPRISE_ADD, .request = 1};
    in.u.enterprise_add.name = "local";
    if (step(c, &in, e, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        in = (struct input){.type = INPUT_USER_ADD, .request = 1};
        in.u.user_add.enterprise = keys[i].enterprise;
        in.u.user_add.name = keys[i].user;
        in.u.user_add.public_key = public_keys[i];
        in.u.user_add.role = keys[i].role;
        if (step(c, &in, e, err) != 0)
            return -1;
    }
    return 0;
}

static void remove_leftovers(const char *made)
{
    static const char *const tails[] = {"", "-wal", "-journal", "-ballast"};
    for (size_t i = 0; i < CQ_COUNT(tails); i++) {
        char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s%s", made, tails[i]);
        (void)unlink(path);
    }
}

static int fill_database(const struct daemon_options *o, const char *path,
                         const struct init_key *keys, size_t n,
                         char public_keys[][CURVE_Z85_CHARS + 1], struct cq_err *err)
{
    struct store_options so = {.path = path, .create = true};
    struct store *s = store_open(&so, err);
    if (s == NULL)
        return -1;
    struct core_config config = {0};
    struct core *c = core_new(&config);
    struct effects e = {0};
    int rc = fill_core(c, keys, n, public_keys, &e, err);
    if (rc == 0)
        rc = write_genesis(s, c, &e, err);
    if (rc == 0)
        rc = instance_write(o, s, err);
    effects_fini(&e);
    core_free(c);
    store_close(s);
    return rc;
}

static int make_database(const struct daemon_options *o, const struct init_key *keys, size_t n,
                         char public_keys[][CURVE_Z85_CHARS + 1], struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = daemon_database_path(o);
    char *made CQ_CLEANUP(cq_free_ptr) = path_format("%s.new", path);
    char *dir CQ_CLEANUP(cq_free_ptr) = path_format("%s/db", o->dir);
    remove_leftovers(made);
    if (fill_database(o, made, keys, n, public_keys, err) != 0)
        return -1;
    char *ballast CQ_CLEANUP(cq_free_ptr) = path_format("%s-ballast", made);
    (void)unlink(ballast); /* made anew beside the real name */
    if (rename(made, path) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
    return dir_sync(dir, err);
}

int daemon_init(const struct daemon_options *o, struct cq_err *err)
{
    const struct init_key keys[] = {
        {"user.key", "local", login_name(), "admin", "client.sock", ROLE_ENTERPRISE_ADMIN},
        {"admin.key", "local", "admin", "platform", "client.sock", ROLE_PLATFORM_ADMIN},
        {"worker.key", "", "worker", "worker", "worker.sock", ROLE_WORKER},
    };
    char public_keys[CQ_COUNT(keys)][CURVE_Z85_CHARS + 1];
    struct curve_key server;
    if (check_fresh(o, err) != 0 || make_dirs(o, err) != 0 || make_server_key(o, &server, err) != 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < CQ_COUNT(keys); i++)
        rc = make_user_key(o, &keys[i], server.public_key, public_keys[i], err);
    curve_key_wipe(&server);
    return rc == 0 ? make_database(o, keys, CQ_COUNT(keys), public_keys, err) : -1;
}
