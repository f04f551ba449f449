/* Monitors: which events come, in which order, with which addresses. */
#include "say.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void *context;

static const char *event_name (int event)
{
    switch (event) {
#define NAME(e) case ZMQ_EVENT_##e: return #e;
        NAME (CONNECTED) NAME (CONNECT_DELAYED) NAME (CONNECT_RETRIED) NAME (LISTENING) NAME (BIND_FAILED)
        NAME (ACCEPTED) NAME (ACCEPT_FAILED) NAME (CLOSED) NAME (CLOSE_FAILED) NAME (DISCONNECTED)
        NAME (MONITOR_STOPPED) NAME (HANDSHAKE_FAILED_NO_DETAIL) NAME (HANDSHAKE_SUCCEEDED)
        NAME (HANDSHAKE_FAILED_PROTOCOL) NAME (HANDSHAKE_FAILED_AUTH)
#undef NAME
        default: return "unknown";
    }
}

static const char *is_descriptor (uint32_t value)
{
    return value > 2 && value < 10000 ? "that may be a descriptor's" : "that is no descriptor's";
}

/* Reads one event and prints it; says whether it was `until`. */
static int next (const char *who, void *events, const char *endpoint, int until)
{
    unsigned char first[6];
    char address[256];
    uint16_t event;
    uint32_t value;
    int size = zmq_recv (events, first, sizeof first, 0);
    if (size == -1) {
        printf ("%s: %s\n", who, error_name (zmq_errno ()));
        return 1;
    }
    NEED (size == 6);
    NEED (get_int (events, ZMQ_RCVMORE) == 1);
    memcpy (&event, first, sizeof event);
    memcpy (&value, first + 2, sizeof value);
    size = zmq_recv (events, address, sizeof address - 1, 0);
    NEED (size >= 0);
    NEED (get_int (events, ZMQ_RCVMORE) == 0);
    address[size] = 0;
    printf ("%s: %s, %s", who, event_name (event),
            size == 0 ? "no address" : strcmp (address, endpoint) == 0 ? "the endpoint" : "another address");
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED
        || event == ZMQ_EVENT_MONITOR_STOPPED)
        printf (", value %u", value);
    if (event == ZMQ_EVENT_CONNECT_DELAYED)
        printf (", %s", error_name ((int) value));
    if (event == ZMQ_EVENT_CLOSED)
        printf (", value %s", is_descriptor (value));
    printf ("\n");
    fflush (stdout);
    return event == until;
}

static void *monitor (void *socket, const char *name)
{
    void *events;
    CALL (zmq_socket_monitor (socket, name, ZMQ_EVENT_ALL));
    events = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (events, name) == 0);
    return events;
}

static void life (const char *wildcard)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    char endpoint[256];
    void *of_server, *of_client;
    printf ("-- a connection over %s\n", wildcard);
    of_server = monitor (server, wildcard[0] == 't' ? "inproc://tcp-server" : "inproc://ipc-server");
    of_client = monitor (client, wildcard[0] == 't' ? "inproc://tcp-client" : "inproc://ipc-client");
    bind_anywhere (server, wildcard, endpoint);
    next ("server", of_server, endpoint, 0);
    NEED (zmq_connect (client, endpoint) == 0);
    while (!next ("client", of_client, endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED))
        ;
    while (!next ("server", of_server, endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED))
        ;
    send_text (client, "hello", 0);
    receive (server, 0);
    NEED (zmq_close (client) == 0);
    while (!next ("client", of_client, endpoint, ZMQ_EVENT_MONITOR_STOPPED))
        ;
    while (!next ("server", of_server, endpoint, ZMQ_EVENT_DISCONNECTED))
        ;
    NEED (zmq_unbind (server, endpoint) == 0);
    while (!next ("server", of_server, endpoint, ZMQ_EVENT_CLOSED))
        ;
    CALL (zmq_socket_monitor (server, NULL, 0));
    while (!next ("server", of_server, endpoint, ZMQ_EVENT_MONITOR_STOPPED))
        ;
    NEED (zmq_close (server) == 0);
    zmq_close (of_server);
    zmq_close (of_client);
}

static void refused (void)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *holder = open_socket (context, ZMQ_PULL);
    void *events;
    char endpoint[256];
    int i;
    say ("nobody listens");
    bind_anywhere (holder, "tcp://127.0.0.1:*", endpoint);
    zmq_unbind (holder, endpoint);
    zmq_close (holder);
    usleep (100000);
    events = monitor (client, "inproc://refused");
    NEED (zmq_connect (client, endpoint) == 0);
    for (i = 0; i < 6; i++)
        next ("client", events, endpoint, 0);
    zmq_close (client);
    zmq_close (events);
}

