/* A whole program with none, one, two ... descriptors left: every call works or says EMFILE, and what failed works when
 * there are enough again. */
#include "say.h"

#include <sys/resource.h>

enum { LIMIT = 160, MOST = 24, IO_THREADS = 3 };

static int taken[LIMIT], taken_count;

/* All descriptors but a few. */
static void leave (int few)
{
    int fd;
    while ((fd = dup (1)) != -1)
        taken[taken_count++] = fd;
    NEED (errno == EMFILE && taken_count >= few);
    while (few-- > 0)
        close (taken[--taken_count]);
}

static void free_all (void)
{
    while (taken_count > 0)
        close (taken[--taken_count]);
}

/* Whether it worked; if not, for want of descriptors. */
static int works (int result)
{
    NEED (result != -1 || zmq_errno () == EMFILE);
    return result != -1;
}

static void talk (void *from, void *to)
{
    char text[16];
    zmq_pollitem_t items[2];
    memset (items, 0, sizeof items);
    items[0].socket = to;
    items[0].events = ZMQ_POLLIN;
    items[1].fd = 1;
    NEED (zmq_send (from, "a", 1, 0) == 1 && zmq_recv (to, text, sizeof text, 0) == 1);
    NEED (zmq_send (from, "bc", 2, 0) == 2 && zmq_poll (items, 1, -1) == 1);
    NEED (zmq_poll (items, 2, -1) >= 1 && zmq_recv (to, text, sizeof text, 0) == 2);
    items[0].revents = 0;
    NEED (zmq_poll (items, 1, 1) == 0);
    NEED (zmq_poll (items, 2, 1) == 0);
    NEED (zmq_send (from, "def", 3, 0) == 3);
    while (items[0].revents == 0)
        NEED (zmq_poll (items, 2, -1) >= 1);
    NEED (zmq_recv (to, text, sizeof text, 0) == 3);
}

static void attempt (int few)
{
    void *context, *pull, *push, *one, *other, *affine;
    char endpoint[256];
    size_t size = sizeof endpoint;
    int bound, connected, fd, i;
    uint64_t last = 1 << (IO_THREADS - 1);
    leave (few);
    context = zmq_ctx_new ();
    NEED (context != NULL && zmq_ctx_set (context, ZMQ_IO_THREADS, IO_THREADS) == 0);
    pull = open_socket (context, ZMQ_PULL);
    push = open_socket (context, ZMQ_PUSH);
    one = open_socket (context, ZMQ_PAIR);
    other = open_socket (context, ZMQ_PAIR);
    NEED (zmq_bind (one, "inproc://one") == 0 && zmq_connect (other, "inproc://one") == 0);
    talk (one, other);
    bound = works (zmq_bind (pull, few % 2 == 0 ? "tcp://127.0.0.1:*" : "ipc://*"));
    connected = 0;
    if (bound) {
        NEED (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
        connected = works (zmq_connect (push, endpoint));
    }
    size = sizeof fd;
    (void) works (zmq_getsockopt (pull, ZMQ_FD, &fd, &size));
    (void) works (zmq_socket_monitor (pull, "inproc://monitor", ZMQ_EVENT_ALL));
    (void) works (zmq_connect (other, "tcp://127.0.0.1:9"));
    (void) works (zmq_connect (other, "tcp://localhost:9"));
    free_all ();

    if (!bound)
        bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    if (!connected)
        NEED (zmq_connect (push, endpoint) == 0);
    talk (push, pull);
    /* Every I/O thread is there now. */
    affine = open_socket (context, ZMQ_PUSH);
    NEED (zmq_setsockopt (affine, ZMQ_AFFINITY, &last, sizeof last) == 0);
    NEED (zmq_connect (affine, endpoint) == 0);
    talk (affine, pull);
    for (i = 0; i < 2; i++)
        talk (one, other);
    zmq_close (pull);
    zmq_close (push);
    zmq_close (one);
    zmq_close (other);
    zmq_close (affine);
    NEED (zmq_ctx_term (context) == 0);
}

int main (void)
{
    struct rlimit limit;
    int few;
    NEED (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    NEED (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    for (few = 0; few < MOST; few++)
        attempt (few);
    return 0;
}
