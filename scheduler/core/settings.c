/* Settings of share nodes and bundles of tokens: from what people write to numbers, and back to the
 * one text that means the same. */
#include "scheduler/core/settings.h"

#include <ctype.h>
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"

#define COUNT_MAX        UINT64_C(1000000000)
#define TOKEN_COUNT_MAX  UINT64_C(1000000)
#define WEIGHT_MIN       1e-3
#define WEIGHT_MAX       1e6
#define CORE_HOUR_US     UINT64_C(3600000000) /* core-microseconds */
#define BUDGET_HOURS_MAX UINT64_C(1000000000)
#define FRACTION_ONE     UINT64_C(10000000000) /* a core-hour, in the finest decimal part */

enum { FRACTION_DIGITS = 10, NUMBER_TEXT_BYTES = 64, WEIGHT_DECIMALS_MAX = 24 };

enum kind {
    KIND_REAL,
    KIND_COUNT,
    KIND_CORES,
    KIND_MEM,
    KIND_TIME,
    KIND_RATE,
    KIND_TOKENS,
    KIND_BUDGET
};

static const struct {
    const char *key;
    enum kind kind;
} table[SETTING_COUNT] = {
#define SETTING(NAME, key, kind, standard, what) [SETTING_##NAME] = {key, KIND_##kind},
#include "scheduler/core/settings.def"
#undef SETTING
};

static const char *const periods[] = {"day", "week", "month", "quarter", "year"};

const char *setting_key(enum setting which)
{
    return table[which].key;
}

/* The number behind a setting; NULL: it is of another type. */
static uint64_t *number_of(struct settings *s, enum setting which)
{
    switch (which) {
    case SETTING_MAX_CORES:
        return &s->max_cores;
    case SETTING_MAX_MEM:
        return &s->max_mem_mib;
    case SETTING_MAX_RUNNING:
        return &s->max_running;
    case SETTING_MAX_PENDING:
        return &s->max_pending;
    case SETTING_MAX_SUBMIT_RATE:
        return &s->max_submit_rate;
    case SETTING_MAX_WALL:
        return &s->max_wall_us;
    case SETTING_MIN_CORES:
        return &s->min_cores;
    case SETTING_MIN_MEM:
        return &s->min_mem_mib;
    case SETTING_LEND_CORES:
        return &s->lend_cores;
    case SETTING_LEND_MEM:
        return &s->lend_mem_mib;
    case SETTING_BORROW_CORES:
        return &s->borrow_cores;
    case SETTING_BORROW_MEM:
        return &s->borrow_mem_mib;
    case SETTING_BUDGET:
        return &s->budget_core_us;
    case SETTING_WEIGHT:
    case SETTING_MAX_LICENCE:
    case SETTING_COUNT:
        break;
    }
    return NULL;
}

static uint64_t standard_of(enum setting which)
{
    return which == SETTING_MIN_CORES || which == SETTING_MIN_MEM ? 0 : NO_LIMIT;
}

static void reset(struct settings *s, enum setting which)
{
    uint64_t *number = number_of(s, which);
    free(s->texts[which]);
    s->texts[which] = NULL;
    if (number)
        *number = standard_of(which);
    if (which == SETTING_WEIGHT)
        s->weight = 1;
    if (which == SETTING_MAX_LICENCE)
        s->max_licence = (struct tokens){0};
    if (which == SETTING_BUDGET)
        s->budget_period = BUDGET_MONTH;
}

void settings_init(struct settings *s)
{
    *s = (struct settings){0};
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        reset(s, i);
}

void settings_fini(struct settings *s)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        free(s->texts[i]);
    *s = (struct settings){0};
}

void settings_copy(struct settings *to, const struct settings *from)
{
    char *texts[SETTING_COUNT];
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        texts[i] = cq_strdup(from->texts[i]);
    settings_fini(to);
    *to = *from;
    memcpy(to->texts, texts, sizeof texts);
}

/* ---- numbers ---- */

/* Sizes of nothing are no sizes for the parser, but they are limits. */
/* People forget what a plain number means; "0" means the same in any unit. */
static int check_unit(const char *text, const char *units[2], struct cq_err *err)
{
    if (strcmp(text, "0") == 0 || *text == '\0' || text[strspn(text, "0123456789.")] != '\0')
        return 0;
    return cq_fail(err, CQ_E_INVALID, "'%.20s' has no unit; write %.20s%s or %.20s%s", text, text,
                   units[0], text, units[1]);
}

static int parse_mem(const char *text, uint64_t *mib, struct cq_err *err)
{
    if (check_unit(text, (const char *[]){"M", "G"}, err) != 0)
        return -1;
    if (strcmp(text, "0") != 0)
        return parse_size_mib(text, mib, err);
    *mib = 0;
    return 0;
}

