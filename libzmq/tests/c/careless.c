/* A program that does not wait, and when it is refused only watches ZMQ_FD: it is told of room all the same. */
#include "say.h"

static void watch (void *push, zmq_pollitem_t *descriptor)
{
    (void) push;
    NEED (zmq_poll (descriptor, 1, LONG) == 1);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    send_many (context, watch);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
