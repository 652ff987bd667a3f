// LINK: cq_core
/* Settings of share nodes: strict parsers, one canonical text, and the way back. */
#include <criterion/criterion.h>

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

static uint64_t random_bits(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void apply(struct core *c, struct record *r)
{
    struct cq_err err = {.code = CQ_OK};
    cr_assert_eq(core_apply(c, r, &err), 0, "%s", err.text);
    record_free(r);
}

static void add_enterprise(struct core *c, uint64_t id, const char *name)
{
    struct record *r = record_new(RECORD_ENTERPRISE_ADD);
    r->u.enterprise_add = (struct enterprise_add){.id = id, .name = cq_strdup(name)};
    apply(c, r);
}

static void add_feature(struct core *c, uint64_t id, const char *name, uint64_t owner)
{
    struct record *r = record_new(RECORD_FEATURE_SET);
    r->u.feature_set =
        (struct feature_set){.id = id, .name = cq_strdup(name), .owner = owner, .count = 10};
    apply(c, r);
}

/* acme and beta; vcs and dc are everyone's, beta_only is beta's. */
static struct core *set_up(void)
{
    const struct core_config config = {0};
    struct core *c = core_new(&config);
    add_enterprise(c, 1, "acme");
    add_enterprise(c, 2, "beta");
    add_feature(c, 3, "vcs", 0);
    add_feature(c, 4, "dc", 0);
    add_feature(c, 5, "beta_only", 2);
    return c;
}

static enum setting which_of(const char *key)
{
    enum setting i = 0;
    while (i < SETTING_COUNT && strcmp(setting_key(i), key) != 0)
        i++;
    cr_assert_lt(i, SETTING_COUNT, "%s", key);
    return i;
}

static const char *text_of(const struct settings *s, const char *key)
{
    const char *text = s->texts[which_of(key)];
    return text ? text : "(default)";
}

Test(settings, values_get_their_canonical_text)
{
    static const struct {
        const char *key, *value, *canonical;
    } rows[] = {
        {"weight", "2", "2"},
        {"weight", "2.50", "2.5"},
        {"weight", "1e3", "1000"},
        {"weight", "0.001", "0.001"},
        {"weight", "1.0", "(default)"},
        {"max-cores", "64", "64"},
        {"max-cores", "0", "0"},
        {"max-cores", "0064", "64"},
        {"max-mem", "65536M", "64G"},
        {"max-mem", "1.5G", "1536M"},
        {"max-mem", "2048G", "2T"},
        {"max-mem", "0", "0"},
        {"max-running", "7", "7"},
        {"max-pending", "100000", "100000"},
        {"max-submit-rate", "20", "20"},
        {"max-wall", "7200s", "2h"},
        {"max-wall", "0", "0"},
        {"max-wall", "1h30m", "90m"},
        {"max-wall", "24h", "1d"},
        {"max-wall", "1500ms", "1500ms"},
        {"max-licence", "vcs:4,dc:1", "dc:1,vcs:4"},
        {"max-licence", "vcs:1", "vcs:1"},
        {"max-licence", "vcs:0", "vcs:0"},
        {"min-cores", "8", "8"},
        {"min-cores", "0", "(default)"},
        {"lend-mem", "1T", "1T"},
        {"borrow-cores", "0", "0"},
        {"budget", "5000core-hours/month", "5000core-hours/month"},
        {"budget", "0.50core-hours/day", "0.5core-hours/day"},
        {"budget", "0012.250core-hours/quarter", "12.25core-hours/quarter"},
        {"budget", "0core-hours/year", "0core-hours/year"},
    };
    struct core *c = set_up();
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        struct settings s;
        struct cq_err err = {.code = CQ_OK};
        settings_init(&s);
        cr_assert_eq(settings_set(c, people_enterprise(c, 1), &s, rows[i].key, rows[i].value, &err),
                     0, "%s %s: %s", rows[i].key, rows[i].value, err.text);
        cr_expect_str_eq(text_of(&s, rows[i].key), rows[i].canonical, "%s %s", rows[i].key,
                         rows[i].value);
        cr_assert_eq(settings_set(c, NULL, &s, rows[i].key, "", &err), 0);
        cr_expect_str_eq(text_of(&s, rows[i].key), "(default)", "%s", rows[i].key);
        settings_fini(&s);
    }
    core_free(c);
}