static int parse_time(const char *text, uint64_t *us, struct cq_err *err)
{
    int64_t time_us;
    if (check_unit(text, (const char *[]){"s", "m"}, err) != 0
        || parse_time_us(text, &time_us, err) != 0)
        return -1;
    *us = (uint64_t)time_us;
    return 0;
}

static int bad_budget(const char *text, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID,
                   "'%.40s' is not a budget; write 5000core-hours/month (or day, week, quarter, "
                   "year), at most %" PRIu64 " core-hours",
                   text, BUDGET_HOURS_MAX);
}

/* Digits after the point as ten-thousand-millionths. NULL: more than that many. */
static const char *scan_fraction(const char *p, uint64_t *fraction)
{
    unsigned digits = 0;
    uint64_t value = 0;
    for (; isdigit((unsigned char)*p) && digits < FRACTION_DIGITS; p++, digits++)
        value = value * 10 + (uint64_t)(*p - '0');
    if (digits == 0 || isdigit((unsigned char)*p))
        return NULL;
    for (; digits < FRACTION_DIGITS; digits++)
        value *= 10;
    *fraction = value;
    return p;
}

/* To the nearest core-microsecond. */
static uint64_t fraction_core_us(uint64_t fraction)
{
    return (fraction * (CORE_HOUR_US / 100000000) + 50) / 100;
}

static int parse_budget(const char *text, uint64_t *core_us, enum budget_period *period,
                        struct cq_err *err)
{
    static const char unit[] = "core-hours/";
    uint64_t hours = 0, fraction = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p) && hours <= BUDGET_HOURS_MAX; p++)
        hours = hours * 10 + (uint64_t)(*p - '0');
    if (p == text || hours > BUDGET_HOURS_MAX)
        return bad_budget(text, err);
    if (*p == '.' && (p = scan_fraction(p + 1, &fraction)) == NULL)
        return bad_budget(text, err);
    if (!cq_str_starts(p, unit))
        return bad_budget(text, err);
    for (size_t i = 0; i < CQ_COUNT(periods); i++) {
        if (strcmp(p + sizeof unit - 1, periods[i]) != 0)
            continue;
        *core_us = hours * CORE_HOUR_US + fraction_core_us(fraction);
        *period = (enum budget_period)i;
        return 0;
    }
    return bad_budget(text, err);
}

static void format_budget(uint64_t core_us, enum budget_period period, char *buf, size_t size)
{
    uint64_t hours = core_us / CORE_HOUR_US, rest = core_us % CORE_HOUR_US;
    uint64_t exact = (rest * 100 + 18) / (CORE_HOUR_US / 100000000), step = FRACTION_ONE;
    int digits = 0;
    uint64_t shown = 0;
    for (; digits < FRACTION_DIGITS; digits++, step /= 10) {
        shown = (exact + step / 2) / step;
        if (shown * step < FRACTION_ONE && fraction_core_us(shown * step) == rest)
            break;
    }
    if (digits == FRACTION_DIGITS)
        shown = exact;
    if (digits == 0)
        (void)snprintf(buf, size, "%" PRIu64 "core-hours/%s", hours, periods[period]);
    else
        (void)snprintf(buf, size, "%" PRIu64 ".%0*" PRIu64 "core-hours/%s", hours, digits, shown,
                       periods[period]);
}

static int parse_number(enum kind kind, const char *text, uint64_t *n, struct cq_err *err)
{
    switch (kind) {
    case KIND_MEM:
        return parse_mem(text, n, err);
    case KIND_TIME:
        return parse_time(text, n, err);
    case KIND_COUNT:
    case KIND_CORES:
    case KIND_RATE:
    case KIND_REAL:
    case KIND_TOKENS:
    case KIND_BUDGET:
        break;
    }
    return parse_u64(text, 0, COUNT_MAX, n, err);
}

struct unit {
    const char *name;
    uint64_t size;
};

/* A whole number of the largest unit that divides it. */
static void format_in_units(uint64_t n, const struct unit *units, char *buf, size_t size)
{
    while (n % units->size != 0)
        units++;
    (void)snprintf(buf, size, "%" PRIu64 "%s", n / units->size, units->name);
}

static void format_number(enum kind kind, uint64_t n, char *buf, size_t size)
{
    static const struct unit mems[] = {{"T", UINT64_C(1024) * 1024}, {"G", 1024}, {"M", 1}};
    static const struct unit times[] = {{"d", UINT64_C(86400000000)},
                                        {"h", UINT64_C(3600000000)},
                                        {"m", 60000000},
                                        {"s", 1000000},
                                        {"ms", 1000},
                                        {"us", 1}};
    if (kind == KIND_MEM && n > 0)
        format_in_units(n, mems, buf, size);
    else if (kind == KIND_TIME && n > 0)
        format_in_units(n, times, buf, size);
    else
        (void)snprintf(buf, size, "%" PRIu64, n);
}

