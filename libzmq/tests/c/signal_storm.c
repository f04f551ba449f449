/* Signals by the thousand, handled with and without SA_RESTART, while threads send, receive, poll, connect, relay and
 * terminate: only calls that wait are ever interrupted, and nothing is lost by it. */
#include "say.h"

#include <pthread.h>
#include <signal.h>

enum { MESSAGES = 4000, REQUESTS = 1500, TURNS = 60, WORKERS = 8 };

static void *context, *relay_context;
static char stream[256], front[256], back[256];
static volatile int working;
static int signals, interruptions;

static void caught (int number)
{
    (void) number;
    (void) __sync_fetch_and_add (&signals, 1);
}

/* Calls again for as long as it is interrupted. */
#define AGAIN(result, expression)                                                    \
    while (((result) = (expression)) == -1 && zmq_errno () == EINTR)                 \
        (void) __sync_fetch_and_add (&interruptions, 1)

static void *worker (void *(*body) (void *), void *argument, pthread_t *thread)
{
    (void) __sync_fetch_and_add (&working, 1);
    NEED (pthread_create (thread, NULL, body, argument) == 0);
    return NULL;
}

static void *done (void)
{
    (void) __sync_fetch_and_sub (&working, 1);
    return NULL;
}

/* Into queues that are full most of the time, so that it waits in the middle. */
static void *send_all (void *socket)
{
    int i, result;
    for (i = 0; i < MESSAGES; i++) {
        AGAIN (result, zmq_send (socket, &i, sizeof i, ZMQ_SNDMORE));
        NEED (result == sizeof i);
        AGAIN (result, zmq_send (socket, "body", 4, 0));
        NEED (result == 4);
    }
    return done ();
}

static void *receive_all (void *socket)
{
    int i, number, result;
    char body[8];
    zmq_pollitem_t items[2];
    memset (items, 0, sizeof items);
    items[0].socket = socket;
    items[0].events = ZMQ_POLLIN;
    items[1].fd = 0;
    for (i = 0; i < MESSAGES; i++) {
        if (i % 3 == 0) {
            AGAIN (result, zmq_recv (socket, &number, sizeof number, 0));
        } else {
            do {
                AGAIN (result, zmq_poll (items, i % 3, -1));
                NEED (result >= 1);
                /* Does not wait, and so is not interrupted. */
                result = zmq_recv (socket, &number, sizeof number, ZMQ_DONTWAIT);
            } while (result == -1 && zmq_errno () == EAGAIN);
        }
        NEED (result == sizeof number && number == i);
        NEED (zmq_recv (socket, body, sizeof body, 0) == 4 && memcmp (body, "body", 4) == 0);
    }
    return done ();
}

static void *request (void *socket)
{
    int i, same, result;
    for (i = 0; i < REQUESTS; i++) {
        AGAIN (result, zmq_send (socket, &i, sizeof i, 0));
        NEED (result == sizeof i);
        AGAIN (result, zmq_recv (socket, &same, sizeof same, 0));
        NEED (result == sizeof same && same == i);
    }
    return done ();
}

static void *reply (void *socket)
{
    int i, number, result;
    for (i = 0; i < REQUESTS; i++) {
        AGAIN (result, zmq_recv (socket, &number, sizeof number, 0));
        NEED (result == sizeof number && number == i);
        AGAIN (result, zmq_send (socket, &number, sizeof number, 0));
        NEED (result == sizeof number);
    }
    return done ();
}

