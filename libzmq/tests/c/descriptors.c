/* A process with no descriptor left: what needs one fails and says so, the rest goes on, and all goes on once there are
 * some again. */
#include "say.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { LIMIT = 128 };

static int taken[LIMIT], taken_count;

static void take_all (void)
{
    int fd;
    while ((fd = dup (1)) != -1)
        taken[taken_count++] = fd;
    NEED (errno == EMFILE);
}

static void free_all (void)
{
    while (taken_count > 0)
        close (taken[--taken_count]);
}

/* Waits for an event of one kind, and answers its value. */
static uint32_t await_event (void *monitor, int wanted)
{
    unsigned char event[6];
    char endpoint[256];
    for (;;) {
        uint16_t kind;
        uint32_t value;
        NEED (zmq_recv (monitor, event, sizeof event, 0) == sizeof event);
        NEED (zmq_recv (monitor, endpoint, sizeof endpoint, 0) >= 0);
        memcpy (&kind, event, sizeof kind);
        memcpy (&value, event + 2, sizeof value);
        if (kind == wanted)
            return value;
    }
}

static int raw_connect (int fd, const char *endpoint)
{
    struct sockaddr_in address;
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address.sin_port = htons ((uint16_t) atoi (strrchr (endpoint, ':') + 1));
    return connect (fd, (struct sockaddr *) &address, sizeof address);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    void *here = open_socket (context, ZMQ_PAIR), *there = open_socket (context, ZMQ_PAIR);
    void *late = open_socket (context, ZMQ_PUSH), *unbound = open_socket (context, ZMQ_DEALER);
    void *monitor = open_socket (context, ZMQ_PAIR);
    char endpoint[256], other[256];
    int raw = socket (AF_INET, SOCK_STREAM, 0), round;
    struct rlimit limit;
    NEED (zmq_socket_monitor (pull, "inproc://monitor", ZMQ_EVENT_ALL) == 0);
    NEED (zmq_connect (monitor, "inproc://monitor") == 0);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_bind (here, "inproc://here") == 0 && zmq_connect (there, "inproc://here") == 0);
    send_text (push, "there is a connection", 0);
    receive (pull, 0);
    NEED (getrlimit (RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    NEED (setrlimit (RLIMIT_NOFILE, &limit) == 0);

    for (round = 0; round < 2; round++) {
        void *fresh;
        printf ("round %d\n", round);
        take_all ();
        say ("needs a descriptor");
        CALL (zmq_bind (unbound, "tcp://*:*"));
        CALL (zmq_bind (unbound, "ipc://*"));
        fresh = zmq_socket (context, ZMQ_PULL);
        NEED (fresh != NULL || zmq_errno () == EMFILE);
        if (fresh != NULL)
            NEED (zmq_close (fresh) == 0);

        say ("needs none");
        send_text (there, "inproc", 0);
        CALL (ready (here, ZMQ_POLLIN, LONG) & ZMQ_POLLIN);
        receive (here, 0);
        send_text (push, "tcp", 0);
        CALL (ready (pull, ZMQ_POLLIN, LONG) & ZMQ_POLLIN);
        receive (pull, 0);
        send_text (push, "tcp again", 0);
        receive (pull, 0);

        if (round == 0) {
            say ("a peer comes");
            NEED (raw_connect (raw, endpoint) == 0);
            CALL (await_event (monitor, ZMQ_EVENT_ACCEPT_FAILED) == EMFILE);
            say ("a peer is sought");
            CALL (zmq_connect (late, endpoint));
            send_text (late, "late", 0);
            await_event (monitor, ZMQ_EVENT_ACCEPT_FAILED);
        }

        free_all ();
        say ("some are free");
        if (round == 0) {
            await_event (monitor, ZMQ_EVENT_ACCEPTED);
            receive (pull, 0);
        }
        bind_anywhere (unbound, "tcp://127.0.0.1:*", other);
        CALL (zmq_unbind (unbound, other));
        bind_anywhere (unbound, "ipc://*", other);
        CALL (zmq_unbind (unbound, other));
        MAKE (fresh = zmq_socket (context, ZMQ_PULL));
        NEED (zmq_close (fresh) == 0);
        send_text (push, "on it goes", 0);
        receive (pull, 0);
    }
    close (raw);
    zmq_close (pull);
    zmq_close (push);
    zmq_close (here);
    zmq_close (there);
    zmq_close (late);
    zmq_close (unbound);
    zmq_close (monitor);
    CALL (zmq_ctx_term (context));
    return 0;
}
