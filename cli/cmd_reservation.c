/* chipq reservation: machines, tokens and instruments booked for a time. */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/local_time.h"
#include "cli/pages.h"
#include "cli/tokens.h"
#include "cli/units.h"

#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"

enum {
    KEY_FOR = 0x2001,
    KEY_START,
    KEY_END,
    KEY_HOURS,
    KEY_EVERY,
    KEY_NODES,
    KEY_CORES,
    KEY_MEM,
    KEY_LICENCE,
    KEY_INSTRUMENT,
    KEY_FLEX,
    KEY_ALL,
    KEY_FORCE,
};

#define US_PER_HOUR (3600 * INT64_C(1000000))
#define HOURS_MAX   8784.0

struct opts {
    struct reservation_row row; /* texts borrowed from argv, but licences */
    char *licences, *instruments;
    int64_t length_us;
    bool all, is_forced;
};

static const struct argp_option options[] = {
    {"for", KEY_FOR, "PATH", 0, "whose it is: acme, acme/uart or acme/uart/ann", 0},
    {"start", KEY_START, "TIME", 0, "local time, as in 2026-12-01T20:00", 0},
    {"end", KEY_END, "TIME", 0, "the same", 0},
    {"for-hours", KEY_HOURS, "N", 0, "instead of --end", 0},
    {"every", KEY_EVERY, "PERIOD", 0, "again each day or week", 0},
    {"nodes", KEY_NODES, "LIST", 0, "whole machines, as in farm1,farm2", 0},
    {"cores", KEY_CORES, "N", 0, "cores anywhere, instead of machines", 0},
    {"mem", KEY_MEM, "SIZE", 0, "memory that goes with the cores", 0},
    {"licence", KEY_LICENCE, "LIST", 0, "licence tokens, as in vcs:2", 0},
    {"instrument", KEY_INSTRUMENT, "LIST", 0, "instruments, as in palladium:4", 0},
    {"flex", KEY_FLEX, NULL, 0, "give back what is unused after 15 minutes", 0},
    {"force", KEY_FORCE, NULL, 0, "delete: also while jobs wait for it", 0},
    {"all", KEY_ALL, NULL, 0, "list: of every enterprise; act with the instance's admin key", 0},
    {0},
};

static int set_every(struct opts *o, const char *arg, struct cq_err *err)
{
    if (strcmp(arg, "day") == 0)
        o->row.every_days = 1;
    else if (strcmp(arg, "week") == 0)
        o->row.every_days = 7;
    else
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is neither day nor week", arg);
    return 0;
}

static int set_hours(struct opts *o, const char *arg, struct cq_err *err)
{
    double hours;
    if (parse_double(arg, &hours, err) != 0)
        return -1;
    if (!(hours > 0) || hours > HOURS_MAX)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is no number of hours above 0", arg);
    o->length_us = (int64_t)(hours * (double)US_PER_HOUR);
    return 0;
}

static int set_one(struct opts *o, int key, const char *arg, struct cq_err *err)
{
    switch (key) {
    case KEY_FOR:
        return o->row.path = arg, 0;
    case KEY_START:
        return local_time_parse(arg, &o->row.start_us, err);
    case KEY_END:
        return local_time_parse(arg, &o->row.end_us, err);
    case KEY_HOURS:
        return set_hours(o, arg, err);
    case KEY_EVERY:
        return set_every(o, arg, err);
    case KEY_NODES:
        return o->row.nodes = arg, 0;
    case KEY_CORES:
        return parse_u64(arg, 1, 1000000, &o->row.cores, err);
    case KEY_MEM:
        return units_parse_mem(arg, &o->row.mem_mib, err);
    case KEY_LICENCE:
        return tokens_add(&o->licences, o->instruments, arg, err);
    case KEY_INSTRUMENT:
        return tokens_add(&o->instruments, o->licences, arg, err);
    case KEY_FLEX:
        return o->row.flex = true, 0;
    case KEY_FORCE:
        return o->is_forced = true, 0;
    default:
        return o->all = true, 0;
    }
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    const struct argp_option *option = options;
    while (option->key != key)
        option++;
    return set_one(p, key, arg, err) == 0 ? 0 : cq_wrap(err, "--%s", option->name);
}

