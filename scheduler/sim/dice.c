/* SplitMix64 (Steele, Lea, Flood 2014) and Marsaglia's polar method on top of it. */
#include "scheduler/sim/dice.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void dice_init(struct dice *d, uint64_t seed)
{
    *d = (struct dice){.state = seed};
}

struct dice dice_branch(uint64_t seed, uint64_t which)
{
    return (struct dice){.state = mix(mix(seed + 1) ^ mix(which + UINT64_C(0x51a7)))};
}

uint64_t dice_u64(struct dice *d)
{
    d->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(d->state);
}

double dice_unit(struct dice *d)
{
    return (double)(dice_u64(d) >> 11) * 0x1p-53;
}

double dice_between(struct dice *d, double low, double high)
{
    return low + (high - low) * dice_unit(d);
}

uint64_t dice_whole(struct dice *d, uint64_t low, uint64_t high)
{
    return low + (uint64_t)(dice_unit(d) * (double)(high - low + 1));
}

double dice_exponential(struct dice *d, double mean)
{
    return -mean * log1p(-dice_unit(d));
}

double dice_normal(struct dice *d, double mean, double sigma)
{
    double x, y, s;
    if (d->has_spare) {
        d->has_spare = false;
        return mean + sigma * d->spare;
    }
    do {
        x = dice_between(d, -1, 1);
        y = dice_between(d, -1, 1);
        s = x * x + y * y;
    } while (s >= 1 || s == 0);
    double scale = sqrt(-2 * log(s) / s);
    d->spare = y * scale;
    d->has_spare = true;
    return mean + sigma * x * scale;
}

double dice_lognormal(struct dice *d, double median, double sigma)
{
    return median * exp(dice_normal(d, 0, sigma));
}
