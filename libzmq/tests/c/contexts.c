/* Contexts: their options and bounds, ends in every order, and what is no context. */
#include "say.h"

static void options (void)
{
    void *context = zmq_ctx_new ();
    int option;
    say ("defaults");
    for (option = -1; option < 12; option++) {
        printf ("option %d: ", option);
        CALL (zmq_ctx_get (context, option));
    }
    CALL (zmq_ctx_get (context, ZMQ_IPV6));
    CALL (zmq_ctx_get (context, ZMQ_BLOCKY));
    say ("bounds");
    CALL (zmq_ctx_set (context, ZMQ_IO_THREADS, -1));
    CALL (zmq_ctx_set (context, ZMQ_IO_THREADS, 0));
    CALL (zmq_ctx_set (context, ZMQ_IO_THREADS, 3));
    CALL (zmq_ctx_get (context, ZMQ_IO_THREADS));
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, -1));
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 0));
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 1));
    CALL (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    CALL (zmq_ctx_set (context, ZMQ_SOCKET_LIMIT, -1));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_SCHED_POLICY, -1));
    CALL (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, -1));
    CALL (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 0));
    CALL (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 1000));
    CALL (zmq_ctx_get (context, ZMQ_MAX_MSGSZ));
    CALL (zmq_ctx_set (context, ZMQ_MSG_T_SIZE, 64));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, -1));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, 0));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_NAME_PREFIX, 7));
    CALL (zmq_ctx_get (context, ZMQ_THREAD_NAME_PREFIX));
    CALL (zmq_ctx_set (context, ZMQ_IPV6, 2));
    CALL (zmq_ctx_set (context, ZMQ_IPV6, 1));
    CALL (zmq_ctx_get (context, ZMQ_IPV6));
    CALL (zmq_ctx_set (context, ZMQ_BLOCKY, 2));
    CALL (zmq_ctx_set (context, ZMQ_BLOCKY, 0));
    CALL (zmq_ctx_get (context, ZMQ_BLOCKY));
    CALL (zmq_ctx_set (context, 1000, 1));
    CALL (zmq_ctx_term (context));
}

static void limit (void)
{
    void *context = zmq_ctx_new ();
    void *sockets[3];
    say ("no more sockets than allowed");
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 2));
    MAKE (sockets[0] = zmq_socket (context, ZMQ_PAIR));
    MAKE (sockets[1] = zmq_socket (context, ZMQ_PAIR));
    MAKE (sockets[2] = zmq_socket (context, ZMQ_PAIR));
    MAKE (sockets[2] = zmq_socket (context, 99));
    CALL (zmq_close (sockets[0]));
    CALL (zmq_close (sockets[1]));
    CALL (zmq_ctx_term (context));
}

static void inherited (void)
{
    void *context = zmq_ctx_new ();
    void *socket;
    say ("what sockets take from the context");
    socket = zmq_socket (context, ZMQ_PAIR);
    CALL (get_int (socket, ZMQ_LINGER));
    CALL (get_int (socket, ZMQ_IPV6));
    zmq_close (socket);
    zmq_ctx_set (context, ZMQ_BLOCKY, 0);
    zmq_ctx_set (context, ZMQ_IPV6, 1);
    socket = zmq_socket (context, ZMQ_PAIR);
    CALL (get_int (socket, ZMQ_LINGER));
    CALL (get_int (socket, ZMQ_IPV6));
    zmq_close (socket);
    CALL (zmq_ctx_term (context));
}

static void no_threads (void)
{
    void *context = zmq_ctx_new ();
    void *one, *other;
    say ("without I/O threads only inproc works");
    zmq_ctx_set (context, ZMQ_IO_THREADS, 0);
    one = open_socket (context, ZMQ_PAIR);
    other = open_socket (context, ZMQ_PAIR);
    CALL (zmq_bind (one, "tcp://127.0.0.1:*"));
    CALL (zmq_connect (one, "tcp://127.0.0.1:5555"));
    CALL (zmq_bind (one, "inproc://a"));
    CALL (zmq_connect (other, "inproc://a"));
    send_text (one, "hello", 0);
    receive (other, 0);
    zmq_close (one);
    zmq_close (other);
    CALL (zmq_ctx_term (context));
}