static void fini(void *p)
{
    struct opts *o = p;
    free(o->licences);
    free(o->instruments);
}

/* ---- create ---- */

static int check_times(struct opts *o, struct cq_err *err)
{
    if (o->row.start_us == 0)
        return cq_fail(err, CQ_E_INVALID, "say when: --start 2026-12-01T20:00");
    if ((o->row.end_us == 0) == (o->length_us == 0))
        return cq_fail(err, CQ_E_INVALID, "say how long, once: --end TIME or --for-hours N");
    if (o->row.end_us == 0)
        o->row.end_us = o->row.start_us + o->length_us;
    int64_t length_us = o->row.end_us - o->row.start_us;
    int64_t period_us = (int64_t)o->row.every_days * 24 * US_PER_HOUR;
    if (length_us <= 0)
        return cq_fail(err, CQ_E_INVALID, "it ends before it starts");
    if (o->row.every_days == 0 && o->row.end_us <= clock_now().wall_us)
        return cq_fail(err, CQ_E_INVALID, "it would be over already");
    if (o->row.every_days && length_us > period_us)
        return cq_fail(err, CQ_E_INVALID, "it lasts longer than the %s after which it comes again",
                       o->row.every_days == 1 ? "day" : "week");
    return 0;
}

static int check_create(struct opts *o, const char *name, struct cq_err *err)
{
    if (!is_name(name))
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is no name (letters, digits, '.', '_', '-')",
                       name);
    if (o->row.path == NULL)
        return cq_fail(err, CQ_E_INVALID, "say for whom: --for ENTERPRISE[/PROJECT[/USER]]");
    if (check_times(o, err) != 0)
        return -1;
    if (o->row.nodes && (o->row.cores || o->row.mem_mib))
        return cq_fail(err, CQ_E_INVALID, "--nodes books whole machines: leave out --%s",
                       o->row.cores ? "cores" : "mem");
    if (!o->row.nodes && !o->row.cores && !o->licences && !o->instruments)
        return cq_fail(err, CQ_E_INVALID,
                       "say what: --nodes LIST, --cores N, --licence LIST or --instrument LIST");
    return 0;
}

/* Sends it; with --json prints what it was done to. */
static int call_ok(struct cli *c, struct net_client *s, const struct msg *ask, const char *name,
                   struct cq_err *err)
{
    struct msg reply = {0};
    if (session_call(s, ask, MSG_OK, &reply, err) != 0)
        return -1;
    msg_fini(&reply);
    if (c->output == CLI_JSON) {
        json_t *object = json_pack("{s:s}", "name", name);
        json_print(c, object);
        json_decref(object);
    }
    return 0;
}

static int create(struct cli *c, struct opts *o, const char *name, struct cq_err *err)
{
    struct cq_str tokens = {0};
    if (check_create(o, name, err) != 0)
        return cq_wrap(err, "reservation create");
    cq_str_printf(&tokens, "%s%s%s", o->licences ? o->licences : "",
                  o->licences && o->instruments ? "," : "", o->instruments ? o->instruments : "");
    o->row.name = name;
    o->row.licences = cq_str_text(&tokens);
    struct msg ask = {.code = MSG_RESERVATION_ADD};
    ask.u.reservation_add =
        (struct msg_reservation_add){.reservation = &o->row, .n_reservation = 1};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? call_ok(c, s, &ask, name, err) : -1;
    net_client_close(s);
    cq_str_fini(&tokens);
    return rc;
}

/* ---- delete, list ---- */

/* NAME of one's own enterprise, or ENTERPRISE/NAME. */
static int delete (struct cli *c, const struct opts *o, const char *name, struct cq_err *err)
{
    char enterprise[64] = "";
    const char *slash = strchr(name, '/');
    struct msg ask = {.code = MSG_RESERVATION_REMOVE};
    if (slash)
        (void)snprintf(enterprise, sizeof enterprise, "%.*s", (int)(slash - name), name);
    ask.u.reservation_remove.name = slash ? slash + 1 : name;
    ask.u.reservation_remove.enterprise = enterprise;
    ask.u.reservation_remove.force = o->is_forced;
    if (!is_name(ask.u.reservation_remove.name) || (slash && !is_name(enterprise)))
        return cq_fail(err, CQ_E_INVALID, "'%.130s' is no name of a reservation", name);
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? 0 : -1;
    if (rc == 0 && !slash && strcmp(net_client_welcome(s)->role, "platform") == 0)
        rc = cq_fail(err, CQ_E_INVALID, "say whose it is: ENTERPRISE/%s", name);
    if (rc == 0)
        rc = call_ok(c, s, &ask, name, err);
    net_client_close(s);
    return rc;
}

