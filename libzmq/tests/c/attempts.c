/* Connections that do not come about, or do not last: what is tried again, and when it is given up. */
#include "peer.h"

static void *context;

/* Called draft, and there since 4.3.3. */
enum { RECONNECT_STOP = 109 };

/* A socket that connects to `endpoint`, and what its monitor says. */
static void *watched (const char *endpoint, int interval, int option, int value, void **monitor)
{
    static int number;
    void *dealer = open_socket (context, ZMQ_DEALER);
    char name[64];
    sprintf (name, "inproc://attempts-%d", number++);
    set_int (dealer, ZMQ_RECONNECT_IVL, interval);
    if (option != 0)
        set_int (dealer, option, value);
    NEED (zmq_socket_monitor (dealer, name, ZMQ_EVENT_ALL) == 0);
    *monitor = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (*monitor, name) == 0);
    NEED (zmq_connect (dealer, endpoint) == 0);
    return dealer;
}

static const char *event_name (int event)
{
    switch (event) {
#define NAME(e) case ZMQ_EVENT_##e: return #e;
        NAME (CONNECTED) NAME (CONNECT_DELAYED) NAME (CONNECT_RETRIED) NAME (CLOSED) NAME (DISCONNECTED)
        NAME (HANDSHAKE_SUCCEEDED) NAME (HANDSHAKE_FAILED_NO_DETAIL) NAME (HANDSHAKE_FAILED_PROTOCOL)
        NAME (MONITOR_STOPPED)
#undef NAME
        default: return "another";
    }
}

/* The next event, with the wait until the next attempt; 0 if there is none in `timeout`. */
static int hear_event (void *monitor, int timeout, int *value)
{
    unsigned char bytes[6];
    uint16_t event;
    set_int (monitor, ZMQ_RCVTIMEO, timeout);
    if (zmq_recv (monitor, bytes, sizeof bytes, 0) == -1)
        return 0;
    memcpy (&event, bytes, sizeof event);
    memcpy (value, bytes + 2, sizeof *value);
    NEED (zmq_recv (monitor, NULL, 0, 0) >= 0);
    return event;
}

static void print_events (void *monitor, int count)
{
    int value, event;
    while (count-- > 0) {
        event = hear_event (monitor, 1000, &value);
        printf ("%s\n", event == 0 ? "no more" : event_name (event));
        fflush (stdout);
    }
}

/* Events that nobody waits for hold up libzmq: the monitor goes when it has heard of the end. */
static void give_up (void *socket, void *monitor)
{
    int value;
    NEED (zmq_close (socket) == 0);
    while (hear_event (monitor, LONG, &value) != ZMQ_EVENT_MONITOR_STOPPED)
        ;
    zmq_close (monitor);
}

/* Each wait is the interval and up to as much again by chance; where it grows, up to the longest. */
static void refused (int interval, int longest)
{
    char endpoint[256];
    void *monitor, *dealer;
    int listener = listen_anywhere (endpoint, 1), attempts = 0, value, event;
    close (listener);
    dealer = watched (endpoint, interval, ZMQ_RECONNECT_IVL_MAX, longest, &monitor);
    printf ("-- refused, %d to %d\n", interval, longest);
    print_events (monitor, 3);
    while (interval != -1 && attempts < 6) {
        event = hear_event (monitor, LONG, &value);
        if (event != ZMQ_EVENT_CONNECT_RETRIED)
            continue;
        attempts++;
        printf ("%s\n", value >= interval && value < interval + (longest ? longest : interval) ? "in time" : "not in time");
    }
    give_up (dealer, monitor);
}

static void lost (int interval)
{
    char endpoint[256];
    void *monitor, *dealer;
    int listener = listen_anywhere (endpoint, 4), peer;
    printf ("-- lost, %d\n", interval);
    dealer = watched (endpoint, interval, 0, 0, &monitor);
    peer = accept_within (listener, LONG);
    shake_hands (peer, "DEALER");
    print_events (monitor, 3);
    close (peer);
    print_events (monitor, 2);
    peer = accept_within (listener, interval == -1 ? 300 : LONG);
    printf ("again: %d\n", peer != -1);
    if (peer != -1) {
        shake_hands (peer, "DEALER");
        send_text (dealer, "here", 0);
        print_frame (peer, LONG);
        close (peer);
    } else {
        CALL (zmq_connect (dealer, endpoint));
        peer = accept_within (listener, LONG);
        printf ("again: %d\n", peer != -1);
        close (peer);
    }
    give_up (dealer, monitor);
    close (listener);
}

