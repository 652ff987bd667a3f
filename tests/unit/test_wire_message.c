// LINK: cq_wire
/* The codec: every message of messages.def round trip, and everything a peer may get wrong. */
#include "common/base/pure/bitset.h"
#include "common/base/pure/mem.h"
#include "common/wire/arena.h"
#include "common/wire/message.h"
#include "common/wire/scan.h"
#include "common/wire/schema.h"

#include <criterion/criterion.h>
#include <sys/resource.h>

/* A sanitizer's shadow memory does not fit under a limit. */
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define LIMITS_MEMORY
#endif
#elif !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LIMITS_MEMORY
#endif

/* ---- messages made from the tables: `level` 0 leaves optional fields empty, 1 fills all ---- */

static const char *sample_text(struct wire_arena *a, uint64_t max, size_t salt)
{
    static const char letters[] = "aé/b z9-…x";
    size_t n = max < 24 ? (size_t)max : 1 + salt % 24;
    if (n >= sizeof letters)
        n = sizeof letters - 1;
    while (n > 0 && !cq_is_utf8(letters, n))
        n--;
    return wire_arena_text(a, letters, n);
}

static void fill(struct wire_arena *a, const struct wire_schema *s, char *base, size_t salt);

static void fill_list(struct wire_arena *a, const struct wire_field *f, char *base, size_t salt)
{
    size_t n = f->max < 3 ? (size_t)f->max : 3;
    void *items;
    if (f->kind == WIRE_LIST) {
        const struct wire_schema *s = f->record();
        items = wire_arena_alloc(a, n * s->bytes);
        for (size_t i = 0; i < n; i++)
            fill(a, s, (char *)items + i * s->bytes, salt + i);
    } else {
        items = wire_arena_alloc(a, n * 8);
        for (size_t i = 0; i < n; i++) {
            if (f->kind == WIRE_U64S)
                ((uint64_t *)items)[i] = UINT64_MAX - i;
            else
                ((const char **)items)[i] = sample_text(a, 60, salt + i);
        }
    }
    memcpy(base + f->offset, &items, sizeof items);
    memcpy(base + f->count_offset, &n, sizeof n);
}

static void fill(struct wire_arena *a, const struct wire_schema *s, char *base, size_t salt)
{
    for (size_t i = 0; i < s->n_fields; i++, salt++) {
        const struct wire_field *f = &s->fields[i];
        uint64_t u = f->max ? f->max : UINT64_MAX - salt;
        int64_t n = f->max ? -(int64_t)f->max : INT64_MIN + (int64_t)salt;
        const char *text = sample_text(a, f->max, salt);
        struct wire_bin bin = {text, strlen(text)};
        bool flag = true;
        switch (f->kind) {
        case WIRE_U64:
            memcpy(base + f->offset, &u, sizeof u);
            break;
        case WIRE_I64:
            memcpy(base + f->offset, &n, sizeof n);
            break;
        case WIRE_FLAG:
            memcpy(base + f->offset, &flag, sizeof flag);
            break;
        case WIRE_STR:
            memcpy(base + f->offset, &text, sizeof text);
            break;
        case WIRE_BIN:
            memcpy(base + f->offset, &bin, sizeof bin);
            break;
        case WIRE_STRS:
        case WIRE_U64S:
        case WIRE_LIST:
            fill_list(a, f, base, salt);
            break;
        }
    }
}

static void sample(uint64_t code, bool full, struct msg *m)
{
    *m = (struct msg){.code = (enum msg_code)code, .request = 77, .arena = wire_arena_new()};
    if (full)
        fill(m->arena, wire_message(code), (char *)&m->u, code);
}

static void encode(const struct msg *m, struct cq_str *out)
{
    struct cq_err err = {0};
    cr_assert_eq(msg_encode(m, out, &err), 0, "%s", err.text);
}

