/* STREAM: a program's own protocol over TCP. */
#include "peer.h"

static void *context;

static void serve (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256], got[64];
    unsigned char id[256];
    int fd, size;
    ssize_t read_now;
    say ("a server");
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    receive_after_id (stream, id, &size);
    NEED (write (fd, "GET /", 5) == 5);
    receive_after_id (stream, id, &size);
    NEED (zmq_send (stream, id, (size_t) size, ZMQ_SNDMORE) == size);
    send_text (stream, "200 OK", 0);
    memset (got, 0, sizeof got);
    for (size = 0; size < 6; size += (int) read_now)
        NEED ((read_now = read (fd, got + size, sizeof got - 1 - (size_t) size)) > 0);
    printf ("read \"%s\"\n", got);
    close (fd);
    receive_after_id (stream, id, &size);
    send_text (stream, "nobody", ZMQ_SNDMORE);
    CALL (zmq_close (stream));
}

static void hang_up (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256], byte;
    unsigned char id[256];
    int fd, size;
    say ("hanging up");
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    receive_after_id (stream, id, &size);
    NEED (zmq_send (stream, id, (size_t) size, ZMQ_SNDMORE) == size);
    CALL (zmq_send (stream, "", 0, 0));
    while ((size = (int) recv (fd, &byte, 1, MSG_DONTWAIT)) == -1) {
        get_int (stream, ZMQ_EVENTS);
        usleep (1000);
    }
    printf ("read %d\n", size);
    close (fd);
    zmq_close (stream);
}

/* What a peer has said, and is going to say, is of no interest any more. */
static void hang_up_on_a_talker (int type)
{
    void *stream = open_socket (context, type);
    char endpoint[256], byte;
    unsigned char id[256];
    int fd, size;
    printf ("-- hanging up while there is something to read, type %d\n", type);
    if (type == ZMQ_ROUTER)
        set_int (stream, ZMQ_ROUTER_RAW, 1);
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    receive_after_id (stream, id, &size);
    tell (fd, "unread", 6);
    /* Whether it has come by then or comes later. */
    usleep (20000);
    NEED (zmq_send (stream, id, (size_t) size, ZMQ_SNDMORE) == size);
    CALL (zmq_send (stream, "", 0, 0));
    while (recv (fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN) {
        get_int (stream, ZMQ_EVENTS);
        usleep (1000);
    }
    set_int (stream, ZMQ_RCVTIMEO, 50);
    receive (stream, 0);
    close (fd);
    zmq_close (stream);
}

static void tell_origin (void *stream)
{
    int i;
    for (i = 0; i < 2; i++) {
        zmq_msg_t part;
        const char *address;
        zmq_msg_init (&part);
        NEED (zmq_msg_recv (&part, stream, 0) >= 0);
        address = zmq_msg_gets (&part, "Peer-Address");
        printf ("part %d, %d bytes, from %s\n", i, (int) zmq_msg_size (&part), address ? address : "nowhere");
        zmq_msg_close (&part);
    }
}

static void origins (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256];
    int fd;
    say ("where data and notices are from");
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    tell_origin (stream);
    NEED (write (fd, "hello", 5) == 5);
    tell_origin (stream);
    close (fd);
    tell_origin (stream);
    zmq_close (stream);
}

static void quiet (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256];
    unsigned char id[256];
    int fd, size;
    say ("no notes of coming and going");
    set_int (stream, ZMQ_STREAM_NOTIFY, 0);
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    NEED (write (fd, "hello", 5) == 5);
    receive_after_id (stream, id, &size);
    close (fd);
    set_int (stream, ZMQ_RCVTIMEO, 200);
    receive (stream, 0);
    zmq_close (stream);
}

