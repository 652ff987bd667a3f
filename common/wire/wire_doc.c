/* wire-doc: prints docs/PROTOCOL.md from the tables that the codec itself walks.
 *   wire-doc            the page on standard output
 *   wire-doc --seeds D  one encoded frame a message into the directory D: the fuzzer's first corpus
 */
#include "common/base/pure/mem.h"
#include "common/wire/arena.h"
#include "common/wire/scan.h"
#include "common/wire/schema.h"

#include <inttypes.h>

static const char head[] =
    "# The wire protocol\n"
    "\n"
    "<!-- Made by wire-doc from common/wire/messages.def: change that file, then run\n"
    "     `cmake --build build/debug --target docs`. A test fails while this page is stale. -->\n"
    "\n"
    "How chipq's programs talk to `chipqd`, and how workers do. Written for people who debug a "
    "pool or\n"
    "write another client.\n"
    "\n"
    "## Transport\n"
    "\n"
    "ZeroMQ over `ipc://` or `tcp://`. `chipqd` binds two ROUTER sockets, one for clients and one "
    "for\n"
    "workers; everyone else connects a DEALER. Every connection is encrypted and authenticated "
    "with\n"
    "CURVE: the server knows peers by their public key and nothing else, peers know the server by "
    "the\n"
    "public key in their key file. Peers never set a routing id; what a peer that does says is "
    "dropped.\n"
    "\n"
    "A message is exactly one frame of at most %d bytes, one msgpack array:\n"
    "\n"
    "    [version, code, request id, field, field, ...]\n"
    "\n"
    "- **version**: of the wire, now %d. A peer that speaks an older one is understood down to %d; "
    "a newer one is\n"
    "  refused with an ERROR that says so. HELLO and WORKER_HELLO agree on the version.\n"
    "- **code**: which message. Codes are never reused.\n"
    "- **request id**: chosen by the asker, echoed in the answer. 0: no answer is wanted.\n"
    "- **fields** have a fixed order and are only ever appended. A receiver skips fields that it "
    "does not know. A field\n"
    "  that is absent or nil is zero, empty or false, unless it is required: then the message is "
    "refused.\n"
    "\n"
    "Delivery is at most once: frames vanish when a process dies or a connection is replaced. So "
    "an answer to a\n"
    "request that changes something is sent after the change is on disk; who gets no answer sends "
    "the\n"
    "same request again, and the key in SUBMIT (or the token in a worker's message) makes that "
    "harmless.\n"
    "\n"
    "Before a frame is decoded it is scanned: nested at most %d deep, at most %d values, every "
    "length inside\n"
    "the frame, nothing after its end. A malformed frame changes nothing; the answer is an ERROR "
    "that names the message\n"
    "and the field.\n"
    "\n"
    "## Kinds of field\n"
    "\n"
    "| Kind | On the wire | The bound says |\n"
    "|---|---|---|\n"
    "| u64 | integer, not negative | the largest value |\n"
    "| i64 | integer | the largest distance from 0 |\n"
    "| flag | true or false | |\n"
    "| str | str, UTF-8 without NUL | bytes |\n"
    "| bin | bin | bytes |\n"
    "| strs | array of str, each up to 65536 bytes | elements |\n"
    "| u64s | array of u64 | elements |\n"
    "| list of R | array of arrays, the fields of the record R | elements |\n"
    "\n"
    "Times are microseconds since 1970 (wall) or a duration; sizes are MiB where the name says "
    "`mib`.\n"
    "\n"
    "## Error codes\n"
    "\n"
    "| Code | Name | Exit status of the command line | Trying again helps | Meaning |\n"
    "|---|---|---|---|---|\n";

static void put_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static void put_fields(const struct wire_schema *s)
{
    if (s->n_fields == 0) {
        puts("No fields.\n");
        return;
    }
    puts("| # | Field | Kind | Required | Bound | |\n|---|---|---|---|---|---|");
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct wire_field *f = &s->fields[i];
        printf("| %zu | `%s` | %s%s | %s | ", i + 1, f->name,
               f->record ? "list of " : wire_kind_name(f->kind), f->record ? f->record()->name : "",
               f->required ? "yes" : "");
        if (f->max)
            printf("%" PRIu64, f->max);
        printf(" | ");
        put_cell(f->doc);
        puts(" |");
    }
    putchar('\n');
}

