/* The codec: walks the tables of schema.c beside msgpack-c's objects. Nothing here knows a message
 * by name. Records nest as deep as messages.def says (3), never as deep as a peer says. */
#include "common/wire/message.h"
#include "common/base/pure/mem.h"
#include "common/wire/arena.h"
#include "common/wire/scan.h"
#include "common/wire/schema.h"

/* msgpack-c's headers are not clean under our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <msgpack.h>
#pragma GCC diagnostic pop

#include <inttypes.h>

enum { HEADER_FIELDS = 3, STRS_TEXT_MAX = 65536 };

/* How the C struct keeps a list: pointer and count. */
static const void *list_at(const char *base, const struct wire_field *f, size_t *count)
{
    const void *items;
    memcpy(&items, base + f->offset, sizeof items);
    memcpy(count, base + f->count_offset, sizeof *count);
    return items;
}

/* ---- encode ---- */

struct encoder {
    msgpack_packer pk;
    struct cq_str *out;
    size_t start;
    uint64_t objects;
    struct cq_err *err;
};

static int sink_write(void *data, const char *buf, size_t bytes)
{
    struct encoder *e = data;
    cq_str_append(e->out, buf, bytes);
    return 0;
}

static int over_max(struct encoder *e, const struct wire_field *f, const char *unit)
{
    return cq_fail(e->err, CQ_E_LIMIT, "%s is over its bound of %" PRIu64 "%s", f->name, f->max,
                   unit);
}

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static int put_text(struct encoder *e, const struct wire_field *f, const char *text, uint64_t max)
{
    size_t bytes = text ? strlen(text) : 0;
    if (bytes > max)
        return over_max(e, f, " bytes");
    if (bytes && !cq_is_utf8(text, bytes))
        return cq_fail(e->err, CQ_E_INVALID, "%s is not UTF-8 text", f->name);
    msgpack_pack_str(&e->pk, bytes);
    return bytes ? msgpack_pack_str_body(&e->pk, text, bytes) : 0;
}

static int put_u64(struct encoder *e, const struct wire_field *f, const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    if (f->max && value > f->max)
        return over_max(e, f, "");
    return msgpack_pack_uint64(&e->pk, value);
}

static int put_i64(struct encoder *e, const struct wire_field *f, const char *at)
{
    int64_t value;
    memcpy(&value, at, sizeof value);
    if (f->max && magnitude(value) > f->max)
        return over_max(e, f, "");
    return msgpack_pack_int64(&e->pk, value);
}

static int put_flag(struct encoder *e, const char *at)
{
    bool value;
    memcpy(&value, at, sizeof value);
    return value ? msgpack_pack_true(&e->pk) : msgpack_pack_false(&e->pk);
}

static int put_bin(struct encoder *e, const struct wire_field *f, const char *at)
{
    struct wire_bin bin;
    memcpy(&bin, at, sizeof bin);
    if (bin.len > f->max)
        return over_max(e, f, " bytes");
    msgpack_pack_bin(&e->pk, bin.len);
    return bin.len ? msgpack_pack_bin_body(&e->pk, bin.data, bin.len) : 0;
}

static int put_plain_list(struct encoder *e, const struct wire_field *f, const char *base)
{
    size_t n;
    const void *items = list_at(base, f, &n);
    if (n > f->max)
        return over_max(e, f, " elements");
    e->objects += n;
    msgpack_pack_array(&e->pk, n);
    for (size_t i = 0; i < n; i++) {
        if (f->kind == WIRE_U64S)
            msgpack_pack_uint64(&e->pk, ((const uint64_t *)items)[i]);
        else if (put_text(e, f, ((const char *const *)items)[i], STRS_TEXT_MAX) != 0)
            return -1;
    }
    return 0;
}

