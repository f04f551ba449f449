/* What an accept filter may say, and whom it lets in. */
#include "say.h"

static void what_it_may_say (void *context, int ipv6)
{
    static const char *texts[] = {
      "127.1", "127.1/8", "10", "10/8", "0x7f.1", "0X7F.1", "0177.0.0.1", "127.0.1", "2130706433/32", "127.0.0.256",
      "127.0.0.01", "127.0.0.08", "1.2.65535", "1.2.65536", "4294967295", "4294967296", "1.0x2.03", "1.2.3.4.5", "1..2",
      ".1", "1.", "0x", "0xg", "+1.2.3.4", "-1", "0", "0/0", "0/1", "00/0", "256.1", "255.255.255.255", "1.2.3.4%1",
      "1.2.3.4%nowhere", "1.2.3.4%", "1.2.3.4%0", "1.2.3.4%1x", " 127.1", "127.1 ", "127.0.0.1 x", "localhost", "*",
      "/8", "127.1/", "127.1/32x", "10.0.0.0/ +8", "10.0.0.0/33", "10.0.0.0/104", "10.0.0.0/128", "10.0.0.0/129",
      "10.0.0.0/-1", "10.0.0.0/8/8", "fe80::1%1", "fe80::1%1/64", "fe80::1%99", "fe80::1%0", "fe80::1%nowhere",
      "fe80::1%4294967296", "fe80::1%4294967297", "fe80::1%-1", "fe80::1%0x1", "fe80::1% 1", "[fe80::1%1]/64",
      "[fe80::1]%1", "::ffff:127.0.0.1", "::ffff:127.0.0.1/8", "::ffff:127.0.0.1/128", "::ffff:127.1", "::127.1",
      "::1.2.3.4", "::ffff:1.2.3.4%1", "[127.1]", "[10.0.0.1]/8", "[::]/0", "::/0", "::/129", "[]", "[", "[1.2.3.4",
      "1.2.3.4]", ":", NULL};
    int i;
    say (ipv6 ? "what it may say with IPv6" : "what it may say");
    for (i = 0; texts[i]; i++) {
        void *socket = open_socket (context, ZMQ_PULL);
        set_int (socket, ZMQ_IPV6, ipv6);
        printf ("\"%s\": ", texts[i]);
        CALL (zmq_setsockopt (socket, ZMQ_TCP_ACCEPT_FILTER, texts[i], strlen (texts[i])));
        zmq_close (socket);
    }
}

/* Prints what the listener says of a peer on 127.0.0.1. */
static void try_it (int ipv6, const char *filter)
{
    void *context = zmq_ctx_new ();
    void *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    void *events = open_socket (context, ZMQ_PAIR);
    char endpoint[256], name[300];
    unsigned char event[6];
    uint16_t number;
    uint32_t value;
    set_int (pull, ZMQ_IPV6, ipv6);
    NEED (zmq_setsockopt (pull, ZMQ_TCP_ACCEPT_FILTER, filter, strlen (filter)) == 0);
    NEED (zmq_socket_monitor (pull, "inproc://events", ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED) == 0);
    NEED (zmq_connect (events, "inproc://events") == 0);
    bind_anywhere (pull, "tcp://*:*", endpoint);
    sprintf (name, "tcp://127.0.0.1:%s", strrchr (endpoint, ':') + 1);
    NEED (zmq_connect (push, name) == 0);
    NEED (zmq_recv (events, event, 6, 0) == 6);
    NEED (zmq_recv (events, NULL, 0, 0) >= 0);
    memcpy (&number, event, 2);
    memcpy (&value, event + 2, 4);
    if (number == ZMQ_EVENT_ACCEPTED)
        printf ("%s: accepted\n", filter);
    else
        printf ("%s: event 0x%x, %s\n", filter, number, error_name ((int) value));
    zmq_close (push);
    zmq_close (pull);
    zmq_close (events);
    NEED (zmq_ctx_term (context) == 0);
}

int main (void)
{
    static const char *ipv4[] = {"127.0.0.0/8", "127.1", "10.0.0.0/8", "0.0.0.0/0", "127.0.0.2", "126.0.0.0/7", NULL};
    static const char *ipv6[] = {"::/0", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "::ffff:10.0.0.0/104", "::/96",
                                 "2000::/3", "127.0.0.0/104", "10.0.0.0/104", "10.0.0.0/96", "127.0.0.1/128", NULL};
    void *context = zmq_ctx_new ();
    int i;
    what_it_may_say (context, 0);
    what_it_may_say (context, 1);
    for (i = 0; ipv4[i]; i++) {
        say ("whom it lets in");
        try_it (0, ipv4[i]);
    }
    for (i = 0; ipv6[i]; i++) {
        say ("whom it lets in with IPv6");
        try_it (1, ipv6[i]);
    }
    CALL (zmq_ctx_term (context));
    return 0;
}