static void put_errors(void)
{
#define ERR(name, wire, exit_status, retry, text) \
    printf("| %d | %s | %d | %s | %s |\n", wire, #name, exit_status, (retry) ? "yes" : "no", text);
#include "common/base/pure/err.def"
#undef ERR
}

static void put_page(void)
{
    printf(head, WIRE_FRAME_MAX, WIRE_VERSION, WIRE_VERSION_MIN, WIRE_DEPTH_MAX, WIRE_OBJECTS_MAX);
    put_errors();
    puts("\n## Messages\n");
    for (uint64_t code = 0; code < WIRE_CODES; code++) {
        const struct wire_schema *s = wire_message(code);
        if (s == NULL)
            continue;
        printf("### %s (%" PRIu64 ")\n\n%s\n\n", wire_message_name(code), code, s->doc);
        put_fields(s);
    }
    puts("## Records\n");
    for (size_t i = 0; wire_record(i); i++) {
        printf("### %s\n\n%s\n\n", wire_record(i)->name, wire_record(i)->doc);
        put_fields(wire_record(i));
    }
    (void)fputs("## Topology, compact form\n"
                "\n"
                "The text in WORKER_HELLO and in `node_row` that describes a machine: see\n"
                "[WORKER.md](WORKER.md). It is never XML.\n",
                stdout);
}

/* ---- seeds ---- */

static void fill(struct wire_arena *a, const struct wire_schema *s, char *base);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static void fill_list(struct wire_arena *a, const struct wire_field *f, char *base)
{
    static const char *const texts[] = {"tool=yosys", ""};
    static const uint64_t numbers[] = {1, UINT64_MAX};
    size_t n = f->max < 2 ? 1 : 2;
    const void *items = f->kind == WIRE_STRS ? (const void *)texts : (const void *)numbers;
    if (f->kind == WIRE_LIST) {
        const struct wire_schema *s = f->record();
        char *records = wire_arena_alloc(a, n * s->bytes);
        fill(a, s, records); /* the second one stays empty */
        items = records;
    }
    memcpy(base + f->offset, &items, sizeof items);
    memcpy(base + f->count_offset, &n, sizeof n);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as messages.def nests records */
static void fill(struct wire_arena *a, const struct wire_schema *s, char *base)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct wire_field *f = &s->fields[i];
        const uint64_t number = f->max ? 1 : i * 1000;
        const char *text = f->max < 8 ? "t" : "text-\xc3\xa9";
        const struct wire_bin bin = {text, strlen(text)};
        const bool yes = true;
        switch (f->kind) {
        case WIRE_U64:
        case WIRE_I64:
            memcpy(base + f->offset, &number, sizeof number);
            break;
        case WIRE_FLAG:
            memcpy(base + f->offset, &yes, sizeof yes);
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
            fill_list(a, f, base);
            break;
        }
    }
}

static int write_seed(const char *dir, uint64_t code, bool full)
{
    struct msg m = {.code = (enum msg_code)code, .request = 1, .arena = wire_arena_new()};
    struct cq_str frame = {0}, path = {0};
    struct cq_err err = {0};
    if (full)
        fill(m.arena, wire_message(code), (char *)&m.u);
    cq_str_printf(&path, "%s/%s-%s", dir, wire_message_name(code), full ? "full" : "empty");
    FILE *out = fopen(cq_str_text(&path), "we");
    bool good = msg_encode(&m, &frame, &err) == 0 && out != NULL
                && fwrite(frame.data, 1, frame.len, out) == frame.len;
    if (out != NULL && fclose(out) != 0)
        good = false;
    if (!good)
        (void)fprintf(stderr, "wire-doc: cannot write %s: %s\n", cq_str_text(&path), err.text);
    msg_fini(&m);
    cq_str_fini(&frame);
    cq_str_fini(&path);
    return good ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        for (uint64_t code = 0; code < WIRE_CODES; code++)
            if (wire_message(code)
                && (write_seed(argv[2], code, false) != 0 || write_seed(argv[2], code, true) != 0))
                return 1;
        return 0;
    }
    if (argc != 1) {
        (void)fputs("usage: wire-doc > docs/PROTOCOL.md | wire-doc --seeds DIRECTORY\n", stderr);
        return 2;
    }
    put_page();
    return ferror(stdout) || fflush(stdout) != 0;
}
