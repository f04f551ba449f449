/* A program that does not wait, and when it is refused only watches ZMQ_FD: it is told of room all the same. */
#include "say.h"

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull, *push, *thread;
    int left = MANY;
    zmq_pollitem_t item;
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    open_narrow (context, &push, &pull);
    item.fd = get_int (push, ZMQ_FD);
    thread = zmq_threadstart (take_many, pull);
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
