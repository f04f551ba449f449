/* PUB, SUB, XPUB, XSUB: subscriptions, what is passed up, and the options of both sides. */
#include "say.h"

static void *context;

static void pair (int publisher, int subscriber, void **pub, void **sub, const char *endpoint)
{
    char real[256];
    *pub = open_socket (context, publisher);
    *sub = open_socket (context, subscriber);
    bind_anywhere (*pub, endpoint, real);
    NEED (zmq_connect (*sub, real) == 0);
}

static void subscribe (void *sub, const char *topic)
{
    NEED (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, topic, strlen (topic)) == 0);
}

static void unsubscribe (void *sub, const char *topic)
{
    NEED (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, topic, strlen (topic)) == 0);
}

static void passed_up (const char *endpoint)
{
    void *xpub, *sub;
    printf ("-- what an XPUB is told over %s\n", endpoint);
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, endpoint);
    subscribe (sub, "a");
    receive (xpub, 0);
    subscribe (sub, "a");
    subscribe (sub, "b");
    receive (xpub, 0);
    unsubscribe (sub, "a");
    unsubscribe (sub, "b");
    receive (xpub, 0);
    unsubscribe (sub, "a");
    receive (xpub, 0);
    CALL (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "unknown", 7));
    subscribe (sub, "");
    receive (xpub, 0);
    send_text (xpub, "anything", 0);
    receive (sub, 0);
    zmq_close (sub);
    receive (xpub, 0);
    zmq_close (xpub);
}

/* Who asked, as its connection said; the cancels of one that has gone are nobody's. */
static void who_asked (const char *endpoint)
{
    void *xpub, *sub;
    int i;
    printf ("-- who asked, over %s\n", endpoint);
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, endpoint);
    subscribe (sub, "a");
    subscribe (sub, "b");
    unsubscribe (sub, "b");
    for (i = 0; i < 4; i++) {
        zmq_msg_t request;
        const char *type, *address;
        zmq_msg_init (&request);
        NEED (zmq_msg_recv (&request, xpub, 0) == 2);
        print_part ((const unsigned char *) zmq_msg_data (&request), 2);
        type = zmq_msg_gets (&request, "Socket-Type");
        address = zmq_msg_gets (&request, "Peer-Address");
        printf (" of %s at %s\n", type ? type : "no type", address ? address : "no address");
        zmq_msg_close (&request);
        if (i == 0)
            NEED (ready (xpub, ZMQ_POLLIN, LONG));
        if (i == 2)
            zmq_close (sub);
    }
    zmq_close (xpub);
}

static void prefixes (const char *endpoint)
{
    void *xpub, *sub;
    printf ("-- topics are prefixes over %s\n", endpoint);
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, endpoint);
    subscribe (sub, "abc");
    receive (xpub, 0);
    subscribe (sub, "x");
    receive (xpub, 0);
    send_text (xpub, "ab", 0);
    send_text (xpub, "abc", 0);
    send_text (xpub, "", 0);
    send_text (xpub, "abcd", ZMQ_SNDMORE);
    send_text (xpub, "no topic", 0);
    send_text (xpub, "no", ZMQ_SNDMORE);
    send_text (xpub, "abc", 0);
    send_text (xpub, "x", 0);
    receive (sub, 0);
    receive (sub, 0);
    receive (sub, 0);
    receive (sub, ZMQ_DONTWAIT);
    zmq_close (sub);
    zmq_close (xpub);
}

static void wrong_way (void)
{
    void *pub = open_socket (context, ZMQ_PUB);
    void *sub = open_socket (context, ZMQ_SUB);
    say ("the wrong way");
    CALL (zmq_setsockopt (pub, ZMQ_SUBSCRIBE, "a", 1));
    CALL (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, NULL, 0));
    CALL (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "never", 5));
    receive (pub, ZMQ_DONTWAIT);
    send_text (sub, "a", ZMQ_DONTWAIT);
    send_text (pub, "to nobody", ZMQ_DONTWAIT);
    printf ("events: %d %d\n", get_int (pub, ZMQ_EVENTS), get_int (sub, ZMQ_EVENTS));
    zmq_close (pub);
    zmq_close (sub);
}

