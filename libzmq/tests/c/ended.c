/* What a socket receives, and is told, when its context has ended and no call has said so yet. */
#include "say.h"

static void *context, *bound, *connected;

/* A connection that both sides have looked at. */
static void begin (const char *what, const char *transport, int bound_type, int connected_type)
{
    char endpoint[256];
    printf ("-- %s\n", what);
    context = zmq_ctx_new ();
    bound = open_socket (context, bound_type);
    connected = open_socket (context, connected_type);
    bind_anywhere (bound, transport, endpoint);
    NEED (zmq_connect (connected, endpoint) == 0);
}

static void part (void *socket, const char *text, int flags)
{
    NEED (zmq_send (socket, text, strlen (text), flags) >= 0);
}

static void end (void)
{
    NEED (zmq_ctx_shutdown (context) == 0);
}

static void try_parts (void *socket, int count)
{
    char data[64];
    while (count-- > 0) {
        int size;
        errno = 0;
        size = zmq_recv (socket, data, sizeof data, 0);
        if (size == -1)
            printf (" %s", error_name (zmq_errno ()));
        else
            printf (" %d bytes", size);
    }
    printf ("\n");
}

static void finish (void)
{
    zmq_close (bound);
    zmq_close (connected);
    NEED (zmq_ctx_term (context) == 0);
}

static void play (const char *transport)
{
    int events;
    size_t size = sizeof events;
    zmq_msg_t message;

    begin ("a message that was seen", transport, ZMQ_PULL, ZMQ_PUSH);
    part (connected, "1", 0);
    NEED (ready (bound, ZMQ_POLLIN, LONG));
    end ();
    try_parts (bound, 2);
    finish ();

    begin ("parts that are left", transport, ZMQ_PULL, ZMQ_PUSH);
    part (connected, "1", ZMQ_SNDMORE);
    part (connected, "2", ZMQ_SNDMORE);
    part (connected, "3", 0);
    try_parts (bound, 1);
    end ();
    printf ("more: %d\n", get_int (bound, ZMQ_RCVMORE));
    try_parts (bound, 4);
    CALL (zmq_getsockopt (bound, ZMQ_RCVMORE, &events, &size));
    finish ();

    begin ("parts that are left, but the program asks", transport, ZMQ_PULL, ZMQ_PUSH);
    part (connected, "1", ZMQ_SNDMORE);
    part (connected, "2", 0);
    try_parts (bound, 1);
    end ();
    CALL (zmq_getsockopt (bound, ZMQ_EVENTS, &events, &size));
    try_parts (bound, 2);
    finish ();

    begin ("a message with its peer's name", transport, ZMQ_ROUTER, ZMQ_DEALER);
    part (connected, "request", 0);
    try_parts (bound, 1);
    end ();
    try_parts (bound, 2);
    finish ();

    begin ("a request's second part, and another's turn", transport, ZMQ_REP, ZMQ_REQ);
    part (connected, "1", ZMQ_SNDMORE);
    part (connected, "2", 0);
    try_parts (bound, 1);
    end ();
    try_parts (bound, 3);
    finish ();

    begin ("a reply is begun", transport, ZMQ_REP, ZMQ_REQ);
    part (connected, "request", 0);
    try_parts (bound, 1);
    part (bound, "reply", ZMQ_SNDMORE);
    end ();
    try_parts (bound, 2);
    finish ();

    begin ("a request is begun", transport, ZMQ_REP, ZMQ_REQ);
    part (connected, "request", ZMQ_SNDMORE);
    end ();
    try_parts (connected, 2);
    finish ();

    begin ("no request is made", transport, ZMQ_REP, ZMQ_REQ);
    end ();
    zmq_msg_init (&message);
    CALL (zmq_msg_recv (&message, connected, 0));
    CALL (zmq_msg_recv (&message, connected, ZMQ_DONTWAIT));
    zmq_msg_close (&message);
    finish ();

    begin ("a reply's second part", transport, ZMQ_REP, ZMQ_REQ);
    part (connected, "request", 0);
    try_parts (bound, 1);
    part (bound, "1", ZMQ_SNDMORE);
    part (bound, "2", 0);
    try_parts (connected, 1);
    end ();
    try_parts (connected, 3);
    finish ();

    begin ("those that never receive", transport, ZMQ_PUSH, ZMQ_PULL);
    end ();
    try_parts (bound, 2);
    CALL (zmq_getsockopt (bound, ZMQ_EVENTS, &events, &size));
    try_parts (bound, 2);
    finish ();
    begin ("those that only publish", transport, ZMQ_PUB, ZMQ_SUB);
    end ();
    try_parts (bound, 2);
    finish ();
    begin ("nothing there", transport, ZMQ_PULL, ZMQ_PUSH);
    CALL (zmq_recv (bound, NULL, 5, ZMQ_DONTWAIT));
    end ();
    try_parts (bound, 2);
    CALL (zmq_recv (bound, NULL, 5, 0));
    finish ();
}

/* Who finds one message after the other is told in the end. */
static void many (void)
{
    int i, told = 0;
    begin ("many messages", "inproc://many", ZMQ_PULL, ZMQ_PUSH);
    for (i = 0; i < 500; i++)
        part (connected, "x", 0);
    try_parts (bound, 1);
    end ();
    for (i = 0; i < 499; i++)
        told += zmq_recv (bound, NULL, 0, 0) == -1 && zmq_errno () == ETERM;
    printf ("told: %d\n", told > 0);
    finish ();
}

int main (void)
{
    play ("inproc://ended");
    play ("tcp://127.0.0.1:*");
    many ();
    return 0;
}