Test(wire_message, every_message_survives_a_round_trip)
{
    size_t messages = 0;
    for (uint64_t code = 0; code < WIRE_CODES; code++) {
        if (wire_message(code) == NULL)
            continue;
        messages++;
        for (int full = 0; full < 2; full++) {
            struct msg m, back;
            struct cq_str one = {0}, two = {0};
            struct cq_err err = {0};
            sample(code, full, &m);
            encode(&m, &one);
            cr_assert_eq(msg_decode(one.data, one.len, &back, &err), 0, "%s", err.text);
            cr_assert_eq(back.code, m.code);
            cr_assert_eq(back.request, 77);
            cr_assert_eq(back.version, WIRE_VERSION);
            encode(&back, &two);
            cr_assert_eq(one.len, two.len, "%s", msg_code_name(m.code));
            cr_assert_arr_eq(one.data, two.data, one.len, "%s", msg_code_name(m.code));
            msg_fini(&m);
            msg_fini(&back);
            cq_str_fini(&one);
            cq_str_fini(&two);
        }
    }
    cr_assert_gt(messages, 40);
}

Test(wire_message, fields_arrive_where_they_were_put)
{
    struct dep_spec deps[2] = {{.number = 7, .when = 1}, {.index = 2, .when = 3}};
    const char *features[] = {"gpu", "tool=verilator>=5"};
    struct job_spec job = {.name = "größe",
                           .cores = 4,
                           .priority = -3,
                           .hold = true,
                           .node_has = features,
                           .n_node_has = 2,
                           .deps = deps,
                           .n_deps = 2,
                           .run = {"\0\1\2", 3}};
    struct msg m = {.code = MSG_SUBMIT, .request = 9}, back;
    m.u.submit = (struct msg_submit){.key = {"0123456789abcdef", 16}, .jobs = &job, .n_jobs = 1};
    struct cq_str out = {0};
    struct cq_err err = {0};
    encode(&m, &out);
    cr_assert_eq(msg_decode(out.data, out.len, &back, &err), 0, "%s", err.text);
    memset(out.data, 'x', out.len); /* the message does not point into the frame */
    const struct job_spec *got = &back.u.submit.jobs[0];
    cr_assert_eq(back.u.submit.n_jobs, 1);
    cr_assert_arr_eq(back.u.submit.key.data, "0123456789abcdef", 16);
    cr_assert_str_eq(got->name, "größe");
    cr_assert_str_eq(got->tool, "");
    cr_assert_eq(got->priority, -3);
    cr_assert(got->hold);
    cr_assert_str_eq(got->node_has[1], "tool=verilator>=5");
    cr_assert_eq(got->deps[1].when, 3);
    cr_assert_eq(got->run.len, 3);
    cr_assert_arr_eq(got->run.data, "\0\1\2", 3);
    msg_fini(&back);
    cq_str_fini(&out);
}

Test(wire_message, a_frame_cut_anywhere_is_refused)
{
    for (uint64_t code = 0; code < WIRE_CODES; code++) {
        if (wire_message(code) == NULL)
            continue;
        struct msg m, back;
        struct cq_str out = {0};
        struct cq_err err = {0};
        sample(code, true, &m);
        encode(&m, &out);
        for (size_t cut = 0; cut < out.len; cut++) {
            char *exact = cq_memdup(out.data, cut); /* so that a sanitizer sees one byte too many */
            cr_assert_eq(msg_decode(exact, cut, &back, &err), -1);
            cr_assert_eq(err.code, CQ_E_PROTOCOL);
            free(exact);
        }
        cq_str_add_char(&out, 1);
        cr_assert_eq(msg_decode(out.data, out.len, &back, &err), -1, "a byte too many");
        msg_fini(&m);
        cq_str_fini(&out);
    }
}

Test(wire_message, any_changed_byte_is_survived)
{
    for (uint64_t code = 0; code < WIRE_CODES; code++) {
        if (wire_message(code) == NULL)
            continue;
        struct msg m, back;
        struct cq_str out = {0};
        sample(code, true, &m);
        encode(&m, &out);
        for (size_t at = 0; at < out.len; at++) {
            char old = out.data[at];
            for (unsigned bit = 0; bit < 8; bit++) {
                out.data[at] = (char)(old ^ (1 << bit));
                if (msg_decode(out.data, out.len, &back, NULL) == 0)
                    msg_fini(&back);
            }
            out.data[at] = old;
        }
        msg_fini(&m);
        cq_str_fini(&out);
    }
}

static void refused(const char *bytes, size_t n, enum cq_code code, const char *words)
{
    struct msg m;
    struct cq_err err = {0};
    cr_assert_eq(msg_decode(bytes, n, &m, &err), -1);
    cr_assert_eq(err.code, code, "%s", err.text);
    cr_assert(strstr(err.text, words) != NULL, "'%s' has no '%s'", err.text, words);
}

