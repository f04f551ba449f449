/* Ending, whatever the peer is like: never for ever, unless that was asked for. */
#include "say.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { NOBODY, DIALLING, SILENT, NOT_READING, READING, STATES };

static const char *const STATE_NAMES[] = {"nobody", "dialling", "a silent peer", "a peer that does not read",
                                          "a peer that reads"};
static const int TYPES[] = {ZMQ_PAIR, ZMQ_PUB, ZMQ_REQ, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_PUSH, ZMQ_XPUB, ZMQ_XSUB};
static const int PEERS[] = {ZMQ_PAIR, ZMQ_SUB, ZMQ_REP, ZMQ_DEALER, ZMQ_DEALER, ZMQ_PULL, ZMQ_SUB, ZMQ_XPUB};

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

static void terminate (void *context)
{
    NEED (zmq_ctx_term (context) == 0);
}

static void end (size_t kind, int state, int linger, int terminate_first)
{
    void *context = zmq_ctx_new ();
    void *peers = zmq_ctx_new ();
    void *socket = zmq_socket (context, TYPES[kind]);
    void *peer = NULL, *thread, *watch;
    char endpoint[256] = "tcp://127.0.0.1:9", byte;
    int fd = -1, i;
    unsigned long passed;
    set_int (socket, ZMQ_SNDHWM, 20);
    set_int (socket, ZMQ_LINGER, linger);
    if (state == SILENT)
        fd = silent (endpoint);
    if (state == NOT_READING || state == READING) {
        peer = open_socket (peers, PEERS[kind]);
        set_int (peer, ZMQ_RCVHWM, 1);
        if (PEERS[kind] == ZMQ_SUB)
            NEED (zmq_setsockopt (peer, ZMQ_SUBSCRIBE, "", 0) == 0);
        bind_anywhere (peer, "tcp://127.0.0.1:*", endpoint);
    }
    if (TYPES[kind] == ZMQ_ROUTER)
        NEED (zmq_setsockopt (socket, ZMQ_CONNECT_ROUTING_ID, "peer", 4) == 0);
    if (state != NOBODY)
        NEED (zmq_connect (socket, endpoint) == 0);
    for (i = 0; i < 30; i++) {
        if (TYPES[kind] == ZMQ_ROUTER)
            (void) zmq_send (socket, "peer", 4, ZMQ_DONTWAIT | ZMQ_SNDMORE);
        (void) zmq_send (socket, "x", 1, ZMQ_DONTWAIT);
    }
    watch = zmq_stopwatch_start ();
    if (terminate_first) {
        thread = zmq_threadstart (terminate, context);
        while (zmq_send (socket, "x", 1, ZMQ_DONTWAIT) != -1 || zmq_errno () != ETERM)
            usleep (1000);
        NEED (zmq_close (socket) == 0);
        if (state == READING)
            while (zmq_recv (peer, &byte, 1, ZMQ_DONTWAIT) != -1)
                ;
        zmq_threadclose (thread);
    } else {
        NEED (zmq_close (socket) == 0);
        NEED (zmq_ctx_term (context) == 0);
    }
    passed = zmq_stopwatch_stop (watch) / 1000;
    printf ("type %d, %s, linger %d, %s first: %s\n", TYPES[kind], STATE_NAMES[state], linger,
            terminate_first ? "terminate" : "close", passed < 1500 ? "ended" : "took its time");
    fflush (stdout);
    if (peer)
        zmq_close (peer);
    zmq_ctx_term (peers);
    if (fd != -1)
        close (fd);
}

int main (void)
{
    size_t kind;
    int state, order;
    for (kind = 0; kind < sizeof TYPES / sizeof *TYPES; kind++)
        for (state = 0; state < STATES; state++)
            for (order = 0; order < 2; order++) {
                end (kind, state, 0, order);
                if (state != READING)
                    end (kind, state, 50, order);
                if (state == NOBODY)
                    end (kind, state, -1, order);
            }
    return 0;
}