void settings_format_time(int64_t us, struct cq_str *out)
{
    char text[NUMBER_TEXT_BYTES];
    format_number(KIND_TIME, (uint64_t)us, text, sizeof text);
    cq_str_add(out, text);
}

/* ---- tokens ---- */

/* Names only what the asker may know of. */
static int no_such_feature(const struct core *c, const struct enterprise *owner, const char *name,
                           struct cq_err *err)
{
    const char **names CQ_CLEANUP(cq_free_ptr) = cq_calloc(c->features.n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < c->features.n; i++) {
        const struct feature *f = c->features.items[i];
        if (!f->is_removed && (owner == NULL || feature_is_visible(f, owner)))
            names[n++] = f->name;
    }
    const char *near = cq_closest(name, names);
    if (near)
        return cq_fail(err, CQ_E_NOT_FOUND, "no licence feature '%.63s'; did you mean %s?", name,
                       near);
    return cq_fail(err, CQ_E_NOT_FOUND,
                   "no licence feature '%.63s'; 'chipq licence list' shows those there are", name);
}

static int add_token(struct tokens *t, struct feature *f, uint64_t count, struct cq_err *err)
{
    size_t at = t->n;
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].feature == f)
            return cq_fail(err, CQ_E_INVALID, "it names '%s' twice", f->name);
    if (t->n == TOKENS_MAX)
        return cq_fail(err, CQ_E_INVALID, "it names more than %d features", TOKENS_MAX);
    for (; at > 0 && t->items[at - 1].feature->index > f->index; at--)
        t->items[at] = t->items[at - 1];
    t->items[at] = (struct token){f, count};
    t->n++;
    return 0;
}

/* "vcs:2", or "vcs" for one; a limit, where `least` is 0, says how many. Cuts `item`. */
static int parse_item(const struct core *c, const struct enterprise *owner, char *item,
                      uint64_t least, struct tokens *t, struct cq_err *err)
{
    uint64_t count = 1;
    char *colon = strchr(item, ':');
    if (colon)
        *colon = '\0';
    if (!is_name(item))
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is no name of a feature; write vcs:2,dc:1",
                       item);
    struct feature *f = feature_named(c, item);
    if (f == NULL || (owner && !feature_is_visible(f, owner)))
        return no_such_feature(c, owner, item, err);
    if (colon == NULL && least == 0)
        return cq_fail(err, CQ_E_INVALID, "how many of %s? write %s:N", item, item);
    if (colon && parse_u64(colon + 1, least, TOKEN_COUNT_MAX, &count, err) != 0)
        return cq_wrap(err, "%s", item);
    return add_token(t, f, count, err);
}

static int parse_bundle(const struct core *c, const struct enterprise *owner, const char *text,
                        uint64_t least, struct tokens *t, struct cq_err *err)
{
    struct tokens all = {0};
    for (const char *p = text; *text;) {
        size_t bytes = strcspn(p, ",");
        char *item CQ_CLEANUP(cq_free_ptr) = cq_strndup(p, bytes);
        if (parse_item(c, owner, item, least, &all, err) != 0)
            return -1;
        if (p[bytes] == '\0')
            break;
        p += bytes + 1;
    }
    *t = all;
    return 0;
}

int tokens_parse(const struct core *c, const struct enterprise *owner, const char *text,
                 struct tokens *t, struct cq_err *err)
{
    return parse_bundle(c, owner, text, 1, t, err);
}

void tokens_format(const struct tokens *t, struct cq_str *out)
{
    const struct token *sorted[TOKENS_MAX];
    for (size_t i = 0; i < t->n; i++) {
        size_t at = i;
        for (; at > 0 && strcmp(sorted[at - 1]->feature->name, t->items[i].feature->name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &t->items[i];
    }
    for (size_t i = 0; i < t->n; i++)
        cq_str_printf(out, "%s%s:%" PRIu64, i ? "," : "", sorted[i]->feature->name,
                      sorted[i]->count);
}

uint64_t tokens_of(const struct tokens *t, const struct feature *f)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].feature == f)
            return t->items[i].count;
    return 0;
}

/* ---- setting ---- */

static void set_text(struct settings *s, enum setting which, const char *text)
{
    free(s->texts[which]);
    s->texts[which] = cq_strdup(text);
}

