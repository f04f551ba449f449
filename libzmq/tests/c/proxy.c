/* Proxies: both ways, with capture, with control, and how they end. */
#include "say.h"

static void *context;

struct parts
{
    void *front, *back, *capture, *control;
    int steerable;
    int result, error;
};

static void run (void *argument)
{
    struct parts *parts = (struct parts *) argument;
    parts->result = parts->steerable == 2 ? zmq_device (ZMQ_QUEUE, parts->front, parts->back)
                    : parts->steerable
                      ? zmq_proxy_steerable (parts->front, parts->back, parts->capture, parts->control)
                      : zmq_proxy (parts->front, parts->back, parts->capture);
    parts->error = zmq_errno ();
    zmq_close (parts->front);
    zmq_close (parts->back);
    if (parts->capture)
        zmq_close (parts->capture);
    if (parts->control)
        zmq_close (parts->control);
}

static void ended (struct parts *parts, void *thread)
{
    zmq_threadclose (thread);
    printf ("the proxy returned %d%s%s\n", parts->result, parts->result ? " " : "",
            parts->result ? error_name (parts->error) : "");
}

static void talk (void *client, void *worker)
{
    send_text (client, "question", ZMQ_SNDMORE);
    send_text (client, "in parts", 0);
    receive (worker, 0);
    send_text (worker, "answer", 0);
    receive (client, 0);
}

static void queue (int device)
{
    void *own = zmq_ctx_new ();
    struct parts parts;
    void *client = open_socket (own, ZMQ_REQ);
    void *worker = open_socket (own, ZMQ_REP);
    void *captured = open_socket (own, ZMQ_PULL);
    void *thread;
    printf ("-- %s\n", device ? "a device" : "a queue with capture");
    memset (&parts, 0, sizeof parts);
    parts.steerable = device ? 2 : 0;
    parts.front = open_socket (own, ZMQ_ROUTER);
    parts.back = open_socket (own, ZMQ_DEALER);
    NEED (zmq_bind (parts.front, "inproc://front") == 0);
    NEED (zmq_bind (parts.back, "inproc://back") == 0);
    NEED (zmq_setsockopt (client, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_bind (captured, "inproc://captured") == 0);
    if (!device) {
        parts.capture = open_socket (own, ZMQ_PUSH);
        NEED (zmq_connect (parts.capture, "inproc://captured") == 0);
    }
    NEED (zmq_connect (client, "inproc://front") == 0);
    NEED (zmq_connect (worker, "inproc://back") == 0);
    thread = zmq_threadstart (run, &parts);
    talk (client, worker);
    talk (client, worker);
    if (!device) {
        receive (captured, 0);
        receive (captured, 0);
        receive (captured, 0);
        receive (captured, 0);
    }
    zmq_close (client);
    zmq_close (worker);
    zmq_close (captured);
    CALL (zmq_ctx_shutdown (own));
    ended (&parts, thread);
    CALL (zmq_ctx_term (own));
}

static void print_statistics (void *control, int shown)
{
    int i;
    send_text (control, "STATISTICS", 0);
    for (i = 0; i < 8; i++) {
        uint64_t number = 77;
        int size = zmq_recv (control, &number, sizeof number, 0);
        if (shown)
            printf ("%d bytes: %d%s", size, (int) number, i < 7 ? ", " : "\n");
        NEED (get_int (control, ZMQ_RCVMORE) == (i < 7));
    }
}

static void steered (void)
{
    struct parts parts;
    void *client = open_socket (context, ZMQ_PUSH);
    void *worker = open_socket (context, ZMQ_PULL);
    void *control = open_socket (context, ZMQ_PAIR);
    void *thread;
    say ("steered");
    memset (&parts, 0, sizeof parts);
    parts.steerable = 1;
    parts.front = open_socket (context, ZMQ_PULL);
    parts.back = open_socket (context, ZMQ_PUSH);
    parts.control = open_socket (context, ZMQ_PAIR);
    NEED (zmq_bind (parts.front, "inproc://f") == 0);
    NEED (zmq_bind (parts.back, "inproc://b") == 0);
    NEED (zmq_bind (parts.control, "inproc://c") == 0);
    NEED (zmq_connect (client, "inproc://f") == 0);
    NEED (zmq_connect (worker, "inproc://b") == 0);
    NEED (zmq_connect (control, "inproc://c") == 0);
    thread = zmq_threadstart (run, &parts);
    send_text (client, "one", 0);
    receive (worker, 0);
    send_text (control, "PAUSE", 0);
    /* What is answered later tells that it pauses. */
    print_statistics (control, 0);
    send_text (client, "held back", 0);
    printf ("while paused: %d\n", ready (worker, ZMQ_POLLIN, 100));
    send_text (control, "RESUME", 0);
    receive (worker, 0);
    print_statistics (control, 1);
    send_text (client, "two", ZMQ_SNDMORE);
    send_text (client, "parts", 0);
    receive (worker, 0);
    send_text (control, "TERMINATE", 0);
    ended (&parts, thread);
    zmq_close (client);
    zmq_close (worker);
    zmq_close (control);
}

static void publish (void)
{
    void *own = zmq_ctx_new ();
    struct parts parts;
    void *pub = open_socket (own, ZMQ_XPUB);
    void *sub = open_socket (own, ZMQ_SUB);
    void *thread;
    say ("subscriptions through a proxy");
    memset (&parts, 0, sizeof parts);
    parts.front = open_socket (own, ZMQ_XSUB);
    parts.back = open_socket (own, ZMQ_XPUB);
    NEED (zmq_bind (parts.front, "inproc://front") == 0);
    NEED (zmq_bind (parts.back, "inproc://back") == 0);
    NEED (zmq_connect (pub, "inproc://front") == 0);
    NEED (zmq_connect (sub, "inproc://back") == 0);
    thread = zmq_threadstart (run, &parts);
    NEED (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "news", 4) == 0);
    receive (pub, 0);
    send_text (pub, "olds", 0);
    send_text (pub, "newspaper", ZMQ_SNDMORE);
    send_text (pub, "page", 0);
    receive (sub, 0);
    NEED (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "news", 4) == 0);
    receive (pub, 0);
    zmq_close (pub);
    zmq_close (sub);
    zmq_ctx_shutdown (own);
    ended (&parts, thread);
    CALL (zmq_ctx_term (own));
}

