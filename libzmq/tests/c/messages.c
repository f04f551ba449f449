/* Messages: their life, copies, moves, properties, and messages that are none. */
#include "say.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void sizes (void)
{
    const size_t sizes[] = {0, 1, 29, 30, 33, 34, 100, 8192, 100000};
    size_t i;
    say ("sizes");
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        zmq_msg_t message;
        size_t j;
        NEED (zmq_msg_init_size (&message, sizes[i]) == 0);
        for (j = 0; j < sizes[i]; j++)
            ((unsigned char *) zmq_msg_data (&message))[j] = (unsigned char) j;
        printf ("%d bytes: ", (int) zmq_msg_size (&message));
        CALL (zmq_msg_close (&message));
    }
}

static void show (const char *name, zmq_msg_t *message)
{
    printf ("%s: %d bytes, more %d, shared %d, ", name, (int) zmq_msg_size (message), zmq_msg_more (message),
            zmq_msg_get (message, ZMQ_SHARED));
    print_part ((const unsigned char *) zmq_msg_data (message), zmq_msg_size (message));
    printf ("\n");
}

static void copies (size_t size)
{
    zmq_msg_t one, other, third;
    printf ("-- copies and moves of %d bytes\n", (int) size);
    zmq_msg_init_size (&one, size);
    memset (zmq_msg_data (&one), 'x', size);
    zmq_msg_init (&other);
    zmq_msg_init (&third);
    show ("before", &one);
    CALL (zmq_msg_copy (&other, &one));
    show ("from", &one);
    show ("to", &other);
    CALL (zmq_msg_copy (&third, &other));
    show ("third", &third);
    CALL (zmq_msg_close (&one));
    show ("without the first", &other);
    CALL (zmq_msg_move (&third, &other));
    show ("moved to", &third);
    show ("moved from", &other);
    CALL (zmq_msg_move (&third, &third));
    CALL (zmq_msg_close (&third));
    CALL (zmq_msg_close (&other));
}

static void by_memcpy (void)
{
    zmq_msg_t here, there;
    say ("a message is where its bytes are");
    zmq_msg_init_size (&here, 200);
    memset (zmq_msg_data (&here), 'y', 200);
    memcpy (&there, &here, sizeof there);
    memset (&here, 0xff, sizeof here);
    printf ("%d bytes, %c\n", (int) zmq_msg_size (&there), ((char *) zmq_msg_data (&there))[199]);
    CALL (zmq_msg_close (&there));
}

static void properties (void)
{
    zmq_msg_t message;
    say ("properties");
    zmq_msg_init (&message);
    CALL (zmq_msg_get (&message, ZMQ_MORE));
    CALL (zmq_msg_get (&message, ZMQ_SHARED));
    CALL (zmq_msg_get (&message, ZMQ_SRCFD));
    CALL (zmq_msg_get (&message, 4));
    CALL (zmq_msg_get (&message, -1));
    CALL (zmq_msg_set (&message, ZMQ_MORE, 1));
    CALL (zmq_msg_set (&message, ZMQ_SHARED, 0));
    CALL (zmq_msg_set (&message, 77, 0));
    MAKE (zmq_msg_gets (&message, "Socket-Type"));
    MAKE (zmq_msg_gets (&message, ""));
    zmq_msg_close (&message);
}

static void metadata (int six)
{
    void *context = zmq_ctx_new ();
    void *server = open_socket (context, ZMQ_REP);
    void *client = open_socket (context, ZMQ_REQ);
    char endpoint[256];
    zmq_msg_t message;
    int on, count;
    socklen_t size = sizeof on;
    say ("metadata of a connection");
    set_int (server, ZMQ_TCP_KEEPALIVE, six);
    set_int (server, ZMQ_TCP_KEEPALIVE_CNT, 7);
    set_int (server, ZMQ_IPV6, six);
    set_int (client, ZMQ_IPV6, six);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_setsockopt (client, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_connect (client, endpoint) == 0);
    send_text (client, "hello", 0);
    zmq_msg_init (&message);
    CALL (zmq_msg_recv (&message, server, 0));
    printf ("type %s\n", zmq_msg_gets (&message, "Socket-Type"));
    printf ("id %s\n", zmq_msg_gets (&message, "Routing-Id"));
    printf ("id %s\n", zmq_msg_gets (&message, "Identity"));
    printf ("address %s\n", zmq_msg_gets (&message, "Peer-Address"));
    MAKE (zmq_msg_gets (&message, "User-Id"));
    MAKE (zmq_msg_gets (&message, "socket-type"));
    printf ("a descriptor: %s\n", zmq_msg_get (&message, ZMQ_SRCFD) > 2 ? "yes" : "no");
    NEED (getsockopt (zmq_msg_get (&message, ZMQ_SRCFD), SOL_SOCKET, SO_KEEPALIVE, &on, &size) == 0);
    NEED (getsockopt (zmq_msg_get (&message, ZMQ_SRCFD), IPPROTO_TCP, TCP_KEEPCNT, &count, &size) == 0);
    printf ("kept alive: %d, after %d\n", on, count);
    send_text (server, "hello", 0);
    CALL (zmq_msg_recv (&message, client, 0));
    printf ("the other way, address %s\n", zmq_msg_gets (&message, "Peer-Address"));
    zmq_msg_close (&message);
    zmq_close (client);
    zmq_close (server);
    zmq_ctx_term (context);
}

