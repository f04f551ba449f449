/* The calls called draft, which the system's libzmq does not export. */
#define ZMQ_BUILD_DRAFT_API
#include "say.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#define FAILS(expression, number)                                                    \
    do {                                                                             \
        errno = 0;                                                                   \
        NEED ((int) (expression) == -1);                                             \
        NEED (zmq_errno () == (number));                                             \
    } while (0)

static void *context;

static void pollers (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    void *poller = zmq_poller_new ();
    zmq_poller_event_t event, events[4];
    int ends[2], mark = 0;
    zmq_fd_t fd;
    NEED (poller != NULL);
    NEED (pipe (ends) == 0);
    NEED (zmq_bind (one, "inproc://pollers") == 0);
    NEED (zmq_connect (other, "inproc://pollers") == 0);

    NEED (zmq_poller_size (poller) == 0);
    FAILS (zmq_poller_wait (poller, &event, -1), EFAULT);
    FAILS (zmq_poller_wait (poller, &event, 0), EAGAIN);
    FAILS (zmq_poller_wait (poller, NULL, 0), EFAULT);
    event.fd = 7;
    FAILS (zmq_poller_wait (NULL, &event, 0), EFAULT);
    NEED (event.fd == -1);
    FAILS (zmq_poller_wait_all (poller, events, -1, 0), EINVAL);
    events[0].fd = 7;
    FAILS (zmq_poller_wait_all (poller, events, 1, 0), EAGAIN);
    NEED (events[0].fd == 7);
    NEED (zmq_poller_add (poller, one, &mark, ZMQ_POLLIN) == 0);
    FAILS (zmq_poller_add (poller, one, &mark, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_add (poller, NULL, &mark, ZMQ_POLLIN), ENOTSOCK);
    FAILS (zmq_poller_add (poller, other, &mark, 64), EINVAL);
    FAILS (zmq_poller_modify (poller, other, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_remove (poller, other), EINVAL);
    NEED (zmq_poller_add_fd (poller, ends[0], ends, ZMQ_POLLIN) == 0);
    FAILS (zmq_poller_add_fd (poller, ends[0], ends, ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_add_fd (poller, -1, NULL, ZMQ_POLLIN), EBADF);
    FAILS (zmq_poller_modify_fd (poller, ends[1], ZMQ_POLLIN), EINVAL);
    FAILS (zmq_poller_remove_fd (poller, ends[1]), EINVAL);
    NEED (zmq_poller_size (poller) == 2);

    FAILS (zmq_poller_wait (poller, &event, 20), EAGAIN);
    NEED (event.socket == NULL && event.fd == -1 && event.user_data == NULL && event.events == 0);
    NEED (zmq_send (other, "hello", 5, 0) == 5);
    NEED (zmq_poller_wait (poller, &event, -1) == 0);
    NEED (event.socket == one && event.user_data == &mark && event.events == ZMQ_POLLIN);
    NEED (write (ends[1], "x", 1) == 1);
    NEED (zmq_poller_wait_all (poller, events, 4, -1) == 2);
    NEED (zmq_poller_wait_all (poller, events + 3, 1, -1) == 1 && events[3].socket == one);
    FAILS (zmq_poller_wait_all (poller, events + 3, 0, 0), EAGAIN);
    NEED (zmq_poller_wait_all (poller, events, 4, -1) == 2);
    NEED (events[0].socket == one && events[1].socket == NULL && events[1].fd == ends[0]);
    NEED (events[1].user_data == ends && events[2].socket == NULL && events[2].events == 0);
    NEED (zmq_poller_modify (poller, one, ZMQ_POLLOUT) == 0);
    NEED (zmq_poller_wait (poller, &event, -1) == 0 && event.events == ZMQ_POLLOUT);
    NEED (zmq_poller_modify (poller, one, 0) == 0);
    NEED (zmq_poller_modify_fd (poller, ends[0], 0) == 0);
    FAILS (zmq_poller_wait (poller, &event, -1), EFAULT);
    NEED (zmq_poller_remove (poller, one) == 0);
    NEED (zmq_poller_remove_fd (poller, ends[0]) == 0);
    NEED (zmq_poller_size (poller) == 0);
    FAILS (zmq_poller_fd (poller, &fd), EINVAL);
    NEED (zmq_poller_destroy (&poller) == 0);
    NEED (poller == NULL);
    FAILS (zmq_poller_destroy (&poller), EFAULT);
    FAILS (zmq_poller_destroy (NULL), EFAULT);
    FAILS (zmq_poller_size (NULL), EFAULT);
    FAILS (zmq_poller_wait (NULL, &event, 0), EFAULT);
    close (ends[0]);
    close (ends[1]);
    zmq_close (one);
    zmq_close (other);
}

static void close_later (void *socket)
{
    usleep (50000);
    NEED (zmq_close (socket) == 0);
}

static void send_later (void *socket)
{
    usleep (20000);
    NEED (zmq_send (socket, "x", 1, 0) == 1);
}

/* The descriptor of a poller is readable when there is something to look for, and not once that was told. */
static void descriptor (void)
{
    void *gather = open_socket (context, ZMQ_GATHER);
    void *scatter = open_socket (context, ZMQ_SCATTER);
    void *poller = zmq_poller_new ();
    void *thread;
    zmq_pollitem_t item;
    zmq_poller_event_t event;
    char byte;
    NEED (zmq_bind (gather, "inproc://descriptor") == 0 && zmq_connect (scatter, "inproc://descriptor") == 0);
    NEED (zmq_poller_add (poller, gather, NULL, ZMQ_POLLIN) == 0);
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    NEED (zmq_poller_fd (poller, &item.fd) == 0);
    thread = zmq_threadstart (send_later, scatter);
    NEED (zmq_poller_wait (poller, &event, -1) == 0 && event.events == ZMQ_POLLIN);
    zmq_threadclose (thread);
    /* The waiter may have been woken before the descriptor was lit; by now it has been. */
    NEED (zmq_poller_wait (poller, &event, 0) == 0 && event.events == ZMQ_POLLIN);
    NEED (zmq_poll (&item, 1, 0) == 0);
    NEED (zmq_recv (gather, &byte, 1, ZMQ_DONTWAIT) == 1);
    FAILS (zmq_poller_wait (poller, &event, 0), EAGAIN);
    NEED (zmq_poll (&item, 1, 0) == 0);
    thread = zmq_threadstart (send_later, scatter);
    NEED (zmq_poll (&item, 1, -1) == 1);
    zmq_threadclose (thread);
    NEED (zmq_poller_wait (poller, &event, 0) == 0 && event.events == ZMQ_POLLIN);
    NEED (zmq_poll (&item, 1, 0) == 0);
    /* What is asked for anew may be there already. */
    NEED (zmq_poller_modify (poller, gather, 0) == 0 && zmq_poll (&item, 1, 0) == 0);
    NEED (zmq_poller_modify (poller, gather, ZMQ_POLLIN) == 0 && zmq_poll (&item, 1, 0) == 1);
    NEED (zmq_poller_wait (poller, &event, 0) == 0 && event.events == ZMQ_POLLIN);
    NEED (zmq_poll (&item, 1, 0) == 0);
    NEED (zmq_poller_destroy (&poller) == 0);
    zmq_close (gather);
    zmq_close (scatter);
}

/* What there was no room to tell of is still to be looked for. */
static void descriptor_of_two (void)
{
    void *gathers[2], *scatters[2];
    void *poller = zmq_poller_new ();
    const char *endpoints[2] = {"inproc://first", "inproc://second"};
    zmq_pollitem_t item;
    zmq_poller_event_t events[2];
    char byte;
    int index;
    for (index = 0; index < 2; index++) {
        gathers[index] = open_socket (context, ZMQ_GATHER);
        scatters[index] = open_socket (context, ZMQ_SCATTER);
        NEED (zmq_bind (gathers[index], endpoints[index]) == 0);
        NEED (zmq_connect (scatters[index], endpoints[index]) == 0);
        NEED (zmq_poller_add (poller, gathers[index], NULL, ZMQ_POLLIN) == 0);
        NEED (zmq_send (scatters[index], "x", 1, 0) == 1);
        NEED (ready (gathers[index], ZMQ_POLLIN, LONG) == ZMQ_POLLIN);
    }
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    NEED (zmq_poller_fd (poller, &item.fd) == 0);
    FAILS (zmq_poller_wait_all (poller, events, 0, 0), EAGAIN);
    NEED (zmq_poll (&item, 1, 0) == 1);
    NEED (zmq_poller_wait_all (poller, events, 1, 0) == 1);
    NEED (zmq_poll (&item, 1, 0) == 1);
    for (index = 0; index < 2; index++) {
        NEED (zmq_poll (&item, 1, 0) == 1);
        NEED (zmq_poller_wait (poller, events, 0) == 0);
        NEED (zmq_recv (events[0].socket, &byte, 1, ZMQ_DONTWAIT) == 1);
    }
    NEED (zmq_poll (&item, 1, 0) == 0);
    NEED (zmq_poller_destroy (&poller) == 0);
    for (index = 0; index < 2; index++) {
        zmq_close (gathers[index]);
        zmq_close (scatters[index]);
    }
}

static void shut_down_later (void *ended)
{
    usleep (50000);
    NEED (zmq_ctx_shutdown (ended) == 0);
}

static void ends_while_polled (void)
{
    void *ended = zmq_ctx_new ();
    void *one = open_socket (context, ZMQ_PULL);
    void *other = zmq_socket (ended, ZMQ_PULL);
    void *poller = zmq_poller_new ();
    void *thread;
    zmq_poller_event_t event;
    NEED (zmq_poller_add (poller, one, NULL, ZMQ_POLLIN) == 0);
    thread = zmq_threadstart (close_later, one);
    FAILS (zmq_poller_wait (poller, &event, -1), ENOTSOCK);
    zmq_threadclose (thread);
    FAILS (zmq_poller_remove (poller, one), ENOTSOCK);
    FAILS (zmq_poller_modify (poller, one, 0), ENOTSOCK);
    NEED (zmq_poller_size (poller) == 1);
    NEED (zmq_poller_destroy (&poller) == 0);
    poller = zmq_poller_new ();
    NEED (zmq_poller_add (poller, other, NULL, ZMQ_POLLIN) == 0);
    thread = zmq_threadstart (shut_down_later, ended);
    FAILS (zmq_poller_wait (poller, &event, -1), ETERM);
    NEED (event.socket == NULL && event.fd == -1 && event.events == 0);
    zmq_threadclose (thread);
    /* One that is asked nothing of is not looked at; one of an ended context can be added. */
    NEED (zmq_poller_modify (poller, other, 0) == 0);
    FAILS (zmq_poller_wait (poller, &event, 0), EAGAIN);
    FAILS (zmq_poller_add (poller, other, NULL, ZMQ_POLLIN), EINVAL);
    NEED (zmq_poller_remove (poller, other) == 0);
    NEED (zmq_poller_add (poller, other, NULL, ZMQ_POLLIN) == 0);
    FAILS (zmq_poller_wait (poller, &event, 0), ETERM);
    NEED (zmq_poller_remove (poller, other) == 0);
    NEED (zmq_poller_destroy (&poller) == 0);
    zmq_close (other);
    NEED (zmq_ctx_term (ended) == 0);
}

/* A list with a thread-safe socket in it is a poller's: what is there twice counts once, and nothing is not waited for. */
static void thread_safe (int with_descriptor)
{
    void *server = open_socket (context, ZMQ_SERVER);
    void *client = open_socket (context, ZMQ_CLIENT);
    int ends[2], value;
    size_t size = sizeof value;
    zmq_pollitem_t items[5];
    NEED (pipe (ends) == 0);
    NEED (zmq_bind (server, "inproc://thread-safe") == 0);
    NEED (zmq_connect (client, "inproc://thread-safe") == 0);
    memset (items, 0, sizeof items);
    items[0].socket = items[2].socket = server;
    items[1].socket = client;
    items[3].fd = items[4].fd = ends[1];
    FAILS (zmq_poll (items, 3 + with_descriptor * 2, -1), EFAULT);
    NEED (zmq_poll (items, 3, 0) == 0);
    NEED (zmq_poll (items, 3, 10) == 0);
    items[0].events = ZMQ_POLLIN;
    items[1].events = ZMQ_POLLIN | ZMQ_POLLOUT;
    items[2].events = items[3].events = items[4].events = ZMQ_POLLOUT;
    NEED (zmq_send (client, "hello", 5, 0) == 5);
    NEED (ready (server, ZMQ_POLLIN, LONG) == ZMQ_POLLIN);
    NEED (zmq_poll (items, 3 + with_descriptor * 2, -1) == 2 + with_descriptor);
    NEED (items[0].revents == ZMQ_POLLIN && items[1].revents == ZMQ_POLLOUT && items[2].revents == ZMQ_POLLOUT);
    NEED (!with_descriptor || (items[3].revents == ZMQ_POLLOUT && items[4].revents == ZMQ_POLLOUT));
    FAILS (zmq_getsockopt (server, ZMQ_FD, &value, &size), EINVAL);
    NEED (get_int (server, ZMQ_THREAD_SAFE) == 1 && get_int (server, ZMQ_RCVMORE) == 0);
    FAILS (zmq_send (client, "part", 4, ZMQ_SNDMORE), EINVAL);
    close (ends[0]);
    close (ends[1]);
    zmq_close (server);
    zmq_close (client);
}

static void messages (void)
{
    zmq_msg_t message;
    NEED (zmq_msg_init_buffer (&message, "copied", 6) == 0);
    NEED (zmq_msg_size (&message) == 6 && memcmp (zmq_msg_data (&message), "copied", 6) == 0);
    NEED (zmq_msg_routing_id (&message) == 0);
    FAILS (zmq_msg_set_routing_id (&message, 0), EINVAL);
    NEED (zmq_msg_set_routing_id (&message, 7) == 0);
    NEED (zmq_msg_routing_id (&message) == 7);
    NEED (strcmp (zmq_msg_group (&message), "") == 0);
    NEED (zmq_msg_set_group (&message, "group") == 0);
    NEED (strcmp (zmq_msg_group (&message), "group") == 0);
    NEED (zmq_msg_set_group (&message, "a group with a name longer than fits in place") == 0);
    NEED (strcmp (zmq_msg_group (&message), "a group with a name longer than fits in place") == 0);
    NEED (zmq_msg_close (&message) == 0);
}

static void contexts (void)
{
    void *own = zmq_ctx_new ();
    int value = 2;
    size_t size = sizeof value;
    char name[16] = "zef";
    NEED (zmq_ctx_set_ext (own, ZMQ_IO_THREADS, &value, sizeof value) == 0);
    value = 0;
    NEED (zmq_ctx_get_ext (own, ZMQ_IO_THREADS, &value, &size) == 0 && value == 2);
    NEED (zmq_ctx_set_ext (own, ZMQ_THREAD_NAME_PREFIX, name, 3) == 0);
    FAILS (zmq_ctx_set_ext (own, ZMQ_IO_THREADS, &value, 2), EINVAL);
    FAILS (zmq_ctx_set_ext (own, 999, &value, sizeof value), EINVAL);
    FAILS (zmq_ctx_get_ext (own, 999, &value, &size), EINVAL);
    FAILS (zmq_ctx_set_ext (NULL, ZMQ_IO_THREADS, &value, sizeof value), EFAULT);
    FAILS (zmq_ctx_get_ext (NULL, ZMQ_IO_THREADS, &value, &size), EFAULT);
    NEED (zmq_ctx_get (own, ZMQ_ZERO_COPY_RECV) == 1);
    NEED (zmq_ctx_set (own, ZMQ_ZERO_COPY_RECV, 0) == 0);
    NEED (zmq_ctx_term (own) == 0);
}

static void monitors (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    char endpoint[256], got[256];
    uint64_t number;
    FAILS (zmq_socket_monitor_versioned (server, "inproc://m", ZMQ_EVENT_ALL_V2, 1, ZMQ_PAIR), EINVAL);
    FAILS (zmq_socket_monitor_versioned (server, "inproc://m", ZMQ_EVENT_ALL_V2, 2, ZMQ_SUB), EINVAL);
    FAILS (zmq_socket_monitor_pipes_stats (server), EINVAL);
    NEED (zmq_socket_monitor_versioned (server, "inproc://m", ZMQ_EVENT_ALL_V2, 2, ZMQ_PAIR) == 0);
    FAILS (zmq_socket_monitor_pipes_stats (server), EAGAIN);
    NEED (zmq_connect (events, "inproc://m") == 0);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    /* Event, number of values, the values, local and remote address. */
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == ZMQ_EVENT_LISTENING);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 1);
    NEED (zmq_recv (events, &number, 8, 0) == 8);
    NEED (zmq_recv (events, got, sizeof got, 0) == (int) strlen (endpoint) && memcmp (got, endpoint, strlen (endpoint)) == 0);
    NEED (zmq_recv (events, got, sizeof got, 0) == 0);
    NEED (get_int (events, ZMQ_RCVMORE) == 0);
    NEED (zmq_connect (client, endpoint) == 0);
    NEED (zmq_send (client, "hello", 5, 0) == 5);
    NEED (ready (server, ZMQ_POLLIN, LONG));
    NEED (zmq_socket_monitor_pipes_stats (server) == 0);
    do {
        NEED (zmq_recv (events, &number, 8, 0) == 8);
        if (number == ZMQ_EVENT_PIPES_STATS)
            break;
        do
            NEED (zmq_recv (events, got, sizeof got, 0) >= 0);
        while (get_int (events, ZMQ_RCVMORE));
    } while (1);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 2);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 0);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 1);
    NEED (zmq_recv (events, got, sizeof got, 0) == (int) strlen (endpoint) && memcmp (got, endpoint, strlen (endpoint)) == 0);
    NEED (zmq_recv (events, got, sizeof got, 0) > 16 && memcmp (got, "tcp://127.0.0.1:", 16) == 0);
    zmq_close (client);
    zmq_close (server);
    zmq_close (events);
}