#define REFUSED(code, words, text) refused(text, sizeof(text) - 1, code, words)

Test(wire_message, wrong_frames_are_refused_with_what_and_where)
{
    REFUSED(CQ_E_PROTOCOL, "cut off", "");
    REFUSED(CQ_E_PROTOCOL, "version, code", "\x01");
    REFUSED(CQ_E_PROTOCOL, "version, code", "\x92\x01\x02");
    REFUSED(CQ_E_PROTOCOL, "version, code", "\x93\x01\xa1x\x00");
    REFUSED(CQ_E_VERSION, "upgrade this side", "\x93\x02\x02\x00");
    REFUSED(CQ_E_VERSION, "upgrade the peer", "\x93\x00\x02\x00");
    REFUSED(CQ_E_PROTOCOL, "code 99", "\x93\x01\x63\x00");
    REFUSED(CQ_E_PROTOCOL, "HEARTBEAT: heartbeat is missing", "\x93\x01\x3e\x00");
    REFUSED(CQ_E_PROTOCOL, "HEARTBEAT: heartbeat is missing", "\x94\x01\x3e\x00\xc0");
    REFUSED(CQ_E_PROTOCOL, "HEARTBEAT: heartbeat is not a u64", "\x94\x01\x3e\x00\xff");
    REFUSED(CQ_E_PROTOCOL, "node is not a str", "\x95\x01\x18\x00\x01\x00");
    REFUSED(CQ_E_PROTOCOL, "node is not UTF-8", "\x95\x01\x18\x00\xa1\xff\x00");
    REFUSED(CQ_E_PROTOCOL, "node is not UTF-8", "\x95\x01\x18\x00\xa1\x00\x00");
    REFUSED(CQ_E_PROTOCOL, "action is over its bound of 1", "\x95\x01\x18\x00\xa1n\x02");
    REFUSED(CQ_E_PROTOCOL, "JOB_ACTION: jobs[1]: number is missing",
            "\x95\x01\x0e\x00\x00\x92\x91\x07\x90");
    REFUSED(CQ_E_PROTOCOL, "jobs is not a list", "\x95\x01\x0e\x00\x00\x92\x91\x07\x07");
    REFUSED(CQ_E_PROTOCOL, "not msgpack", "\x93\x01\x02\xc1");
}

Test(wire_message, a_refused_frame_still_tells_its_request_id)
{
    static const char wrong_version[] = "\x93\x02\x02\x2a", missing[] = "\x93\x01\x3e\x2a";
    cr_assert_eq(msg_request_of(wrong_version, 4), 42);
    cr_assert_eq(msg_request_of(missing, 4), 42);
    cr_assert_eq(msg_request_of(missing, 3), 0);
    cr_assert_eq(msg_request_of("\x01", 1), 0);
    cr_assert_eq(msg_request_of("\x93\x01\x3e\xc0", 4), 0);
    cr_assert_eq(msg_request_of("", 0), 0);
}

Test(wire_message, a_frame_tells_what_it_is)
{
    static const char heartbeat[] = "\x94\x01\x3e\x2a\x05";
    cr_assert_eq(msg_code_of(heartbeat, 5), MSG_HEARTBEAT);
    cr_assert_eq(msg_code_of(heartbeat, 4), MSG_NONE);
    cr_assert_eq(msg_code_of("\x93\x01\x7f\x2a", 4), MSG_NONE);
    cr_assert_eq(msg_code_of("", 0), MSG_NONE);
}

Test(wire_message, unknown_trailing_fields_are_skipped)
{
    struct msg m;
    /* HEARTBEAT 5 without cores and topology, then a map, an ext, a float and a nested array that a
     * later version might send */
    static const char frame[] = "\x9a\x01\x3e\x00\x05\xc0\xc0\x81\xa1k\x01\xd4\x01\x02\xcb\x40\x09"
                                "\x21\xfb\x54\x44\x2d\x18\x91\x91\x01";
    cr_assert_eq(msg_decode(frame, sizeof frame - 1, &m, NULL), 0);
    cr_assert_eq(m.u.heartbeat.heartbeat, 5);
    msg_fini(&m);
}