static void flow (void)
{
    void *context = zmq_ctx_new ();
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    zmq_msg_t message;
    char small[4];
    int i;
    NEED (zmq_bind (one, "inproc://flow") == 0);
    NEED (zmq_connect (other, "inproc://flow") == 0);

    say ("sending empties the message, receiving replaces it");
    zmq_msg_init_size (&message, 5);
    memcpy (zmq_msg_data (&message), "first", 5);
    CALL (zmq_msg_send (&message, one, ZMQ_SNDMORE));
    CALL (zmq_msg_size (&message));
    zmq_msg_close (&message);
    zmq_msg_init_size (&message, 6);
    memcpy (zmq_msg_data (&message), "second", 6);
    CALL (zmq_sendmsg (one, &message, 0));
    zmq_msg_close (&message);
    zmq_msg_init_size (&message, 500);
    CALL (zmq_msg_recv (&message, other, 0));
    show ("one", &message);
    CALL (get_int (other, ZMQ_RCVMORE));
    CALL (zmq_recvmsg (other, &message, 0));
    show ("two", &message);
    CALL (get_int (other, ZMQ_RCVMORE));
    CALL (zmq_msg_recv (&message, other, ZMQ_DONTWAIT));
    show ("none", &message);
    zmq_msg_close (&message);

    say ("a buffer too small cuts, and the true size is told");
    CALL (zmq_send (one, "0123456789", 10, 0));
    memset (small, '-', sizeof small);
    CALL (zmq_recv (other, small, 3, 0));
    print_part ((unsigned char *) small, 4);
    printf ("\n");
    CALL (zmq_send (one, NULL, 0, 0));
    CALL (zmq_recv (other, NULL, 0, 0));
    CALL (zmq_send_const (one, "constant", 8, 0));
    receive (other, 0);

    say ("a copy is sent, the original stays");
    zmq_msg_init_size (&message, 1000);
    memset (zmq_msg_data (&message), 'z', 1000);
    for (i = 0; i < 3; i++) {
        zmq_msg_t copy;
        zmq_msg_init (&copy);
        zmq_msg_copy (&copy, &message);
        CALL (zmq_msg_send (&copy, one, 0));
        zmq_msg_close (&copy);
    }
    zmq_msg_close (&message);
    for (i = 0; i < 3; i++) {
        zmq_msg_init (&message);
        CALL (zmq_msg_recv (&message, other, 0));
        NEED (((char *) zmq_msg_data (&message))[999] == 'z');
        zmq_msg_close (&message);
    }
    zmq_close (one);
    zmq_close (other);
    zmq_ctx_term (context);
}

static void invalid (void)
{
    void *context = zmq_ctx_new ();
    void *socket = open_socket (context, ZMQ_PAIR);
    zmq_msg_t none, good;
    say ("messages that are none");
    memset (&none, 0, sizeof none);
    zmq_msg_init (&good);
    CALL (zmq_msg_close (&none));
    CALL (zmq_msg_copy (&none, &good));
    CALL (zmq_msg_copy (&good, &none));
    CALL (zmq_msg_move (&none, &good));
    CALL (zmq_msg_move (&good, &none));
    CALL (zmq_msg_recv (&none, socket, ZMQ_DONTWAIT));
    CALL (zmq_msg_close (&good));
    CALL (zmq_msg_close (&good));
    CALL (zmq_msg_init_size (&good, (size_t) -1));
    zmq_close (socket);
    zmq_ctx_term (context);
}