/* One that only sends is not asked for messages. */
static void to_publish (void)
{
    void *own = zmq_ctx_new ();
    struct parts parts;
    void *client = open_socket (own, ZMQ_PUSH);
    void *sub = open_socket (own, ZMQ_SUB);
    void *thread;
    say ("from PULL to PUB");
    memset (&parts, 0, sizeof parts);
    parts.front = open_socket (own, ZMQ_PUB);
    parts.back = open_socket (own, ZMQ_PULL);
    NEED (zmq_bind (parts.front, "inproc://front") == 0);
    NEED (zmq_bind (parts.back, "inproc://back") == 0);
    NEED (zmq_connect (client, "inproc://back") == 0);
    NEED (zmq_connect (sub, "inproc://front") == 0);
    NEED (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0) == 0);
    thread = zmq_threadstart (run, &parts);
    send_text (client, "one", 0);
    receive (sub, 0);
    send_text (client, "two", ZMQ_SNDMORE);
    send_text (client, "parts", 0);
    receive (sub, 0);
    zmq_close (client);
    zmq_close (sub);
    zmq_ctx_shutdown (own);
    ended (&parts, thread);
    CALL (zmq_ctx_term (own));
}

int main (void)
{
    void *socket;
    context = zmq_ctx_new ();
    queue (0);
    queue (1);
    steered ();
    publish ();
    to_publish ();
    say ("no sockets");
    socket = open_socket (context, ZMQ_PAIR);
    CALL (zmq_proxy (NULL, NULL, NULL));
    CALL (zmq_proxy (socket, NULL, NULL));
    CALL (zmq_proxy (NULL, socket, NULL));
    CALL (zmq_proxy_steerable (NULL, socket, NULL, socket));
    zmq_close (socket);
    CALL (zmq_ctx_term (context));
    return 0;
}
