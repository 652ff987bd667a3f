/* cq_exp2 against libm's in extended precision, and its promises: exact at whole numbers, monotone,
 * the same bits everywhere. */
#include "common/base/pure/exp2.h"

#include "common/base/pure/compiler.h"

#include <criterion/criterion.h>
#include <math.h>

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t state = 88172645463325252ULL;

static double draw(double from, double to)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return from + (to - from) * ((double)(state >> 11) / 9007199254740992.0);
}

/* In units of the last place of the result. */
static long double error_ulp(double x)
{
    double result = cq_exp2(x);
    long double ulp = (long double)nextafter(result, INFINITY) - (long double)result;
    return fabsl((long double)result - exp2l((long double)x)) / ulp;
}

Test(exp2, is_the_nearest_double_or_almost)
{
    long double worst = 0;
    for (int i = 0; i < 1000000; i++) {
        long double e = error_ulp(draw(-64, 64));
        worst = e > worst ? e : worst;
    }
    for (int i = -64 * 128; i <= 64 * 128; i++) { /* the edges between two steps of the table */
        long double e = error_ulp(nextafter(i / 128.0, i % 2 ? 1e9 : -1e9));
        worst = e > worst ? e : worst;
    }
    cr_assert(worst > 0.4L && worst < 0.52L, "worst %Lg", worst);
}

Test(exp2, is_exact_at_whole_numbers)
{
    for (int n = -1074; n <= 1023; n++)
        cr_assert_eq(bits_of(cq_exp2(n)), bits_of(ldexp(1.0, n)), "2^%d", n);
}

Test(exp2, never_falls_when_x_grows)
{
    double before = 0.0;
    bool good = true;
    for (int64_t i = -(INT64_C(3) << 20); i <= INT64_C(3) << 20; i++) { /* [-3, 3] */
        double now = cq_exp2((double)i / (1 << 20));
        good = good && now > before;
        before = now;
    }
    cr_assert(good);
    for (int i = -64 * 128; i <= 64 * 128; i++) { /* neighbours of every edge */
        double x = i / 128.0;
        cr_assert_leq(cq_exp2(nextafter(x, -INFINITY)), cq_exp2(x), "%g", x);
        cr_assert_leq(cq_exp2(x), cq_exp2(nextafter(x, INFINITY)), "%g", x);
    }
}

Test(exp2, stays_defined_at_the_ends)
{
    cr_assert(isnan(cq_exp2(NAN)));
    cr_assert(isinf(cq_exp2(INFINITY)) && isinf(cq_exp2(1024.0)));
    cr_assert_eq(cq_exp2(-INFINITY), 0.0);
    cr_assert_eq(cq_exp2(-1e300), 0.0);
    cr_assert(isfinite(cq_exp2(nextafter(1024.0, 0))));
    cr_assert_eq(cq_exp2(0.0), 1.0);
    cr_assert_eq(cq_exp2(-0.0), 1.0);
    cr_assert_lt(fabs(cq_exp2(-1060.5) - exp2(-1060.5)), 2 * 5e-324);
}

/* A digest of many results. It was made on one machine; every other must find the same. */
Test(exp2, has_the_same_bits_everywhere)
{
    uint64_t digest = 14695981039346656037ULL;
    for (int i = 0; i < 200000; i++)
        digest = (digest ^ bits_of(cq_exp2(draw(-64, 64)))) * 1099511628211ULL;
    cr_assert_eq(digest, 0xe76c170dc636f27fULL, "0x%llx", (unsigned long long)digest);
}