static void raw (void)
{
    void *xpub, *xsub;
    say ("subscriptions as messages");
    pair (ZMQ_XPUB, ZMQ_XSUB, &xpub, &xsub, "inproc://raw");
    NEED (zmq_send (xsub, "\1a", 2, 0) == 2);
    NEED (zmq_send (xsub, "\1a", 2, 0) == 2);
    NEED (zmq_send (xsub, "\2plain", 6, 0) == 6);
    NEED (zmq_send (xsub, "\0a", 2, 0) == 2);
    NEED (zmq_send (xsub, "\0a", 2, 0) == 2);
    NEED (zmq_send (xsub, "\1b", 2, 0) == 2);
    receive (xpub, 0);
    receive (xpub, 0);
    receive (xpub, 0);
    receive (xpub, 0);
    receive (xpub, ZMQ_DONTWAIT);
    send_text (xpub, "before", 0);
    receive (xsub, 0);
    send_text (xsub, "up", ZMQ_SNDMORE);
    send_text (xsub, "the stream", 0);
    receive (xpub, 0);
    zmq_close (xpub);
    zmq_close (xsub);
}

static void verbose (int option)
{
    void *xpub, *one, *other;
    printf ("-- verbose %d\n", option);
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &one, option == ZMQ_XPUB_VERBOSE ? "inproc://v" : "inproc://vv");
    other = open_socket (context, ZMQ_SUB);
    NEED (zmq_connect (other, option == ZMQ_XPUB_VERBOSE ? "inproc://v" : "inproc://vv") == 0);
    set_int (xpub, option, 1);
    subscribe (one, "a");
    subscribe (other, "a");
    receive (xpub, 0);
    receive (xpub, 0);
    unsubscribe (one, "a");
    receive (xpub, ZMQ_DONTWAIT);
    unsubscribe (other, "a");
    receive (xpub, 0);
    receive (xpub, ZMQ_DONTWAIT);
    zmq_close (xpub);
    zmq_close (one);
    zmq_close (other);
}

static void manual (void)
{
    void *xpub, *sub;
    say ("manual subscriptions");
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, "inproc://manual");
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
    subscribe (sub, "a");
    receive (xpub, 0);
    CALL (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "b", 1));
    send_text (xpub, "a1", 0);
    send_text (xpub, "b1", 0);
    receive (sub, ZMQ_DONTWAIT);
    receive (sub, ZMQ_DONTWAIT);
    unsubscribe (sub, "a");
    receive (xpub, 0);
    CALL (zmq_setsockopt (xpub, ZMQ_UNSUBSCRIBE, "b", 1));
    send_text (xpub, "b2", 0);
    receive (sub, ZMQ_DONTWAIT);
    zmq_close (xpub);
    zmq_close (sub);
}

static void welcome (const char *endpoint)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *sub = open_socket (context, ZMQ_SUB);
    char real[256];
    printf ("-- a welcome over %s\n", endpoint);
    CALL (zmq_setsockopt (xpub, ZMQ_XPUB_WELCOME_MSG, "welcome", 7));
    bind_anywhere (xpub, endpoint, real);
    subscribe (sub, "w");
    NEED (zmq_connect (sub, real) == 0);
    receive (xpub, 0);
    receive (sub, 0);
    zmq_close (xpub);
    zmq_close (sub);
}

static void inverted (void)
{
    void *xpub, *sub;
    say ("inverted");
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, "inproc://inverted");
    set_int (xpub, ZMQ_INVERT_MATCHING, 1);
    set_int (sub, ZMQ_INVERT_MATCHING, 1);
    subscribe (sub, "a");
    receive (xpub, 0);
    send_text (xpub, "abc", 0);
    send_text (xpub, "bcd", 0);
    receive (sub, 0);
    receive (sub, ZMQ_DONTWAIT);
    zmq_close (xpub);
    zmq_close (sub);
}

static void full (int no_drop)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *sub = open_socket (context, ZMQ_SUB);
    int i, sent = 0, received = 0;
    char byte;
    const char *endpoint = no_drop ? "inproc://full-kept" : "inproc://full";
    printf ("-- a full subscriber, %s\n", no_drop ? "nothing dropped" : "dropping");
    set_int (xpub, ZMQ_SNDHWM, 3);
    set_int (sub, ZMQ_RCVHWM, 2);
    set_int (xpub, ZMQ_XPUB_NODROP, no_drop);
    NEED (zmq_bind (xpub, endpoint) == 0);
    NEED (zmq_connect (sub, endpoint) == 0);
    subscribe (sub, "");
    receive (xpub, 0);
    for (i = 0; i < 10; i++)
        sent += zmq_send (xpub, "x", 1, ZMQ_DONTWAIT) == 1;
    while (zmq_recv (sub, &byte, 1, ZMQ_DONTWAIT) == 1)
        received++;
    printf ("sent %d, received %d\n", sent, received);
    get_int (xpub, ZMQ_EVENTS);
    send_text (xpub, "after", ZMQ_DONTWAIT);
    receive (sub, ZMQ_DONTWAIT);
    zmq_close (xpub);
    zmq_close (sub);
}

