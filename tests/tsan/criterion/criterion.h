/* As much of Criterion's interface as our tests use, for ThreadSanitizer: Criterion itself does not
 * start under it (its workers inherit a heap at a fixed address, where the sanitizer has its own).
 * Each test runs in a process of its own, one after the other; a race or a failed assertion fails
 * the program. Included by exactly one .c of a program, which gets its main from here. */
#ifndef CHIPQ_TSAN_CRITERION_H
#define CHIPQ_TSAN_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CR_SLOWER = 20, CR_TIMEOUT_S = 60 }; /* the sanitizer costs that much */

struct cr_options {
    bool is_set;
    void (*init)(void), (*fini)(void);
    double timeout;
    int signal, exit_code;
};

struct criterion_test_params {
    const void *items;
    size_t size, n;
};

struct cr_test {
    const char *suite, *name; /* name NULL: the options of its suite */
    struct cr_options options;
    void (*run)(void);
    void (*run_with)(const void *param);
    struct criterion_test_params (*params)(void);
    struct cr_test *next;
};

static struct cr_test *cr_tests, **cr_tests_end = &cr_tests;
static int cr_failures;

static inline void cr_register(struct cr_test *t)
{
    *cr_tests_end = t;
    cr_tests_end = &t->next;
}

#define CR_REGISTER(id, ...)                                   \
    __attribute__((constructor)) static void cr_add_##id(void) \
    {                                                          \
        static struct cr_test test = {__VA_ARGS__};            \
        cr_register(&test);                                    \
    }

#define TestSuite(suite_, ...)                                                              \
    CR_REGISTER(suite_##_suite, .suite = #suite_, .options = {.is_set = true, __VA_ARGS__}) \
    struct cr_takes_the_semicolon

#define Test(suite_, name_, ...)                                                          \
    static void suite_##_##name_##_impl(void);                                            \
    CR_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_,                       \
                .run = suite_##_##name_##_impl, .options = {.is_set = true, __VA_ARGS__}) \
    static void suite_##_##name_##_impl(void)

#define ParameterizedTestParameters(suite_, name_) \
    static struct criterion_test_params suite_##_##name_##_params(void)

#define ParameterizedTest(param_, suite_, name_, ...)                                    \
    static void suite_##_##name_##_impl(param_);                                         \
    static void suite_##_##name_##_any(const void *item)                                 \
    {                                                                                    \
        suite_##_##name_##_impl((void *)(uintptr_t)item);                                \
    }                                                                                    \
    CR_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_,                      \
                .run_with = suite_##_##name_##_any, .params = suite_##_##name_##_params, \
                .options = {.is_set = true, __VA_ARGS__})                                \
    static void suite_##_##name_##_impl(param_)

#define cr_make_param_array(type_, array_, n_, ...) \
    ((struct criterion_test_params){(array_), sizeof(type_), (n_)})

/* ---- assertions ---- */

/* What else the test says is evaluated only then, and not shown. */
static inline void cr_failed(const char *file, int line, const char *text, ...)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    cr_failures++;
}