/* Of a version that is none nothing is told; a type that is none ends the monitor there was. */
static void versions (void)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    uint64_t number;
    int version;
    NEED (zmq_connect (client, "ipc:///nowhere/that/exists") == 0);
    for (version = 0; version <= 3; version += 3) {
        NEED (zmq_socket_monitor_versioned (client, "inproc://none", ZMQ_EVENT_ALL_V2, version, ZMQ_PAIR) == 0);
        NEED (zmq_connect (events, "inproc://none") == 0);
        NEED (zmq_socket_monitor_pipes_stats (client) == 0);
        NEED (zmq_socket_monitor (client, NULL, 0) == 0);
        NEED (ready (events, ZMQ_POLLIN, 20) == 0);
        NEED (zmq_close (events) == 0);
        events = open_socket (context, ZMQ_PAIR);
    }
    NEED (zmq_socket_monitor_versioned (client, "inproc://ends", ZMQ_EVENT_MONITOR_STOPPED, 2, ZMQ_PAIR) == 0);
    NEED (zmq_connect (events, "inproc://ends") == 0);
    FAILS (zmq_socket_monitor_versioned (client, "tcp://ends", ZMQ_EVENT_ALL, 2, ZMQ_PULL), EPROTONOSUPPORT);
    FAILS (zmq_socket_monitor_versioned (client, "inproc://ends", ZMQ_EVENT_ALL, 2, ZMQ_PULL), EINVAL);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == ZMQ_EVENT_MONITOR_STOPPED);
    FAILS (zmq_socket_monitor_pipes_stats (client), EINVAL);
    zmq_close (client);
    zmq_close (events);
}

