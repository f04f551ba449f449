/* REQ and REP: the strict turn, envelopes, and the options that loosen it. */
#include "say.h"

static void turns (const char *endpoint)
{
    void *context = zmq_ctx_new ();
    void *rep = open_socket (context, ZMQ_REP);
    void *req = open_socket (context, ZMQ_REQ);
    char real[256];
    printf ("-- turns over %s\n", endpoint);
    bind_anywhere (rep, endpoint, real);
    NEED (zmq_connect (req, real) == 0);
    receive (req, 0);
    send_text (rep, "too early", 0);
    send_text (req, "question", 0);
    send_text (req, "another", 0);
    receive (req, ZMQ_DONTWAIT);
    receive (rep, 0);
    receive (rep, 0);
    send_text (rep, "in two", ZMQ_SNDMORE);
    send_text (rep, "parts", 0);
    send_text (rep, "too much", 0);
    receive (req, 0);
    receive (req, 0);
    send_text (req, "", ZMQ_SNDMORE);
    receive (req, 0);
    send_text (req, "", 0);
    receive (rep, 0);
    printf ("events: %d %d\n", get_int (rep, ZMQ_EVENTS), get_int (req, ZMQ_EVENTS));
    zmq_close (req);
    zmq_close (rep);
    zmq_ctx_term (context);
}

static void envelope (void)
{
    void *context = zmq_ctx_new ();
    void *router = open_socket (context, ZMQ_ROUTER);
    void *req = open_socket (context, ZMQ_REQ);
    unsigned char id[256];
    int id_size;
    say ("the envelope of a request");
    NEED (zmq_bind (router, "inproc://envelope") == 0);
    NEED (zmq_connect (req, "inproc://envelope") == 0);
    send_text (req, "question", 0);
    receive_after_id (router, id, &id_size);
    NEED (zmq_send (router, id, id_size, ZMQ_SNDMORE) == id_size);
    send_text (router, "no delimiter", 0);
    receive (req, ZMQ_DONTWAIT);
    NEED (zmq_send (router, id, id_size, ZMQ_SNDMORE) == id_size);
    send_text (router, "", ZMQ_SNDMORE);
    send_text (router, "answer", 0);
    receive (req, 0);
    zmq_close (req);
    zmq_close (router);
    zmq_ctx_term (context);
}

static void addresses (void)
{
    void *context = zmq_ctx_new ();
    void *rep = open_socket (context, ZMQ_REP);
    void *dealer = open_socket (context, ZMQ_DEALER);
    say ("a reply goes back through its addresses");
    NEED (zmq_bind (rep, "inproc://addresses") == 0);
    NEED (zmq_connect (dealer, "inproc://addresses") == 0);
    send_text (dealer, "no end of addresses", 0);
    send_text (dealer, "one", ZMQ_SNDMORE);
    send_text (dealer, "two", ZMQ_SNDMORE);
    send_text (dealer, "", ZMQ_SNDMORE);
    send_text (dealer, "body", ZMQ_SNDMORE);
    send_text (dealer, "end", 0);
    receive (rep, 0);
    send_text (rep, "answer", 0);
    receive (dealer, 0);
    zmq_close (dealer);
    zmq_close (rep);
    zmq_ctx_term (context);
}

static void relaxed (void)
{
    void *context = zmq_ctx_new ();
    void *router = open_socket (context, ZMQ_ROUTER);
    void *req = open_socket (context, ZMQ_REQ);
    unsigned char id[256], number[2][4];
    int id_size, i;
    say ("relaxed and correlated");
    set_int (req, ZMQ_REQ_RELAXED, 1);
    set_int (req, ZMQ_REQ_CORRELATE, 1);
    NEED (zmq_bind (router, "inproc://relaxed") == 0);
    NEED (zmq_connect (req, "inproc://relaxed") == 0);
    send_text (req, "first", 0);
    send_text (req, "second", 0);
    for (i = 0; i < 2; i++) {
        NEED ((id_size = zmq_recv (router, id, sizeof id, 0)) > 0);
        CALL (zmq_recv (router, number[i], 4, 0));
        receive (router, ZMQ_DONTWAIT);
    }
    for (i = 0; i < 2; i++) {
        zmq_send (router, id, id_size, ZMQ_SNDMORE);
        zmq_send (router, number[i], 4, ZMQ_SNDMORE);
        zmq_send (router, "", 0, ZMQ_SNDMORE);
        send_text (router, i ? "to the second" : "to the first", 0);
    }
    receive (req, 0);
    receive (req, 0);
    zmq_close (req);
    zmq_close (router);
    zmq_ctx_term (context);
}

