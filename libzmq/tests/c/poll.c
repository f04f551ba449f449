/* zmq_poll: sockets and descriptors, what it returns when, and ZMQ_FD. */
#include "say.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static void *context;

static void show (zmq_pollitem_t *items, int count)
{
    int i;
    printf ("revents:");
    for (i = 0; i < count; i++)
        printf (" %d", items[i].revents);
    printf ("\n");
}

static zmq_pollitem_t item (void *socket, int fd, short events)
{
    zmq_pollitem_t made;
    made.socket = socket;
    made.fd = fd;
    made.events = events;
    made.revents = 99;
    return made;
}

static void sockets (const char *endpoint)
{
    void *one = open_socket (context, ZMQ_DEALER);
    void *other = open_socket (context, ZMQ_DEALER);
    char real[256];
    zmq_pollitem_t items[4];
    printf ("-- sockets over %s\n", endpoint);
    items[0] = item (one, 0, ZMQ_POLLIN | ZMQ_POLLOUT);
    items[1] = item (other, 0, ZMQ_POLLIN | ZMQ_POLLOUT);
    CALL (zmq_poll (items, 2, 0));
    show (items, 2);
    bind_anywhere (one, endpoint, real);
    NEED (zmq_connect (other, real) == 0);
    items[0].events = ZMQ_POLLOUT;
    CALL (zmq_poll (items, 1, LONG));
    items[0] = item (one, 0, ZMQ_POLLIN);
    items[1] = item (other, 0, ZMQ_POLLIN | ZMQ_POLLOUT);
    items[2] = item (one, 0, ZMQ_POLLOUT);
    items[3] = item (one, 0, 0);
    CALL (zmq_poll (items, 4, LONG));
    show (items, 4);
    send_text (other, "hello", 0);
    CALL (zmq_poll (items, 1, -1));
    show (items, 1);
    CALL (zmq_poll (items, 4, -1));
    show (items, 4);
    receive (one, 0);
    CALL (zmq_poll (items, 1, 0));
    CALL (zmq_poll (items, 1, 20));
    show (items, 1);
    zmq_close (one);
    zmq_close (other);
}

static void descriptors (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    int ends[2];
    zmq_pollitem_t items[3];
    char byte;
    say ("descriptors");
    NEED (pipe (ends) == 0);
    items[0] = item (NULL, ends[0], ZMQ_POLLIN);
    items[1] = item (NULL, ends[1], ZMQ_POLLOUT);
    items[2] = item (one, 0, ZMQ_POLLIN);
    CALL (zmq_poll (items, 3, 0));
    show (items, 3);
    NEED (write (ends[1], "x", 1) == 1);
    CALL (zmq_poll (items, 3, -1));
    show (items, 3);
    NEED (read (ends[0], &byte, 1) == 1);
    close (ends[1]);
    items[0].events = ZMQ_POLLIN;
    CALL (zmq_poll (items, 1, -1));
    show (items, 1);
    close (ends[0]);
    CALL (zmq_poll (items, 1, -1));
    show (items, 1);
    zmq_close (one);
}

/* A number that is no descriptor any more is told of as in error, also by the first look of a thread. */
static void closed_descriptors (void *unused)
{
    void *one = open_socket (context, ZMQ_PAIR);
    zmq_pollitem_t items[2];
    int ends[2];
    (void) unused;
    say ("descriptors that are closed");
    NEED (pipe (ends) == 0);
    close (ends[0]);
    close (ends[1]);
    items[0] = item (one, 0, ZMQ_POLLIN);
    items[1] = item (NULL, ends[0], ZMQ_POLLIN);
    CALL (zmq_poll (items, 2, LONG));
    show (items, 2);
    items[1] = item (NULL, ends[1], 0);
    CALL (zmq_poll (items, 2, LONG));
    show (items, 2);
    items[1] = item (NULL, -1, ZMQ_POLLIN);
    CALL (zmq_poll (items, 2, 10));
    show (items, 2);
    zmq_close (one);
}

