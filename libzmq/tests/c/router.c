/* ROUTER and DEALER: ids, what cannot be delivered, taking over, probes. */
#include "say.h"

static void *context;

static void named (const char *endpoint)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    char real[256];
    printf ("-- named peers over %s\n", endpoint);
    bind_anywhere (router, endpoint, real);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_connect (dealer, real) == 0);
    send_text (dealer, "part", ZMQ_SNDMORE);
    send_text (dealer, "", ZMQ_SNDMORE);
    send_text (dealer, "end", 0);
    receive (router, 0);
    send_text (router, "ann", ZMQ_SNDMORE);
    send_text (router, "reply", ZMQ_SNDMORE);
    send_text (router, "end", 0);
    receive (dealer, 0);
    send_text (router, "bob", ZMQ_SNDMORE);
    send_text (router, "lost", 0);
    send_text (router, "ann", 0);
    send_text (router, "ann", ZMQ_SNDMORE);
    send_text (router, "after", 0);
    receive (dealer, 0);
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    send_text (router, "bob", ZMQ_SNDMORE);
    send_text (router, "ann", ZMQ_SNDMORE);
    send_text (router, "known", 0);
    receive (dealer, 0);
    printf ("events: %d %d\n", get_int (router, ZMQ_EVENTS), get_int (dealer, ZMQ_EVENTS));
    zmq_close (dealer);
    zmq_close (router);
}

static void given (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    unsigned char id[256];
    int size;
    say ("ids that the library gives");
    NEED (zmq_bind (router, "inproc://given") == 0);
    NEED (zmq_connect (dealer, "inproc://given") == 0);
    send_text (dealer, "hello", 0);
    receive_after_id (router, id, &size);
    printf ("begins with %d\n", id[0]);
    zmq_send (router, id, size, ZMQ_SNDMORE);
    send_text (router, "back", 0);
    receive (dealer, 0);
    zmq_close (dealer);
    zmq_close (router);
}

static void full (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    int mandatory, i;
    say ("a full peer");
    set_int (router, ZMQ_SNDHWM, 2);
    set_int (dealer, ZMQ_RCVHWM, 1);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_bind (router, "inproc://full") == 0);
    NEED (zmq_connect (dealer, "inproc://full") == 0);
    for (mandatory = 0; mandatory < 2; mandatory++) {
        set_int (router, ZMQ_ROUTER_MANDATORY, mandatory);
        get_int (router, ZMQ_EVENTS);
        for (i = 0; i < 5; i++) {
            CALL (zmq_send (router, "ann", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT));
            CALL (zmq_send (router, "x", 1, ZMQ_DONTWAIT));
        }
        for (i = 0; i < 5; i++)
            receive (dealer, ZMQ_DONTWAIT);
    }
    zmq_close (dealer);
    zmq_close (router);
}

static void same_name (int handover)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *one = open_socket (context, ZMQ_DEALER);
    void *other = open_socket (context, ZMQ_DEALER);
    char real[256];
    int i;
    printf ("-- the same name twice, handover %d\n", handover);
    set_int (router, ZMQ_ROUTER_HANDOVER, handover);
    NEED (zmq_setsockopt (one, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_setsockopt (other, ZMQ_ROUTING_ID, "ann", 3) == 0);
    bind_anywhere (router, "tcp://127.0.0.1:*", real);
    NEED (zmq_connect (one, real) == 0);
    send_text (one, "from one", 0);
    receive (router, 0);
    NEED (zmq_connect (other, real) == 0);
    send_text (other, "from other", 0);
    if (handover)
        receive (router, 0);
    else {
        set_int (router, ZMQ_RCVTIMEO, 300);
        receive (router, 0);
    }
    send_text (router, "ann", ZMQ_SNDMORE);
    send_text (router, "to the owner of the name", 0);
    receive (handover ? other : one, 0);
    /* Nor does it change hands again by itself. */
    for (i = 0; i < 5; i++) {
        usleep (100000);
        send_text (router, "ann", ZMQ_SNDMORE);
        send_text (router, "still", 0);
        receive (handover ? other : one, 0);
    }
    zmq_close (one);
    zmq_close (other);
    zmq_close (router);
}