Test(settings, bad_values_are_refused_and_change_nothing)
{
    static const struct {
        const char *key, *value, *says;
    } rows[] = {
        {"weight", "nan", "weight: 'nan' is not a number"},
        {"weight", "inf", "weight: 'inf' is not a number"},
        {"weight", "0", "weight: '0' is no weight: write a number from 0.001 to 1000000"},
        {"weight", "-1", "weight: '-1' is no weight"},
        {"weight", "1e-4", "weight: '1e-4' is no weight"},
        {"weight", "1000001", "weight: '1000001' is no weight"},
        {"weight", "2x", "weight: '2x' is not a number"},
        {"max-cores", "-1", "max-cores: '-1' is not a whole number"},
        {"max-mem", "1", "max-mem: '1' has no unit; write 1M or 1G"},
        {"max-wall", "90", "max-wall: '90' has no unit; write 90s or 90m"},
        {"max-licence", "vcs", "max-licence: how many of vcs? write vcs:N"},
        {"max-cores", "1.5", "max-cores: '1.5' is not a whole number"},
        {"max-cores", "1000000001", "max-cores: 1000000001 is out of range"},
        {"max-cores", "99999999999999999999999", "out of range"},
        {"max-mem", "4X", "max-mem: '4X' is not a size"},
        {"max-mem", "-1G", "max-mem: '-1G' is not a size"},
        {"max-wall", "soon", "max-wall: 'soon' is not a time"},
        {"max-licence", "vcs:x", "max-licence: vcs: 'x' is not a whole number"},
        {"max-licence", "vcs:1,vcs:2", "max-licence: it names 'vcs' twice"},
        {"max-licence", "vcs:1,", "max-licence: '' is no name of a feature"},
        {"max-licence", "vsc:1", "no licence feature 'vsc'; did you mean vcs?"},
        {"max-licence", "vcs:1000001", "out of range"},
        {"budget", "5000", "budget: '5000' is not a budget; write 5000core-hours/month"},
        {"budget", "5000core-hours/fortnight", "is not a budget"},
        {"budget", "core-hours/day", "is not a budget"},
        {"budget", "-1core-hours/day", "is not a budget"},
        {"budget", "1.core-hours/day", "is not a budget"},
        {"budget", "1000000001core-hours/day", "at most 1000000000 core-hours"},
        {"budget", "99999999999999999999core-hours/day", "is not a budget"},
        {"wieght", "2", "no setting 'wieght'; did you mean weight?"},
        {"colour", "2", "no setting 'colour'; there are weight, max-cores"},
    };
    struct core *c = set_up();
    struct settings s;
    settings_init(&s);
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        struct cq_err err = {.code = CQ_OK};
        cr_assert_neq(
            settings_set(c, people_enterprise(c, 1), &s, rows[i].key, rows[i].value, &err), 0,
            "%s %s", rows[i].key, rows[i].value);
        cr_expect(strstr(err.text, rows[i].says), "%s %s: %s", rows[i].key, rows[i].value,
                  err.text);
    }
    for (enum setting i = 0; i < SETTING_COUNT; i++)
        cr_expect_null(s.texts[i], "%s", setting_key(i));
    cr_expect_eq(s.weight, 1);
    cr_expect_eq(s.max_cores, NO_LIMIT);
    cr_expect_eq(s.budget_core_us, NO_LIMIT);
    settings_fini(&s);
    core_free(c);
}

Test(settings, numbers_are_those_of_the_text)
{
    struct core *c = set_up();
    struct settings s;
    struct cq_err err = {.code = CQ_OK};
    settings_init(&s);
    cr_assert_eq(settings_parse(c, NULL,
                                "weight=2.5\nmax-mem=64G\nmax-wall=2h\nmax-licence=vcs:4,dc:0\n"
                                "lend-cores=0\nbudget=1.5core-hours/week\n",
                                &s, &err),
                 0, "%s", err.text);
    cr_expect_eq(s.weight, 2.5);
    cr_expect_eq(s.max_mem_mib, 65536u);
    cr_expect_eq(s.max_wall_us, UINT64_C(7200000000));
    cr_expect_eq(tokens_of(&s.max_licence, feature_named(c, "vcs")), 4u);
    cr_expect_eq(s.max_licence.n, 2u);
    cr_expect_eq(s.lend_cores, 0u);
    cr_expect_eq(s.budget_core_us, UINT64_C(5400000000));
    cr_expect_eq(s.budget_period, BUDGET_WEEK);
    cr_expect_eq(s.max_cores, NO_LIMIT);
    cr_expect_neq(settings_parse(c, NULL, "weight=3\nmax-cores=many\n", &s, &err), 0);
    cr_expect_eq(s.weight, 2.5, "a text that is refused changes nothing");
    settings_fini(&s);
    core_free(c);
}

