/* The settings of one node of the share tree: parsed from texts, and back to their canonical form.
 */
#ifndef CHIPQ_SETTINGS_H
#define CHIPQ_SETTINGS_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

struct core;
struct enterprise;
struct feature;

enum setting {
#define SETTING(NAME, key, kind, standard, what) SETTING_##NAME,
#include "scheduler/core/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum { TOKENS_MAX = 8 }; /* features in one bundle */

/* A bundle of tokens, each feature once, in order of the features' creation. */
struct tokens {
    struct token {
        struct feature *feature; /* never freed: a removed feature stays as such */
        uint64_t count;
    } items[TOKENS_MAX];
    size_t n;
};

#define NO_LIMIT UINT64_MAX

enum budget_period { BUDGET_DAY, BUDGET_WEEK, BUDGET_MONTH, BUDGET_QUARTER, BUDGET_YEAR };
#define BUDGET_PERIODS (BUDGET_YEAR + 1)

struct settings {
    double weight;
    uint64_t max_cores, max_mem_mib, max_running, max_pending, max_submit_rate; /* NO_LIMIT */
    uint64_t max_wall_us;                                                       /* NO_LIMIT */
    struct tokens max_licence;             /* features that are not named have no limit */
    uint64_t min_cores, min_mem_mib;       /* 0 = no guarantee */
    uint64_t lend_cores, lend_mem_mib;     /* NO_LIMIT = all */
    uint64_t borrow_cores, borrow_mem_mib; /* NO_LIMIT */
    uint64_t budget_core_us;               /* NO_LIMIT */
    enum budget_period budget_period;
    char *texts[SETTING_COUNT]; /* canonical, owned; NULL = the default */
};

void settings_init(struct settings *s); /* all defaults */
void settings_fini(struct settings *s);
void settings_copy(struct settings *to, const struct settings *from); /* `to` is initialised */

/* Sets one key from a text as people write it; "" = the default. `owner` is whose features may be
 * named. CQ_E_INVALID says what is wrong with key (with a near one) or value. */
int settings_set(const struct core *c, const struct enterprise *owner, struct settings *s,
                 const char *key, const char *value, struct cq_err *err) CQ_MUST_CHECK;
const char *setting_key(enum setting which);

/* A time as settings show it: "90m", "2h"; appended. */
void settings_format_time(int64_t us, struct cq_str *out);

/* The canonical text of all settings, and all settings from it. */
void settings_format(const struct settings *s, struct cq_str *out);
int settings_parse(const struct core *c, const struct enterprise *owner, const char *text,
                   struct settings *s, struct cq_err *err) CQ_MUST_CHECK;

/* "vcs:2,dc:1" of features that `owner` may use (NULL: any). CQ_E_NOT_FOUND names an unknown one
 * and a near one that `owner` may know of. */
int tokens_parse(const struct core *c, const struct enterprise *owner, const char *text,
                 struct tokens *t, struct cq_err *err) CQ_MUST_CHECK;
/* By name, so that it is the same text on every instance; appended. */
void tokens_format(const struct tokens *t, struct cq_str *out);
uint64_t tokens_of(const struct tokens *t, const struct feature *f); /* 0: not in it */

#endif
