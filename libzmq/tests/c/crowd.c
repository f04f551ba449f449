/* Sixteen threads on the same few sockets: every message is received once, by one of them, however they wait; and who
 * waits when a socket is closed or its context ends is told so. */
#define ZMQ_BUILD_DRAFT_API
#include "say.h"

#include <poll.h>
#include <pthread.h>

enum { SENDERS = 8, RECEIVERS = 8, EACH = 4000, MESSAGES = SENDERS * EACH, QUESTIONS = 400 };

static void *context, *sender_socket, *receiver_socket;
static unsigned char seen[MESSAGES];
static int received;

static void *send_some (void *argument)
{
    int i, number, first = (int) (size_t) argument * EACH;
    for (i = 0; i < EACH; i++) {
        number = first + i;
        if (i % 2 == 0) {
            NEED (zmq_send (sender_socket, &number, sizeof number, 0) == sizeof number);
        } else {
            /* Larger ones, by reference. */
            zmq_msg_t message;
            NEED (zmq_msg_init_size (&message, 200) == 0);
            memcpy (zmq_msg_data (&message), &number, sizeof number);
            NEED (zmq_msg_send (&message, sender_socket, 0) == 200);
        }
    }
    return NULL;
}

/* Waits until something may be there, each time in another way. 0: the socket has ended. */
static int await_input (int way)
{
    zmq_pollitem_t items[2];
    struct pollfd descriptor;
    size_t size = sizeof descriptor.fd;
    zmq_poller_event_t event;
    void *poller;
    int result;
    memset (items, 0, sizeof items);
    items[0].socket = receiver_socket;
    items[0].events = ZMQ_POLLIN;
    switch (way) {
        case 0:
            return 1;
        case 1:
            return zmq_poll (items, 1, -1) != -1;
        case 2:
            items[1].fd = 0;
            return zmq_poll (items, 2, -1) != -1;
        case 3:
            poller = zmq_poller_new ();
            NEED (poller != NULL);
            result = zmq_poller_add (poller, receiver_socket, NULL, ZMQ_POLLIN);
            if (result == 0)
                result = zmq_poller_wait (poller, &event, -1);
            NEED (zmq_poller_destroy (&poller) == 0);
            return result != -1;
        default:
            if (zmq_getsockopt (receiver_socket, ZMQ_FD, &descriptor.fd, &size) == -1)
                return 0;
            descriptor.events = POLLIN;
            NEED (poll (&descriptor, 1, 10) != -1);
            return 1;
    }
}

static void *receive_some (void *argument)
{
    int way = (int) (size_t) argument % 5;
    for (;;) {
        int number, size;
        char content[256];
        if (!await_input (way))
            break;
        size = zmq_recv (receiver_socket, content, sizeof content, way == 0 ? 0 : ZMQ_DONTWAIT);
        if (size == -1) {
            if (zmq_errno () == EAGAIN)
                continue;
            break;
        }
        memcpy (&number, content, sizeof number);
        NEED (number >= 0 && number < MESSAGES && size == (number % 2 == 0 ? (int) sizeof number : 200));
        NEED (__sync_fetch_and_add (&seen[number], 1) == 0);
        (void) __sync_fetch_and_add (&received, 1);
    }
    NEED (zmq_errno () == ETERM || zmq_errno () == ENOTSOCK);
    return NULL;
}

enum ending { CLOSE, SHUT_DOWN };