/* Who does not answer the greeting in time is given up. */
static void no_handshake (int greets)
{
    char endpoint[256];
    void *monitor, *dealer;
    int listener = listen_anywhere (endpoint, 4), peer;
    say (greets ? "a greeting and no more" : "no greeting");
    dealer = watched (endpoint, 20000, ZMQ_HANDSHAKE_IVL, greets ? 1500 : 200, &monitor);
    peer = accept_within (listener, LONG);
    if (greets)
        greet (peer);
    hear_end (peer);
    print_events (monitor, 4);
    give_up (dealer, monitor);
    close (peer);
    close (listener);
    dealer = open_socket (context, ZMQ_DEALER);
    set_int (dealer, ZMQ_HANDSHAKE_IVL, greets ? 1500 : 200);
    bind_anywhere (dealer, "tcp://127.0.0.1:*", endpoint);
    peer = dial (endpoint);
    if (greets)
        greet (peer);
    hear_end (peer);
    close (peer);
    zmq_close (dealer);
}

/* As long as it takes. */
static void patient (void)
{
    char endpoint[256], byte[80];
    void *dealer = open_socket (context, ZMQ_DEALER);
    int peer;
    say ("patience");
    set_int (dealer, ZMQ_HANDSHAKE_IVL, 0);
    bind_anywhere (dealer, "tcp://127.0.0.1:*", endpoint);
    peer = dial (endpoint);
    printf ("%d of a greeting\n", hear (peer, byte, sizeof byte, 300));
    tell (peer, "\377\0\0\0\0\0\0\0\0\177", 10);
    printf ("%d more\n", hear (peer, byte, sizeof byte, 300));
    close (peer);
    zmq_close (dealer);
}

/* Nobody accepts: connecting takes too long. */
static void no_answer (void)
{
    char endpoint[256];
    void *monitor, *dealer;
    int listener = listen_anywhere (endpoint, 0), fillers[3], index;
    say ("no answer");
    for (index = 0; index < 3; index++) {
        struct sockaddr_in address = address_of (atoi (strrchr (endpoint, ':') + 1));
        fillers[index] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect (fillers[index], (struct sockaddr *) &address, sizeof address);
    }
    dealer = watched (endpoint, 20, ZMQ_CONNECT_TIMEOUT, 200, &monitor);
    print_events (monitor, 6);
    give_up (dealer, monitor);
    for (index = 0; index < 3; index++)
        close (fillers[index]);
    close (listener);
}

/* Where there is nothing to dial, or nowhere to dial from, no attempt ends. */
static void nowhere (const char *endpoint)
{
    void *monitor, *dealer = watched (endpoint, 20, 0, 0, &monitor);
    printf ("-- %s\n", endpoint);
    print_events (monitor, 4);
    give_up (dealer, monitor);
}

static void no_device (void)
{
    void *dealer = open_socket (context, ZMQ_DEALER), *monitor = open_socket (context, ZMQ_PAIR);
    say ("no such device");
    CALL (zmq_setsockopt (dealer, ZMQ_BINDTODEVICE, "nosuch0", 7));
    set_int (dealer, ZMQ_RECONNECT_IVL, 20);
    NEED (zmq_socket_monitor (dealer, "inproc://no-device", ZMQ_EVENT_ALL) == 0);
    NEED (zmq_connect (monitor, "inproc://no-device") == 0);
    CALL (zmq_connect (dealer, "tcp://127.0.0.1:1"));
    print_events (monitor, 3);
    give_up (dealer, monitor);
}

/* A proxy that is no host and port. */
static void no_proxy (const char *name, const char *proxy)
{
    void *dealer = open_socket (context, ZMQ_DEALER), *monitor = open_socket (context, ZMQ_PAIR);
    printf ("-- a proxy %s\n", proxy);
    CALL (zmq_setsockopt (dealer, ZMQ_SOCKS_PROXY, proxy, strlen (proxy)));
    NEED (zmq_socket_monitor (dealer, name, ZMQ_EVENT_ALL) == 0);
    NEED (zmq_connect (monitor, name) == 0);
    CALL (zmq_connect (dealer, "tcp://127.0.0.1:1"));
    print_events (monitor, 3);
    give_up (dealer, monitor);
}

/* The end of a connection without a handshake is one of a handshake that failed, for those that stop then. */
static void raw_lost (int stop)
{
    char endpoint[256];
    void *stream = open_socket (context, ZMQ_STREAM), *monitor = open_socket (context, ZMQ_PAIR);
    int listener = listen_anywhere (endpoint, 4), peer;
    char name[64];
    printf ("-- a raw connection lost, stop %d\n", stop);
    sprintf (name, "inproc://raw-%d", stop);
    set_int (stream, ZMQ_RECONNECT_IVL, 20);
    set_int (stream, RECONNECT_STOP, stop);
    NEED (zmq_socket_monitor (stream, name, ZMQ_EVENT_ALL) == 0);
    NEED (zmq_connect (monitor, name) == 0);
    NEED (zmq_connect (stream, endpoint) == 0);
    peer = accept_within (listener, LONG);
    print_events (monitor, 2);
    close (peer);
    close (listener);
    print_events (monitor, 3);
    CALL (zmq_disconnect (stream, endpoint));
    give_up (stream, monitor);
}

