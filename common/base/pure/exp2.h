/* 2 to the power of x with the same bits on every IEEE-754 machine. libm's exp2 differs between
 * versions and processors by a unit in the last place, enough to make two replays of one journal
 * decide differently. */
#ifndef CQ_EXP2_H
#define CQ_EXP2_H

/* 2^x, wrong by less than 0.52 units in the last place (the nearest double or, rarely, its
 * neighbour). Exact for whole x. Underflows gradually like any product, to 0 below -1075; infinity
 * from 1024 on; NaN for NaN. Touches nothing: no errno, no tables built at run time. */
double cq_exp2(double x);

#endif