#define CR_CHECK(holds_, is_fatal_, text_, ...)                  \
    do {                                                         \
        if (!(holds_)) {                                         \
            cr_failed(__FILE__, __LINE__, text_, ##__VA_ARGS__); \
            if (is_fatal_)                                       \
                cr_end();                                        \
        }                                                        \
    } while (0)

static inline void cr_end(void)
{
    (void)fflush(stderr);
    exit(1);
}

#define CR_STR(a, op, b) (strcmp((a), (b)) op 0)
#define CR_NEAR(a, b, e) ((a) - (b) <= (e) && (b) - (a) <= (e))

#define cr_assert(x, ...)          CR_CHECK(x, true, #x, ##__VA_ARGS__)
#define cr_assert_not(x, ...)      CR_CHECK(!(x), true, "not " #x, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...)    CR_CHECK((a) == (b), true, #a " == " #b, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...)   CR_CHECK((a) != (b), true, #a " != " #b, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...)    CR_CHECK((a) < (b), true, #a " < " #b, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...)   CR_CHECK((a) <= (b), true, #a " <= " #b, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...)    CR_CHECK((a) > (b), true, #a " > " #b, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...)   CR_CHECK((a) >= (b), true, #a " >= " #b, ##__VA_ARGS__)
#define cr_assert_null(a, ...)     CR_CHECK((a) == NULL, true, #a " is NULL", ##__VA_ARGS__)
#define cr_assert_not_null(a, ...) CR_CHECK((a) != NULL, true, #a " is not NULL", ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
    CR_CHECK(CR_STR(a, ==, b), true, #a " is the text " #b, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) \
    CR_CHECK(CR_STR(a, !=, b), true, #a " is not the text " #b, ##__VA_ARGS__)
#define cr_assert_str_empty(a, ...) CR_CHECK(*(a) == '\0', true, #a " is empty", ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) \
    CR_CHECK(memcmp(a, b, n) == 0, true, #a " is as " #b, ##__VA_ARGS__)
#define cr_assert_float_eq(a, b, e, ...) \
    CR_CHECK(CR_NEAR(a, b, e), true, #a " is near " #b, ##__VA_ARGS__)
#define cr_assert_fail(...)        CR_CHECK(false, true, "this is not reached", ##__VA_ARGS__)
#define cr_expect(x, ...)          CR_CHECK(x, false, #x, ##__VA_ARGS__)
#define cr_expect_not(x, ...)      CR_CHECK(!(x), false, "not " #x, ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...)    CR_CHECK((a) == (b), false, #a " == " #b, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...)   CR_CHECK((a) != (b), false, #a " != " #b, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...)    CR_CHECK((a) < (b), false, #a " < " #b, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...)   CR_CHECK((a) <= (b), false, #a " <= " #b, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...)    CR_CHECK((a) > (b), false, #a " > " #b, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...)   CR_CHECK((a) >= (b), false, #a " >= " #b, ##__VA_ARGS__)
#define cr_expect_null(a, ...)     CR_CHECK((a) == NULL, false, #a " is NULL", ##__VA_ARGS__)
#define cr_expect_not_null(a, ...) CR_CHECK((a) != NULL, false, #a " is not NULL", ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) \
    CR_CHECK(CR_STR(a, ==, b), false, #a " is the text " #b, ##__VA_ARGS__)
#define cr_expect_str_empty(a, ...) CR_CHECK(*(a) == '\0', false, #a " is empty", ##__VA_ARGS__)
#define cr_expect_float_eq(a, b, e, ...) \
    CR_CHECK(CR_NEAR(a, b, e), false, #a " is near " #b, ##__VA_ARGS__)
#define cr_skip_test(...) exit(0)

/* ---- running them ---- */

static inline const struct cr_options *cr_suite_options(const char *suite)
{
    static const struct cr_options none;
    for (const struct cr_test *t = cr_tests; t; t = t->next)
        if (t->name == NULL && strcmp(t->suite, suite) == 0)
            return &t->options;
    return &none;
}

static inline void cr_run_here(const struct cr_test *t, const void *param)
{
    const struct cr_options *suite = cr_suite_options(t->suite);
    void (*init)(void) = t->options.init ? t->options.init : suite->init;
    void (*fini)(void) = t->options.fini ? t->options.fini : suite->fini;
    double seconds = t->options.timeout > 0 ? t->options.timeout : suite->timeout;
    (void)alarm(seconds > 0 ? (unsigned)(seconds * CR_SLOWER) + 1 : CR_TIMEOUT_S);
    if (init)
        init();
    if (t->params)
        t->run_with(param);
    else
        t->run();
    if (fini)
        fini();
    exit(cr_failures > 0);
}

/* 0: it ended as it should. */
static inline int cr_run_one(const struct cr_test *t, const void *param)
{
    int status = 0;
    (void)fflush(stderr);
    pid_t child = fork();
    if (child == 0)
        cr_run_here(t, param);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    bool as_told = t->options.signal
                       ? WIFSIGNALED(status) && WTERMSIG(status) == t->options.signal
                       : WIFEXITED(status) && WEXITSTATUS(status) == t->options.exit_code;
    (void)fprintf(stderr, "%s %s::%s\n", as_told ? "ok    " : "FAILED", t->suite, t->name);
    return !as_told;
}

int main(void)
{
    int failed = 0, passed = 0;
    for (const struct cr_test *t = cr_tests; t; t = t->next) {
        struct criterion_test_params params = {.n = 1};
        if (t->params)
            params = t->params();
        for (size_t i = 0; t->name && i < params.n; i++) {
            int is_bad = cr_run_one(t, (const char *)params.items + i * params.size);
            failed += is_bad;
            passed += !is_bad;
        }
    }
    (void)fprintf(stderr,
                  "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n",
                  passed + failed, passed, failed);
    return failed > 0;
}

#endif