/* Of a connection that is not there yet: what waits for it, and where it goes. */
static void pipes_of_nobody (void)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    const char *endpoint = "ipc:///nowhere/that/exists";
    uint64_t number;
    char got[256];
    NEED (zmq_socket_monitor_versioned (client, "inproc://nobody", ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR) == 0);
    NEED (zmq_connect (events, "inproc://nobody") == 0);
    NEED (zmq_connect (client, endpoint) == 0);
    NEED (zmq_send (client, "one", 3, 0) == 3 && zmq_send (client, "two", 3, 0) == 3);
    NEED (zmq_socket_monitor_pipes_stats (client) == 0);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == ZMQ_EVENT_PIPES_STATS);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 2);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 2);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 0);
    NEED (zmq_recv (events, got, sizeof got, 0) == 0);
    NEED (zmq_recv (events, got, sizeof got, 0) == (int) strlen (endpoint) && memcmp (got, endpoint, strlen (endpoint)) == 0);
    zmq_close (client);
    zmq_close (events);
}

/* Within the process a reader reports each half of what the marks of both sides allow: of fifteen sent and twelve read,
   ten. */
static void pipes_within (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    uint64_t number;
    int count;
    set_int (client, ZMQ_SNDHWM, 10);
    set_int (server, ZMQ_RCVHWM, 10);
    NEED (zmq_bind (server, "inproc://within") == 0);
    NEED (zmq_connect (client, "inproc://within") == 0);
    NEED (zmq_socket_monitor_versioned (client, "inproc://pipes", ZMQ_EVENT_PIPES_STATS, 2, ZMQ_PAIR) == 0);
    NEED (zmq_connect (events, "inproc://pipes") == 0);
    for (count = 0; count < 15; count++)
        NEED (zmq_send (client, "x", 1, 0) == 1);
    for (count = 0; count < 12; count++)
        NEED (zmq_recv (server, NULL, 0, 0) == 1);
    NEED (zmq_socket_monitor_pipes_stats (client) == 0);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == ZMQ_EVENT_PIPES_STATS);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 2);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 5);
    zmq_close (client);
    zmq_close (server);
    zmq_close (events);
}