static void pass_on (const char *wildcard, enum ending ending)
{
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    char endpoint[256];
    int i;
    context = zmq_ctx_new ();
    memset (seen, 0, sizeof seen);
    received = 0;
    receiver_socket = zmq_socket (context, ZMQ_PULL);
    sender_socket = zmq_socket (context, ZMQ_PUSH);
    NEED (receiver_socket != NULL && sender_socket != NULL);
    set_int (sender_socket, ZMQ_SNDHWM, 100);
    set_int (receiver_socket, ZMQ_RCVHWM, 100);
    bind_anywhere (receiver_socket, wildcard, endpoint);
    NEED (zmq_connect (sender_socket, endpoint) == 0);
    for (i = 0; i < RECEIVERS; i++)
        NEED (pthread_create (&receivers[i], NULL, receive_some, (void *) (size_t) i) == 0);
    for (i = 0; i < SENDERS; i++)
        NEED (pthread_create (&senders[i], NULL, send_some, (void *) (size_t) i) == 0);
    for (i = 0; i < SENDERS; i++)
        NEED (pthread_join (senders[i], NULL) == 0);
    while (__sync_fetch_and_add (&received, 0) < MESSAGES)
        usleep (500);
    /* All of them wait, or are about to. */
    if (ending == CLOSE) {
        NEED (zmq_close (receiver_socket) == 0);
    } else {
        NEED (zmq_ctx_shutdown (context) == 0);
    }
    for (i = 0; i < RECEIVERS; i++)
        NEED (pthread_join (receivers[i], NULL) == 0);
    if (ending == SHUT_DOWN)
        NEED (zmq_close (receiver_socket) == 0);
    NEED (zmq_close (sender_socket) == 0);
    NEED (zmq_ctx_term (context) == 0);
    for (i = 0; i < MESSAGES; i++)
        NEED (seen[i] == 1);
}

/* A SERVER that eight threads answer for, and eight CLIENTs. */
static void *answer (void *argument)
{
    zmq_msg_t message;
    (void) argument;
    NEED (zmq_msg_init (&message) == 0);
    while (zmq_msg_recv (&message, receiver_socket, 0) != -1)
        NEED (zmq_msg_send (&message, receiver_socket, 0) != -1);
    NEED (zmq_errno () == ETERM);
    zmq_msg_close (&message);
    return NULL;
}

static void *question (void *argument)
{
    int i, number, mine = (int) (size_t) argument;
    char *endpoint = (char *) sender_socket;
    void *client = open_socket (context, ZMQ_CLIENT);
    set_int (client, ZMQ_RCVTIMEO, 60000);
    NEED (zmq_connect (client, endpoint) == 0);
    for (i = 0; i < QUESTIONS; i++) {
        number = mine * QUESTIONS + i;
        NEED (zmq_send (client, &number, sizeof number, 0) == sizeof number);
        NEED (zmq_recv (client, &number, sizeof number, 0) == sizeof number);
        NEED (number == mine * QUESTIONS + i);
    }
    NEED (zmq_recv (client, &number, sizeof number, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    zmq_close (client);
    return NULL;
}

static void serve (const char *wildcard)
{
    pthread_t asking[SENDERS], answering[RECEIVERS];
    char endpoint[256];
    int i;
    context = zmq_ctx_new ();
    receiver_socket = zmq_socket (context, ZMQ_SERVER);
    NEED (receiver_socket != NULL);
    bind_anywhere (receiver_socket, wildcard, endpoint);
    sender_socket = endpoint;
    for (i = 0; i < RECEIVERS; i++)
        NEED (pthread_create (&answering[i], NULL, answer, NULL) == 0);
    for (i = 0; i < SENDERS; i++)
        NEED (pthread_create (&asking[i], NULL, question, (void *) (size_t) i) == 0);
    for (i = 0; i < SENDERS; i++)
        NEED (pthread_join (asking[i], NULL) == 0);
    NEED (zmq_ctx_shutdown (context) == 0);
    for (i = 0; i < RECEIVERS; i++)
        NEED (pthread_join (answering[i], NULL) == 0);
    NEED (zmq_close (receiver_socket) == 0);
    NEED (zmq_ctx_term (context) == 0);
}

int main (void)
{
    pass_on ("tcp://127.0.0.1:*", CLOSE);
    pass_on ("ipc://*", SHUT_DOWN);
    pass_on ("inproc://crowd", CLOSE);
    serve ("tcp://127.0.0.1:*");
    serve ("inproc://crowd");
    return 0;
}
