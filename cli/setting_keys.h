/* What can be set on an enterprise, a project or a user: the words of the command line and of the
 * configuration file. The scheduler's own list is scheduler/core/settings.def; a test compares the
 * two. */
#ifndef SETTING_KEYS_H
#define SETTING_KEYS_H

#include "common/base/pure/compiler.h"

struct setting_key {
    const char *key, *arg, *help; /* "max-cores", "N", "cores at once" */
};

enum {
#define KEY(NAME, key, arg, help) SETTING_KEY_##NAME,
#include "cli/setting_keys.def"
#undef KEY
    SETTING_KEYS
};
extern const struct setting_key setting_keys[SETTING_KEYS];

bool setting_key_is_known(const char *key);

#endif
