/* What was sent to a peer that is there arrives, though its endpoint is disconnected and the socket then closed in no time. */
#include "say.h"

enum { MESSAGES = 300, BYTES = 50000 };

int main (void)
{
    static char body[BYTES];
    static const int types[] = {ZMQ_PUSH, ZMQ_DEALER, ZMQ_PAIR};
    static const int peers[] = {ZMQ_PULL, ZMQ_DEALER, ZMQ_PAIR};
    size_t type;
    for (type = 0; type < sizeof types / sizeof *types; type++) {
        void *context = zmq_ctx_new (), *other = zmq_ctx_new ();
        void *from = zmq_socket (context, types[type]), *to = zmq_socket (other, peers[type]);
        int none = 0, one = 1, linger = -1, i, received = 0;
        char endpoint[256];
        NEED (zmq_setsockopt (from, ZMQ_SNDHWM, &none, sizeof none) == 0);
        NEED (zmq_setsockopt (to, ZMQ_RCVHWM, &one, sizeof one) == 0);
        bind_anywhere (to, "tcp://127.0.0.1:*", endpoint);
        NEED (zmq_connect (from, endpoint) == 0);
        /* They are connected; the rest is more than the system takes. */
        NEED (zmq_send (from, body, BYTES, 0) == BYTES);
        NEED (zmq_recv (to, body, BYTES, 0) == BYTES);
        for (i = 0; i < MESSAGES; i++)
            NEED (zmq_send (from, body, BYTES, 0) == BYTES);
        NEED (zmq_setsockopt (from, ZMQ_LINGER, &linger, sizeof linger) == 0);
        NEED (zmq_disconnect (from, endpoint) == 0);
        linger = 0;
        NEED (zmq_setsockopt (from, ZMQ_LINGER, &linger, sizeof linger) == 0);
        NEED (zmq_close (from) == 0);
        linger = 60000;
        NEED (zmq_setsockopt (to, ZMQ_RCVTIMEO, &linger, sizeof linger) == 0);
        while (received < MESSAGES && zmq_recv (to, body, BYTES, 0) == BYTES)
            received++;
        printf ("%d of %d\n", received, MESSAGES);
        NEED (zmq_ctx_term (context) == 0);
        NEED (zmq_close (to) == 0);
        NEED (zmq_ctx_term (other) == 0);
    }
    return 0;
}
