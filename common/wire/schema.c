/* Expands messages.def into tables: one function a record or message, because only inside a
 * function can `self` name the struct that the fields' offsets are taken from. */
#include "common/wire/schema.h"

/* clang-format off */
#define SCHEMA_KIND_u64             WIRE_U64
#define SCHEMA_KIND_i64             WIRE_I64
#define SCHEMA_KIND_flag            WIRE_FLAG
#define SCHEMA_KIND_str             WIRE_STR
#define SCHEMA_KIND_bin             WIRE_BIN
#define SCHEMA_KIND_strs            WIRE_STRS
#define SCHEMA_KIND_u64s            WIRE_U64S
#define SCHEMA_COUNT_u64(name)  0
#define SCHEMA_COUNT_i64(name)  0
#define SCHEMA_COUNT_flag(name) 0
#define SCHEMA_COUNT_str(name)  0
#define SCHEMA_COUNT_bin(name)  0
#define SCHEMA_COUNT_strs(name) offsetof(self, n_##name)
#define SCHEMA_COUNT_u64s(name) offsetof(self, n_##name)
#define SCHEMA_NEED_REQUIRED    true
#define SCHEMA_NEED_OPTIONAL    false
#define SCHEMA_OPEN(function, type, label, about)                 \
    static const struct wire_schema *function(void)               \
    {                                                             \
        typedef struct type self;                                 \
        static const char name_text[] = label, doc_text[] = about; \
        static const struct wire_field fields[] = {
#define REC(name, doc)             SCHEMA_OPEN(schema_##name, name, #name, doc)
#define MSG(NAME, name, code, doc) SCHEMA_OPEN(schema_msg_##name, msg_##name, #name, doc)
#define FIELD(kind, name, need, max, doc)                                                    \
            {#name, SCHEMA_KIND_##kind, SCHEMA_NEED_##need, (max), offsetof(self, name),       \
             SCHEMA_COUNT_##kind(name), NULL, doc},
#define LIST(rec, name, max, doc)                                                            \
            {#name, WIRE_LIST, false, (max), offsetof(self, name), offsetof(self, n_##name), \
             schema_##rec, doc},
#define END(name)                                                                            \
            {NULL, WIRE_U64, false, 0, 0, 0, NULL, NULL}};                                                                 \
        static const struct wire_schema schema = {name_text, doc_text, sizeof(self), fields, \
                                                  CQ_COUNT(fields) - 1};                     \
        return &schema;                                                                      \
    }
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END

static const wire_schema_fn record_schemas[] = {
#define REC(name, doc) schema_##name,
#define MSG(NAME, name, code, doc)
#define FIELD(kind, name, need, max, doc)
#define LIST(rec, name, max, doc)
#define END(name)
#include "common/wire/messages.def"
#undef REC
#undef MSG
};

static const struct message_row {
    const char *name;
    wire_schema_fn schema;
} message_rows[WIRE_CODES] = {
#define REC(name, doc)
#define MSG(NAME, name, code, doc) [code] = {#NAME, schema_msg_##name},
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END
};
/* clang-format on */

const struct wire_schema *wire_message(uint64_t code)
{
    bool known = code < WIRE_CODES && message_rows[code].schema != NULL;
    return known ? message_rows[code].schema() : NULL;
}

const char *wire_message_name(uint64_t code)
{
    return code < WIRE_CODES ? message_rows[code].name : NULL;
}

const struct wire_schema *wire_record(size_t index)
{
    return index < CQ_COUNT(record_schemas) ? record_schemas[index]() : NULL;
}

const char *wire_kind_name(enum wire_kind kind)
{
    static const char *const names[] = {"u64", "i64", "flag", "str", "bin", "strs", "u64s", "list"};
    return names[kind];
}
