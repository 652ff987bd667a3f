/* CURVE keys and their files. */
#include "common/net/curve.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_VERSION = 1 };

/* The alphabet of ZeroMQ RFC 32. */
static const char z85_alphabet[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

bool curve_z85_decode(const char *z85, uint8_t bytes[CURVE_KEY_BYTES])
{
    uint8_t got[CURVE_KEY_BYTES];
    if (strnlen(z85, CURVE_Z85_CHARS + 1) != CURVE_Z85_CHARS)
        return false;
    for (size_t group = 0; group < CURVE_Z85_CHARS / 5; group++) {
        uint64_t value = 0;
        for (size_t i = 0; i < 5; i++) {
            const char *at = strchr(z85_alphabet, z85[group * 5 + i]);
            if (at == NULL)
                return false;
            value = value * 85 + (uint64_t)(at - z85_alphabet);
        }
        if (value > UINT32_MAX)
            return false;
        for (size_t i = 0; i < 4; i++)
            got[group * 4 + i] = (uint8_t)(value >> (24 - 8 * i));
    }
    memcpy(bytes, got, sizeof got);
    sodium_memzero(got, sizeof got);
    return true;
}

void curve_z85_encode(const uint8_t bytes[CURVE_KEY_BYTES], char z85[CURVE_Z85_CHARS + 1])
{
    for (size_t group = 0; group < CURVE_KEY_BYTES / 4; group++) {
        uint32_t value = 0;
        for (size_t i = 0; i < 4; i++)
            value = value << 8 | bytes[group * 4 + i];
        for (size_t i = 5; i-- > 0; value /= 85)
            z85[group * 5 + i] = z85_alphabet[value % 85];
    }
    z85[CURVE_Z85_CHARS] = '\0';
}

bool curve_is_z85(const char *text)
{
    uint8_t bytes[CURVE_KEY_BYTES];
    bool is = curve_z85_decode(text, bytes);
    sodium_memzero(bytes, sizeof bytes);
    return is;
}

int curve_key_generate(struct curve_key *key, struct cq_err *err)
{
    uint8_t public_bytes[CURVE_KEY_BYTES], secret_bytes[CURVE_KEY_BYTES];
    if (sodium_init() < 0 || crypto_box_keypair(public_bytes, secret_bytes) != 0)
        return cq_fail(err, CQ_E_INTERNAL, "cannot make a CURVE key: libsodium fails");
    curve_z85_encode(public_bytes, key->public_key);
    curve_z85_encode(secret_bytes, key->secret_key);
    sodium_memzero(secret_bytes, sizeof secret_bytes);
    return 0;
}

void curve_key_wipe(struct curve_key *key)
{
    sodium_memzero(key, sizeof *key);
}

/* ---- text ---- */

static int set_text(char *to, size_t size, const char *value, struct cq_err *err)
{
    if (*to != '\0')
        return cq_fail(err, CQ_E_INVALID, "given twice");
    return cq_copy_text(to, size, value) ? 0 : cq_fail(err, CQ_E_INVALID, "too long");
}

static int set_z85(char *to, const char *value, struct cq_err *err)
{
    if (!curve_is_z85(value))
        return cq_fail(err, CQ_E_INVALID, "not a key of 40 characters");
    return set_text(to, CURVE_Z85_CHARS + 1, value, err);
}

static int add_server(struct curve_key *key, const char *value, struct cq_err *err)
{
    if (key->n_servers == CURVE_SERVERS_MAX)
        return cq_fail(err, CQ_E_INVALID, "more than %d servers", CURVE_SERVERS_MAX);
    if (set_z85(key->servers[key->n_servers], value, err) != 0)
        return -1;
    key->n_servers++;
    return 0;
}

static int set_role(struct curve_key *key, const char *value, struct cq_err *err)
{
    static const char *const roles[] = {"designer", "admin", "platform", "worker", "server"};
    for (size_t i = 0; i < CQ_COUNT(roles); i++)
        if (strcmp(roles[i], value) == 0)
            return set_text(key->role, sizeof key->role, value, err);
    return cq_fail(err, CQ_E_INVALID, "no such role");
}

static int set_entry(struct curve_key *key, const char *name, const char *value, struct cq_err *err)
{
    if (strcmp(name, "principal") == 0)
        return set_text(key->principal, sizeof key->principal, value, err);
    if (strcmp(name, "role") == 0)
        return set_role(key, value, err);
    if (strcmp(name, "public") == 0)
        return set_z85(key->public_key, value, err);
    if (strcmp(name, "secret") == 0)
        return set_z85(key->secret_key, value, err);
    if (strcmp(name, "server") == 0)
        return add_server(key, value, err);
    if (strcmp(name, "endpoint") == 0)
        return set_text(key->endpoint, sizeof key->endpoint, value, err);
    return cq_fail(err, CQ_E_INVALID, "unknown name");
}

/* Splits "name value" in place. False when the line is neither that, nor empty, nor a comment. */
static bool split_line(char *line, char **name, char **value)
{
    *name = line + strspn(line, " \t");
    char *end = line + strlen(line);
    while (end > *name && strchr(" \t\r", end[-1]))
        *--end = '\0';
    *value = *name + strcspn(*name, " \t");
    if (**name == '\0' || **name == '#') {
        *name = NULL;
        return true;
    }
    if (**value == '\0')
        return false;
    *(*value)++ = '\0';
    *value += strspn(*value, " \t");
    return true;
}

static int parse_line(struct curve_key *key, char *line, bool *has_version, struct cq_err *err)
{
    char *name, *value;
    if (!split_line(line, &name, &value))
        return cq_fail(err, CQ_E_INVALID, "not \"name value\"");
    if (name == NULL)
        return 0;
    if (*has_version)
        return set_entry(key, name, value, err) == 0 ? 0 : cq_wrap(err, "%.20s", name);
    if (strcmp(name, "chipq-key") != 0)
        return cq_fail(err, CQ_E_INVALID, "not a chipq key: no \"chipq-key 1\" at its start");
    if (strcmp(value, "1") != 0)
        return cq_fail(err, CQ_E_VERSION, "key file of version %.20s, not %d", value, FILE_VERSION);
    *has_version = true;
    return 0;
}

static int parse_lines(struct curve_key *key, char *text, struct cq_err *err)
{
    bool has_version = false;
    unsigned number = 0;
    for (char *line = text; line;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (parse_line(key, line, &has_version, err) != 0)
            return cq_wrap(err, "line %u", number);
        line = next;
    }
    if (!has_version || key->public_key[0] == '\0')
        return cq_fail(err, CQ_E_INVALID, "not a whole chipq key: no public key in it");
    return 0;
}

int curve_key_parse(const char *text, size_t bytes, struct curve_key *key, struct cq_err *err)
{
    char copy[CURVE_FILE_MAX + 1];
    if (bytes > CURVE_FILE_MAX)
        return cq_fail(err, CQ_E_INVALID, "over %d bytes", CURVE_FILE_MAX);
    if (bytes && !cq_is_utf8(text, bytes))
        return cq_fail(err, CQ_E_INVALID, "not text");
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    struct curve_key got = {0};
    int rc = parse_lines(&got, copy, err);
    if (rc == 0)
        *key = got;
    curve_key_wipe(&got);
    sodium_memzero(copy, sizeof copy);
    return rc;
}

static void put_entry(struct cq_str *out, const char *name, const char *value)
{
    if (*value)
        cq_str_printf(out, "%s %s\n", name, value);
}

void curve_key_format(const struct curve_key *key, struct cq_str *out)
{
    cq_str_printf(out, "chipq-key %d\n", FILE_VERSION);
    put_entry(out, "principal", key->principal);
    put_entry(out, "role", key->role);
    put_entry(out, "public", key->public_key);
    put_entry(out, "secret", key->secret_key);
    for (size_t i = 0; i < key->n_servers; i++)
        put_entry(out, "server", key->servers[i]);
    put_entry(out, "endpoint", key->endpoint);
}

/* ---- files ---- */

/* A directory that others may write to lets them swap the key. A sticky one (/tmp) does not. */
static int check_directory(const char *path, struct cq_err *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    CQ_CLEANUP(cq_free_ptr)
    char *dir = slash ? cq_strndup(path, len ? len : 1) : cq_strdup(".");
    struct stat st;
    if (stat(dir, &st) != 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno,
                             "cannot look at %s", dir);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return cq_fail(err, CQ_E_DENIED, "%s belongs to another account (uid %u)", dir,
                       (unsigned)st.st_uid);
    if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
        return cq_fail(err, CQ_E_DENIED,
                       "others may write to %s, so its keys are not safe; run: chmod go-w %s", dir,
                       dir);
    return 0;
}

static void wipe_text(struct cq_str *text)
{
    if (text->data)
        sodium_memzero(text->data, text->cap);
    cq_str_fini(text);
}

int curve_key_read(const char *path, struct curve_key *key, struct cq_err *err)
{
    CQ_CLEANUP(wipe_text) struct cq_str text = {0};
    if (check_directory(path, err) != 0)
        return -1;
    if (file_read_secret(path, CURVE_FILE_MAX, &text, err) != 0)
        return -1;
    return curve_key_parse(cq_str_text(&text), text.len, key, err) == 0 ? 0
                                                                        : cq_wrap(err, "%s", path);
}

int curve_key_write(const char *path, const struct curve_key *key, struct cq_err *err)
{
    CQ_CLEANUP(wipe_text) struct cq_str text = {0};
    curve_key_format(key, &text);
    return file_write_atomic(path, text.data, text.len, 0600, err);
}
