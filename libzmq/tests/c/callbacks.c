/* Functions of the program's that take back its buffers ask the socket that gave them up. */
#include "say.h"

static void *asked;
static int calls;
static char body[1000];

static void take_back (void *data, void *hint)
{
    int events;
    size_t size = sizeof events;
    (void) data;
    (void) hint;
    (void) __sync_fetch_and_add (&calls, 1);
    if (asked)
        (void) zmq_getsockopt (asked, ZMQ_EVENTS, &events, &size);
}

static void send_lent (void *socket, int flags)
{
    zmq_msg_t message;
    NEED (zmq_msg_init_data (&message, body, sizeof body, take_back, NULL) == 0);
    if (zmq_msg_send (&message, socket, flags) < 0)
        NEED (zmq_msg_close (&message) == 0);
}

static void send_lent_nothing (void *socket)
{
    zmq_msg_t message;
    NEED (zmq_msg_init_data (&message, NULL, 0, take_back, NULL) == 0);
    NEED (zmq_msg_send (&message, socket, 0) == 0);
}

static void *last;

static void close_the_last (void *data, void *hint)
{
    (void) data;
    (void) hint;
    (void) __sync_fetch_and_add (&calls, 1);
    NEED (zmq_close (last) == 0);
}

/* The buffer is given back by the end of the context, which waits for the socket that is closed then. */
static void ends_the_context (void)
{
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_PUSH);
    zmq_msg_t message;
    last = zmq_socket (context, ZMQ_PULL);
    calls = 0;
    NEED (zmq_connect (socket, "inproc://nobody-ever") == 0);
    NEED (zmq_msg_init_data (&message, body, sizeof body, close_the_last, NULL) == 0);
    NEED (zmq_msg_send (&message, socket, 0) == sizeof body);
    NEED (zmq_close (socket) == 0);
    NEED (zmq_ctx_term (context) == 0);
    printf ("ends the context: given back %d\n", calls);
    fflush (stdout);
}

static void joined (void *context, int bound, int connected, void **one, void **other)
{
    int none = 0;
    *one = zmq_socket (context, bound);
    *other = zmq_socket (context, connected);
    NEED (zmq_setsockopt (*one, ZMQ_LINGER, &none, sizeof none) == 0);
    NEED (zmq_setsockopt (*other, ZMQ_LINGER, &none, sizeof none) == 0);
    if (bound == ZMQ_SUB)
        NEED (zmq_setsockopt (*one, ZMQ_SUBSCRIBE, "", 0) == 0);
    if (connected == ZMQ_SUB)
        NEED (zmq_setsockopt (*other, ZMQ_SUBSCRIBE, "", 0) == 0);
}

static void meet (void *one, void *other)
{
    NEED (zmq_bind (one, "inproc://callbacks") == 0);
    NEED (zmq_connect (other, "inproc://callbacks") == 0);
}

static void receive_one (void *socket)
{
    char byte;
    NEED (zmq_recv (socket, &byte, 1, 0) >= 0);
}

int main (void)
{
    static const char *const cases[] = {"a ROUTER to nobody", "a PUB to nobody", "a request in place of a reply",
                                        "a PAIR in the middle of a message", "a PUSH in the middle of a message",
                                        "conflated", "unread at the end", "filtered", "of no bytes",
                                        "written by nobody"};
    int way, one_more = 1;
    for (way = 0; way < (int) (sizeof cases / sizeof *cases); way++) {
        void *context = zmq_ctx_new (), *one = NULL, *other = NULL;
        calls = 0;
        asked = NULL;
        switch (way) {
            case 0:
                joined (context, ZMQ_ROUTER, ZMQ_DEALER, &one, &other);
                asked = one;
                NEED (zmq_send (one, "nobody", 6, ZMQ_SNDMORE) == 6);
                send_lent (one, ZMQ_SNDMORE);
                NEED (zmq_send (one, "x", 1, 0) == 1);
                break;
            case 1:
                joined (context, ZMQ_PUB, ZMQ_SUB, &one, &other);
                asked = one;
                send_lent (one, ZMQ_SNDMORE);
                NEED (zmq_send (one, "x", 1, 0) == 1);
                break;
            case 2:
                joined (context, ZMQ_REP, ZMQ_REQ, &one, &other);
                NEED (zmq_setsockopt (other, ZMQ_REQ_RELAXED, &one_more, sizeof one_more) == 0);
                meet (one, other);
                NEED (zmq_send (other, "question", 8, 0) == 8);
                receive_one (one);
                send_lent (one, ZMQ_SNDMORE);
                send_lent (one, 0);
                receive_one (other);
                asked = other;
                NEED (zmq_send (other, "question", 8, 0) == 8);
                break;
            case 3:
            case 4:
                joined (context, way == 3 ? ZMQ_PAIR : ZMQ_PULL, way == 3 ? ZMQ_PAIR : ZMQ_PUSH, &one, &other);
                meet (one, other);
                asked = other;
                send_lent (other, ZMQ_SNDMORE);
                NEED (zmq_close (one) == 0);
                one = NULL;
                send_lent (other, ZMQ_SNDMORE | ZMQ_DONTWAIT);
                send_lent (other, ZMQ_DONTWAIT);
                break;
            case 5:
                joined (context, ZMQ_PULL, ZMQ_PUSH, &one, &other);
                NEED (zmq_setsockopt (one, ZMQ_CONFLATE, &one_more, sizeof one_more) == 0);
                NEED (zmq_setsockopt (other, ZMQ_CONFLATE, &one_more, sizeof one_more) == 0);
                meet (one, other);
                asked = other;
                send_lent (other, 0);
                send_lent (other, 0);
                break;
            case 6:
                joined (context, ZMQ_PULL, ZMQ_PUSH, &one, &other);
                meet (one, other);
                asked = other;
                send_lent (other, 0);
                send_lent (other, 0);
                NEED (zmq_close (one) == 0);
                one = NULL;
                break;
            case 7:
                joined (context, ZMQ_PUB, ZMQ_SUB, &one, &other);
                meet (one, other);
                /* The publisher hears of the subscription when it is looked at. */
                while (1) {
                    zmq_pollitem_t item = {NULL, 0, ZMQ_POLLIN, 0};
                    item.socket = other;
                    NEED (zmq_send (one, "y", 1, 0) == 1);
                    if (zmq_poll (&item, 1, 10) == 1)
                        break;
                }
                send_lent (one, 0);
                NEED (zmq_send (one, "y", 1, 0) == 1);
                NEED (zmq_setsockopt (other, ZMQ_SUBSCRIBE, "y", 1) == 0);
                NEED (zmq_setsockopt (other, ZMQ_UNSUBSCRIBE, "", 0) == 0);
                asked = other;
                receive_one (other);
                break;
            case 9:
                joined (context, ZMQ_PULL, ZMQ_PUSH, &one, &other);
                NEED (zmq_connect (other, "ipc:///nobody/is/here") == 0);
                send_lent (other, 0);
                NEED (zmq_close (other) == 0);
                other = NULL;
                while (__sync_fetch_and_add (&calls, 0) == 0)
                    usleep (200);
                break;
            default:
                joined (context, ZMQ_PULL, ZMQ_PUSH, &one, &other);
                meet (one, other);
                asked = one;
                send_lent_nothing (other);
                receive_one (one);
        }
        asked = NULL;
        NEED (!one || zmq_close (one) == 0);
        NEED (!other || zmq_close (other) == 0);
        NEED (zmq_ctx_term (context) == 0);
        printf ("%s: given back %d\n", cases[way], calls);
        fflush (stdout);
    }
    ends_the_context ();
    return 0;
}
