/* The pre-scan: walks the headers of the msgpack objects of a frame (msgpack specification,
 * "Formats"). */
#include "common/wire/scan.h"

enum shape { SHAPE_BAD, SHAPE_PLAIN, SHAPE_BYTES, SHAPE_ARRAY, SHAPE_MAP };

/* How the first byte is read: bytes of a number after it, and for SHAPE_PLAIN bytes to skip. */
struct head {
    uint8_t shape;
    uint8_t length_bytes; /* big-endian length or count after the first byte */
    uint8_t extra; /* bytes to skip beside that: payload of fixed types, an ext's type byte */
};

/* 0xc0 to 0xdf; everything else is told from its bits. */
static const struct head heads[32] = {
    [0x00] = {SHAPE_PLAIN, 0, 0},  [0x01] = {SHAPE_BAD, 0, 0},   [0x02] = {SHAPE_PLAIN, 0, 0},
    [0x03] = {SHAPE_PLAIN, 0, 0},  [0x04] = {SHAPE_BYTES, 1, 0}, [0x05] = {SHAPE_BYTES, 2, 0},
    [0x06] = {SHAPE_BYTES, 4, 0},  [0x07] = {SHAPE_BYTES, 1, 1}, [0x08] = {SHAPE_BYTES, 2, 1},
    [0x09] = {SHAPE_BYTES, 4, 1},  [0x0a] = {SHAPE_PLAIN, 0, 4}, [0x0b] = {SHAPE_PLAIN, 0, 8},
    [0x0c] = {SHAPE_PLAIN, 0, 1},  [0x0d] = {SHAPE_PLAIN, 0, 2}, [0x0e] = {SHAPE_PLAIN, 0, 4},
    [0x0f] = {SHAPE_PLAIN, 0, 8},  [0x10] = {SHAPE_PLAIN, 0, 1}, [0x11] = {SHAPE_PLAIN, 0, 2},
    [0x12] = {SHAPE_PLAIN, 0, 4},  [0x13] = {SHAPE_PLAIN, 0, 8}, [0x14] = {SHAPE_PLAIN, 0, 2},
    [0x15] = {SHAPE_PLAIN, 0, 3},  [0x16] = {SHAPE_PLAIN, 0, 5}, [0x17] = {SHAPE_PLAIN, 0, 9},
    [0x18] = {SHAPE_PLAIN, 0, 17}, [0x19] = {SHAPE_BYTES, 1, 0}, [0x1a] = {SHAPE_BYTES, 2, 0},
    [0x1b] = {SHAPE_BYTES, 4, 0},  [0x1c] = {SHAPE_ARRAY, 2, 0}, [0x1d] = {SHAPE_ARRAY, 4, 0},
    [0x1e] = {SHAPE_MAP, 2, 0},    [0x1f] = {SHAPE_MAP, 4, 0},
};

/* One object's header. */
struct object {
    enum shape shape;
    uint64_t skip;  /* payload bytes */
    uint64_t count; /* objects inside */
};

/* Small maps, arrays and texts: all in the first byte, 0x80 to 0xbf. */
static struct object small_object(uint8_t first)
{
    if (first >= 0xa0)
        return (struct object){.shape = SHAPE_BYTES, .skip = first & 0x1f};
    if (first >= 0x90)
        return (struct object){.shape = SHAPE_ARRAY, .count = first & 0x0f};
    return (struct object){.shape = SHAPE_MAP, .count = (uint64_t)(first & 0x0f) * 2};
}

static bool read_head(const uint8_t *data, size_t bytes, size_t *at, struct object *o)
{
    uint8_t first = data[(*at)++];
    *o = (struct object){.shape = SHAPE_PLAIN};
    if (first < 0x80 || first >= 0xe0)
        return true;
    if (first < 0xc0) {
        *o = small_object(first);
        return true;
    }
    const struct head *h = &heads[first - 0xc0];
    if (h->shape == SHAPE_BAD || bytes - *at < h->length_bytes)
        return false;
    uint64_t length = 0;
    for (unsigned i = 0; i < h->length_bytes; i++)
        length = length << 8 | data[(*at)++];
    o->shape = h->shape;
    o->skip = h->extra + (h->shape == SHAPE_BYTES ? length : 0);
    if (h->shape >= SHAPE_ARRAY)
        o->count = h->shape == SHAPE_MAP ? length * 2 : length;
    return true;
}

int wire_scan(const void *data, size_t bytes, struct cq_err *err)
{
    uint64_t open[WIRE_DEPTH_MAX]; /* objects still to come in each enclosing array */
    size_t depth = 0, at = 0;
    uint64_t objects = 0;
    do {
        struct object o;
        if (at >= bytes || !read_head(data, bytes, &at, &o) || o.skip > bytes - at)
            return cq_fail(err, CQ_E_PROTOCOL, "frame is cut off or not msgpack at byte %zu", at);
        at += (size_t)o.skip;
        if (o.count > bytes - at)
            return cq_fail(err, CQ_E_PROTOCOL, "a count at byte %zu is beyond the frame", at);
        if (++objects > WIRE_OBJECTS_MAX)
            return cq_fail(err, CQ_E_PROTOCOL, "more than %d objects", WIRE_OBJECTS_MAX);
        if (depth > 0)
            open[depth - 1]--;
        if (o.count > 0 && depth == WIRE_DEPTH_MAX)
            return cq_fail(err, CQ_E_PROTOCOL, "nested deeper than %d", WIRE_DEPTH_MAX);
        if (o.count > 0)
            open[depth++] = o.count;
        while (depth > 0 && open[depth - 1] == 0)
            depth--;
    } while (depth > 0);
    if (at != bytes)
        return cq_fail(err, CQ_E_PROTOCOL, "%zu bytes after the message", bytes - at);
    return 0;
}