static void conflated (void)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    say ("only the newest");
    set_int (pull, ZMQ_CONFLATE, 1);
    set_int (push, ZMQ_CONFLATE, 1);
    NEED (zmq_bind (pull, "inproc://conflated") == 0);
    NEED (zmq_connect (push, "inproc://conflated") == 0);
    send_text (push, "one", 0);
    send_text (push, "two", 0);
    send_text (push, "three", 0);
    receive (pull, 0);
    receive (pull, ZMQ_DONTWAIT);
    zmq_close (push);
    zmq_close (pull);
}

static void gone (const char *endpoint)
{
    static const char *const TOPICS[] = {"c", "ab", "b", "a"};
    void *xpub, *sub;
    int i;
    printf ("-- the cancels of who is gone over %s\n", endpoint);
    pair (ZMQ_XPUB, ZMQ_SUB, &xpub, &sub, endpoint);
    for (i = 0; i < 4; i++) {
        subscribe (sub, TOPICS[i]);
        receive (xpub, 0);
    }
    zmq_close (sub);
    for (i = 0; i < 4; i++)
        receive (xpub, 0);
    zmq_close (xpub);
}

static void many_at_once (void)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *sub = open_socket (context, ZMQ_SUB);
    char endpoint[256];
    int i;
    say ("subscribed before connecting: told in order");
    bind_anywhere (xpub, "tcp://127.0.0.1:*", endpoint);
    subscribe (sub, "c");
    subscribe (sub, "ab");
    subscribe (sub, "");
    subscribe (sub, "b");
    subscribe (sub, "a");
    NEED (zmq_connect (sub, endpoint) == 0);
    for (i = 0; i < 5; i++)
        receive (xpub, 0);
    zmq_close (xpub);
    zmq_close (sub);
}

static void send_raw (void *xsub, const char *data, int size, int flags)
{
    NEED (zmq_send (xsub, data, size, flags) == size);
}

/* Requests wait for the connection one by one, with what else is sent. */
static void early (const char *endpoint)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *xsub = open_socket (context, ZMQ_XSUB);
    char real[256];
    int i;
    printf ("-- asked before the connection is there over %s\n", endpoint);
    set_int (xpub, ZMQ_XPUB_VERBOSER, 1);
    bind_anywhere (xpub, endpoint, real);
    send_raw (xsub, "\1held", 5, 0);
    NEED (zmq_connect (xsub, real) == 0);
    send_raw (xsub, "up", 2, 0);
    send_raw (xsub, "\1A", 2, 0);
    send_raw (xsub, "\1A", 2, 0);
    send_raw (xsub, "up", 2, ZMQ_SNDMORE);
    send_raw (xsub, "more", 4, 0);
    send_raw (xsub, "\0A", 2, 0);
    send_raw (xsub, "\0A", 2, 0);
    send_raw (xsub, "\1B", 2, 0);
    send_raw (xsub, "\0held", 5, 0);
    send_raw (xsub, "end", 3, 0);
    for (i = 0; i < 9; i++)
        receive (xpub, 0);
    zmq_close (xpub);
    zmq_close (xsub);
}

/* A publisher that comes back is told what holds. */
static void back_again (void)
{
    void *sub = open_socket (context, ZMQ_SUB), *xpub;
    char endpoint[256];
    int i;
    say ("a publisher that comes back");
    xpub = open_socket (context, ZMQ_XPUB);
    bind_anywhere (xpub, "tcp://127.0.0.1:*", endpoint);
    set_int (sub, ZMQ_RECONNECT_IVL, 20);
    NEED (zmq_connect (sub, endpoint) == 0);
    subscribe (sub, "c");
    subscribe (sub, "a");
    subscribe (sub, "b");
    subscribe (sub, "b");
    unsubscribe (sub, "c");
    for (i = 0; i < 4; i++)
        receive (xpub, 0);
    zmq_close (xpub);
    do {
        xpub = open_socket (context, ZMQ_XPUB);
        set_int (xpub, ZMQ_XPUB_VERBOSER, 1);
        if (zmq_bind (xpub, endpoint) == 0)
            break;
        zmq_close (xpub);
    } while (1);
    while (!ready (xpub, ZMQ_POLLIN, 1))
        get_int (sub, ZMQ_EVENTS);
    receive (xpub, 0);
    receive (xpub, 0);
    subscribe (sub, "end");
    receive (xpub, 0);
    zmq_close (xpub);
    zmq_close (sub);
}

static void late (void)
{
    void *pub = open_socket (context, ZMQ_XPUB);
    void *sub = open_socket (context, ZMQ_SUB);
    char endpoint[256];
    say ("the subscriber binds, subscriptions come later");
    bind_anywhere (sub, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (pub, endpoint) == 0);
    subscribe (sub, "news");
    while (!ready (pub, ZMQ_POLLIN, 1))
        get_int (sub, ZMQ_EVENTS);
    receive (pub, 0);
    send_text (pub, "newspaper", 0);
    receive (sub, 0);
    zmq_close (pub);
    zmq_close (sub);
}

