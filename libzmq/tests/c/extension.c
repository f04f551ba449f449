/* What zefiro.h declares. */
#include <zefiro.h>

#include "say.h"

/* A key that both ends have, and a limit that the peer breaks. */
static void own_options (void)
{
    const char *key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    void *context = zmq_ctx_new ();
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    void *stream = open_socket (context, ZMQ_STREAM);
    char endpoint[256], data[10];
    size_t size = sizeof endpoint;
    int mechanism = -1, linger = 0;
    size_t int_size = sizeof mechanism;
    NEED (zefiro_set_option (NULL, "handshakes_max", "10") == -1 && zmq_errno () == ENOTSOCK);
    NEED (zefiro_set_option (pull, NULL, "10") == -1 && zmq_errno () == EFAULT);
    NEED (zefiro_set_option (pull, "handshakes_max", NULL) == -1 && zmq_errno () == EFAULT);
    NEED (zefiro_set_option (pull, "nonsense", "10") == -1 && zmq_errno () == EINVAL);
    NEED (zefiro_set_option (pull, "handshakes_max", "0") == -1 && zmq_errno () == EINVAL);
    NEED (zefiro_set_option (pull, "handshakes_max", "\xff") == -1 && zmq_errno () == EINVAL);
    NEED (zefiro_set_option (pull, "rcvhwm", "10") == -1 && zmq_errno () == EINVAL);
    NEED (strstr (zefiro_last_error (), "ZMQ_RCVHWM") != NULL);
    NEED (zefiro_set_option (stream, "shared_key", key) == -1 && zmq_errno () == EINVAL);
    NEED (zefiro_set_option (pull, "ZEFIRO_HANDSHAKES_MAX", "never") == 0);
    NEED (zefiro_set_option (pull, "message_bytes_max", "8") == 0);
    NEED (zefiro_set_option (pull, "shared_key", key) == 0);
    NEED (zefiro_set_option (push, "shared-key", key) == 0);
    NEED (zmq_getsockopt (pull, ZMQ_MECHANISM, &mechanism, &int_size) == 0 && mechanism == ZMQ_CURVE);

    NEED (zmq_setsockopt (push, ZMQ_LINGER, &linger, sizeof linger) == 0);
    NEED (zmq_socket_monitor (pull, "inproc://told", ZMQ_EVENT_DISCONNECTED) == 0);
    void *told = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (told, "inproc://told") == 0);
    NEED (zmq_bind (pull, "tcp://127.0.0.1:*") == 0);
    NEED (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "12345678", 8, 0) == 8);
    NEED (zmq_recv (pull, data, sizeof data, 0) == 8);
    NEED (zmq_send (push, "123456789", 9, 0) == 9);
    NEED (zmq_recv (told, data, sizeof data, 0) == 6);
    zmq_close (told);
    zmq_close (stream);
    zmq_close (push);
    zmq_close (pull);
    NEED (zmq_ctx_term (context) == 0);
}

int main (void)
{
    own_options ();
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
    NEED (zmq_recv (pull, data, sizeof data, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    NEED (strstr (zefiro_last_error (), "192.0.2.77:5555") != NULL);
    NEED (zmq_bind (pull, NULL) == -1 && zmq_errno () == EINVAL);
    NEED (strcmp (zefiro_last_error (), zmq_strerror (EINVAL)) == 0);
    NEED (zmq_bind (pull, "tcp://nonsense") == -1 && zmq_errno () == EINVAL);
    NEED (strstr (zefiro_last_error (), "tcp://nonsense") != NULL);
    NEED (zmq_bind (NULL, "tcp://127.0.0.1:*") == -1 && zmq_errno () == ENOTSOCK);
    NEED (strcmp (zefiro_last_error (), zmq_strerror (ENOTSOCK)) == 0);

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
