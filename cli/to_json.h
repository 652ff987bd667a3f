/* Every record and message of the wire as a JSON object, made from messages.def:
 * json_of_job_row(&row) and so on. Field names are the keys; binary fields are left out. The caller
 * owns the result. */
#ifndef TO_JSON_H
#define TO_JSON_H

#include "common/wire/message.h"

#include <jansson.h>

/* clang-format off */
#define REC(name, doc)           json_t *json_of_##name(const struct name *r);
#define MSG(NAME, name, code, doc) json_t *json_of_msg_##name(const struct msg_##name *r);
#define FIELD(kind, name, need, max, doc)
#define LIST(rec, name, max, doc)
#define END(name)
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END
/* clang-format on */

/* A JSON string; bytes that are no UTF-8 are shown escaped. NULL is "". */
json_t *json_text(const char *text);

/* Replaces a text that holds a JSON object by that object; "" becomes {}. */
void json_embed(json_t *object, const char *key);

#endif