static int put_fields(struct encoder *e, const struct wire_schema *s, const char *base);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int put_records(struct encoder *e, const struct wire_field *f, const char *base)
{
    size_t n;
    const char *items = list_at(base, f, &n);
    if (n > f->max)
        return over_max(e, f, " elements");
    const struct wire_schema *s = f->record();
    msgpack_pack_array(&e->pk, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(&e->pk, s->n_fields);
        if (put_fields(e, s, items + i * s->bytes) != 0)
            return cq_wrap(e->err, "%s[%zu]", f->name, i);
        if (e->out->len - e->start > WIRE_FRAME_MAX)
            break; /* refused by the caller; do not grow further */
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int put_field(struct encoder *e, const struct wire_field *f, const char *base)
{
    const char *at = base + f->offset;
    const char *text;
    switch (f->kind) {
    case WIRE_U64:
        return put_u64(e, f, at);
    case WIRE_I64:
        return put_i64(e, f, at);
    case WIRE_FLAG:
        return put_flag(e, at);
    case WIRE_STR:
        memcpy(&text, at, sizeof text);
        return put_text(e, f, text, f->max);
    case WIRE_BIN:
        return put_bin(e, f, at);
    case WIRE_STRS:
    case WIRE_U64S:
        return put_plain_list(e, f, base);
    case WIRE_LIST:
        return put_records(e, f, base);
    }
    return cq_fail(e->err, CQ_E_INTERNAL, "%s has no kind", f->name);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int put_fields(struct encoder *e, const struct wire_schema *s, const char *base)
{
    e->objects += s->n_fields + 1;
    for (size_t i = 0; i < s->n_fields; i++)
        if (put_field(e, &s->fields[i], base) != 0)
            return -1;
    return 0;
}

int msg_encode(const struct msg *m, struct cq_str *out, struct cq_err *err)
{
    const struct wire_schema *s = wire_message(m->code);
    if (s == NULL)
        return cq_fail(err, CQ_E_INTERNAL, "no message has the code %d", (int)m->code);
    struct encoder e = {.out = out, .start = out->len, .objects = HEADER_FIELDS, .err = err};
    msgpack_packer_init(&e.pk, &e, sink_write);
    msgpack_pack_array(&e.pk, HEADER_FIELDS + s->n_fields);
    msgpack_pack_uint64(&e.pk, WIRE_VERSION);
    msgpack_pack_uint64(&e.pk, m->code);
    msgpack_pack_uint64(&e.pk, m->request);
    int rc = put_fields(&e, s, (const char *)&m->u);
    if (rc == 0 && out->len - e.start > WIRE_FRAME_MAX)
        rc = cq_fail(err, CQ_E_LIMIT, "message is over %d bytes", WIRE_FRAME_MAX);
    if (rc == 0 && e.objects > WIRE_OBJECTS_MAX)
        rc = cq_fail(err, CQ_E_LIMIT, "message has over %d values", WIRE_OBJECTS_MAX);
    if (rc == 0)
        return 0;
    cq_str_truncate(out, e.start);
    return cq_wrap(err, "%s", wire_message_name(m->code));
}

/* ---- decode ---- */

struct decoder {
    struct wire_arena *arena;
    struct cq_err *err;
};

static int bad_kind(struct decoder *d, const struct wire_field *f)
{
    return cq_fail(d->err, CQ_E_PROTOCOL, "%s is not a %s", f->name, wire_kind_name(f->kind));
}

static int too_large(struct decoder *d, const struct wire_field *f)
{
    return cq_fail(d->err, CQ_E_PROTOCOL, "%s is over its bound of %" PRIu64, f->name, f->max);
}

static int get_u64(struct decoder *d, const struct wire_field *f, const msgpack_object *o, char *at)
{
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return bad_kind(d, f);
    if (f->max && o->via.u64 > f->max)
        return too_large(d, f);
    memcpy(at, &o->via.u64, sizeof o->via.u64);
    return 0;
}

static int get_i64(struct decoder *d, const struct wire_field *f, const msgpack_object *o, char *at)
{
    bool positive = o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX;
    if (!positive && o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return bad_kind(d, f);
    int64_t value = positive ? (int64_t)o->via.u64 : o->via.i64;
    if (f->max && magnitude(value) > f->max)
        return too_large(d, f);
    memcpy(at, &value, sizeof value);
    return 0;
}

static int get_flag(struct decoder *d, const struct wire_field *f, const msgpack_object *o,
                    char *at)
{
    if (o->type != MSGPACK_OBJECT_BOOLEAN)
        return bad_kind(d, f);
    memcpy(at, &o->via.boolean, sizeof(bool));
    return 0;
}

static int get_text(struct decoder *d, const struct wire_field *f, const msgpack_object *o,
                    const char **text)
{
    uint64_t max = f->kind == WIRE_STRS ? STRS_TEXT_MAX : f->max;
    if (o->type != MSGPACK_OBJECT_STR)
        return bad_kind(d, f);
    if (o->via.str.size > max)
        return too_large(d, f);
    if (!cq_is_utf8(o->via.str.ptr, o->via.str.size))
        return cq_fail(d->err, CQ_E_PROTOCOL, "%s is not UTF-8 text without NUL", f->name);
    *text = wire_arena_text(d->arena, o->via.str.ptr, o->via.str.size);
    return 0;
}

static int get_str(struct decoder *d, const struct wire_field *f, const msgpack_object *o, char *at)
{
    const char *text;
    if (get_text(d, f, o, &text) != 0)
        return -1;
    memcpy(at, &text, sizeof text);
    return 0;
}

static int get_bin(struct decoder *d, const struct wire_field *f, const msgpack_object *o, char *at)
{
    if (o->type != MSGPACK_OBJECT_BIN)
        return bad_kind(d, f);
    if (o->via.bin.size > f->max)
        return too_large(d, f);
    struct wire_bin bin = {wire_arena_text(d->arena, o->via.bin.ptr, o->via.bin.size),
                           o->via.bin.size};
    memcpy(at, &bin, sizeof bin);
    return 0;
}

/* Sets pointer and count of a list field. */
static void set_list(char *base, const struct wire_field *f, const void *items, size_t n)
{
    memcpy(base + f->offset, &items, sizeof items);
    memcpy(base + f->count_offset, &n, sizeof n);
}

static int get_strs(struct decoder *d, const struct wire_field *f, const msgpack_object_array *a,
                    char *base)
{
    const char **texts = wire_arena_alloc(d->arena, a->size * sizeof *texts);
    for (uint32_t i = 0; i < a->size; i++)
        if (get_text(d, f, &a->ptr[i], &texts[i]) != 0)
            return -1;
    set_list(base, f, texts, a->size);
    return 0;
}

static int get_u64s(struct decoder *d, const struct wire_field *f, const msgpack_object_array *a,
                    char *base)
{
    uint64_t *numbers = wire_arena_alloc(d->arena, a->size * sizeof *numbers);
    for (uint32_t i = 0; i < a->size; i++) {
        if (a->ptr[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return bad_kind(d, f);
        numbers[i] = a->ptr[i].via.u64;
    }
    set_list(base, f, numbers, a->size);
    return 0;
}

static int get_fields(struct decoder *d, const struct wire_schema *s, const msgpack_object *objects,
                      size_t n, char *base);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int get_records(struct decoder *d, const struct wire_field *f, const msgpack_object_array *a,
                       char *base)
{
    const struct wire_schema *s = f->record();
    char *items = wire_arena_alloc(d->arena, a->size * s->bytes);
    for (uint32_t i = 0; i < a->size; i++) {
        const msgpack_object *o = &a->ptr[i];
        if (o->type != MSGPACK_OBJECT_ARRAY)
            return bad_kind(d, f);
        if (get_fields(d, s, o->via.array.ptr, o->via.array.size, items + i * s->bytes) != 0)
            return cq_wrap(d->err, "%s[%u]", f->name, i);
    }
    set_list(base, f, items, a->size);
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int get_array(struct decoder *d, const struct wire_field *f, const msgpack_object *o,
                     char *base)
{
    if (o->type != MSGPACK_OBJECT_ARRAY)
        return bad_kind(d, f);
    if (o->via.array.size > f->max)
        return too_large(d, f);
    if (f->kind == WIRE_LIST)
        return get_records(d, f, &o->via.array, base);
    return f->kind == WIRE_STRS ? get_strs(d, f, &o->via.array, base)
                                : get_u64s(d, f, &o->via.array, base);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int get_field(struct decoder *d, const struct wire_field *f, const msgpack_object *o,
                     char *base)
{
    char *at = base + f->offset;
    switch (f->kind) {
    case WIRE_U64:
        return get_u64(d, f, o, at);
    case WIRE_I64:
        return get_i64(d, f, o, at);
    case WIRE_FLAG:
        return get_flag(d, f, o, at);
    case WIRE_STR:
        return get_str(d, f, o, at);
    case WIRE_BIN:
        return get_bin(d, f, o, at);
    case WIRE_STRS:
    case WIRE_U64S:
    case WIRE_LIST:
        return get_array(d, f, o, base);
    }
    return bad_kind(d, f);
}

/* Absent: zero, and "" for text, so that readers never meet a NULL. */
static int set_absent(struct decoder *d, const struct wire_field *f, char *base)
{
    static const void *const empty = "";
    if (f->required)
        return cq_fail(d->err, CQ_E_PROTOCOL, "%s is missing", f->name);
    if (f->kind == WIRE_STR)
        memcpy(base + f->offset, &empty, sizeof empty);
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static int get_fields(struct decoder *d, const struct wire_schema *s, const msgpack_object *objects,
                      size_t n, char *base)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct wire_field *f = &s->fields[i];
        bool absent = i >= n || objects[i].type == MSGPACK_OBJECT_NIL;
        if ((absent ? set_absent(d, f, base) : get_field(d, f, &objects[i], base)) != 0)
            return -1;
    }
    return 0;
}

/* [version, code, request id, ...]. Each step has checked what the next one relies on. */
static int get_header(const msgpack_object *root, struct msg *m, struct cq_err *err)
{
    if (root->type != MSGPACK_OBJECT_ARRAY || root->via.array.size < HEADER_FIELDS)
        return cq_fail(err, CQ_E_PROTOCOL, "not an array of version, code, request id");
    const msgpack_object *head = root->via.array.ptr;
    for (size_t i = 0; i < HEADER_FIELDS; i++)
        if (head[i].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return cq_fail(err, CQ_E_PROTOCOL, "not an array of version, code, request id");
    uint64_t version = head[0].via.u64;
    if (version < WIRE_VERSION_MIN || version > WIRE_VERSION)
        return cq_fail(err, CQ_E_VERSION,
                       "the peer speaks wire version %" PRIu64 ", this chipq %d to %d; %s", version,
                       WIRE_VERSION_MIN, WIRE_VERSION,
                       version > WIRE_VERSION ? "upgrade this side" : "upgrade the peer");
    if (wire_message(head[1].via.u64) == NULL)
        return cq_fail(err, CQ_E_PROTOCOL, "no message has the code %" PRIu64, head[1].via.u64);
    m->version = version;
    m->code = (enum msg_code)head[1].via.u64;
    m->request = head[2].via.u64;
    return 0;
}

static int decode_root(const msgpack_object *root, struct msg *m, struct cq_err *err)
{
    if (get_header(root, m, err) != 0)
        return -1;
    struct decoder d = {.arena = m->arena, .err = err};
    if (get_fields(&d, wire_message(m->code), root->via.array.ptr + HEADER_FIELDS,
                   root->via.array.size - HEADER_FIELDS, (char *)&m->u)
        != 0)
        return cq_wrap(err, "%s", wire_message_name(m->code));
    return 0;
}

/* For small messages as small as an arena's chunks, for the same reason (arena.c). */
static void open_zone(msgpack_zone *zone, size_t bytes)
{
    if (!msgpack_zone_init(zone, bytes < 1024 ? 960 : 8192))
        abort();
}

/* A number of the header; 0 when the frame is too broken to have one. */
static uint64_t header_field(const void *data, size_t bytes, size_t index)
{
    if (bytes > WIRE_FRAME_MAX || wire_scan(data, bytes, NULL) != 0)
        return 0;
    msgpack_zone zone;
    msgpack_object root;
    size_t off = 0;
    uint64_t value = 0;
    open_zone(&zone, bytes);
    if (msgpack_unpack(data, bytes, &off, &zone, &root) == MSGPACK_UNPACK_SUCCESS
        && root.type == MSGPACK_OBJECT_ARRAY && root.via.array.size >= HEADER_FIELDS
        && root.via.array.ptr[index].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        value = root.via.array.ptr[index].via.u64;
    msgpack_zone_destroy(&zone);
    return value;
}

enum msg_code msg_code_of(const void *data, size_t bytes)
{
    uint64_t code = header_field(data, bytes, 1);
    return wire_message(code) ? (enum msg_code)code : MSG_NONE;
}

uint64_t msg_request_of(const void *data, size_t bytes)
{
    return header_field(data, bytes, 2);
}

int msg_decode(const void *data, size_t bytes, struct msg *m, struct cq_err *err)
{
    if (bytes > WIRE_FRAME_MAX)
        return cq_fail(err, CQ_E_PROTOCOL, "frame of %zu bytes is over %d", bytes, WIRE_FRAME_MAX);
    if (wire_scan(data, bytes, err) != 0)
        return -1;
    msgpack_zone zone;
    open_zone(&zone, bytes);
    msgpack_object root;
    size_t off = 0;
    struct msg got = {.arena = wire_arena_new()};
    int rc = msgpack_unpack(data, bytes, &off, &zone, &root) == MSGPACK_UNPACK_SUCCESS
                 ? decode_root(&root, &got, err)
                 : cq_fail(err, CQ_E_PROTOCOL, "not msgpack");
    msgpack_zone_destroy(&zone);
    if (rc == 0)
        *m = got;
    else
        msg_fini(&got);
    return rc;
}

void msg_fini(struct msg *m)
{
    wire_arena_free(m->arena);
    *m = (struct msg){0};
}

const char *msg_code_name(enum msg_code code)
{
    const char *name = wire_message_name(code);
    return name ? name : "?";
}
