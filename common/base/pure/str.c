/* Growable byte strings, UTF-8 checks, terminal-safe text and "did you mean". */
#include "common/base/pure/str.h"
#include "common/base/pure/mem.h"

#include <ctype.h>
#include <stdarg.h>

static void reserve(struct cq_str *s, size_t more)
{
    size_t want;
    if (__builtin_add_overflow(s->len, more, &want) || __builtin_add_overflow(want, 1, &want))
        abort();
    if (want <= s->cap)
        return;
    size_t cap = s->cap ? s->cap : 32;
    while (cap < want)
        cap *= 2;
    s->data = cq_realloc(s->data, cap, 1);
    s->cap = cap;
}

void cq_str_fini(struct cq_str *s)
{
    free(s->data);
    *s = (struct cq_str){0};
}

void cq_str_clear(struct cq_str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

void cq_str_append(struct cq_str *s, const void *data, size_t bytes)
{
    reserve(s, bytes);
    if (bytes)
        memcpy(s->data + s->len, data, bytes);
    s->len += bytes;
    s->data[s->len] = '\0';
}

void cq_str_add(struct cq_str *s, const char *text)
{
    cq_str_append(s, text, strlen(text));
}

void cq_str_add_char(struct cq_str *s, char c)
{
    cq_str_append(s, &c, 1);
}

void cq_str_printf(struct cq_str *s, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n > 0) {
        reserve(s, (size_t)n);
        (void)vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

void cq_str_truncate(struct cq_str *s, size_t len)
{
    if (len >= s->len)
        return;
    s->len = len;
    s->data[len] = '\0';
}

const char *cq_str_text(const struct cq_str *s)
{
    return s->data ? s->data : "";
}

char *cq_str_take(struct cq_str *s)
{
    char *data = s->data ? s->data : cq_strdup("");
    *s = (struct cq_str){0};
    return data;
}

/* Decodes one UTF-8 character (RFC 3629). Returns its length, 0 when it is not valid. */
static size_t utf8_decode(const unsigned char *p, size_t bytes, uint32_t *code)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (bytes == 0)
        return 0;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || bytes < len)
        return 0;
    uint32_t value = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        value = (value << 6) | (p[i] & 0x3f);
    }
    if (value < smallest[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return len;
}

static bool is_printable(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
    bool invisible = (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)
                     || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x00ad || c == 0x061c;
    return !control && !invisible;
}

void cq_str_add_printable(struct cq_str *s, const char *text, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        size_t len = utf8_decode(p + i, bytes - i, &code);
        if (len == 0) {
            cq_str_printf(s, "\\x%02x", p[i]);
            len = 1;
        } else if (is_printable(code)) {
            cq_str_append(s, p + i, len);
        } else if (code < 0x80) {
            cq_str_printf(s, "\\x%02x", code);
        } else {
            cq_str_printf(s, "\\u{%x}", code);
        }
        i += len;
    }
}

bool cq_copy_text(char *to, size_t size, const char *from)
{
    size_t len = strlen(from);
    if (size == 0)
        return false;
    size_t n = len < size ? len : size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
    return len < size;
}

bool cq_str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool cq_is_utf8(const char *text, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        size_t len = utf8_decode(p + i, bytes - i, &code);
        if (len == 0 || code == 0)
            return false;
        i += len;
    }
    return true;
}

enum { WORD_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Of letters the case does not count. */
static bool differs(char a, char b)
{
    return (tolower)((unsigned char)a) != (tolower)((unsigned char)b);
}

/* Levenshtein distance with two rows; words longer than WORD_MAX are "far". */
static size_t edit_distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b), row[WORD_MAX + 1];
    if (m > WORD_MAX || n > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + differs(a[i - 1], b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

const char *cq_closest(const char *word, const char *const *candidates)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2;
    for (; *candidates; candidates++) {
        size_t distance = edit_distance(word, *candidates);
        if (distance < best_distance) {
            best = *candidates;
            best_distance = distance;
        }
    }
    return best;
}