/* What nobody asked for: the end of a stream is an error, urgent data is not. */
static void streams (void)
{
    int ends[2];
    zmq_pollitem_t items[1];
    struct linger linger;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int listener = socket (AF_INET, SOCK_STREAM, 0);
    say ("streams");
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    NEED (bind (listener, (struct sockaddr *) &address, size) == 0 && listen (listener, 1) == 0);
    NEED (getsockname (listener, (struct sockaddr *) &address, &size) == 0);
    ends[0] = socket (AF_INET, SOCK_STREAM, 0);
    NEED (connect (ends[0], (struct sockaddr *) &address, size) == 0);
    ends[1] = accept (listener, NULL, NULL);
    NEED (send (ends[0], "o", 1, MSG_OOB) == 1);
    items[0] = item (NULL, ends[1], ZMQ_POLLPRI);
    CALL (zmq_poll (items, 1, LONG));
    show (items, 1);
    items[0] = item (NULL, ends[1], ZMQ_POLLIN);
    CALL (zmq_poll (items, 1, 10));
    show (items, 1);
    NEED (send (ends[0], "n", 1, 0) == 1);
    CALL (zmq_poll (items, 1, LONG));
    items[0].events = ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR | ZMQ_POLLPRI;
    CALL (zmq_poll (items, 1, LONG));
    show (items, 1);
    linger.l_onoff = 1;
    linger.l_linger = 0;
    NEED (setsockopt (ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close (ends[0]);
    items[0] = item (NULL, ends[1], 0);
    CALL (zmq_poll (items, 1, LONG));
    show (items, 1);
    close (ends[1]);
    close (listener);
}

static void errors (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other_context = zmq_ctx_new ();
    void *ended = zmq_socket (other_context, ZMQ_PAIR);
    zmq_pollitem_t items[2];
    say ("errors");
    CALL (zmq_poll (NULL, 0, 0));
    CALL (zmq_poll (NULL, 0, 10));
    items[0] = item (one, 0, ZMQ_POLLIN);
    items[1] = item (ended, 0, ZMQ_POLLIN);
    zmq_ctx_shutdown (other_context);
    CALL (zmq_poll (items, 2, -1));
    zmq_close (ended);
    zmq_ctx_term (other_context);
    zmq_close (one);
}

static void shut_down_later (void *other_context)
{
    usleep (50000);
    NEED (zmq_ctx_shutdown (other_context) == 0);
}

/* What is left of the last answer when there is none. */
static void ended_while_waiting (int with_descriptor)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other_context = zmq_ctx_new ();
    void *ended = zmq_socket (other_context, ZMQ_PAIR);
    void *thread;
    int ends[2];
    zmq_pollitem_t items[3];
    printf ("-- ended while waiting%s\n", with_descriptor ? " with a descriptor" : "");
    NEED (pipe (ends) == 0);
    items[0] = item (one, 0, ZMQ_POLLIN);
    items[1] = item (ended, 0, ZMQ_POLLIN);
    items[2] = item (NULL, ends[0], ZMQ_POLLIN);
    thread = zmq_threadstart (shut_down_later, other_context);
    CALL (zmq_poll (items, 2 + with_descriptor, -1));
    show (items, 2 + with_descriptor);
    zmq_threadclose (thread);
    zmq_close (ended);
    zmq_ctx_term (other_context);
    zmq_close (one);
    close (ends[0]);
    close (ends[1]);
}

/* Careful use of ZMQ_FD: look at the events before waiting. */
static void descriptor_of_a_socket (const char *endpoint)
{
    void *one = open_socket (context, ZMQ_PULL);
    void *other = open_socket (context, ZMQ_PUSH);
    char real[256], byte;
    int fd, received = 0, sent;
    size_t size = sizeof fd;
    struct pollfd wait_for;
    printf ("-- the descriptor of a socket over %s\n", endpoint);
    bind_anywhere (one, endpoint, real);
    NEED (zmq_connect (other, real) == 0);
    CALL (zmq_getsockopt (one, ZMQ_FD, &fd, &size));
    wait_for.fd = fd;
    wait_for.events = POLLIN;
    for (sent = 0; sent < 200; sent++)
        NEED (zmq_send (other, "x", 1, 0) == 1);
    while (received < 200) {
        if (get_int (one, ZMQ_EVENTS) & ZMQ_POLLIN) {
            NEED (zmq_recv (one, &byte, 1, ZMQ_DONTWAIT) == 1);
            received++;
        } else
            NEED (poll (&wait_for, 1, LONG) == 1);
    }
    printf ("%d received\n", received);
    zmq_close (one);
    zmq_close (other);
}

static void send_later (void *socket)
{
    usleep (50000);
    NEED (zmq_send (socket, "late", 4, 0) == 4);
    NEED (zmq_close (socket) == 0);
}

static void woken (const char *endpoint)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    void *thread;
    char real[256];
    zmq_pollitem_t items[1];
    printf ("-- woken over %s\n", endpoint);
    bind_anywhere (one, endpoint, real);
    set_int (other, ZMQ_LINGER, -1);
    NEED (zmq_connect (other, real) == 0);
    items[0] = item (one, 0, ZMQ_POLLIN);
    thread = zmq_threadstart (send_later, other);
    CALL (zmq_poll (items, 1, -1));
    show (items, 1);
    receive (one, 0);
    zmq_threadclose (thread);
    zmq_close (one);
}

