/* Ending, whatever the peer is like: never for ever, unless that was asked for; and then until the peer reads. All
 * twelve types, each in a thread of its own that says in its own lines how every case came out. */
#include "say.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/socket.h>

enum { NOBODY, ABSENT, SILENT, NOT_READING, READING, STATES };
enum { CLOSE_FIRST, TERMINATE_FIRST, TERMINATE_ELSEWHERE, ORDERS };
enum { FILL = 30, LINGER = 100 };

static const char *const STATE_NAMES[] = {"nobody", "an absent peer", "a silent peer", "a peer that does not read",
                                          "a peer that reads"};
static const char *const ORDER_NAMES[] = {"close first", "terminate first", "terminate elsewhere"};
static const int LINGERS[] = {0, LINGER, -1};
/* By their numbers. */
static const char *const TYPE_NAMES[] = {"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB",
                                         "XSUB", "STREAM"};
static const int PEERS[] = {ZMQ_PAIR, ZMQ_SUB, ZMQ_PUB, ZMQ_REP, ZMQ_REQ, ZMQ_DEALER, ZMQ_DEALER, ZMQ_PUSH, ZMQ_PULL,
                            ZMQ_SUB, ZMQ_XPUB, ZMQ_STREAM};
enum { TYPES = 12 };

static char body[100000];

struct scene {
    int type, state, linger, order;
    void *context, *socket, *peers, *peer;
    char endpoint[256];
    int listener, stream;
    /* A STREAM's name for its peer. */
    char name[256];
    int name_size;
    long accepted;
    long arrived;
    /* Not zero once nothing more is going to be accepted. */
    void *all_accepted;
};

static char *text[TYPES];
static size_t text_size[TYPES];

/* Adds to what a type says. */
static void note (int type, const char *format, ...)
{
    va_list arguments;
    if (!text[type])
        NEED ((text[type] = (char *) calloc (1, 100000)) != NULL);
    va_start (arguments, format);
    text_size[type] += (size_t) vsnprintf (text[type] + text_size[type], 100000 - text_size[type], format, arguments);
    va_end (arguments);
}