/* An end of an ipc connection without a path of its own has the transport alone for an address. */
static void ends_of_ipc (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    char endpoint[256], local[256], remote[256];
    uint64_t number;
    int local_size, remote_size;
    NEED (zmq_socket_monitor_versioned (client, "inproc://ipc", ZMQ_EVENT_CONNECTED, 2, ZMQ_PAIR) == 0);
    NEED (zmq_connect (events, "inproc://ipc") == 0);
    bind_anywhere (server, "ipc://*", endpoint);
    NEED (zmq_connect (client, endpoint) == 0);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == ZMQ_EVENT_CONNECTED);
    NEED (zmq_recv (events, &number, 8, 0) == 8 && number == 1);
    NEED (zmq_recv (events, &number, 8, 0) == 8);
    local_size = zmq_recv (events, local, sizeof local, 0);
    remote_size = zmq_recv (events, remote, sizeof remote, 0);
    NEED (local_size == 6 && memcmp (local, "ipc://", 6) == 0);
    NEED (remote_size == (int) strlen (endpoint) && memcmp (remote, endpoint, strlen (endpoint)) == 0);
    zmq_close (client);
    zmq_close (server);
    zmq_close (events);
}

static void cannot_send (void)
{
    void *gather = open_socket (context, ZMQ_GATHER);
    FAILS (zmq_send (gather, "part", 4, ZMQ_SNDMORE), ENOTSUP);
    FAILS (zmq_send (gather, "all", 3, 0), ENOTSUP);
    zmq_close (gather);
}

