/* accept4 as libzmq finds it in this program: with a bound, and without running out.
 *
 * Out of descriptors, libzmq 4.3.4 tries to accept again and again at the cost of a whole core, and
 * its listener of Unix sockets ends the process (ipc_listener.cpp): who fills our descriptors over
 * TCP would end us by the next local command. It offers no option to bound them. The kernel gives
 * the lowest free number, so a connection with a high one is one too many. */
#include "common/net/doors.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RESERVE_MAX = 64 };

static atomic_int ceiling_tcp = INT_MAX, ceiling_unix = INT_MAX;
static _Atomic uint64_t turned_away;

void doors_set_limit(int limit)
{
    int reserve = limit / 8 < RESERVE_MAX ? limit / 8 : RESERVE_MAX;
    ceiling_tcp = limit - reserve;
    ceiling_unix = limit - reserve / 2;
}

uint64_t doors_turned_away(void)
{
    return turned_away;
}

static int ceiling_of(int listener)
{
    int family = AF_UNSPEC;
    socklen_t bytes = sizeof family;
    (void)getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &family, &bytes);
    return family == AF_UNIX ? ceiling_unix : ceiling_tcp;
}

/* Says ECONNABORTED, which every listener lives with: that peer has gone. The types are those of
 * glibc's declaration. */
int accept4(int listener, __SOCKADDR_ARG address, socklen_t *restrict bytes, int flags)
{
    int peer = (int)syscall(SYS_accept4, listener, address.__sockaddr__, bytes, flags);
    if (peer < 0 ? errno != EMFILE && errno != ENFILE : peer < ceiling_of(listener))
        return peer;
    if (peer >= 0)
        (void)close(peer);
    turned_away++;
    errno = ECONNABORTED;
    return -1;
}
