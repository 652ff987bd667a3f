/* messages.def as data: what the codec walks, and what the protocol page, the fuzz seeds and the
 * tests are made from. Only common/wire, its tests and its generators include this. */
#ifndef CHIPQ_SCHEMA_H
#define CHIPQ_SCHEMA_H

#include "common/wire/message.h"

enum wire_kind {
    WIRE_U64,
    WIRE_I64,
    WIRE_FLAG,
    WIRE_STR,
    WIRE_BIN,
    WIRE_STRS,
    WIRE_U64S,
    WIRE_LIST,
};

struct wire_schema;
typedef const struct wire_schema *(*wire_schema_fn)(void);

struct wire_field {
    const char *name; /* NULL ends the list */
    enum wire_kind kind;
    bool required;
    uint64_t max;
    size_t offset, count_offset; /* in the C struct; count_offset only for the lists */
    wire_schema_fn record;       /* of a list's elements, else NULL */
    const char *doc;
};

/* A record, or a message's fields. */
struct wire_schema {
    const char *name; /* "job_spec" */
    const char *doc;
    size_t bytes; /* of the C struct */
    const struct wire_field *fields;
    size_t n_fields;
};

enum { WIRE_CODES = 128 }; /* message codes are below this */

const struct wire_schema *wire_message(uint64_t code); /* NULL for a number that is no message */
const char *wire_message_name(uint64_t code);          /* "SUBMIT"; NULL likewise */
const struct wire_schema *wire_record(size_t index);   /* the records in order; NULL at the end */
const char *wire_kind_name(enum wire_kind kind);       /* as written in messages.def */

#endif
