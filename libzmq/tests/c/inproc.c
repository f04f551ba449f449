/* inproc and PAIR: names, the order of binding and connecting, one partner only. */
#include "say.h"

static void *context;

static void names (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    say ("names");
    CALL (zmq_bind (one, "inproc://name"));
    CALL (zmq_bind (other, "inproc://name"));
    CALL (zmq_bind (one, "inproc://"));
    CALL (zmq_connect (one, "inproc://"));
    CALL (zmq_unbind (one, "inproc://name"));
    CALL (zmq_unbind (one, "inproc://name"));
    CALL (zmq_bind (other, "inproc://name"));
    CALL (zmq_disconnect (one, "inproc://unknown"));
    CALL (zmq_connect (one, "inproc://name"));
    CALL (zmq_disconnect (one, "inproc://name"));
    CALL (zmq_disconnect (one, "inproc://name"));
    zmq_close (one);
    zmq_close (other);
}

static void one_partner (void)
{
    void *server = open_socket (context, ZMQ_PAIR);
    void *first = open_socket (context, ZMQ_PAIR);
    void *second = open_socket (context, ZMQ_PAIR);
    say ("one partner only");
    NEED (zmq_bind (server, "inproc://partner") == 0);
    NEED (zmq_connect (first, "inproc://partner") == 0);
    CALL (zmq_connect (second, "inproc://partner"));
    send_text (server, "to the first", 0);
    receive (first, 0);
    receive (second, ZMQ_DONTWAIT);
    send_text (first, "from the first", 0);
    receive (server, 0);
    zmq_close (server);
    zmq_close (first);
    zmq_close (second);
}

static void waiting (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client[3];
    char text[8];
    int i;
    say ("several connect before the bind");
    for (i = 0; i < 3; i++) {
        client[i] = open_socket (context, ZMQ_PUSH);
        CALL (zmq_connect (client[i], "inproc://waiting"));
        sprintf (text, "%d", i);
        send_text (client[i], text, 0);
    }
    CALL (zmq_bind (server, "inproc://waiting"));
    for (i = 0; i < 3; i++)
        receive (server, 0);
    for (i = 0; i < 3; i++)
        zmq_close (client[i]);
    zmq_close (server);
}

/* open_socket's sockets do not linger. */
static void deserted (int disconnects)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *server = open_socket (context, ZMQ_PULL);
    printf ("-- who sent before the bind has %s since\n", disconnects ? "disconnected" : "closed");
    NEED (zmq_connect (client, "inproc://deserted") == 0);
    send_text (client, "one", 0);
    send_text (client, "two", 0);
    if (disconnects) {
        CALL (zmq_disconnect (client, "inproc://deserted"));
        send_text (client, "to nobody", ZMQ_DONTWAIT);
    } else
        zmq_close (client);
    CALL (zmq_bind (server, "inproc://deserted"));
    receive (server, 0);
    receive (server, 0);
    receive (server, ZMQ_DONTWAIT);
    CALL (zmq_unbind (server, "inproc://deserted"));
    if (disconnects)
        zmq_close (client);
    zmq_close (server);
}

static void closed_partner (void)
{
    void *server = open_socket (context, ZMQ_PAIR);
    void *client = open_socket (context, ZMQ_PAIR);
    say ("what was sent is read after the sender closed");
    NEED (zmq_bind (server, "inproc://closed") == 0);
    NEED (zmq_connect (client, "inproc://closed") == 0);
    send_text (client, "one", 0);
    send_text (client, "two", ZMQ_SNDMORE);
    send_text (client, "parts", 0);
    send_text (client, "half a message", ZMQ_SNDMORE);
    zmq_close (client);
    receive (server, 0);
    receive (server, 0);
    receive (server, ZMQ_DONTWAIT);
    zmq_close (server);
}

static void any_types (void)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *sub = open_socket (context, ZMQ_PAIR);
    say ("no check of types");
    NEED (zmq_bind (push, "inproc://types") == 0);
    CALL (zmq_connect (sub, "inproc://types"));
    send_text (push, "anyway", ZMQ_DONTWAIT);
    receive (sub, ZMQ_DONTWAIT);
    zmq_close (push);
    zmq_close (sub);
}

static void apart (void)
{
    void *other_context = zmq_ctx_new ();
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (other_context, ZMQ_PAIR);
    say ("names belong to a context");
    CALL (zmq_bind (one, "inproc://apart"));
    CALL (zmq_bind (other, "inproc://apart"));
    zmq_close (one);
    zmq_close (other);
    CALL (zmq_ctx_term (other_context));
}

static void never_bound (void)
{
    void *other_context = zmq_ctx_new ();
    void *socket = zmq_socket (other_context, ZMQ_PUSH);
    say ("never bound, lingering for ever: the context ends all the same");
    CALL (zmq_connect (socket, "inproc://never"));
    send_text (socket, "lost", 0);
    CALL (zmq_close (socket));
    CALL (zmq_ctx_term (other_context));
}

static void to_itself (void)
{
    void *dealer = open_socket (context, ZMQ_DEALER);
    void *other = open_socket (context, ZMQ_DEALER);
    say ("bound and connected: the binding ends first");
    CALL (zmq_bind (dealer, "inproc://itself"));
    CALL (zmq_connect (dealer, "inproc://itself"));
    CALL (zmq_disconnect (dealer, "inproc://itself"));
    CALL (zmq_bind (other, "inproc://itself"));
    send_text (dealer, "to itself", 0);
    receive (dealer, 0);
    CALL (zmq_disconnect (dealer, "inproc://itself"));
    CALL (zmq_disconnect (dealer, "inproc://itself"));
    zmq_close (dealer);
    zmq_close (other);
}

