/* Records: allocation, the flat codec and the JSON of dumps, all expanded from records.def. */
#include "scheduler/core/record.h"

#include <inttypes.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

enum { TEXT_MAX = 1 << 20, BYTES_MAX = 1 << 24 };

struct record *record_new(enum record_type type)
{
    struct record *r = CQ_NEW(struct record);
    r->type = type;
    r->refs = 1;
    return r;
}

struct record *record_ref(struct record *r)
{
    (void)__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

/* ---- fields by kind ---- */

static void free_u64(uint64_t *f)
{
    (void)f;
}

static void free_i64(int64_t *f)
{
    (void)f;
}

static void free_uuid(struct cq_uuid *f)
{
    (void)f;
}

static void free_text(char **f)
{
    free(*f);
}

static void free_bytes(struct record_bytes *f)
{
    free(f->data);
}

static void put_u64(struct cq_str *out, const uint64_t *f)
{
    flat_put_u64(out, *f);
}

static void put_i64(struct cq_str *out, const int64_t *f)
{
    flat_put_i64(out, *f);
}

static void put_text(struct cq_str *out, char *const *f)
{
    flat_put_text(out, *f);
}

static void put_bytes(struct cq_str *out, const struct record_bytes *f)
{
    flat_put_bytes(out, f->data, f->len);
}

static void put_uuid(struct cq_str *out, const struct cq_uuid *f)
{
    cq_str_append(out, f->bytes, sizeof f->bytes);
}

static void get_u64(struct flat_reader *in, uint64_t *f)
{
    *f = flat_get_u64(in);
}

static void get_i64(struct flat_reader *in, int64_t *f)
{
    *f = flat_get_i64(in);
}

static void get_text(struct flat_reader *in, char **f)
{
    *f = flat_get_text(in, TEXT_MAX);
    if (*f && **f == '\0') { /* empty is NULL, as in a record that was never stored */
        free(*f);
        *f = NULL;
    }
}

static void get_bytes(struct flat_reader *in, struct record_bytes *f)
{
    const void *data = flat_get_bytes(in, BYTES_MAX, &f->len);
    f->data = cq_memdup(data, f->len);
}

static void get_uuid(struct flat_reader *in, struct cq_uuid *f)
{
    if (in->failed || in->len - in->pos < sizeof f->bytes) {
        in->failed = true;
        return;
    }
    memcpy(f->bytes, in->data + in->pos, sizeof f->bytes);
    in->pos += sizeof f->bytes;
}

static void json_name(struct cq_str *out, const char *name)
{
    cq_str_printf(out, ",\"%s\":", name);
}

static void json_hex(struct cq_str *out, const uint8_t *data, size_t bytes)
{
    cq_str_add_char(out, '"');
    for (size_t i = 0; i < bytes; i++)
        cq_str_printf(out, "%02x", data[i]);
    cq_str_add_char(out, '"');
}

static void json_u64(struct cq_str *out, const uint64_t *f)
{
    cq_str_printf(out, "%" PRIu64, *f);
}

static void json_i64(struct cq_str *out, const int64_t *f)
{
    cq_str_printf(out, "%" PRId64, *f);
}

static void json_text(struct cq_str *out, char *const *f)
{
    const char *text = *f ? *f : "";
    bool is_utf8 = cq_is_utf8(text, strlen(text));
    cq_str_add_char(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            cq_str_printf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f || (*p > 0x7f && !is_utf8))
            cq_str_printf(out, "\\u%04x", *p);
        else
            cq_str_add_char(out, (char)*p);
    }
    cq_str_add_char(out, '"');
}

static void json_bytes(struct cq_str *out, const struct record_bytes *f)
{
    json_hex(out, f->data, f->len);
}

static void json_uuid(struct cq_str *out, const struct cq_uuid *f)
{
    json_hex(out, f->bytes, sizeof f->bytes);
}

/* ---- one function of each kind for each record ---- */
/* clang-format off */
#define RECORD(NAME, name, type, version, doc) static void fini_##name(struct name *r) {
#define FIELD(kind, name, doc)                 free_##kind(&r->name);
#define END(name)                              }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END

#define RECORD(NAME, name, type, version, doc) static void encode_##name(const struct name *r, struct cq_str *out) {
#define FIELD(kind, name, doc)                 put_##kind(out, &r->name);
#define END(name)                              }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END

/* Stops at the first field that is missing or malformed and names it. */
#define RECORD(NAME, name, type, version, doc) \
    static const char *decode_##name(struct flat_reader *in, bool may_end_early, struct name *r) {
#define FIELD(kind, name, doc)                   \
        if (may_end_early && flat_at_end(in))    \
            return NULL;                         \
        get_##kind(in, &r->name);                \
        if (in->failed)                          \
            return #name;
#define END(name)                                \
        return flat_at_end(in) ? NULL : "end";   \
    }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END

#define RECORD(NAME, name, type, version, doc) static void json_##name(const struct name *r, struct cq_str *out) {
#define FIELD(kind, name, doc)                 json_name(out, #name); json_##kind(out, &r->name);
#define END(name)                              }
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
/* clang-format on */

void record_free(struct record *r)
{
    if (r == NULL || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    switch (r->type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        fini_##name(&r->u.name);               \
        break;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
    free(r);
}

const char *record_type_name(enum record_type type)
{
    switch (type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        return #NAME;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
    return "?";
}

uint64_t record_type_version(enum record_type type)
{
    switch (type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        return (version);
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
    return 0;
}

void record_encode(const struct record *r, struct cq_str *out)
{
    switch (r->type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        encode_##name(&r->u.name, out);        \
        break;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
}

static const char *decode(struct record *r, struct flat_reader *in, bool may_end_early)
{
    switch (r->type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        return decode_##name(in, may_end_early, &r->u.name);
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
    return "type";
}

int record_decode(enum record_type type, uint64_t version, const void *data, size_t bytes,
                  struct record **out, struct cq_err *err)
{
    uint64_t ours = record_type_version(type);
    if (ours == 0)
        return cq_fail(err, CQ_E_PROTOCOL, "record type %u is unknown", (unsigned)type);
    if (version > ours)
        return cq_fail(err, CQ_E_VERSION,
                       "record %s has version %" PRIu64 "; this program reads up to %" PRIu64,
                       record_type_name(type), version, ours);
    struct record *r = record_new(type);
    struct flat_reader in = flat_reader_of(data, bytes);
    const char *bad = decode(r, &in, version < ours);
    if (bad) {
        record_free(r);
        return cq_fail(err, CQ_E_PROTOCOL, "record %s is damaged at field %s",
                       record_type_name(type), bad);
    }
    *out = r;
    return 0;
}

void record_format_json(const struct record *r, struct cq_str *out)
{
    cq_str_printf(out, "{\"record\":\"%s\"", record_type_name(r->type));
    switch (r->type) {
    case RECORD_NONE:
        break;
#define RECORD(NAME, name, type, version, doc) \
    case RECORD_##NAME:                        \
        json_##name(&r->u.name, out);          \
        break;
#define FIELD(kind, name, doc)
#define END(name)
#include "scheduler/core/records.def"
#undef RECORD
#undef FIELD
#undef END
    }
    cq_str_add_char(out, '}');
}