static void chosen (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    char real[256];
    say ("the connecting side chooses the id");
    bind_anywhere (dealer, "tcp://127.0.0.1:*", real);
    CALL (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "", 0));
    CALL (zmq_setsockopt (router, ZMQ_CONNECT_ROUTING_ID, "chosen", 6));
    NEED (zmq_connect (router, real) == 0);
    send_text (router, "chosen", ZMQ_SNDMORE);
    send_text (router, "at once", 0);
    receive (dealer, 0);
    send_text (dealer, "answer", 0);
    receive (router, 0);
    zmq_close (dealer);
    zmq_close (router);
}

static void probe (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    char real[256];
    say ("a probe");
    set_int (dealer, ZMQ_PROBE_ROUTER, 1);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    bind_anywhere (router, "tcp://127.0.0.1:*", real);
    NEED (zmq_connect (dealer, real) == 0);
    receive (router, 0);
    send_text (router, "ann", ZMQ_SNDMORE);
    send_text (router, "welcome", 0);
    receive (dealer, 0);
    zmq_close (dealer);
    zmq_close (router);
}

static void router_to_router (void)
{
    void *one = open_socket (context, ZMQ_ROUTER);
    void *other = open_socket (context, ZMQ_ROUTER);
    say ("ROUTER to ROUTER");
    NEED (zmq_setsockopt (one, ZMQ_ROUTING_ID, "one", 3) == 0);
    NEED (zmq_setsockopt (other, ZMQ_ROUTING_ID, "other", 5) == 0);
    NEED (zmq_bind (one, "inproc://routers") == 0);
    NEED (zmq_connect (other, "inproc://routers") == 0);
    set_int (one, ZMQ_ROUTER_MANDATORY, 1);
    send_text (one, "other", ZMQ_SNDMORE);
    send_text (one, "hello", 0);
    receive (other, 0);
    send_text (other, "one", ZMQ_SNDMORE);
    send_text (other, "hello yourself", 0);
    receive (one, 0);
    zmq_close (one);
    zmq_close (other);
}

static void dealers (void)
{
    void *one = open_socket (context, ZMQ_DEALER);
    void *other = open_socket (context, ZMQ_DEALER);
    say ("DEALER to DEALER");
    printf ("events: %d\n", get_int (one, ZMQ_EVENTS));
    send_text (one, "nobody", ZMQ_DONTWAIT);
    NEED (zmq_bind (one, "inproc://dealers") == 0);
    NEED (zmq_connect (other, "inproc://dealers") == 0);
    send_text (one, "there", ZMQ_SNDMORE);
    send_text (one, "and", 0);
    receive (other, 0);
    send_text (other, "back", 0);
    receive (one, 0);
    zmq_close (one);
    zmq_close (other);
}

static void gone (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    char real[256];
    int i;
    say ("a peer that left");
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    bind_anywhere (router, "tcp://127.0.0.1:*", real);
    NEED (zmq_connect (dealer, real) == 0);
    send_text (dealer, "hello", 0);
    receive (router, 0);
    zmq_close (dealer);
    for (i = 0; i < 5000 && zmq_send (router, "ann", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 3; i++) {
        zmq_send (router, "x", 1, ZMQ_DONTWAIT);
        get_int (router, ZMQ_EVENTS);
        usleep (1000);
    }
    printf ("%s\n", error_name (zmq_errno ()));
    zmq_close (router);
}

/* Of two messages the first was announced. */
static void announced (const char *endpoint)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    char real[256];
    printf ("-- what was announced comes, disconnected or not, over %s\n", endpoint);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    bind_anywhere (dealer, endpoint, real);
    NEED (zmq_connect (router, real) == 0);
    send_text (dealer, "one", 0);
    send_text (dealer, "two", 0);
    printf ("%d\n", ready (router, ZMQ_POLLIN, LONG));
    CALL (zmq_disconnect (router, real));
    printf ("%d\n", ready (router, ZMQ_POLLIN, 0));
    receive (router, ZMQ_DONTWAIT);
    receive (router, ZMQ_DONTWAIT);
    zmq_close (dealer);
    zmq_close (router);
}

int main (void)
{
    context = zmq_ctx_new ();
    named ("inproc://named");
    named ("tcp://127.0.0.1:*");
    named ("ipc://*");
    given ();
    full ();
    same_name (0);
    same_name (1);
    chosen ();
    probe ();
    router_to_router ();
    dealers ();
    gone ();
    announced ("inproc://announced");
    announced ("tcp://127.0.0.1:*");
    CALL (zmq_ctx_term (context));
    return 0;
}