/* A peer sends a message and goes; the program is told of the message, and receives it then. */
static void origin_of_the_last (int type, int peer_type)
{
    void *context = zmq_ctx_new ();
    void *socket = open_socket (context, type);
    void *peer = open_socket (context, peer_type);
    void *monitor = open_socket (context, ZMQ_PAIR);
    char endpoint[256];
    zmq_msg_t part;
    int more = 1;
    printf ("-- where the last message of a peer that went is from: %d from %d\n", type, peer_type);
    set_int (peer, ZMQ_LINGER, -1);
    NEED (zmq_socket_monitor (socket, "inproc://origin", ZMQ_EVENT_DISCONNECTED) == 0);
    NEED (zmq_connect (monitor, "inproc://origin") == 0);
    if (type == ZMQ_STREAM)
        set_int (socket, ZMQ_STREAM_NOTIFY, 0);
    bind_anywhere (socket, "tcp://127.0.0.1:*", endpoint);
    if (type == ZMQ_SUB)
        NEED (zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "", 0) == 0);
    NEED (zmq_connect (peer, endpoint) == 0);
    if (peer_type == ZMQ_XPUB)
        /* libzmq subscribes while it is looked at. */
        while (!ready (peer, ZMQ_POLLIN, 10))
            get_int (socket, ZMQ_EVENTS);
    if (peer_type == ZMQ_STREAM) {
        unsigned char id[256];
        int size = zmq_recv (peer, id, 255, 0);
        NEED (size > 0);
        NEED (zmq_recv (peer, NULL, 0, 0) == 0);
        NEED (zmq_send (peer, id, size, ZMQ_SNDMORE) == size);
    }
    if (type == ZMQ_REQ) {
        send_text (socket, "question", 0);
        receive (peer, 0);
    }
    send_text (peer, "last words", 0);
    printf ("%d\n", ready (socket, ZMQ_POLLIN, LONG));
    zmq_close (peer);
    /* The connection has ended. */
    NEED (zmq_recv (monitor, NULL, 0, 0) >= 0);
    NEED (zmq_recv (monitor, NULL, 0, 0) >= 0);
    usleep (20000);
    printf ("%d\n", ready (socket, ZMQ_POLLIN, LONG));
    while (more) {
        const char *address, *socket_type;
        NEED (zmq_msg_init (&part) == 0);
        NEED (zmq_msg_recv (&part, socket, ZMQ_DONTWAIT) >= 0);
        more = zmq_msg_more (&part);
        address = zmq_msg_gets (&part, "Peer-Address");
        socket_type = zmq_msg_gets (&part, "Socket-Type");
        /* That the id in front knows where it is from is not compared. */
        if (!more)
            printf ("address %s, type %s\n", address ? address : "none", socket_type ? socket_type : "none");
        zmq_msg_close (&part);
    }
    NEED (zmq_socket_monitor (socket, NULL, 0) == 0);
    zmq_close (monitor);
    zmq_close (socket);
    zmq_ctx_term (context);
}

/* Who has looked for a message has let go of the last one; who knows that the context has ended does not look. */
static void ended (int flags)
{
    static const int types[] = {ZMQ_PULL, ZMQ_PAIR, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_SUB, ZMQ_REP, ZMQ_XPUB, ZMQ_XSUB, ZMQ_STREAM};
    say (flags ? "ended, without waiting" : "ended");
    for (size_t at = 0; at < sizeof types / sizeof *types; at++) {
        void *context = zmq_ctx_new (), *socket = open_socket (context, types[at]);
        zmq_msg_t message;
        printf ("type %d\n", types[at]);
        for (int call = 0; call < 4; call++) {
            zmq_msg_init_size (&message, 7);
            if (call == 0)
                CALL (zmq_msg_recv (&message, socket, ZMQ_DONTWAIT));
            else
                CALL (zmq_msg_recv (&message, socket, flags));
            printf ("%d bytes\n", (int) zmq_msg_size (&message));
            zmq_msg_close (&message);
            if (call == 0)
                CALL (zmq_ctx_shutdown (context));
        }
        zmq_close (socket);
        CALL (zmq_ctx_term (context));
    }
}

/* What is not sent, or not received because the context has ended, stays as it was. */
static void refused (void)
{
    void *context = zmq_ctx_new (), *router = open_socket (context, ZMQ_ROUTER), *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    zmq_msg_t message;
    int events;
    size_t size = sizeof events;
    say ("refused");
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    zmq_msg_init_size (&message, 4);
    memcpy (zmq_msg_data (&message), "kept", 4);
    CALL (zmq_msg_send (&message, push, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    show ("no peer, more to come", &message);
    CALL (zmq_msg_send (&message, push, ZMQ_DONTWAIT));
    show ("no peer", &message);
    CALL (zmq_msg_send (&message, router, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    show ("unknown, more to come", &message);
    CALL (zmq_msg_send (&message, pull, ZMQ_DONTWAIT));
    show ("does not send", &message);
    CALL (zmq_ctx_shutdown (context));
    /* libzmq's sockets learn of it when they look. */
    CALL (zmq_getsockopt (push, ZMQ_EVENTS, &events, &size));
    CALL (zmq_getsockopt (pull, ZMQ_EVENTS, &events, &size));
    CALL (zmq_msg_send (&message, push, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    show ("ended", &message);
    CALL (zmq_msg_recv (&message, pull, ZMQ_DONTWAIT));
    show ("ended", &message);
    zmq_msg_close (&message);
    zmq_close (router);
    zmq_close (push);
    zmq_close (pull);
    CALL (zmq_ctx_term (context));
}

int main (void)
{
    sizes ();
    copies (3);
    copies (33);
    copies (34);
    copies (60);
    by_memcpy ();
    properties ();
    metadata (0);
    metadata (1);
    flow ();
    refused ();
    ended (0);
    ended (ZMQ_DONTWAIT);
    origin_of_the_last (ZMQ_PULL, ZMQ_PUSH);
    origin_of_the_last (ZMQ_ROUTER, ZMQ_DEALER);
    origin_of_the_last (ZMQ_REP, ZMQ_REQ);
    origin_of_the_last (ZMQ_REQ, ZMQ_REP);
    origin_of_the_last (ZMQ_SUB, ZMQ_XPUB);
    origin_of_the_last (ZMQ_STREAM, ZMQ_STREAM);
    invalid ();
    return 0;
}