/* Each attempt ends at once, without having been delayed. */
static void nobody_at (const char *name, const char *endpoint)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *events;
    int i;
    printf ("-- nobody is at %s\n", endpoint);
    events = monitor (client, name);
    NEED (zmq_connect (client, endpoint) == 0);
    for (i = 0; i < 4; i++)
        next ("client", events, endpoint, 0);
    zmq_close (client);
    zmq_close (events);
}

static void lost (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    void *events;
    char endpoint[256];
    say ("the other side goes");
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    events = monitor (client, "inproc://lost");
    NEED (zmq_connect (client, endpoint) == 0);
    while (!next ("client", events, endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED))
        ;
    send_text (client, "hello", 0);
    receive (server, 0);
    zmq_close (server);
    while (!next ("client", events, endpoint, ZMQ_EVENT_CONNECT_RETRIED))
        ;
    zmq_close (client);
    zmq_close (events);
}

static void bad (void)
{
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    void *events;
    say ("no monitor");
    CALL (zmq_socket_monitor (NULL, "inproc://x", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (one, "tcp://127.0.0.1:5000", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (one, "nonsense", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (one, "inproc://x", -1));
    CALL (zmq_socket_monitor (one, "inproc://x", 0x10000));
    CALL (zmq_socket_monitor (one, NULL, ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (one, "inproc://x", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (other, "inproc://x", ZMQ_EVENT_ALL));
    say ("a new monitor stops the old one");
    events = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (events, "inproc://x") == 0);
    CALL (zmq_socket_monitor (one, "inproc://y", ZMQ_EVENT_ALL));
    next ("old", events, "", 0);
    zmq_close (one);
    zmq_close (other);
    zmq_close (events);
}

static void failed_bind (const char *name, const char *endpoint)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *events = monitor (server, name);
    unsigned char first[6];
    char address[256];
    int i;
    say ("a bind that fails");
    set_int (events, ZMQ_RCVTIMEO, 200);
    /* What libzmq leaves in errno may come from telling the monitor. */
    printf ("bind: %d\n", zmq_bind (server, endpoint));
    for (i = 0; i < 3 && zmq_recv (events, first, sizeof first, 0) == 6; i++) {
        uint16_t event;
        uint32_t value;
        int size = zmq_recv (events, address, sizeof address - 1, 0);
        NEED (size >= 0);
        address[size] = 0;
        memcpy (&event, first, sizeof event);
        memcpy (&value, first + 2, sizeof value);
        if (event == ZMQ_EVENT_CLOSED)
            printf ("value %s, ", is_descriptor (value));
        printf ("%s, %s\n", event_name (event),
                size == 0                                                         ? "no address"
                : strcmp (address, endpoint) == 0                                 ? "the endpoint"
                : strcmp (address, strstr (endpoint, "://") + strlen ("://")) == 0 ? "the address without the transport"
                                                                                  : "another address");
    }
    zmq_close (server);
    /* libzmq waits for ever for somebody to take its last event. */
    next ("server", events, endpoint, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (events);
}

static void failed_binds (void)
{
    void *holder = open_socket (context, ZMQ_PULL);
    char endpoint[256];
    bind_anywhere (holder, "tcp://127.0.0.1:*", endpoint);
    failed_bind ("inproc://failed-tcp", endpoint);
    failed_bind ("inproc://failed-ipc", "ipc:///nosuchfolder/file");
    failed_bind ("inproc://no-port", "tcp://127.0.0.1");
    failed_bind ("inproc://no-number", "tcp://127.0.0.1:x");
    failed_bind ("inproc://no-interface", "tcp://nosuchinterface:*");
    failed_bind ("inproc://no-name", "ipc://@");
    failed_bind ("inproc://no-address", "tcp://");
    failed_bind ("inproc://no-transport", "none://a");
    zmq_close (holder);
}

static void unsuited (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_REQ);
    void *of_server = monitor (server, "inproc://unsuited-server");
    void *of_client = monitor (client, "inproc://unsuited-client");
    char endpoint[256];
    say ("types that do not suit");
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (client, endpoint) == 0);
    while (!next ("client", of_client, endpoint, ZMQ_EVENT_DISCONNECTED))
        ;
    while (!next ("server", of_server, endpoint, ZMQ_EVENT_DISCONNECTED))
        ;
    zmq_close (server);
    zmq_close (client);
    zmq_close (of_server);
    zmq_close (of_client);
}

/* A proxy that lets the client through and then leaves it. */
static void through_a_proxy (void)
{
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = monitor (client, "inproc://through-a-proxy");
    int listener = socket (AF_INET, SOCK_STREAM, 0), stream;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    char proxy[64], bytes[16];
    say ("through a SOCKS proxy");
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    NEED (bind (listener, (struct sockaddr *) &address, sizeof address) == 0 && listen (listener, 1) == 0);
    NEED (getsockname (listener, (struct sockaddr *) &address, &size) == 0);
    sprintf (proxy, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    NEED (zmq_setsockopt (client, ZMQ_SOCKS_PROXY, proxy + 6, strlen (proxy + 6)) == 0);
    set_int (client, ZMQ_RECONNECT_IVL, 60000);
    NEED (zmq_connect (client, "tcp://127.0.0.1:1") == 0);
    NEED ((stream = accept (listener, NULL, NULL)) >= 0);
    NEED (recv (stream, bytes, 3, MSG_WAITALL) == 3 && send (stream, "\5\0", 2, 0) == 2);
    NEED (recv (stream, bytes, 10, MSG_WAITALL) == 10 && send (stream, "\5\0\0\1\0\0\0\0\0\0", 10, 0) == 10);
    NEED (recv (stream, bytes, 10, MSG_WAITALL) == 10);
    close (stream);
    while (!next ("client", events, proxy, ZMQ_EVENT_CONNECT_RETRIED))
        ;
    zmq_close (client);
    next ("client", events, proxy, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (events);
    close (listener);
}

/* Somebody who speaks another protocol. */
static void stranger (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *events = monitor (server, "inproc://stranger");
    char endpoint[256], byte;
    struct sockaddr_in address;
    int stream = socket (AF_INET, SOCK_STREAM, 0);
    say ("a stranger");
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address.sin_port = htons (atoi (strrchr (endpoint, ':') + 1));
    NEED (connect (stream, (struct sockaddr *) &address, sizeof address) == 0);
    NEED (recv (stream, &byte, 1, 0) == 1 && send (stream, "GET / HTTP/1.1\r\n\r\n", 18, 0) == 18);
    usleep (50000);
    close (stream);
    while (!next ("server", events, endpoint, ZMQ_EVENT_DISCONNECTED))
        ;
    zmq_close (server);
    while (!next ("server", events, endpoint, ZMQ_EVENT_MONITOR_STOPPED))
        ;
    zmq_close (events);
}

/* A connection that was accepted has an address of its own, which the listener has not. */
static void wildcard (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *client = open_socket (context, ZMQ_PUSH);
    void *events = monitor (server, "inproc://wildcard");
    char endpoint[256], address[300];
    say ("accepted at a wildcard address");
    bind_anywhere (server, "tcp://*:*", endpoint);
    next ("server", events, endpoint, 0);
    sprintf (address, "tcp://127.0.0.1%s", strrchr (endpoint, ':'));
    NEED (zmq_connect (client, address) == 0);
    while (!next ("server", events, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED))
        ;
    NEED (zmq_close (client) == 0);
    while (!next ("server", events, address, ZMQ_EVENT_DISCONNECTED))
        ;
    zmq_close (server);
    while (!next ("server", events, endpoint, ZMQ_EVENT_MONITOR_STOPPED))
        ;
    zmq_close (events);
}

static void chosen (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    void *events;
    char endpoint[256];
    say ("only the events asked for");
    CALL (zmq_socket_monitor (server, "inproc://chosen", ZMQ_EVENT_CLOSED));
    events = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (events, "inproc://chosen") == 0);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_unbind (server, endpoint) == 0);
    next ("server", events, endpoint, 0);
    CALL (zmq_socket_monitor (server, NULL, 0));
    set_int (events, ZMQ_RCVTIMEO, 200);
    next ("server", events, endpoint, 0);
    zmq_close (server);
    zmq_close (events);
}

static void masks (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    say ("masks and endpoints that are none");
    CALL (zmq_socket_monitor (server, "inproc://masks", 0x10000));
    CALL (zmq_socket_monitor (server, "inproc://masks", -1));
    CALL (zmq_socket_monitor (server, NULL, 0x10000));
    CALL (zmq_socket_monitor (server, NULL, -1));
    CALL (zmq_socket_monitor (server, NULL, 0));
    CALL (zmq_socket_monitor (server, "", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (server, "inproc://", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (server, "INPROC://masks", ZMQ_EVENT_ALL));
    CALL (zmq_socket_monitor (server, "udp://127.0.0.1:5555", ZMQ_EVENT_ALL));
    zmq_close (server);
}

int main (void)
{
    context = zmq_ctx_new ();
    life ("tcp://127.0.0.1:*");
    life ("ipc://*");
    refused ();
    nobody_at ("inproc://no-file", "ipc:///no/such/file");
    nobody_at ("inproc://no-such-name", "ipc://@no-such-name");
    lost ();
    bad ();
    chosen ();
    /* libzmq's threads may wait for ever for readers of the monitors above. */
    CALL (zmq_ctx_term (context));
    context = zmq_ctx_new ();
    unsuited ();
    masks ();
    CALL (zmq_ctx_term (context));
    context = zmq_ctx_new ();
    failed_binds ();
    CALL (zmq_ctx_term (context));
    context = zmq_ctx_new ();
    through_a_proxy ();
    wildcard ();
    stranger ();
    CALL (zmq_ctx_term (context));
    return 0;
}