/* A listener that accepts, by way of the system, and never says anything. */
static int silent (char *endpoint)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    NEED (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
    NEED (listen (fd, 10) == 0);
    NEED (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    sprintf (endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    return fd;
}

/* Waits until a monitored socket has done its handshake. */
static void wait_for_handshake (void *monitor)
{
    unsigned char event[6];
    char address[256];
    do {
        NEED (zmq_recv (monitor, event, sizeof event, 0) == 6);
        NEED (zmq_recv (monitor, address, sizeof address, 0) >= 0);
    } while ((event[0] | event[1] << 8) != ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
}

static void learn_name (struct scene *scene)
{
    int timeout = 20000;
    char nothing;
    NEED (zmq_setsockopt (scene->socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
    scene->name_size = zmq_recv (scene->socket, scene->name, sizeof scene->name, 0);
    NEED (scene->name_size > 0);
    NEED (zmq_recv (scene->socket, &nothing, 1, 0) == 0);
    timeout = -1;
    NEED (zmq_setsockopt (scene->socket, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
}

static void join_peer (struct scene *scene)
{
    void *monitor = NULL;
    char byte;
    if (scene->type != ZMQ_STREAM && scene->type != ZMQ_REP) {
        char name[64];
        sprintf (name, "inproc://monitor-%d", scene->type);
        NEED (zmq_socket_monitor (scene->socket, name, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0);
        monitor = open_socket (scene->context, ZMQ_PAIR);
        NEED (zmq_connect (monitor, name) == 0);
    }
    NEED (zmq_connect (scene->socket, scene->endpoint) == 0);
    if (scene->type == ZMQ_STREAM)
        learn_name (scene);
    else if (scene->type == ZMQ_REP) {
        NEED (zmq_send (scene->peer, "request", 7, 0) == 7);
        NEED (zmq_recv (scene->socket, &byte, 1, 0) == 7);
    } else {
        wait_for_handshake (monitor);
        NEED (zmq_socket_monitor (scene->socket, NULL, 0) == 0);
        NEED (zmq_close (monitor) == 0);
    }
}

static void set_up (struct scene *scene)
{
    scene->context = zmq_ctx_new ();
    scene->peers = zmq_ctx_new ();
    scene->socket = zmq_socket (scene->context, scene->type);
    scene->peer = open_socket (scene->peers, PEERS[scene->type]);
    scene->listener = scene->stream = -1;
    scene->all_accepted = zmq_atomic_counter_new ();
    set_int (scene->socket, ZMQ_SNDHWM, 20);
    set_int (scene->socket, ZMQ_SNDBUF, 65536);
    set_int (scene->socket, ZMQ_LINGER, scene->linger);
    set_int (scene->socket, ZMQ_RECONNECT_IVL, 5);
    set_int (scene->peer, ZMQ_RCVHWM, 1);
    set_int (scene->peer, ZMQ_RCVBUF, 65536);
    if (PEERS[scene->type] == ZMQ_SUB)
        NEED (zmq_setsockopt (scene->peer, ZMQ_SUBSCRIBE, "", 0) == 0);
    if (scene->type == ZMQ_ROUTER) {
        set_int (scene->socket, ZMQ_ROUTER_MANDATORY, 1);
        NEED (zmq_setsockopt (scene->socket, ZMQ_CONNECT_ROUTING_ID, "peer", 4) == 0);
    }
    switch (scene->state) {
        case ABSENT:
            sprintf (scene->endpoint, "ipc://@zefiro-shutdown-%d-%d", (int) getpid (), scene->type);
            NEED (zmq_connect (scene->socket, scene->endpoint) == 0);
            break;
        case SILENT:
            scene->listener = silent (scene->endpoint);
            NEED (zmq_connect (scene->socket, scene->endpoint) == 0);
            NEED ((scene->stream = accept (scene->listener, NULL, NULL)) >= 0);
            if (scene->type == ZMQ_STREAM)
                learn_name (scene);
            break;
        case NOT_READING:
        case READING:
            bind_anywhere (scene->peer, "tcp://127.0.0.1:*", scene->endpoint);
            join_peer (scene);
            break;
    }
}

/* Sends one message; 0 if the socket took it. */
static int send_one (struct scene *scene, int flags)
{
    if (scene->type == ZMQ_ROUTER && zmq_send (scene->socket, "peer", 4, flags | ZMQ_SNDMORE) == -1)
        return -1;
    if (scene->type == ZMQ_STREAM && scene->name_size
        && zmq_send (scene->socket, scene->name, scene->name_size, flags | ZMQ_SNDMORE) == -1)
        return -1;
    if (zmq_send (scene->socket, body, sizeof body, flags) == -1)
        return -1;
    scene->accepted++;
    return 0;
}

static void fill (struct scene *scene)
{
    int i;
    if (scene->type == ZMQ_SUB)
        NEED (zmq_setsockopt (scene->socket, ZMQ_SUBSCRIBE, "topic", 5) == 0);
    else if (scene->type == ZMQ_XSUB)
        NEED (zmq_send (scene->socket, "\1topic", 6, 0) == 6);
    else if (scene->type != ZMQ_STREAM || scene->name_size)
        for (i = 0; i < FILL; i++)
            if (send_one (scene, ZMQ_DONTWAIT) == -1)
                break;
}

/* Uses the socket until the context ends. */
static void use_until_terminated (struct scene *scene)
{
    char part[8];
    for (;;) {
        if ((scene->type == ZMQ_STREAM && !scene->name_size ? -1 : send_one (scene, 0)) == 0)
            continue;
        if (zmq_errno () == ETERM)
            return;
        if (zmq_recv (scene->socket, part, sizeof part, 0) == -1 && zmq_errno () == ETERM)
            return;
    }
}

static void terminate (void *argument)
{
    NEED (zmq_ctx_term (((struct scene *) argument)->context) == 0);
}

/* Reads until all that is known to come has come. */
static void read_all (void *argument)
{
    struct scene *scene = (struct scene *) argument;
    int more;
    size_t more_size = sizeof more;
    char part[8];
    set_int (scene->peer, ZMQ_RCVTIMEO, 5);
    while (!zmq_atomic_counter_value (scene->all_accepted) || scene->arrived < scene->accepted) {
        int size = zmq_recv (scene->peer, part, sizeof part, 0);
        if (size == -1) {
            /* A type that only sends says so at once. */
            if (zmq_errno () != EAGAIN)
                usleep (1000);
            continue;
        }
        NEED (zmq_getsockopt (scene->peer, ZMQ_RCVMORE, &more, &more_size) == 0);
        if (!more && size == (int) sizeof body)
            scene->arrived++;
    }
}

/* The peer comes to life, where it was not. */
static void *begin_to_read (struct scene *scene)
{
    if (scene->state == ABSENT)
        NEED (zmq_bind (scene->peer, scene->endpoint) == 0);
    if (scene->state == SILENT) {
        set_int (scene->peer, ZMQ_USE_FD, scene->listener);
        NEED (zmq_bind (scene->peer, scene->endpoint) == 0);
        close (scene->stream);
        scene->listener = scene->stream = -1;
    }
    return zmq_threadstart (read_all, scene);
}

static void end (int type, int state, int linger, int order)
{
    struct scene scene;
    void *reader = NULL, *terminating = NULL;
    int events;
    size_t events_size = sizeof events;
    /* What is sent to the peer of these is not refused when it cannot be kept, so there is no telling what arrives. */
    int counted = type != ZMQ_PUB && type != ZMQ_XPUB && type != ZMQ_SUB && type != ZMQ_XSUB && type != ZMQ_STREAM;
    memset (&scene, 0, sizeof scene);
    scene.type = type;
    scene.state = state;
    scene.linger = linger;
    scene.order = order;
    set_up (&scene);
    if (state == READING)
        reader = begin_to_read (&scene);
    if (state != NOBODY)
        fill (&scene);
    if (order == TERMINATE_FIRST) {
        NEED (zmq_ctx_shutdown (scene.context) == 0);
        /* libzmq looks for news in between calls, not in each. */
        while (zmq_getsockopt (scene.socket, ZMQ_EVENTS, &events, &events_size) == 0)
            ;
        NEED (zmq_errno () == ETERM);
    }
    if (order == TERMINATE_ELSEWHERE) {
        terminating = zmq_threadstart (terminate, &scene);
        use_until_terminated (&scene);
    }
    /* Who wants to linger for ever gets a peer that reads. */
    if (linger == -1 && !reader && state != NOBODY)
        reader = begin_to_read (&scene);
    NEED (zmq_close (scene.socket) == 0);
    if (terminating)
        zmq_threadclose (terminating);
    else
        NEED (zmq_ctx_term (scene.context) == 0);
    if (linger != -1 || !counted)
        scene.accepted = 0;
    zmq_atomic_counter_inc (scene.all_accepted);
    if (reader)
        zmq_threadclose (reader);
    note (type, "%s, %s, linger %d, %s: ended", TYPE_NAMES[type], STATE_NAMES[state], linger, ORDER_NAMES[order]);
    if (linger == -1 && counted && state != NOBODY)
        note (type, ", and %s", scene.arrived == scene.accepted ? "all arrived" : "something is missing");
    note (type, "\n");
    NEED (zmq_close (scene.peer) == 0);
    NEED (zmq_ctx_term (scene.peers) == 0);
    zmq_atomic_counter_destroy (&scene.all_accepted);
    if (scene.listener >= 0) {
        close (scene.listener);
        close (scene.stream);
    }
}

static void end_type (void *argument)
{
    int type = *(int *) argument, state, linger, order;
    for (state = 0; state < STATES; state++)
        for (linger = 0; linger < 3; linger++)
            for (order = 0; order < ORDERS; order++) {
                /* There libzmq waits for ever to send its subscriptions, even when the peer comes to life. */
                if ((type == ZMQ_SUB || type == ZMQ_XSUB) && state == SILENT && LINGERS[linger] == -1)
                    continue;
                fprintf (stderr, "%s, %s, linger %d, %s\n", TYPE_NAMES[type], STATE_NAMES[state], LINGERS[linger],
                         ORDER_NAMES[order]);
                end (type, state, LINGERS[linger], order);
            }
}

int main (int argc, char **argv)
{
    static int types[TYPES];
    void *threads[TYPES];
    int type, only = argc > 1 ? atoi (argv[1]) : -1;
    for (type = 0; type < TYPES; type++) {
        types[type] = type;
        threads[type] = only < 0 || only == type ? zmq_threadstart (end_type, &types[type]) : NULL;
    }
    for (type = 0; type < TYPES; type++)
        if (threads[type]) {
            zmq_threadclose (threads[type]);
            printf ("%s", text[type]);
        }
    return 0;
}