Test(wire_message, a_claimed_giant_costs_no_memory)
{
    static const char *const frames[] = {"\xdd\x10\x00\x00\x00", "\xdf\x10\x00\x00\x00",
                                         "\xdb\x10\x00\x00\x00", "\xc6\x10\x00\x00\x00",
                                         "\xc9\x10\x00\x00\x00", "\xdd\xff\xff\xff\xff"};
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_DATA, &limit), 0);
#ifdef LIMITS_MEMORY
    limit.rlim_cur = 64 << 20; /* 2^28 objects would be 6 GiB: malloc fails, msgpack says NOMEM */
    cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
#endif
    for (size_t i = 0; i < CQ_COUNT(frames); i++)
        refused(frames[i], 5, CQ_E_PROTOCOL, "");
    REFUSED(CQ_E_PROTOCOL, "beyond the frame", "\x94\x01\x3e\x00\xdd\x10\x00\x00\x00");
}

Test(wire_message, depth_and_objects_are_bounded)
{
    char deep[64];
    struct cq_err err = {0};
    memset(deep, 0x91, sizeof deep);
    deep[16] = 1;
    cr_assert_eq(wire_scan(deep, 17, &err), 0, "%s", err.text);
    deep[16] = (char)0x91;
    deep[17] = 1;
    cr_assert_eq(wire_scan(deep, 18, &err), -1);
    cr_assert_str_eq(err.text, "nested deeper than 16");

    struct cq_str many = {0};
    cq_str_append(&many, "\xdd\x00\x04\x00\x00", 5); /* an array of 2^18: one object too many */
    for (int i = 0; i < 1 << 18; i++)
        cq_str_add_char(&many, 1);
    cr_assert_eq(wire_scan(many.data, many.len, &err), -1);
    cr_assert(strstr(err.text, "objects") != NULL);
    cq_str_fini(&many);
}

/* Every machine up to BITSET_MAX cores, however its free cores lie, can be given work. */
Test(wire_message, the_most_scattered_core_set_can_be_granted)
{
    for (size_t gap = 2; gap <= 3; gap++) {
        struct bitset cores = {0};
        struct cq_str text = {0}, frame = {0};
        struct msg m = {.code = MSG_LEASE_GRANT}, back;
        for (size_t i = 0; i < BITSET_MAX; i++)
            if (i % gap != gap - 1) /* 0,2,4... and 0-1,3-4,6-7... */
                bitset_set(&cores, i);
        bitset_format(&cores, &text);
        cr_assert_gt(text.len, 9000);
        m.u.lease_grant =
            (struct msg_lease_grant){.epoch = 1, .lease = 1, .cores = cq_str_text(&text)};
        encode(&m, &frame);
        cr_assert_eq(msg_decode(frame.data, frame.len, &back, NULL), 0);
        cr_assert_str_eq(back.u.lease_grant.cores, cq_str_text(&text));
        msg_fini(&back);
        bitset_fini(&cores);
        cq_str_fini(&text);
        cq_str_fini(&frame);
    }
}

Test(wire_message, what_the_decoder_would_refuse_is_not_encoded)
{
    struct cq_str out = {0};
    struct cq_err err = {0};
    char name[65];
    memset(name, 'n', sizeof name - 1);
    name[64] = '\0';
    struct msg m = {.code = MSG_NODE_ACTION};
    m.u.node_action.node = name;
    cq_str_add(&out, "before");
    cr_assert_eq(msg_encode(&m, &out, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    cr_assert_str_eq(err.text, "NODE_ACTION: node is over its bound of 63 bytes");
    m.u.node_action.node = "\xff";
    cr_assert_eq(msg_encode(&m, &out, &err), -1);
    cr_assert_eq(err.code, CQ_E_INVALID);
    m.u.node_action = (struct msg_node_action){.node = "n", .action = 2};
    cr_assert_eq(msg_encode(&m, &out, &err), -1);
    struct tool_row tools[32];
    char *describe = cq_malloc(65001);
    memset(describe, 'd', 65000);
    describe[65000] = '\0';
    for (size_t i = 0; i < CQ_COUNT(tools); i++)
        tools[i] = (struct tool_row){.name = "t", .describe = describe};
    m = (struct msg){.code = MSG_TOOLS, .u.tools = {.tools = tools, .n_tools = CQ_COUNT(tools)}};
    cr_assert_eq(msg_encode(&m, &out, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    cr_assert_str_eq(cq_str_text(&out), "before");
    free(describe);
    cq_str_fini(&out);
}