static int set_weight(struct settings *s, const char *value, struct cq_err *err)
{
    double weight, again = 0;
    char text[NUMBER_TEXT_BYTES];
    if (parse_double(value, &weight, err) != 0)
        return -1;
    if (!(weight >= WEIGHT_MIN && weight <= WEIGHT_MAX))
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is no weight: write a number from %g to %.0f",
                       value, WEIGHT_MIN, WEIGHT_MAX);
    for (int decimals = 0; again != weight && decimals <= WEIGHT_DECIMALS_MAX; decimals++) {
        (void)snprintf(text, sizeof text, "%.*f", decimals, weight);
        if (parse_double(text, &again, err) != 0)
            return -1;
    }
    s->weight = weight;
    set_text(s, SETTING_WEIGHT, weight == 1 ? NULL : text);
    return 0;
}

static int set_budget(struct settings *s, const char *value, struct cq_err *err)
{
    char text[NUMBER_TEXT_BYTES];
    if (parse_budget(value, &s->budget_core_us, &s->budget_period, err) != 0)
        return -1;
    format_budget(s->budget_core_us, s->budget_period, text, sizeof text);
    set_text(s, SETTING_BUDGET, text);
    return 0;
}

static int set_number(struct settings *s, enum setting which, const char *value, struct cq_err *err)
{
    uint64_t n;
    char text[NUMBER_TEXT_BYTES];
    if (parse_number(table[which].kind, value, &n, err) != 0)
        return -1;
    *number_of(s, which) = n;
    format_number(table[which].kind, n, text, sizeof text);
    set_text(s, which, n == standard_of(which) ? NULL : text);
    return 0;
}

static int set_tokens(const struct core *c, const struct enterprise *owner, struct settings *s,
                      const char *value, struct cq_err *err)
{
    struct tokens t;
    struct cq_str text = {0};
    if (parse_bundle(c, owner, value, 0, &t, err) != 0)
        return -1;
    s->max_licence = t;
    tokens_format(&t, &text);
    set_text(s, SETTING_MAX_LICENCE, cq_str_text(&text));
    cq_str_fini(&text);
    return 0;
}

static int find_key(const char *key, enum setting *which, struct cq_err *err)
{
    const char *keys[SETTING_COUNT + 1] = {NULL};
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        keys[i] = table[i].key;
        *which = i;
        if (strcmp(keys[i], key) == 0)
            return 0;
    }
    const char *near = cq_closest(key, keys);
    if (near)
        return cq_fail(err, CQ_E_INVALID, "no setting '%.40s'; did you mean %s?", key, near);
    struct cq_str all = {0};
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        cq_str_printf(&all, "%s%s", i ? ", " : "", table[i].key);
    (void)cq_fail(err, CQ_E_INVALID, "no setting '%.40s'; there are %s", key, cq_str_text(&all));
    cq_str_fini(&all);
    return -1;
}

static int set_value(const struct core *c, const struct enterprise *owner, struct settings *s,
                     enum setting which, const char *value, struct cq_err *err)
{
    switch (table[which].kind) {
    case KIND_REAL:
        return set_weight(s, value, err);
    case KIND_TOKENS:
        return set_tokens(c, owner, s, value, err);
    case KIND_BUDGET:
        return set_budget(s, value, err);
    case KIND_COUNT:
    case KIND_CORES:
    case KIND_MEM:
    case KIND_TIME:
    case KIND_RATE:
        break;
    }
    return set_number(s, which, value, err);
}

int settings_set(const struct core *c, const struct enterprise *owner, struct settings *s,
                 const char *key, const char *value, struct cq_err *err)
{
    enum setting which;
    if (find_key(key, &which, err) != 0)
        return -1;
    if (*value == '\0') {
        reset(s, which);
        return 0;
    }
    if (set_value(c, owner, s, which, value, err) != 0)
        return cq_wrap(err, "%s", key);
    return 0;
}

void settings_format(const struct settings *s, struct cq_str *out)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        if (s->texts[i])
            cq_str_printf(out, "%s=%s\n", table[i].key, s->texts[i]);
}

static int set_line(const struct core *c, const struct enterprise *owner, struct settings *s,
                    const char *line, struct cq_err *err)
{
    const char *equals = strchr(line, '=');
    if (equals == NULL)
        return cq_fail(err, CQ_E_INVALID, "'%.40s' is not key=value", line);
    char *key CQ_CLEANUP(cq_free_ptr) = cq_strndup(line, (size_t)(equals - line));
    return settings_set(c, owner, s, key, equals + 1, err);
}

int settings_parse(const struct core *c, const struct enterprise *owner, const char *text,
                   struct settings *s, struct cq_err *err)
{
    struct settings all CQ_CLEANUP(settings_fini);
    settings_init(&all);
    for (const char *p = text; *p;) {
        size_t bytes = strcspn(p, "\n");
        char *line CQ_CLEANUP(cq_free_ptr) = cq_strndup(p, bytes);
        if (bytes > 0 && set_line(c, owner, &all, line, err) != 0)
            return -1;
        p += bytes + (p[bytes] == '\n');
    }
    settings_copy(s, &all);
    return 0;
}