/* Who was never connected has not been lost. */
static void raw_refused (void)
{
    char endpoint[256];
    void *stream = open_socket (context, ZMQ_STREAM), *monitor = open_socket (context, ZMQ_PAIR);
    int listener = listen_anywhere (endpoint, 4);
    say ("a raw connection refused");
    close (listener);
    set_int (stream, RECONNECT_STOP, 1);
    NEED (zmq_socket_monitor (stream, "inproc://raw-refused", ZMQ_EVENT_ALL) == 0);
    NEED (zmq_connect (monitor, "inproc://raw-refused") == 0);
    NEED (zmq_connect (stream, endpoint) == 0);
    print_events (monitor, 2);
    printf ("readable: %d\n", ready (stream, ZMQ_POLLIN, 100));
    CALL (zmq_disconnect (stream, endpoint));
    give_up (stream, monitor);
}

/* What waits for a peer that is not there; with ZMQ_IMMEDIATE, nothing. */
static void unconnected (int immediate)
{
    char endpoint[256];
    void *push = open_socket (context, ZMQ_PUSH), *pull = open_socket (context, ZMQ_PULL);
    int listener = listen_anywhere (endpoint, 1), sent = 0;
    close (listener);
    printf ("-- immediate: %d\n", immediate);
    set_int (push, ZMQ_IMMEDIATE, immediate);
    set_int (push, ZMQ_RECONNECT_IVL, 20);
    set_int (push, ZMQ_SNDHWM, 3);
    NEED (zmq_connect (push, endpoint) == 0);
    while (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        sent++;
    printf ("%d sent, %s, events %d\n", sent, error_name (zmq_errno ()), get_int (push, ZMQ_EVENTS));
    NEED (zmq_bind (pull, endpoint) == 0);
    NEED (ready (push, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    send_text (push, "last", 0);
    while (sent-- >= 0)
        receive (pull, 0);
    CALL (zmq_disconnect (push, endpoint));
    CALL (zmq_disconnect (push, endpoint));
    while (get_int (push, ZMQ_EVENTS) & ZMQ_POLLOUT)
        usleep (1000);
    CALL (zmq_send (push, "nobody", 6, ZMQ_DONTWAIT));
    zmq_close (push);
    zmq_close (pull);
}

/* What the system refuses to set of a connection is found out when there is one: whoever connects gives it up and tries again,
   and whoever is bound takes nobody. */
static void unfit (int binds)
{
    enum { EVENTS_MAX = 4, TOO_MANY = 128 };
    void *bound = open_socket (context, ZMQ_DEALER), *dealer = open_socket (context, ZMQ_DEALER), *monitor;
    void *strict = binds ? bound : dealer;
    char endpoint[256];
    int value, event, left = EVENTS_MAX;
    printf ("-- more probes than the system allows, %s\n", binds ? "bound" : "connecting");
    set_int (strict, ZMQ_TCP_KEEPALIVE, 1);
    set_int (strict, ZMQ_TCP_KEEPALIVE_CNT, TOO_MANY);
    set_int (dealer, ZMQ_RECONNECT_IVL, 20);
    bind_anywhere (bound, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_socket_monitor (strict, "inproc://unfit", ZMQ_EVENT_ALL) == 0);
    monitor = open_socket (context, ZMQ_PAIR);
    NEED (zmq_connect (monitor, "inproc://unfit") == 0);
    NEED (zmq_connect (dealer, endpoint) == 0);
    if (binds) {
        event = hear_event (monitor, LONG, &value);
        printf ("%s, %s\n", event == ZMQ_EVENT_ACCEPT_FAILED ? "not accepted" : "another", error_name (value));
    } else
        while (left-- > 0)
            printf ("%s\n", event_name (hear_event (monitor, LONG, &value)));
    zmq_close (binds ? dealer : bound);
    give_up (strict, monitor);
}

int main (void)
{
    context = zmq_ctx_new ();
    refused (20, 0);
    refused (10, 100);
    refused (-1, 0);
    lost (20);
    lost (-1);
    no_handshake (0);
    no_handshake (1);
    patient ();
    no_answer ();
    nowhere ("tcp://lo;127.0.0.1:1");
    nowhere ("tcp://127.0.0.1:x;127.0.0.1:1");
    nowhere ("tcp://[::1]:0;127.0.0.1:1");
    nowhere ("tcp://192.0.2.1:0;127.0.0.1:1");
    nowhere ("tcp://[::1]:1");
    no_device ();
    no_proxy ("inproc://no-address", "nonsense");
    no_proxy ("inproc://no-port", "127.0.0.1:x");
    raw_lost (0);
    raw_lost (2);
    raw_refused ();
    unconnected (0);
    unconnected (1);
    unfit (0);
    unfit (1);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
