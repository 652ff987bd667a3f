// LINK: cq_net
/* The loop: descriptors, timers, signals, closing from inside callbacks. */
#include "common/base/sys/clock.h"
#include "common/net/loop.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct loop *loop;

static void set_up(void)
{
    struct cq_err err = {0};
    loop = loop_new(&err);
    cr_assert_not_null(loop, "%s", err.text);
}

static void tear_down(void)
{
    loop_free(loop);
}

TestSuite(net_loop, .init = set_up, .fini = tear_down, .timeout = 30);

static char order[64];

static void note(void *arg)
{
    size_t len = strlen(order);
    order[len] = *(const char *)arg;
    order[len + 1] = '\0';
}

static void stop(CQ_UNUSED void *arg)
{
    loop_stop(loop);
}

Test(net_loop, timers_fire_in_order_of_time_and_then_of_setting)
{
    static char names[] = "abcz";
    int64_t now_us = loop_now(loop).mono_us;
    struct loop_timer *timers[4];
    for (size_t i = 0; i < 4; i++)
        timers[i] = loop_timer_new(loop, note, &names[i]);
    loop_timer_set(timers[2], now_us + 3000);
    loop_timer_set(timers[0], now_us + 1000);
    loop_timer_set(timers[1], now_us + 1000);
    loop_timer_set(timers[3], now_us + 500);
    loop_timer_cancel(timers[3]);
    cr_assert(!loop_timer_is_set(timers[3]));
    struct loop_timer *end = loop_timer_new(loop, stop, NULL);
    loop_timer_set(end, now_us + 3000);
    loop_run(loop);
    cr_assert_str_eq(order, "abc");
    cr_assert_geq(loop_now(loop).mono_us, now_us + 3000);
    cr_assert(!loop_timer_is_set(end));
}

static struct loop_timer *again;
static int fired;

static void fire_again(CQ_UNUSED void *arg)
{
    if (++fired == 5)
        loop_stop(loop);
    loop_timer_set(again, 0); /* long past: due in the next turn, not for ever in this one */
}

Test(net_loop, a_timer_that_is_always_due_does_not_hold_the_turn)
{
    again = loop_timer_new(loop, fire_again, NULL);
    loop_timer_set(again, 1);
    loop_turn(loop, 0);
    cr_assert_eq(fired, 1);
    loop_run(loop);
    cr_assert_eq(fired, 5);
}

Test(net_loop, a_turn_ends_at_its_time_when_nothing_happens)
{
    int64_t start_us = clock_mono_us();
    loop_turn(loop, start_us + 20000);
    cr_assert_geq(clock_mono_us(), start_us + 20000);
    loop_turn(loop, start_us); /* past: returns at once */
    loop_turn(loop, clock_mono_us() + 1000);
}

static struct loop_fd *first, *second;
static int first_calls, second_calls;

static void close_both(CQ_UNUSED void *arg, int fd, unsigned events)
{
    cr_assert_eq(events, LOOP_READ);
    uint64_t value;
    cr_assert_eq(read(fd, &value, sizeof value), (ssize_t)sizeof value);
    first_calls++;
    loop_fd_close(first);
    loop_fd_close(second);
}

static void count_second(CQ_UNUSED void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    second_calls++;
}

Test(net_loop, a_watcher_closed_by_another_in_the_same_turn_is_not_called)
{
    int a = eventfd(1, EFD_CLOEXEC), b = eventfd(1, EFD_CLOEXEC);
    first = loop_fd_new(loop, a, LOOP_READ, close_both, NULL);
    second = loop_fd_new(loop, b, LOOP_READ, count_second, NULL);
    loop_turn(loop, 0);
    loop_turn(loop, 0);
    cr_assert_eq(first_calls, 1);
    cr_assert_leq(second_calls, 1); /* it may have come first, but never after the close */
    int before = second_calls;
    loop_turn(loop, 0);
    cr_assert_eq(second_calls, before);
    close(a);
    close(b);
}

static unsigned seen;

static void on_events(CQ_UNUSED void *arg, CQ_UNUSED int fd, unsigned events)
{
    seen |= events;
}

Test(net_loop, what_a_descriptor_waits_for_can_be_changed)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    struct loop_fd *w = loop_fd_new(loop, fd, LOOP_READ, on_events, NULL);
    loop_turn(loop, 0);
    cr_assert_eq(seen, 0);
    loop_fd_set(w, LOOP_WRITE);
    loop_turn(loop, 0);
    cr_assert_eq(seen, LOOP_WRITE);
    loop_fd_set(w, 0);
    seen = 0;
    loop_turn(loop, 0);
    cr_assert_eq(seen, 0);
    loop_fd_close(w);
    loop_turn(loop, 0);
    close(fd);
}

static int event_calls;

static void on_change(void *arg, CQ_UNUSED int fd, unsigned events)
{
    event_calls++;
    seen |= events;
    loop_fd_set(*(struct loop_fd **)arg, LOOP_READ | LOOP_WRITE);
    loop_fd_set(*(struct loop_fd **)arg, LOOP_READ);
}

Test(net_loop, changes_back_and_forth_leave_one_watch_of_the_last_kind)
{
    int fd = eventfd(1, EFD_CLOEXEC);
    struct loop_fd *w = loop_fd_new(loop, fd, LOOP_WRITE, on_change, &w);
    loop_fd_set(w, LOOP_READ | LOOP_WRITE);
    loop_fd_set(w, LOOP_READ);
    loop_fd_set(w, LOOP_READ);
    for (int turn = 1; turn <= 3; turn++) {
        loop_turn(loop, 0);
        cr_assert_eq(event_calls, turn);
        cr_assert_eq(seen, LOOP_READ);
    }
    loop_fd_close(w);
    loop_turn(loop, 0);
    close(fd);
}

static int caught;

static void on_signal(CQ_UNUSED void *arg, int signal_number)
{
    caught = signal_number;
    loop_stop(loop);
}

Test(net_loop, a_signal_is_an_ordinary_callback)
{
    struct loop_signal *w = loop_signal_new(loop, SIGUSR1, on_signal, NULL);
    cr_assert_eq(raise(SIGUSR1), 0);
    loop_run(loop);
    cr_assert_eq(caught, SIGUSR1);
    loop_signal_close(w);
}

static int turns;

static void on_turn(CQ_UNUSED void *arg)
{
    if (++turns < 3)
        loop_again(loop);
    else
        loop_stop(loop);
}

Test(net_loop, the_hook_runs_once_a_turn_and_can_ask_for_another)
{
    loop_on_turn(loop, on_turn, NULL);
    loop_again(loop);
    loop_run(loop);
    cr_assert_eq(turns, 3);
}

Test(net_loop, watchers_left_open_are_freed_with_the_loop)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    (void)loop_fd_new(loop, fd, LOOP_READ, on_events, NULL);
    struct loop_timer *t = loop_timer_new(loop, note, NULL);
    loop_timer_set(t, INT64_MAX - 1);
    loop_timer_close(loop_timer_new(loop, note, NULL));
    close(fd);
}