static void random_value(enum setting which, uint64_t *seed, char *buf, size_t size)
{
    static const char *const periods[] = {"day", "week", "month", "quarter", "year"};
    uint64_t n = random_bits(seed) >> (random_bits(seed) % 40 + 24);
    switch (which) {
    case SETTING_WEIGHT:
        (void)snprintf(buf, size, "%.17g",
                       1e-3 + (double)n / (double)(UINT64_C(1) << 40) * 999999.0);
        return;
    case SETTING_MAX_LICENCE:
        (void)snprintf(buf, size, n % 2 ? "dc:%" PRIu64 ",vcs:1" : "vcs:%" PRIu64, n % 1000000);
        return;
    case SETTING_BUDGET:
        (void)snprintf(buf, size, "%" PRIu64 ".%0*" PRIu64 "core-hours/%s", n % 1000000000,
                       (int)(n % 10 + 1), random_bits(seed) % 10, periods[n % 5]);
        return;
    case SETTING_MAX_MEM:
    case SETTING_MIN_MEM:
    case SETTING_LEND_MEM:
    case SETTING_BORROW_MEM:
        (void)snprintf(buf, size, "%" PRIu64 ".%u%c", n % 100000 + 1, (unsigned)(n % 10),
                       "MGT"[n % 3]);
        return;
    case SETTING_MAX_WALL:
        (void)snprintf(buf, size, "%" PRIu64 "%s", n % 3000 + 1,
                       n % 4 == 0   ? "ms"
                       : n % 4 == 1 ? "us"
                       : n % 4 == 2 ? "m"
                                    : "s");
        return;
    case SETTING_MAX_CORES:
    case SETTING_MAX_RUNNING:
    case SETTING_MAX_PENDING:
    case SETTING_MAX_SUBMIT_RATE:
    case SETTING_MIN_CORES:
    case SETTING_LEND_CORES:
    case SETTING_BORROW_CORES:
    case SETTING_COUNT:
        break;
    }
    (void)snprintf(buf, size, "%" PRIu64, n % 1000000001);
}

static void expect_same(const struct settings *a, const struct settings *b)
{
    cr_expect_eq(a->weight, b->weight, "%.17g %.17g", a->weight, b->weight);
    const uint64_t x[] = {a->max_cores,       a->max_mem_mib,  a->max_running,  a->max_pending,
                          a->max_submit_rate, a->max_wall_us,  a->min_cores,    a->min_mem_mib,
                          a->lend_cores,      a->lend_mem_mib, a->borrow_cores, a->borrow_mem_mib,
                          a->budget_core_us,  a->budget_period};
    const uint64_t y[] = {b->max_cores,       b->max_mem_mib,  b->max_running,  b->max_pending,
                          b->max_submit_rate, b->max_wall_us,  b->min_cores,    b->min_mem_mib,
                          b->lend_cores,      b->lend_mem_mib, b->borrow_cores, b->borrow_mem_mib,
                          b->budget_core_us,  b->budget_period};
    for (size_t i = 0; i < CQ_COUNT(x); i++)
        cr_expect_eq(x[i], y[i], "number %zu: %" PRIu64 " %" PRIu64, i, x[i], y[i]);
    cr_assert_eq(a->max_licence.n, b->max_licence.n);
    for (size_t i = 0; i < a->max_licence.n; i++) {
        cr_expect_eq(a->max_licence.items[i].feature, b->max_licence.items[i].feature);
        cr_expect_eq(a->max_licence.items[i].count, b->max_licence.items[i].count);
    }
}

