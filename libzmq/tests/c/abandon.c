/* A program that ends in the middle of everything: without closing, terminating or waiting for anybody. */
#include "say.h"

static void wait_for_ever (void *socket)
{
    char byte;
    (void) zmq_recv (socket, &byte, 1, 0);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH);
    void *pull = zmq_socket (context, ZMQ_PULL);
    NEED (zmq_connect (push, "tcp://127.0.0.1:9") == 0);
    NEED (zmq_send (push, "never", 5, 0) == 5);
    (void) zmq_threadstart (wait_for_ever, pull);
    printf ("leaving\n");
    return 0;
}