/* Calls that do not wait. */
static void *come_and_go (void *argument)
{
    int i, result;
    (void) argument;
    for (i = 0; i < TURNS; i++) {
        char endpoint[256];
        void *own = zmq_ctx_new (), *bound, *other;
        size_t size = sizeof endpoint;
        int value = 1;
        NEED (own != NULL);
        bound = zmq_socket (own, ZMQ_DEALER);
        other = zmq_socket (own, ZMQ_DEALER);
        NEED (bound != NULL && other != NULL);
        NEED (zmq_bind (bound, i % 2 == 0 ? "tcp://127.0.0.1:*" : "ipc://*") == 0);
        NEED (zmq_getsockopt (bound, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
        NEED (zmq_setsockopt (other, ZMQ_IMMEDIATE, &value, sizeof value) == 0);
        NEED (zmq_connect (other, endpoint) == 0);
        AGAIN (result, zmq_send (other, "hello", 5, 0));
        NEED (result == 5);
        size = sizeof value;
        NEED (zmq_getsockopt (bound, ZMQ_EVENTS, &value, &size) == 0);
        AGAIN (result, zmq_recv (bound, endpoint + 128, 8, 0));
        NEED (result == 5);
        NEED (zmq_recv (bound, endpoint + 128, 8, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
        NEED (zmq_disconnect (other, endpoint) == 0);
        NEED (zmq_unbind (bound, endpoint) == 0);
        NEED (zmq_close (bound) == 0 && zmq_close (other) == 0);
        AGAIN (result, zmq_ctx_term (own));
        NEED (result == 0);
    }
    return done ();
}

static void *relay (void *argument)
{
    int result;
    void *one = zmq_socket (relay_context, ZMQ_ROUTER), *other = zmq_socket (relay_context, ZMQ_DEALER);
    (void) argument;
    bind_anywhere (one, "tcp://127.0.0.1:*", front);
    bind_anywhere (other, "ipc://*", back);
    (void) done ();
    AGAIN (result, zmq_proxy (one, other, NULL));
    NEED (zmq_errno () == ETERM);
    zmq_close (one);
    zmq_close (other);
    return NULL;
}

static void storm (int flags)
{
    pthread_t threads[WORKERS];
    void *push, *pull, *req, *rep;
    int i, result, before = signals;
    struct sigaction action;
    interruptions = 0;
    memset (&action, 0, sizeof action);
    action.sa_handler = caught;
    action.sa_flags = flags;
    NEED (sigaction (SIGUSR1, &action, NULL) == 0);
    context = zmq_ctx_new ();
    relay_context = zmq_ctx_new ();
    push = zmq_socket (context, ZMQ_PUSH);
    pull = zmq_socket (context, ZMQ_PULL);
    req = zmq_socket (context, ZMQ_REQ);
    rep = zmq_socket (context, ZMQ_REP);
    set_int (push, ZMQ_SNDHWM, 4);
    set_int (pull, ZMQ_RCVHWM, 4);
    set_int (push, ZMQ_SNDBUF, 4096);
    bind_anywhere (pull, "tcp://127.0.0.1:*", stream);
    NEED (zmq_connect (push, stream) == 0);
    worker (relay, NULL, &threads[0]);
    while (working != 0)
        usleep (100);
    NEED (zmq_connect (req, front) == 0 && zmq_connect (rep, back) == 0);
    worker (send_all, push, &threads[1]);
    worker (receive_all, pull, &threads[2]);
    worker (request, req, &threads[3]);
    worker (reply, rep, &threads[4]);
    worker (come_and_go, NULL, &threads[5]);
    while (working != 0) {
        for (i = 0; i < 6; i++)
            (void) pthread_kill (threads[i], SIGUSR1);
        usleep (50);
    }
    for (i = 1; i < 6; i++)
        NEED (pthread_join (threads[i], NULL) == 0);
    NEED (zmq_close (push) == 0 && zmq_close (pull) == 0 && zmq_close (req) == 0 && zmq_close (rep) == 0);
    AGAIN (result, zmq_ctx_term (context));
    NEED (result == 0);
    AGAIN (result, zmq_ctx_term (relay_context));
    NEED (result == 0);
    NEED (pthread_join (threads[0], NULL) == 0);
    NEED (signals > before && interruptions > 0);
    if (getenv ("STORM_COUNTS") != NULL)
        fprintf (stderr, "%d signals, %d interruptions\n", signals - before, interruptions);
}

int main (void)
{
    storm (0);
    storm (SA_RESTART);
    return 0;
}