/* libzmq's sockets learn of each other when they are looked at, and take turns in it. */
/* A request that comes back is no reply. */
static void asked_itself (int relaxed)
{
    /* libzmq gives a name back some time after the socket is closed. */
    const char *endpoint = relaxed ? "inproc://asked-relaxed" : "inproc://asked";
    void *req = open_socket (context, ZMQ_REQ);
    void *rep = open_socket (context, ZMQ_REP);
    say ("a REQ binds the name it had asked and left");
    set_int (req, ZMQ_REQ_RELAXED, relaxed);
    CALL (zmq_connect (req, endpoint));
    send_text (req, "question", 0);
    CALL (zmq_disconnect (req, endpoint));
    CALL (zmq_bind (req, endpoint));
    CALL (zmq_connect (rep, endpoint));
    receive (req, ZMQ_DONTWAIT);
    send_text (req, "another", ZMQ_DONTWAIT);
    receive (req, ZMQ_DONTWAIT);
    receive (rep, ZMQ_DONTWAIT);
    zmq_close (rep);
    zmq_close (req);
}

static void settle (void *one, void *other)
{
    int turns;
    for (turns = 0; turns < 10; turns++) {
        get_int (one, ZMQ_EVENTS);
        if (other != NULL)
            get_int (other, ZMQ_EVENTS);
        usleep (10000);
    }
}

static void binder_gone (int binding, int connecting)
{
    void *binder = open_socket (context, binding), *socket = open_socket (context, connecting);
    printf ("-- an endpoint goes with its binder, type %d\n", connecting);
    NEED (zmq_bind (binder, "inproc://gone") == 0);
    NEED (zmq_connect (socket, "inproc://gone") == 0);
    settle (binder, socket);
    zmq_close (binder);
    settle (socket, NULL);
    CALL (zmq_disconnect (socket, "inproc://gone"));
    zmq_close (socket);
}

static void unread_of_gone (void)
{
    void *push = open_socket (context, ZMQ_PUSH), *pull = open_socket (context, ZMQ_PULL);
    say ("what a binder left behind, and a disconnect");
    NEED (zmq_bind (push, "inproc://left") == 0);
    NEED (zmq_connect (pull, "inproc://left") == 0);
    send_text (push, "one", 0);
    send_text (push, "two", 0);
    settle (push, pull);
    zmq_close (push);
    settle (pull, NULL);
    receive (pull, 0);
    CALL (zmq_disconnect (pull, "inproc://left"));
    receive (pull, 0);
    CALL (zmq_disconnect (pull, "inproc://left"));
    zmq_close (pull);
}

/* What EVENTS has found of a peer that has gone can be received though the endpoint is disconnected: it is there until then. */
static void found_of_gone (int binding, int connecting)
{
    void *binder = open_socket (context, binding), *socket = open_socket (context, connecting);
    int disconnects;
    printf ("-- a single message that a binder left behind, type %d\n", connecting);
    NEED (connecting != ZMQ_SUB || zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "", 0) == 0);
    NEED (connecting != ZMQ_ROUTER || zmq_setsockopt (binder, ZMQ_ROUTING_ID, "binder", 6) == 0);
    for (disconnects = 0; disconnects < 2; disconnects++) {
        const char *endpoint = disconnects ? "inproc://single" : "inproc://received";
        NEED (zmq_bind (binder, endpoint) == 0);
        NEED (zmq_connect (socket, endpoint) == 0);
        settle (binder, socket);
        send_text (binder, "single", 0);
        NEED (get_int (socket, ZMQ_EVENTS) & ZMQ_POLLIN);
        zmq_close (binder);
        settle (socket, NULL);
        if (disconnects)
            CALL (zmq_disconnect (socket, endpoint));
        receive (socket, 0);
        settle (socket, NULL);
        CALL (zmq_disconnect (socket, endpoint));
        binder = open_socket (context, binding);
        NEED (connecting != ZMQ_ROUTER || zmq_setsockopt (binder, ZMQ_ROUTING_ID, "binder", 6) == 0);
    }
    zmq_close (binder);
    zmq_close (socket);
}

static void refused (void)
{
    void *server = open_socket (context, ZMQ_PAIR), *first = open_socket (context, ZMQ_PAIR);
    void *second = open_socket (context, ZMQ_PAIR);
    say ("an endpoint goes with the refusal");
    NEED (zmq_bind (server, "inproc://one") == 0);
    NEED (zmq_connect (first, "inproc://one") == 0);
    settle (server, first);
    CALL (zmq_connect (second, "inproc://one"));
    settle (server, second);
    CALL (zmq_disconnect (second, "inproc://one"));
    zmq_close (second);
    zmq_close (first);
    zmq_close (server);
}

int main (void)
{
    context = zmq_ctx_new ();
    names ();
    one_partner ();
    waiting ();
    deserted (0);
    deserted (1);
    closed_partner ();
    any_types ();
    apart ();
    never_bound ();
    to_itself ();
    asked_itself (0);
    asked_itself (1);
    binder_gone (ZMQ_PAIR, ZMQ_PAIR);
    binder_gone (ZMQ_PULL, ZMQ_PUSH);
    binder_gone (ZMQ_PUSH, ZMQ_PULL);
    binder_gone (ZMQ_ROUTER, ZMQ_DEALER);
    binder_gone (ZMQ_DEALER, ZMQ_ROUTER);
    binder_gone (ZMQ_PUB, ZMQ_SUB);
    unread_of_gone ();
    found_of_gone (ZMQ_PUSH, ZMQ_PULL);
    found_of_gone (ZMQ_DEALER, ZMQ_ROUTER);
    found_of_gone (ZMQ_PUB, ZMQ_SUB);
    refused ();
    CALL (zmq_ctx_term (context));
    return 0;
}
