/* The parameters of a task: their table, and the values of one run, checked against it. */
#ifndef PARAMS_H
#define PARAMS_H

#include "common/base/pure/err.h"

#include <jansson.h>

enum param_type {
    PARAM_STRING,
    PARAM_INT,
    PARAM_NUMBER,
    PARAM_BOOL,
    PARAM_PATH,    /* one input file or directory */
    PARAM_PATHS,   /* list of input globs, expanded before they come here */
    PARAM_STRINGS, /* list of strings */
    PARAM_RANGES,  /* "1-200,300" */
    PARAM_MAP      /* name -> string, number or bool */
};

#define PARAM_TEXT_MAX    4096  /* bytes of one string */
#define PARAM_LIST_MAX    10000 /* elements of a list or map */
#define PARAM_RANGES_MAX  1000000
#define PARAM_RANGES_LAST 4294967294u

struct param_spec {
    const char *name;
    enum param_type type;
    bool required;
    const char *fallback;       /* default as JSON text; NULL: none */
    double min, max;            /* of a number; of a list its length; both 0: no bound */
    const char *const *choices; /* of a string; ends with NULL; may be NULL */
    const char *help;
    const char *from_need; /* "yosys.synth": when not given, a needed job of this task says it */
};

/* Values by name, defaults filled in. */
struct params {
    const struct param_spec *specs;
    json_t *values; /* owned */
};

/* Checks `given` (a JSON object, borrowed) against `specs`. Only the parameters named in `wanted`
 * (NULL: all) must be there when required; others of the table are checked if given and otherwise
 * left out. Errors name the parameter, what was expected and what came; an unknown name is refused
 * with the closest one. Release with params_fini. */
int params_read(const struct param_spec *specs, const char *const *wanted, json_t *given,
                struct params *out, struct cq_err *err) CQ_MUST_CHECK;
void params_fini(struct params *p);

/* Access by name; the name must be in the table (asserted). Borrowed until params_fini. */
bool params_has(const struct params *p, const char *name);
const char *params_text(const struct params *p, const char *name); /* NULL when not given */
int64_t params_int(const struct params *p, const char *name);      /* 0 when not given */
double params_number(const struct params *p, const char *name);    /* 0 when not given */
bool params_bool(const struct params *p, const char *name);        /* false when not given */
size_t params_count(const struct params *p, const char *name);     /* of a list or map */
const char *params_item(const struct params *p, const char *name, size_t index); /* of a list */

/* Entry `index` of a map, in the order of the file: its key, and its value as text in `buf`. */
const char *params_entry(const struct params *p, const char *name, size_t index, char *buf,
                         size_t size);

/* "string", "paths", ... as `describe` prints it. */
const char *param_type_name(enum param_type type);

#endif
