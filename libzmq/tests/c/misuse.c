/* Misuse that ends the process, or does worse, with libzmq: here each is an error. */
#include "say.h"

static void *again;

static void free_and_close (void *data, void *hint)
{
    (void) data;
    NEED (zmq_close (hint) == 0);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *socket = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    zmq_msg_t none;
    zmq_pollitem_t item;
    int value = 0, i;
    size_t size = sizeof value;

    NEED (zmq_bind (socket, NULL) == -1);
    NEED (zmq_connect (socket, NULL) == -1);
    NEED (zmq_unbind (socket, NULL) == -1);
    NEED (zmq_disconnect (socket, NULL) == -1);
    NEED (zmq_send (socket, NULL, 5, ZMQ_DONTWAIT) == -1);
    NEED (zmq_recv (socket, NULL, 5, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    NEED (zmq_bind (socket, "inproc://misuse") == 0 && zmq_connect (other, "inproc://misuse") == 0);
    NEED (zmq_send (other, "a", 1, 0) == 1);
    NEED (zmq_recv (socket, NULL, 5, 0) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_poll (NULL, 5, 0) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_poll (&item, -1, 0) == -1 && zmq_errno () == EINVAL);
    NEED (zmq_device (0, NULL, socket) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_getsockopt (socket, ZMQ_LINGER, NULL, &size) == -1);
    NEED (zmq_getsockopt (socket, ZMQ_LINGER, &value, NULL) == -1);

    memset (&none, 0, sizeof none);
    NEED (zmq_msg_data (&none) == NULL);
    NEED (zmq_msg_size (&none) == 0);
    NEED (zmq_msg_send (&none, socket, ZMQ_DONTWAIT) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_msg_init_data (&none, NULL, 10, NULL, NULL) == -1);
    memset (&none, 0xff, sizeof none);
    NEED (zmq_msg_close (&none) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_msg_close (NULL) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_msg_init (NULL) == -1);

    /* A closed handle, and one closed while its address may have been used again. */
    NEED (zmq_close (socket) == 0);
    for (i = 0; i < 100; i++) {
        NEED (zmq_close (socket) == -1 && zmq_errno () == ENOTSOCK);
        again = zmq_socket (context, ZMQ_PAIR);
        NEED (again != NULL);
        NEED (zmq_send (socket, "a", 1, ZMQ_DONTWAIT) == -1 && zmq_errno () == ENOTSOCK);
        NEED (zmq_close (again) == 0);
    }
    item.socket = socket;
    item.events = ZMQ_POLLIN;
    NEED (zmq_poll (&item, 1, 0) == -1 && zmq_errno () == ENOTSOCK);

    /* What a poll leaves that finds an ended context. */
    again = zmq_ctx_new ();
    item.socket = zmq_socket (again, ZMQ_PAIR);
    item.revents = 77;
    NEED (zmq_ctx_shutdown (again) == 0);
    NEED (zmq_poll (&item, 1, 0) == -1 && zmq_errno () == ETERM && item.revents == 0);
    NEED (zmq_close (item.socket) == 0 && zmq_ctx_term (again) == 0);

    /* Who disconnects in the middle of a message reads the rest of it. */
    again = open_socket (context, ZMQ_PULL);
    item.socket = open_socket (context, ZMQ_PUSH);
    NEED (zmq_bind (item.socket, "inproc://in-the-middle") == 0 && zmq_connect (again, "inproc://in-the-middle") == 0);
    NEED (zmq_send (item.socket, "a", 1, ZMQ_SNDMORE) == 1 && zmq_send (item.socket, "bc", 2, 0) == 2);
    NEED (zmq_recv (again, NULL, 0, 0) == 1 && zmq_disconnect (again, "inproc://in-the-middle") == 0);
    NEED (get_int (again, ZMQ_RCVMORE) == 1 && get_int (again, ZMQ_EVENTS) == ZMQ_POLLIN);
    NEED (zmq_recv (again, NULL, 0, 0) == 2 && get_int (again, ZMQ_RCVMORE) == 0);
    NEED (zmq_close (again) == 0 && zmq_close (item.socket) == 0);

    /* A callback that closes a socket. */
    socket = zmq_socket (context, ZMQ_PAIR);
    NEED (zmq_msg_init_data (&none, &value, sizeof value, free_and_close, socket) == 0);
    NEED (zmq_msg_close (&none) == 0);
    NEED (zmq_close (socket) == -1 && zmq_errno () == ENOTSOCK);

    /* The same id twice. */
    socket = open_socket (context, ZMQ_ROUTER);
    NEED (zmq_setsockopt (socket, ZMQ_CONNECT_ROUTING_ID, "same", 4) == 0);
    NEED (zmq_connect (socket, "tcp://127.0.0.1:5601") == 0);
    (void) zmq_setsockopt (socket, ZMQ_CONNECT_ROUTING_ID, "same", 4);
    (void) zmq_connect (socket, "tcp://127.0.0.1:5602");
    NEED (zmq_close (socket) == 0);

    NEED (zmq_close (other) == 0);
    NEED (zmq_ctx_term (context) == 0);
    NEED (zmq_ctx_term (context) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_ctx_set (context, ZMQ_IO_THREADS, 1) == -1 && zmq_errno () == EFAULT);
    NEED (zmq_socket (context, ZMQ_PAIR) == NULL && zmq_errno () == EFAULT);
    return 0;
}