Test(settings, random_values_survive_the_way_to_text_and_back)
{
    struct core *c = set_up();
    uint64_t seed = 7;
    for (int round = 0; round < 5000; round++) {
        struct settings a, b;
        struct cq_err err = {.code = CQ_OK};
        struct cq_str text = {0}, again = {0};
        char value[64];
        settings_init(&a);
        settings_init(&b);
        for (enum setting i = 0; i < SETTING_COUNT; i++) {
            random_value(i, &seed, value, sizeof value);
            if (random_bits(&seed) % 4 != 0)
                cr_assert_eq(settings_set(c, NULL, &a, setting_key(i), value, &err), 0,
                             "round %d: %s", round, err.text);
        }
        settings_format(&a, &text);
        cr_assert_eq(settings_parse(c, NULL, cq_str_text(&text), &b, &err), 0, "%s", err.text);
        settings_format(&b, &again);
        cr_assert_str_eq(cq_str_text(&again), cq_str_text(&text));
        expect_same(&a, &b);
        cq_str_fini(&text);
        cq_str_fini(&again);
        settings_fini(&a);
        settings_fini(&b);
    }
    core_free(c);
}

/* Every core-microsecond has a text of its own. */
Test(settings, budgets_are_exact_to_the_core_microsecond)
{
    struct core *c = set_up();
    uint64_t seed = 11;
    for (int i = 0; i < 20000; i++) {
        struct settings s, back;
        struct cq_err err = {.code = CQ_OK};
        char value[64];
        (void)snprintf(value, sizeof value, "%" PRIu64 ".%010" PRIu64 "core-hours/month",
                       random_bits(&seed) % 1000, random_bits(&seed) % UINT64_C(10000000000));
        settings_init(&s);
        settings_init(&back);
        cr_assert_eq(settings_set(c, NULL, &s, "budget", value, &err), 0, "%s", err.text);
        const char *text = s.texts[SETTING_BUDGET];
        cr_assert_eq(settings_set(c, NULL, &back, "budget", text, &err), 0, "%s", err.text);
        cr_assert_eq(back.budget_core_us, s.budget_core_us, "%s became %s", value, text);
        cr_assert_leq(strlen(text), strlen(value));
        settings_fini(&s);
        settings_fini(&back);
    }
    core_free(c);
}

Test(settings, a_bundle_names_only_what_its_owner_may_know_of)
{
    struct core *c = set_up();
    const struct enterprise *acme = people_enterprise(c, 1), *beta = people_enterprise(c, 2);
    struct tokens t = {0};
    struct cq_err err = {.code = CQ_OK};
    cr_expect_eq(tokens_parse(c, beta, "beta_only:2,vcs", &t, &err), 0, "%s", err.text);
    cr_expect_eq(t.n, 2u);
    cr_expect_str_eq(t.items[0].feature->name, "vcs", "in order of creation");
    cr_expect_eq(tokens_parse(c, NULL, "beta_only", &t, &err), 0);
    cr_expect_neq(tokens_parse(c, acme, "beta_only:1", &t, &err), 0);
    cr_expect_eq(err.code, CQ_E_NOT_FOUND);
    cr_expect(strstr(err.text, "did you mean") == NULL, "%s", err.text);
    cr_expect_eq(t.n, 1u, "a bundle that is refused changes nothing");
    cr_expect_neq(tokens_parse(c, acme, "beta_onli", &t, &err), 0);
    cr_expect(strstr(err.text, "beta_only") == NULL, "%s", err.text);
    cr_expect_neq(tokens_parse(c, acme, "vcs:0", &t, &err), 0, "nobody asks for no token");
    cr_expect_eq(tokens_parse(c, acme, "", &t, &err), 0);
    cr_expect_eq(t.n, 0u);
    core_free(c);
}

Test(settings, a_bundle_has_at_most_eight_features)
{
    struct core *c = set_up();
    struct cq_str text = {0};
    struct tokens t;
    struct cq_err err = {.code = CQ_OK};
    for (unsigned i = 0; i < TOKENS_MAX + 1; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        add_feature(c, 100 + i, name, 0);
        cq_str_printf(&text, "%s%s:2", i ? "," : "", name);
        cr_expect_eq(tokens_parse(c, NULL, cq_str_text(&text), &t, &err), i < TOKENS_MAX ? 0 : -1);
    }
    cr_expect(strstr(err.text, "more than 8"), "%s", err.text);
    cq_str_fini(&text);
    core_free(c);
}
