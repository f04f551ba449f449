/* Sockets that many threads use, poll, set options of and close at the same time: errors, but no crash. */
#include "say.h"

#include <pthread.h>

enum { THREADS = 16, SOCKETS = 8, ROUNDS = 20000 };

static void *context;
static void *sockets[SOCKETS];
static const int TYPES[] = {ZMQ_PUSH, ZMQ_PULL, ZMQ_XPUB, ZMQ_SUB, ZMQ_ROUTER, ZMQ_DEALER, ZMQ_REQ, ZMQ_REP};

static void set_up (int index)
{
    char endpoint[32];
    void *socket = zmq_socket (context, TYPES[index]);
    NEED (socket != NULL);
    set_int (socket, ZMQ_LINGER, 0);
    sprintf (endpoint, "inproc://%d", index / 2);
    if (index % 2 == 0)
        (void) zmq_bind (socket, endpoint);
    else
        (void) zmq_connect (socket, endpoint);
    sockets[index] = socket;
}

static void *hammer (void *argument)
{
    unsigned state = (unsigned) (size_t) argument * 2654435761u + 1;
    int round;
    for (round = 0; round < ROUNDS; round++) {
        void *socket;
        char data[64];
        int value = 5, index;
        size_t size = sizeof value;
        zmq_pollitem_t item;
        state = state * 1664525u + 1013904223u;
        index = (int) ((state >> 8) % SOCKETS);
        socket = sockets[index];
        switch ((state >> 16) % 9) {
            case 0:
            case 1:
                (void) zmq_send (socket, data, sizeof data, ZMQ_DONTWAIT | ((state >> 24) % 4 == 0 ? ZMQ_SNDMORE : 0));
                break;
            case 2:
            case 3:
                (void) zmq_recv (socket, data, sizeof data, ZMQ_DONTWAIT);
                break;
            case 4:
                item.socket = socket;
                item.events = ZMQ_POLLIN | ZMQ_POLLOUT;
                (void) zmq_poll (&item, 1, (state >> 24) % 2);
                break;
            case 5:
                (void) zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size);
                (void) zmq_setsockopt (socket, ZMQ_SNDHWM, &value, sizeof value);
                break;
            case 6:
                (void) zmq_setsockopt (socket, ZMQ_SUBSCRIBE, data, (state >> 20) % 4);
                break;
            case 7:
                (void) zmq_getsockopt (socket, ZMQ_FD, &value, &size);
                break;
            default:
                if ((state >> 20) % 16 == 0 && zmq_close (socket) == 0)
                    set_up (index);
        }
    }
    return NULL;
}

/* Who takes one message for each time the descriptor is readable, and asks nothing else, misses none. */
static void careless (const char *wildcard)
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    char endpoint[256], byte;
    zmq_pollitem_t item;
    int i;
    size_t size = sizeof item.fd;
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    NEED (zmq_getsockopt (pull, ZMQ_FD, &item.fd, &size) == 0);
    bind_anywhere (pull, wildcard, endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    for (i = 0; i < 100; i++)
        NEED (zmq_send (push, "x", 1, 0) == 1);
    for (i = 0; i < 100;) {
        NEED (zmq_poll (&item, 1, LONG) == 1);
        i += zmq_recv (pull, &byte, 1, ZMQ_DONTWAIT) == 1;
    }
    zmq_close (pull);
    zmq_close (push);
}

int main (void)
{
    pthread_t threads[THREADS];
    int i;
    context = zmq_ctx_new ();
    careless ("inproc://careless");
    careless ("tcp://127.0.0.1:*");
    for (i = 0; i < SOCKETS; i++)
        set_up (i);
    for (i = 0; i < THREADS; i++)
        NEED (pthread_create (&threads[i], NULL, hammer, (void *) (size_t) i) == 0);
    for (i = 0; i < THREADS; i++)
        NEED (pthread_join (threads[i], NULL) == 0);
    for (i = 0; i < SOCKETS; i++)
        (void) zmq_close (sockets[i]);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