static void ended (void)
{
    void *context = zmq_ctx_new ();
    void *socket = open_socket (context, ZMQ_PAIR);
    void *late;
    int value = 1;
    size_t size = sizeof value;
    char byte;
    zmq_pollitem_t item;
    item.socket = socket;
    item.events = ZMQ_POLLIN;
    say ("after a shutdown");
    CALL (zmq_ctx_shutdown (context));
    CALL (zmq_ctx_shutdown (context));
    MAKE (late = zmq_socket (context, ZMQ_PAIR));
    MAKE (late = zmq_socket (context, -1));
    (void) late;
    CALL (zmq_send (socket, "a", 1, 0));
    CALL (zmq_send (socket, "a", 1, ZMQ_DONTWAIT));
    CALL (zmq_recv (socket, &byte, 1, 0));
    CALL (zmq_recv (socket, &byte, 1, ZMQ_DONTWAIT));
    CALL (zmq_bind (socket, "inproc://a"));
    CALL (zmq_connect (socket, "inproc://a"));
    CALL (zmq_unbind (socket, "inproc://a"));
    CALL (zmq_disconnect (socket, "inproc://a"));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &value, sizeof value));
    CALL (zmq_getsockopt (socket, ZMQ_LINGER, &value, &size));
    CALL (zmq_getsockopt (socket, ZMQ_EVENTS, &value, &size));
    CALL (zmq_poll (&item, 1, 0));
    CALL (zmq_poll (&item, 1, -1));
    CALL (zmq_socket_monitor (socket, "inproc://m", ZMQ_EVENT_ALL));
    CALL (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 5));
    CALL (zmq_ctx_get (context, ZMQ_MAX_MSGSZ));
    CALL (zmq_close (socket));
    CALL (zmq_ctx_term (context));
}

static void wait_for_end (void *socket)
{
    char byte;
    int result = zmq_recv (socket, &byte, 1, 0);
    NEED (result == -1 && zmq_errno () == ETERM);
    NEED (zmq_close (socket) == 0);
}

static void blocked (void)
{
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_PULL);
    void *thread = zmq_threadstart (wait_for_end, socket);
    say ("terminating wakes who waits");
    CALL (zmq_ctx_term (context));
    zmq_threadclose (thread);
}

static void larger_buffers (void)
{
    static const int OPTIONS[] = {ZMQ_RCVMORE, ZMQ_EVENTS, ZMQ_FD, ZMQ_THREAD_SAFE, ZMQ_ROUTING_ID, ZMQ_LAST_ENDPOINT};
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_PAIR);
    size_t i, j, size;
    say ("options read into buffers with room to spare");
    for (i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        unsigned char buffer[12];
        memset (buffer, 0xff, sizeof buffer);
        size = 10;
        CALL (zmq_getsockopt (socket, OPTIONS[i], buffer, &size));
        printf ("size %d, behind it:", (int) size);
        for (j = size; j < sizeof buffer; j++)
            printf (" %d", buffer[j]);
        printf ("\n");
    }
    zmq_close (socket);
    zmq_ctx_term (context);
}

int main (void)
{
    larger_buffers ();
    void *context;
    options ();
    limit ();
    inherited ();
    no_threads ();
    ended ();
    blocked ();

    say ("older names");
    MAKE (context = zmq_init (-1));
    MAKE (context = zmq_init (2));
    CALL (zmq_ctx_get (context, ZMQ_IO_THREADS));
    CALL (zmq_term (context));
    context = zmq_ctx_new ();
    CALL (zmq_ctx_destroy (context));

    say ("no context");
    CALL (zmq_ctx_term (NULL));
    CALL (zmq_ctx_shutdown (NULL));
    CALL (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1));
    CALL (zmq_ctx_get (NULL, ZMQ_IO_THREADS));
    MAKE (zmq_socket (NULL, ZMQ_PAIR));
    context = zmq_ctx_new ();
    MAKE (zmq_socket (context, -1));
    MAKE (zmq_socket (context, 21));
    CALL (zmq_ctx_term (context));
    return 0;
}