static void time_outs (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *watch = zmq_stopwatch_start ();
    zmq_pollitem_t items[1];
    unsigned long passed;
    say ("time runs out");
    items[0] = item (one, 0, ZMQ_POLLIN);
    CALL (zmq_poll (items, 1, 100));
    passed = zmq_stopwatch_intermediate (watch);
    printf ("after 100 ms: %s\n", passed >= 95000 && passed < 1000000 ? "yes" : "no");
    CALL (zmq_poll (NULL, 0, 100));
    passed = zmq_stopwatch_stop (watch) - passed;
    printf ("after 100 ms: %s\n", passed >= 95000 && passed < 1000000 ? "yes" : "no");
    zmq_close (one);
}

static void many (void)
{
    enum { COUNT = 100 };
    void *pull[COUNT], *push[COUNT];
    zmq_pollitem_t items[COUNT];
    char endpoint[32];
    int i;
    say ("a hundred sockets");
    for (i = 0; i < COUNT; i++) {
        pull[i] = open_socket (context, ZMQ_PULL);
        push[i] = open_socket (context, ZMQ_PUSH);
        sprintf (endpoint, "inproc://many-%d", i);
        NEED (zmq_bind (pull[i], endpoint) == 0);
        NEED (zmq_connect (push[i], endpoint) == 0);
        items[i] = item (pull[i], 0, ZMQ_POLLIN);
    }
    CALL (zmq_poll (items, COUNT, 0));
    zmq_send (push[17], "x", 1, 0);
    zmq_send (push[99], "x", 1, 0);
    CALL (zmq_poll (items, COUNT, -1));
    for (i = 0; i < COUNT; i++)
        if (items[i].revents)
            printf ("%d: %d\n", i, items[i].revents);
    for (i = 0; i < COUNT; i++) {
        zmq_close (pull[i]);
        zmq_close (push[i]);
    }
}

static void send_soon (void *socket)
{
    usleep (20000);
    NEED (zmq_send (socket, "x", 1, 0) == 1);
}

/* What a REQ or REP is ready for depends on what it has done itself: nothing comes, and nobody tells whoever polls. */
static void turns (const char *endpoint)
{
    void *rep = open_socket (context, ZMQ_REP), *req = open_socket (context, ZMQ_REQ), *thread;
    void *other = open_socket (context, ZMQ_REQ);
    char real[256], text[8];
    int i;
    printf ("-- whose turn it is, over %s\n", endpoint);
    bind_anywhere (rep, endpoint, real);
    NEED (zmq_connect (req, real) == 0 && zmq_connect (other, real) == 0);
    for (i = 0; i < 3; i++) {
        /* Two requests, of which one waits while the other is replied to. */
        send_text (req, "request", 0);
        send_text (other, "request", 0);
        printf ("readable: %d\n", ready (rep, ZMQ_POLLIN, LONG));
        receive (rep, 0);
        printf ("while a reply is due: %d\n", ready (rep, ZMQ_POLLIN, 50));
        send_text (rep, "reply", 0);
        printf ("readable: %d\n", ready (rep, ZMQ_POLLIN, LONG));
        receive (rep, 0);
        send_text (rep, "reply", 0);
        receive (req, 0);
        receive (other, 0);
    }
    for (i = 0; i < 3; i++) {
        /* What comes meanwhile does not make them writable; what is read does. */
        thread = zmq_threadstart (send_soon, req);
        printf ("while a request comes: %d\n", ready (rep, ZMQ_POLLOUT, 100));
        zmq_threadclose (thread);
        receive (rep, 0);
        printf ("writable: %d\n", ready (rep, ZMQ_POLLOUT, LONG));
        send_text (rep, "two", ZMQ_SNDMORE);
        printf ("writable: %d\n", ready (rep, ZMQ_POLLOUT, LONG));
        thread = zmq_threadstart (send_soon, rep);
        printf ("while a reply comes: %d\n", ready (req, ZMQ_POLLOUT, 100));
        zmq_threadclose (thread);
        NEED (zmq_recv (req, text, sizeof text, 0) == 3);
        printf ("in the middle: %d\n", ready (req, ZMQ_POLLOUT, 50));
        NEED (zmq_recv (req, text, sizeof text, 0) == 1);
        printf ("writable: %d\n", ready (req, ZMQ_POLLOUT, LONG));
    }
    zmq_close (rep);
    zmq_close (req);
    zmq_close (other);
}

int main (void)
{
    context = zmq_ctx_new ();
    sockets ("inproc://poll");
    sockets ("tcp://127.0.0.1:*");
    descriptors ();
    zmq_threadclose (zmq_threadstart (closed_descriptors, NULL));
    streams ();
    errors ();
    ended_while_waiting (0);
    ended_while_waiting (1);
    descriptor_of_a_socket ("inproc://fd");
    descriptor_of_a_socket ("tcp://127.0.0.1:*");
    woken ("inproc://woken");
    woken ("tcp://127.0.0.1:*");
    turns ("inproc://turns");
    turns ("tcp://127.0.0.1:*");
    time_outs ();
    many ();
    CALL (zmq_ctx_term (context));
    return 0;
}