static void half_read (void)
{
    void *context = zmq_ctx_new ();
    void *rep = open_socket (context, ZMQ_REP);
    void *req = open_socket (context, ZMQ_REQ);
    int events;
    size_t size = sizeof events;
    say ("a relaxed request while the reply is half read");
    set_int (req, ZMQ_REQ_RELAXED, 1);
    NEED (zmq_bind (rep, "inproc://half") == 0);
    NEED (zmq_connect (req, "inproc://half") == 0);
    send_text (req, "first", 0);
    receive (rep, 0);
    send_text (rep, "one", ZMQ_SNDMORE);
    send_text (rep, "two", 0);
    CALL (zmq_recv (req, &events, sizeof events, 0));
    CALL (zmq_getsockopt (req, ZMQ_EVENTS, &events, &size));
    printf ("events %d\n", events);
    send_text (req, "second", ZMQ_DONTWAIT);
    receive (rep, 0);
    zmq_close (req);
    zmq_close (rep);
    zmq_ctx_term (context);
}

static void in_turn (void)
{
    void *context = zmq_ctx_new ();
    void *rep[2];
    void *req = open_socket (context, ZMQ_REQ);
    int i;
    say ("requests go to the repliers in turn");
    rep[0] = open_socket (context, ZMQ_REP);
    rep[1] = open_socket (context, ZMQ_REP);
    NEED (zmq_bind (rep[0], "inproc://0") == 0);
    NEED (zmq_bind (rep[1], "inproc://1") == 0);
    NEED (zmq_connect (req, "inproc://0") == 0);
    NEED (zmq_connect (req, "inproc://1") == 0);
    for (i = 0; i < 4; i++) {
        send_text (req, "turn", 0);
        receive (rep[i % 2], 0);
        send_text (rep[i % 2], i % 2 ? "one" : "zero", 0);
        receive (req, 0);
    }
    zmq_close (req);
    zmq_close (rep[0]);
    zmq_close (rep[1]);
    zmq_ctx_term (context);
}

static void nobody (void)
{
    void *context = zmq_ctx_new ();
    void *req = open_socket (context, ZMQ_REQ);
    say ("nobody there");
    printf ("events: %d\n", get_int (req, ZMQ_EVENTS));
    CALL (zmq_send (req, "a", 1, ZMQ_DONTWAIT));
    set_int (req, ZMQ_SNDTIMEO, 10);
    CALL (zmq_send (req, "a", 1, 0));
    set_int (req, ZMQ_RCVTIMEO, 10);
    receive (req, 0);
    zmq_close (req);
    zmq_ctx_term (context);
}

/* Who disconnects in the middle of a request, and looks at the socket, sends the rest of it to nobody. */
static void left_amid (int peers)
{
    void *context = zmq_ctx_new ();
    void *req = open_socket (context, ZMQ_REQ), *rep[2];
    static const char *const names[] = {"inproc://0", "inproc://1"};
    int i;
    printf ("-- one of %d is left in the middle of a request\n", peers);
    for (i = 0; i < peers; i++) {
        rep[i] = open_socket (context, ZMQ_REP);
        NEED (zmq_bind (rep[i], names[i]) == 0);
        NEED (zmq_connect (req, names[i]) == 0);
    }
    send_text (req, "to one who is left", ZMQ_SNDMORE);
    CALL (zmq_disconnect (req, names[0]));
    for (i = 0; i < peers; i++)
        (void) get_int (rep[i], ZMQ_EVENTS);
    printf ("events: %d\n", get_int (req, ZMQ_EVENTS));
    send_text (req, "more", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_text (req, "the rest", ZMQ_DONTWAIT);
    send_text (req, "the next", ZMQ_DONTWAIT);
    receive (req, ZMQ_DONTWAIT);
    for (i = 0; i < peers; i++) {
        receive (rep[i], ZMQ_DONTWAIT);
        zmq_close (rep[i]);
    }
    zmq_close (req);
    zmq_ctx_term (context);
}

int main (void)
{
    turns ("inproc://turns");
    turns ("tcp://127.0.0.1:*");
    turns ("ipc://*");
    envelope ();
    addresses ();
    relaxed ();
    half_read ();
    in_turn ();
    nobody ();
    left_amid (1);
    left_amid (2);
    return 0;
}
