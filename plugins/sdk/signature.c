/* Turns a failure's message into a signature. */
#include "plugins/sdk/signature.h"

#include "common/base/pure/str.h"

#include <ctype.h>

struct writer {
    char *out;
    size_t len;
};

static void put(struct writer *w, char c)
{
    if (w->len + 1 >= SIGNATURE_MAX)
        return;
    if (c == ' ' && (w->len == 0 || w->out[w->len - 1] == ' '))
        return;
    if (c == '#' && w->len > 0 && w->out[w->len - 1] == '#')
        return;
    w->out[w->len++] = c;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool is_path_char(char c)
{
    return is_word(c) || c == '.' || c == '-' || c == '+' || c == '/' || c == '~' || c == '@';
}

/* "/a/b/c.sv" or "rtl/c.sv": where the base name begins. A ratio ("3/4") or a lone slash is no
 * path. */
static const char *path_base(const char *text, size_t len)
{
    const char *base = NULL;
    bool letter = false;
    for (size_t i = 0; i < len; i++) {
        letter = letter || isalpha((unsigned char)text[i]);
        if (text[i] == '/' && i + 1 < len)
            base = text + i + 1;
    }
    return letter ? base : NULL;
}

/* How many bytes of `text` are one number: 12, -0.5e-9, 0xff, 8'hff, 12. 0: none. */
static size_t number_length(const char *text)
{
    size_t n = 0;
    if (!isdigit((unsigned char)text[0]))
        return 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        n = 2;
        while (isxdigit((unsigned char)text[n]) || text[n] == '_')
            n++;
        return n;
    }
    while (isdigit((unsigned char)text[n]) || text[n] == '_')
        n++;
    if (text[n] == '\'' && text[n + 1] && strchr("bBoOdDhHsS", text[n + 1])
        && (isxdigit((unsigned char)text[n + 2]) || (text[n + 2] && strchr("xXzZ", text[n + 2])))) {
        n += 2;
        while (is_word(text[n]))
            n++;
        return n;
    }
    if (text[n] == '.' && isdigit((unsigned char)text[n + 1]))
        for (n++; isdigit((unsigned char)text[n]);)
            n++;
    if ((text[n] == 'e' || text[n] == 'E')
        && (isdigit((unsigned char)text[n + 1])
            || ((text[n + 1] == '+' || text[n + 1] == '-') && isdigit((unsigned char)text[n + 2]))))
        for (n += 2; isdigit((unsigned char)text[n]);)
            n++;
    return n;
}

/* Bare hex words such as deadbeef00: eight or more hex digits with a digit among them. */
static bool is_hex_word(const char *text, size_t len)
{
    bool digit = false;
    for (size_t i = 0; i < len; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
        digit = digit || isdigit((unsigned char)text[i]);
    }
    return len >= 8 && digit;
}

static size_t run_length(const char *text, bool (*is_part)(char))
{
    size_t n = 0;
    while (text[n] && is_part(text[n]))
        n++;
    return n;
}

/* A time unit or percent sign glued to a number goes with it: 120ns, 99%. */
static size_t unit_length(const char *text)
{
    static const char *const units[] = {"fs", "ps", "ns", "us", "ms", "s", "%"};
    size_t n = run_length(text, is_word);
    for (size_t i = 0; i < CQ_COUNT(units); i++)
        if (strncmp(text, units[i], strlen(units[i])) == 0
            && (n == strlen(units[i]) || *text == '%'))
            return strlen(units[i]);
    return 0;
}

/* Copies one word, or its replacement; returns the bytes consumed. */
static size_t put_word(struct writer *w, const char *text)
{
    /* The digits of a dotted name stay: METAL1.2. */
    bool dotted = w->len > 1 && w->out[w->len - 1] == '.' && is_word(w->out[w->len - 2]);
    size_t number = dotted ? 0 : number_length(text);
    if (number > 0) {
        number += unit_length(text + number);
        if (!is_word(text[number])) {
            if (w->len > 0 && (w->out[w->len - 1] == '-' || w->out[w->len - 1] == '+')
                && (w->len == 1 || !is_word(w->out[w->len - 2])))
                w->len--;
            put(w, '#');
            return number;
        }
    }
    size_t len = run_length(text, is_word);
    if (is_hex_word(text, len)) {
        put(w, '#');
        return len;
    }
    for (size_t i = 0; i < len; i++)
        put(w, text[i]);
    return len;
}

static char printable(char c)
{
    if (isspace((unsigned char)c))
        return ' ';
    if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f)
        return '?';
    return c;
}

static void make_once(const char *message, char *out)
{
    struct writer w = {.out = out};
    const char *at = message;
    while (*at && w.len + 1 < SIGNATURE_MAX) {
        const char *base = NULL;
        if (at == message || !is_path_char(at[-1]))
            base = path_base(at, run_length(at, is_path_char));
        if (base) {
            at = base;
        } else if (is_word(*at)) {
            at += put_word(&w, at);
        } else {
            put(&w, printable(*at));
            at++;
        }
    }
    while (w.len > 0 && out[w.len - 1] == ' ')
        w.len--;
    out[w.len] = '\0';
}

/* What is left of a word may be a number in what came out: until nothing changes any more, for
 * digits only ever go. */
void signature_make(const char *message, char *out)
{
    char before[SIGNATURE_MAX];
    make_once(message, out);
    do {
        (void)cq_copy_text(before, sizeof before, out);
        make_once(before, out);
    } while (strcmp(before, out) != 0);
}

bool signature_has(const char *message, const char *wanted)
{
    char have[SIGNATURE_MAX], want[SIGNATURE_MAX];
    signature_make(message, have);
    signature_make(wanted, want);
    return strstr(message, wanted) || strstr(have, wanted) || (*want && strstr(have, want));
}