static void ignored (int number)
{
    (void) number;
}

static void waiting_with_signals (void)
{
#ifdef SIG_BLOCK
    void *one = open_socket (context, ZMQ_PAIR);
    zmq_pollitem_t item;
    sigset_t mask;
    sigemptyset (&mask);
    item.socket = one;
    item.events = ZMQ_POLLIN;
    NEED (zmq_ppoll (&item, 1, 10, &mask) == 0);
    NEED (zmq_ppoll (&item, 1, 0, NULL) == 0);
    item.events = ZMQ_POLLOUT;
    NEED (zmq_ppoll (&item, 1, 0, &mask) == 0);
    /* A signal that waits is delivered under the mask, even by a look. */
    signal (SIGUSR1, ignored);
    sigaddset (&mask, SIGUSR1);
    NEED (pthread_sigmask (SIG_BLOCK, &mask, NULL) == 0 && raise (SIGUSR1) == 0);
    NEED (zmq_ppoll (&item, 1, 0, NULL) == 0 && zmq_ppoll (&item, 1, 10, &mask) == 0);
    sigemptyset (&mask);
    FAILS (zmq_ppoll (&item, 1, 0, &mask), EINTR);
    NEED (zmq_ppoll (&item, 1, 0, &mask) == 0 && raise (SIGUSR1) == 0);
    FAILS (zmq_ppoll (&item, 1, -1, &mask), EINTR);
    zmq_close (one);
#endif
}

