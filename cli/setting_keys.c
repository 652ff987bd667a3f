/* The table of settings as people write them. */
#include "cli/setting_keys.h"

const struct setting_key setting_keys[SETTING_KEYS] = {
#define KEY(NAME, key, arg, help) {key, arg, help},
#include "cli/setting_keys.def"
#undef KEY
};

bool setting_key_is_known(const char *key)
{
    for (size_t i = 0; i < SETTING_KEYS; i++)
        if (strcmp(setting_keys[i].key, key) == 0)
            return true;
    return false;
}