static void name_without_data (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256], text[8];
    unsigned char id[256];
    int fd, size;
    say ("a name that announces no data takes the next part with it");
    bind_anywhere (stream, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    receive_after_id (stream, id, &size);
    send_text (stream, "nobody", 0);
    send_text (stream, "lost", 0);
    CALL (zmq_send (stream, id, (size_t) size, 0) == size);
    CALL (zmq_send (stream, id, (size_t) size, ZMQ_SNDMORE) == size);
    send_text (stream, "nobody", 0);
    send_text (stream, "lost", ZMQ_SNDMORE);
    send_text (stream, "unknown", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    CALL (zmq_send (stream, id, (size_t) size, ZMQ_SNDMORE) == size);
    send_text (stream, "kept", 0);
    NEED (read (fd, text, 4) == 4);
    printf ("%.4s\n", text);
    close (fd);
    zmq_close (stream);
}

static void two_streams (void)
{
    void *server = open_socket (context, ZMQ_STREAM);
    void *client = open_socket (context, ZMQ_STREAM);
    char endpoint[256];
    unsigned char id[256], other[256];
    int size, other_size;
    say ("STREAM to STREAM");
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_setsockopt (client, ZMQ_CONNECT_ROUTING_ID, "srv", 3) == 0);
    NEED (zmq_connect (client, endpoint) == 0);
    receive (client, 0);
    receive_after_id (server, id, &size);
    send_text (client, "srv", ZMQ_SNDMORE);
    send_text (client, "hello", 0);
    receive_after_id (server, other, &other_size);
    printf ("the same id: %d\n", size == other_size && memcmp (id, other, (size_t) size) == 0);
    zmq_send (server, id, (size_t) size, ZMQ_SNDMORE);
    send_text (server, "back", 0);
    receive (client, 0);
    zmq_close (client);
    receive_after_id (server, other, &other_size);
    zmq_close (server);
}

static void own_name (void *stream)
{
    unsigned char id[256];
    size_t size = sizeof id;
    NEED (zmq_getsockopt (stream, ZMQ_ROUTING_ID, id, &size) == 0);
    if (size == 5 && id[0] == 0)
        printf ("its name: made up for the last peer\n");
    else {
        printf ("its name: ");
        print_part (id, size);
        printf ("\n");
    }
}

/* The name made up for a peer is the socket's own, until the program sets one; a name given to a peer is not. */
static void named (void)
{
    void *server = open_socket (context, ZMQ_STREAM);
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256];
    say ("its own name");
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    own_name (stream);
    NEED (zmq_setsockopt (stream, ZMQ_CONNECT_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_connect (stream, endpoint) == 0);
    own_name (stream);
    NEED (zmq_connect (stream, endpoint) == 0);
    own_name (stream);
    NEED (zmq_setsockopt (stream, ZMQ_CONNECT_ROUTING_ID, "bob", 3) == 0);
    NEED (zmq_connect (stream, endpoint) == 0);
    own_name (stream);
    NEED (zmq_setsockopt (stream, ZMQ_ROUTING_ID, "mine", 4) == 0);
    own_name (stream);
    NEED (zmq_setsockopt (stream, ZMQ_CONNECT_ROUTING_ID, "eve", 3) == 0);
    NEED (zmq_connect (stream, endpoint) == 0);
    own_name (stream);
    NEED (zmq_connect (stream, endpoint) == 0);
    own_name (stream);
    zmq_close (stream);
    zmq_close (server);
}

/* Nothing to talk to, but nothing to trip over. */
static void within_the_process (void)
{
    void *stream = open_socket (context, ZMQ_STREAM);
    void *dealer = open_socket (context, ZMQ_DEALER);
    unsigned char id[256];
    int size;
    say ("over inproc: nobody comes or goes");
    NEED (zmq_bind (stream, "inproc://stream") == 0);
    NEED (zmq_connect (dealer, "inproc://stream") == 0);
    printf ("events: %d\n", get_int (stream, ZMQ_EVENTS));
    send_text (dealer, "hello", 0);
    receive_after_id (stream, id, &size);
    zmq_close (dealer);
    usleep (20000);
    printf ("events: %d\n", get_int (stream, ZMQ_EVENTS));
    zmq_close (stream);
}

/* A ROUTER that was raw stays so for what it binds. */
static void once_raw (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    char endpoint[256];
    unsigned char id[256];
    int fd, size;
    say ("a ROUTER that was raw once");
    set_int (router, ZMQ_ROUTER_RAW, 1);
    set_int (router, ZMQ_ROUTER_RAW, 0);
    bind_anywhere (router, "tcp://127.0.0.1:*", endpoint);
    fd = dial (endpoint);
    receive_after_id (router, id, &size);
    close (fd);
    zmq_close (router);
}

int main (void)
{
    void *stream;
    context = zmq_ctx_new ();
    serve ();
    hang_up ();
    hang_up_on_a_talker (ZMQ_STREAM);
    hang_up_on_a_talker (ZMQ_ROUTER);
    origins ();
    quiet ();
    name_without_data ();
    two_streams ();
    say ("errors");
    stream = open_socket (context, ZMQ_STREAM);
    send_text (stream, "unknown", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    CALL (zmq_connect (stream, "inproc://a"));
    receive (stream, ZMQ_DONTWAIT);
    printf ("events: %d\n", get_int (stream, ZMQ_EVENTS));
    zmq_close (stream);
    named ();
    within_the_process ();
    once_raw ();
    CALL (zmq_ctx_term (context));
    return 0;
}
