/* Handles that are none: NULL, a closed socket, something else. */
#include "say.h"

static void all (void *bad)
{
    zmq_msg_t message;
    zmq_pollitem_t item;
    int value = 0;
    size_t size = sizeof value;
    char byte = 0;
    zmq_msg_init (&message);
    CALL (zmq_close (bad));
    CALL (zmq_setsockopt (bad, ZMQ_LINGER, &value, sizeof value));
    CALL (zmq_getsockopt (bad, ZMQ_LINGER, &value, &size));
    CALL (zmq_bind (bad, "inproc://a"));
    CALL (zmq_connect (bad, "inproc://a"));
    CALL (zmq_unbind (bad, "inproc://a"));
    CALL (zmq_disconnect (bad, "inproc://a"));
    CALL (zmq_send (bad, &byte, 1, 0));
    CALL (zmq_send_const (bad, &byte, 1, 0));
    CALL (zmq_recv (bad, &byte, 1, 0));
    CALL (zmq_msg_send (&message, bad, 0));
    CALL (zmq_msg_recv (&message, bad, 0));
    CALL (zmq_sendmsg (bad, &message, 0));
    CALL (zmq_recvmsg (bad, &message, 0));
    CALL (zmq_socket_monitor (bad, "inproc://m", ZMQ_EVENT_ALL));
    if (bad) {
        item.socket = bad;
        item.events = ZMQ_POLLIN;
        CALL (zmq_poll (&item, 1, 0));
    }
    zmq_msg_close (&message);
    say ("with a message that is none either");
    CALL (zmq_msg_send (&message, bad, 0));
    CALL (zmq_msg_recv (&message, bad, 0));
}

int main (void)
{
    static char memory[4096];
    void *context = zmq_ctx_new ();
    void *socket, *other;
    size_t size;
    int value;
    int64_t wide;

    say ("NULL");
    all (NULL);
    say ("something else");
    all (memory);

    say ("wrong options");
    socket = open_socket (context, ZMQ_PAIR);
    value = 1;
    CALL (zmq_setsockopt (socket, -1, &value, sizeof value));
    CALL (zmq_setsockopt (socket, 9999, &value, sizeof value));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &value, 3));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &value, 0));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, NULL, 0));
    CALL (zmq_setsockopt (socket, ZMQ_RCVMORE, &value, sizeof value));
    CALL (zmq_setsockopt (socket, ZMQ_FD, &value, sizeof value));
    CALL (zmq_setsockopt (socket, ZMQ_EVENTS, &value, sizeof value));
    CALL (zmq_setsockopt (socket, ZMQ_TYPE, &value, sizeof value));
    size = 3;
    CALL (zmq_getsockopt (socket, ZMQ_LINGER, &value, &size));
    size = sizeof wide;
    CALL (zmq_getsockopt (socket, ZMQ_LINGER, &wide, &size));
    printf ("%d bytes\n", (int) size);
    size = sizeof value;
    CALL (zmq_getsockopt (socket, ZMQ_MAXMSGSIZE, &value, &size));
    size = sizeof value;
    CALL (zmq_getsockopt (socket, ZMQ_SUBSCRIBE, &value, &size));
    size = sizeof value;
    CALL (zmq_getsockopt (socket, 9999, &value, &size));

    say ("wrong flags");
    CALL (zmq_send (socket, "a", 1, ZMQ_DONTWAIT));
    CALL (zmq_send (socket, "a", 1, ZMQ_DONTWAIT | 0x100));
    CALL (zmq_recv (socket, &value, 1, ZMQ_DONTWAIT | 0x100));

    say ("what a socket must not be");
    CALL (zmq_ctx_term (socket));
    CALL (zmq_ctx_set (socket, ZMQ_IO_THREADS, 1));
    MAKE (other = zmq_socket (socket, ZMQ_PAIR));
    (void) other;
    CALL (zmq_close (context));
    CALL (zmq_close (socket));
    CALL (zmq_ctx_term (context));
    return 0;
}