static void peers (void)
{
    void *ended = zmq_ctx_new (), *lost = zmq_socket (ended, ZMQ_DEALER);
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    NEED (zmq_bind (router, "inproc://peers") == 0);
    NEED (zmq_connect (dealer, "inproc://peers") == 0);
    NEED (zmq_send (dealer, "hello", 5, 0) == 5);
    NEED (ready (router, ZMQ_POLLIN, LONG));
    NEED (zmq_socket_get_peer_state (router, "ann", 3) == ZMQ_POLLOUT);
    FAILS (zmq_socket_get_peer_state (router, "bob", 3), EHOSTUNREACH);
    FAILS (zmq_socket_get_peer_state (dealer, "ann", 3), ENOTSUP);
    FAILS (zmq_socket_get_peer_state (NULL, "ann", 3), ENOTSOCK);
    FAILS (zmq_join (dealer, "group"), ENOTSUP);
    FAILS (zmq_leave (dealer, "group"), ENOTSUP);
    FAILS (zmq_join (NULL, "group"), ENOTSOCK);
    FAILS (zmq_leave (NULL, "group"), ENOTSOCK);
    NEED (zmq_connect_peer (dealer, "inproc://peers") == 0 && zmq_errno () == ENOTSUP);
    NEED (zmq_connect_peer (NULL, "inproc://peers") == 0 && zmq_errno () == ENOTSOCK);
    NEED (zmq_ctx_shutdown (ended) == 0);
    FAILS (zmq_connect (lost, "inproc://peers"), ETERM);
    NEED (zmq_connect_peer (lost, "inproc://peers") == 0 && zmq_errno () == ETERM);
    zmq_close (lost);
    NEED (zmq_ctx_term (ended) == 0);
    FAILS (zmq_disconnect_peer (dealer, 1), ENOTSUP);
    zmq_close (router);
    zmq_close (dealer);
}

int main (void)
{
    context = zmq_ctx_new ();
    pollers ();
    ends_while_polled ();
    descriptor ();
    descriptor_of_two ();
    thread_safe (0);
    thread_safe (1);
    messages ();
    contexts ();
    monitors ();
    versions ();
    pipes_of_nobody ();
    pipes_within ();
    ends_of_ipc ();
    cannot_send ();
    waiting_with_signals ();
    peers ();
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
