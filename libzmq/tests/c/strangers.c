/* What is made of peers that do not quite keep to the protocol. */
#include "peer.h"

static void *context;

/* A peer that is ready with such properties sends a message, and ends; what is known of the peer goes with it. */
static void ready_with (const char *what, int flags, const char *properties, int size)
{
    void *pull = open_socket (context, ZMQ_PULL);
    char endpoint[256], ready[128] = "\4\0\5READY";
    zmq_msg_t message;
    const char *told;
    int fd;
    printf ("-- ready with %s\n", what);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    ready[0] = (char) flags;
    ready[1] = (char) (6 + size);
    memcpy (ready + 8, properties, (size_t) size);
    greet (fd);
    tell (fd, ready, 8 + size);
    tell (fd, "\0\1x", 3);
    /* Who is refused sends in vain: he hears only that it ends. */
    shutdown (fd, SHUT_WR);
    hear_end (fd);
    set_int (pull, ZMQ_RCVTIMEO, 0);
    zmq_msg_init (&message);
    CALL (zmq_msg_recv (&message, pull, 0));
    told = zmq_msg_gets (&message, "X-Name");
    printf ("X-Name: %s\n", told ? told : "none");
    zmq_msg_close (&message);
    close (fd);
    zmq_close (pull);
}

/* Nobody waits for what no memory can hold. */
static void announces (const char *what, const char *header)
{
    void *pull = open_socket (context, ZMQ_PULL);
    char endpoint[256];
    int fd;
    printf ("-- a frame of %s bytes\n", what);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    shake_hands (fd, "PUSH");
    tell (fd, header, 9);
    hear_end (fd);
    close (fd);
    zmq_close (pull);
}

/* What a program says of itself is told up to a zero. */
static void properties (void)
{
    enum { METADATA = 95 };
    static const char one[] = "X-one:1", two[] = "X-two\0and:2\0and", again[] = "X-one:3";
    char endpoint[256];
    void *dealer = open_socket (context, ZMQ_DEALER);
    int listener = listen_anywhere (endpoint, 1), peer;
    say ("properties");
    CALL (zmq_setsockopt (dealer, METADATA, one, sizeof one));
    CALL (zmq_setsockopt (dealer, METADATA, two, sizeof two));
    CALL (zmq_setsockopt (dealer, METADATA, again, sizeof again - 1));
    NEED (zmq_connect (dealer, endpoint) == 0);
    peer = accept_within (listener, LONG);
    greet (peer);
    print_frame (peer, LONG);
    close (peer);
    close (listener);
    zmq_close (dealer);
}

#define PUSH "\13Socket-Type\0\0\0\4PUSH"
#define READY_WITH(flags, properties) ready_with (#properties, flags, properties, sizeof properties - 1)

int main (void)
{
    context = zmq_ctx_new ();
    READY_WITH (4, PUSH);
    READY_WITH (0, PUSH);
    READY_WITH (8, PUSH);
    READY_WITH (4, PUSH "\6X-Name\0\0\0\4name");
    READY_WITH (4, PUSH "\6X-Name\0\0\0\4nam");
    READY_WITH (4, PUSH "\6X-Name\0\0\0");
    READY_WITH (4, PUSH "\6X-Name");
    READY_WITH (4, PUSH "\6X-Nam");
    READY_WITH (4, PUSH "\6");
    READY_WITH (4, PUSH "\0");
    READY_WITH (4, "\13Socket-Type\0\0\0\4PUL");
    announces ("2^64 - 1", "\2\377\377\377\377\377\377\377\377");
    announces ("2^63", "\2\200\0\0\0\0\0\0\0");
    announces ("2^62", "\2\100\0\0\0\0\0\0\0");
    announces ("2^62, and more to come,", "\3\100\0\0\0\0\0\0\0");
    announces ("2^48", "\2\0\1\0\0\0\0\0\0");
    properties ();
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
