/* A program that does not wait, and when it is refused only watches ZMQ_FD: it is told of room all the same. */
#include "say.h"

static void take (void *pull)
{
    int left = 20000;
    while (left-- > 0)
        NEED (zmq_recv (pull, NULL, 0, 0) >= 0);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    void *thread;
    char endpoint[256];
    int left = 20000;
    zmq_pollitem_t item;
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    set_int (push, ZMQ_SNDHWM, 50);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    item.fd = get_int (push, ZMQ_FD);
    thread = zmq_threadstart (take, pull);
    while (left > 0)
        if (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
            left--;
        else
            NEED (zmq_poll (&item, 1, 5000) == 1);
    zmq_threadclose (thread);
    zmq_close (push);
    zmq_close (pull);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
