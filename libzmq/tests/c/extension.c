/* What zefiro.h declares. */
#include <zefiro.h>

#include "say.h"

int main (void)
{
    void *context = zmq_ctx_new ();
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    zefiro_counters_t counters;
    int major = -1, minor = -1, patch = -1;
    char data[10];
    NEED (zefiro_version (&major, &minor, &patch) == 0);
    NEED (major >= 0 && minor >= 0 && patch >= 0);
    NEED (zefiro_version (NULL, NULL, NULL) == 0);

    NEED (zmq_bind (pull, "tcp://192.0.2.77:5555") == -1);
    NEED (strstr (zefiro_last_error (), "192.0.2.77:5555") != NULL);
    NEED (strstr (zefiro_last_error (), "bind") != NULL);

    NEED (zmq_bind (pull, "inproc://extension") == 0);
    NEED (zmq_connect (push, "inproc://extension") == 0);
    NEED (zmq_send (push, "12345", 5, 0) == 5);
    NEED (zmq_send (push, "12345678", 8, 0) == 8);
    NEED (zmq_recv (pull, data, sizeof data, 0) == 5);
    memset (&counters, 0xff, sizeof counters);
    NEED (zefiro_socket_counters (push, &counters, sizeof counters) == 0);
    NEED (counters.sent_messages == 2 && counters.sent_bytes == 13 && counters.received_messages == 0);
    NEED (counters.dropped_unroutable == 0 && counters.dropped_conflated == 0);
    NEED (zefiro_socket_counters (pull, &counters, sizeof counters) == 0);
    NEED (counters.received_messages == 1 && counters.received_bytes == 5 && counters.queued_in == 1);

    memset (&counters, 0xff, sizeof counters);
    NEED (zefiro_socket_counters (push, &counters, 8) == 0);
    NEED (counters.sent_messages == 2 && counters.sent_bytes == (uint64_t) -1);
    NEED (zefiro_socket_counters (push, NULL, 8) == -1 && zmq_errno () == EFAULT);
    NEED (zefiro_socket_counters (NULL, &counters, sizeof counters) == -1 && zmq_errno () == ENOTSOCK);
    NEED (zefiro_socket_counters (context, &counters, sizeof counters) == -1 && zmq_errno () == ENOTSOCK);
    zmq_close (push);
    NEED (zefiro_socket_counters (push, &counters, sizeof counters) == -1 && zmq_errno () == ENOTSOCK);
    zmq_close (pull);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