static const struct column columns[] = {
    {"name", "NAME", COLUMN_TEXT, true},
    {"path", "FOR", COLUMN_TEXT, true},
    {"state", "STATE", COLUMN_STATE, true},
    {"start", "START", COLUMN_TEXT, true},
    {"end", "END", COLUMN_TEXT, true},
    {"every", "EVERY", COLUMN_TEXT, true},
    {"nodes", "NODES", COLUMN_TEXT, true},
    {"cores", "CORES", COLUMN_NUMBER, true},
    {"mem_mib", "MEM", COLUMN_SIZE_MIB, false},
    {"licences", "TOKENS", COLUMN_TEXT, true},
    {"cores_used", "USED", COLUMN_NUMBER, true},
    {"flex", "FLEX", COLUMN_TEXT, false},
    {0},
};

static void convert(json_t *row)
{
    static const char *const times[][2] = {{"start_us", "start"}, {"end_us", "end"}};
    char buf[LOCAL_TIME_BYTES];
    json_int_t every = json_integer_value(json_object_get(row, "every_days"));
    bool is_active = json_is_true(json_object_get(row, "is_active"));
    for (size_t i = 0; i < CQ_COUNT(times); i++) {
        int64_t us = json_integer_value(json_object_get(row, times[i][0]));
        json_object_set_new(row, times[i][1], json_string(local_time_format(us, buf)));
    }
    json_object_set_new(row, "every", json_string(every == 1 ? "day" : every == 7 ? "week" : ""));
    json_object_set_new(row, "state", json_string(is_active ? "active" : "coming"));
}

static int list(struct cli *c, const struct opts *o, struct cq_err *err)
{
    if (columns_check(c, columns, err) != 0)
        return -1;
    json_t *rows = pages_fetch(c, o->all ? AS_ADMIN : AS_USER, &pager_reservations, err);
    if (rows == NULL)
        return -1;
    for (size_t i = 0; i < json_array_size(rows); i++)
        convert(json_array_get(rows, i));
    int rc = columns_print(c, "reservations", rows, columns, err);
    json_decref(rows);
    return rc;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    if (strcmp(args[0], "list") == 0 && n_args == 1)
        return list(c, opts, err);
    if (strcmp(args[0], "create") == 0 && n_args == 2)
        return create(c, opts, args[1], err);
    if (strcmp(args[0], "delete") == 0 && n_args == 2)
        return delete (c, opts, args[1], err);
    return cq_fail(err, CQ_E_INVALID, "usage: chipq reservation create NAME | delete NAME | list");
}

const struct command cmd_reservation = {
    .name = "reservation",
    .args = "create|delete|list [NAME]",
    .summary = "Book machines, tokens and instruments for a time",
    .text = "What is booked is kept free for those it is for: jobs that would still run then are\n"
            "not started there. Jobs run inside with chipq submit --reserve NAME. A booking that\n"
            "does not fit beside the others is refused. Names are per enterprise; a platform\n"
            "admin deletes ENTERPRISE/NAME. One for which jobs wait is deleted with --force: they\n"
            "wait on, until there is one of that name again.",
    .examples =
        "chipq reservation create tapeout --for acme/uart --start 2026-12-01T20:00 \\\n"
        "    --for-hours 10 --nodes farm1,farm2\n"
        "chipq reservation create emu --for acme --start 2026-12-01T20:00 --end 2026-12-02T06:00 "
        "\\\n    --every week --instrument palladium:4 --licence vcs:2 --flex\n"
        "chipq reservation list\nchipq reservation delete acme/tapeout",
    .options = options,
    .flags = COMMAND_HAS_ROWS,
    .min_args = 1,
    .max_args = 2,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
    .fini = fini,
};