/* The next bytes that a plain peer gets; they are printed, if somebody is to see them. */
static void bytes (void *stream, unsigned char *id, int count, int shown)
{
    static unsigned char got[256];
    static int held;
    while (held < count) {
        int size;
        NEED (zmq_recv (stream, id, 5, 0) == 5);
        NEED ((size = zmq_recv (stream, got + held, sizeof got - held, 0)) >= 0);
        held += size;
    }
    if (shown) {
        print_part (got, count);
        printf ("\n");
    }
    held -= count;
    memmove (got, got + count, held);
}

/* What a publisher of ZMTP 3.1 gets of an XSUB, and of a SUB. */
static void on_the_wire (int type)
{
    static const char ready[] = "\4\x1a\5READY\xbSocket-Type\0\0\0\4XPUB";
    void *stream = open_socket (context, ZMQ_STREAM);
    void *sub = open_socket (context, type);
    char endpoint[256];
    unsigned char id[5], greeting[64];
    printf ("-- requests on the wire, type %d\n", type);
    memset (greeting, 0, sizeof greeting);
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = 1;
    memcpy (greeting + 12, "NULL", 4);
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (sub, endpoint) == 0);
    bytes (stream, id, 10, 0);
    NEED (zmq_send (stream, id, 5, ZMQ_SNDMORE) == 5 && zmq_send (stream, greeting, 64, 0) == 64);
    bytes (stream, id, 54, 0);
    NEED (zmq_send (stream, id, 5, ZMQ_SNDMORE) == 5);
    NEED (zmq_send (stream, ready, sizeof ready - 1, 0) == sizeof ready - 1);
    bytes (stream, id, type == ZMQ_SUB ? 27 : 28, 1);
    if (type == ZMQ_SUB) {
        subscribe (sub, "topic");
        bytes (stream, id, 17, 1);
    } else {
        send_text (sub, "\1topic", 0);
        bytes (stream, id, 8, 1);
        send_text (sub, "\1more", ZMQ_SNDMORE);
        send_text (sub, "data", ZMQ_SNDMORE);
        send_text (sub, "\1most", 0);
        bytes (stream, id, 20, 1);
    }
    zmq_close (sub);
    zmq_close (stream);
}

/* What is no request waits as in any pipe: requests that wait, too, do not take its room. */
static void upstream_marks (void)
{
    void *xpub = open_socket (context, ZMQ_XPUB), *xsub = open_socket (context, ZMQ_XSUB);
    int i, got = 0;
    char byte;
    say ("messages up, and the marks");
    set_int (xpub, ZMQ_RCVHWM, 6);
    set_int (xsub, ZMQ_SNDHWM, 6);
    NEED (zmq_bind (xpub, "inproc://upstream") == 0);
    NEED (zmq_connect (xsub, "inproc://upstream") == 0);
    for (i = 0; i < 5; i++) {
        char request[2] = {1, 0};
        request[1] = (char) ('a' + i);
        NEED (zmq_send (xsub, request, 2, 0) == 2 && zmq_send (xsub, "u", 1, 0) == 1);
    }
    while (zmq_recv (xpub, &byte, 1, ZMQ_DONTWAIT) >= 0)
        got++;
    printf ("%d came\n", got);
    zmq_close (xsub);
    zmq_close (xpub);
}

int main (void)
{
    context = zmq_ctx_new ();
    passed_up ("inproc://up");
    passed_up ("tcp://127.0.0.1:*");
    passed_up ("ipc://*");
    who_asked ("inproc://asked");
    who_asked ("tcp://127.0.0.1:*");
    prefixes ("inproc://prefixes");
    prefixes ("tcp://127.0.0.1:*");
    wrong_way ();
    raw ();
    verbose (ZMQ_XPUB_VERBOSE);
    verbose (ZMQ_XPUB_VERBOSER);
    manual ();
    welcome ("inproc://welcome");
    welcome ("tcp://127.0.0.1:*");
    inverted ();
    full (0);
    full (1);
    conflated ();
    gone ("tcp://127.0.0.1:*");
    gone ("inproc://gone");
    many_at_once ();
    early ("tcp://127.0.0.1:*");
    early ("ipc://*");
    early ("inproc://early");
    back_again ();
    late ();
    upstream_marks ();
    on_the_wire (ZMQ_SUB);
    on_the_wire (ZMQ_XSUB);
    CALL (zmq_ctx_term (context));
    return 0;
}
