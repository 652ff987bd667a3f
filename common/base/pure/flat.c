/* Flat, length-prefixed encoding (LEB128 as in the DWARF standard, section 7.6). */
#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

void flat_put_u64(struct cq_str *out, uint64_t value)
{
    uint8_t buf[10];
    size_t n = 0;
    do {
        uint8_t low = (uint8_t)(value & 0x7f);
        value >>= 7;
        buf[n++] = (uint8_t)(low | (value ? 0x80 : 0));
    } while (value);
    cq_str_append(out, buf, n);
}

void flat_put_i64(struct cq_str *out, int64_t value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    flat_put_u64(out, ((uint64_t)value << 1) ^ sign);
}

void flat_put_bytes(struct cq_str *out, const void *data, size_t bytes)
{
    flat_put_u64(out, bytes);
    cq_str_append(out, data, bytes);
}

void flat_put_text(struct cq_str *out, const char *text)
{
    flat_put_bytes(out, text, text ? strlen(text) : 0);
}

struct flat_reader flat_reader_of(const void *data, size_t bytes)
{
    return (struct flat_reader){.data = data, .len = bytes};
}

uint64_t flat_get_u64(struct flat_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->failed || r->pos >= r->len)
            break;
        uint8_t byte = r->data[r->pos++];
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->failed = true;
    return 0;
}

int64_t flat_get_i64(struct flat_reader *r)
{
    uint64_t raw = flat_get_u64(r);
    uint64_t sign = (raw & 1) ? UINT64_MAX : 0;
    return (int64_t)((raw >> 1) ^ sign);
}

const void *flat_get_bytes(struct flat_reader *r, size_t max_bytes, size_t *bytes)
{
    uint64_t len = flat_get_u64(r);
    if (r->failed || len > max_bytes || len > r->len - r->pos) {
        r->failed = true;
        *bytes = 0;
        return "";
    }
    const void *at = r->data + r->pos;
    r->pos += (size_t)len;
    *bytes = (size_t)len;
    return at;
}

char *flat_get_text(struct flat_reader *r, size_t max_bytes)
{
    size_t bytes;
    const char *at = flat_get_bytes(r, max_bytes, &bytes);
    if (bytes && memchr(at, '\0', bytes)) {
        r->failed = true;
        bytes = 0;
    }
    return cq_strndup(at, bytes);
}

size_t flat_get_count(struct flat_reader *r, size_t max_count)
{
    uint64_t count = flat_get_u64(r);
    if (r->failed || count > max_count || count > r->len - r->pos) {
        r->failed = true;
        return 0;
    }
    return (size_t)count;
}

bool flat_at_end(const struct flat_reader *r)
{
    return !r->failed && r->pos == r->len;
}
