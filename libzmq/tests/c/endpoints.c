/* Endpoints: good ones and bad ones, what they read back as, and giving them up. */
#include "say.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static void *context;

static void last (void *socket)
{
    char text[256];
    size_t size = sizeof text;
    char *colon;
    NEED (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, text, &size) == 0);
    NEED (size == strlen (text) + 1);
    colon = strrchr (text, ':');
    if (strncmp (text, "tcp", 3) == 0 && colon && atoi (colon + 1) > 1024)
        strcpy (colon, ":PORT");
    if (strncmp (text, "ipc:///tmp", 10) == 0 || strstr (text, "/tmp") || strncmp (text, "ipc://tmp", 9) == 0)
        strcpy (text, "ipc, in a temporary folder");
    printf ("last endpoint: %s\n", text);
}

static void try_one (int type, int six, const char *endpoint)
{
    void *socket = open_socket (context, type);
    if (six)
        set_int (socket, ZMQ_IPV6, 1);
    printf ("%s%s: ", endpoint, six ? " with IPv6" : "");
    CALL (zmq_bind (socket, endpoint));
    last (socket);
    zmq_close (socket);
    socket = open_socket (context, type);
    if (six)
        set_int (socket, ZMQ_IPV6, 1);
    printf ("%s%s: ", endpoint, six ? " with IPv6" : "");
    CALL (zmq_connect (socket, endpoint));
    last (socket);
    zmq_close (socket);
}

static const char *const ENDPOINTS[] = {
    "", "tcp", "tcp:", "tcp:/", "tcp://", "://", "://a", "a", "tcp//a", "TCP://127.0.0.1:5000", "none://a",
    "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:a", "tcp://127.0.0.1:-", "tcp://127.0.0.1:65536",
    "tcp://*", "tcp://*:*", "tcp://*:0", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://:*", "tcp://lo:*",
    "tcp://nosuchinterface:*", "tcp://lo%1:*", "tcp://\377:*", "tcp://127.0.0.1:\377", "tcp://[127.0.0.1]:*", "tcp://[::1]:*", "tcp://::1:*", "tcp://[::]:*",
    "tcp://no host:5000", "tcp://127.0.0.1:5000/path", "tcp://_a:5000", "tcp://-a:5000",
    "tcp://a,b:5000", "tcp://$a:5000", "tcp://192.0.2.1:5000", "tcp://127.0.0.1 :5000", "tcp://127.0.0.1:*;x",
    "tcp://127.0.0.1:*;127.0.0.1:*",
    "tcp://999.1.1.1:*", "tcp://1.2.3.4.5:*", "ipc://", "ipc://@", "ipc://*",
    "ipc:///nosuchfolder/file", "inproc://", "inproc://a",
    "vmci://a",
    "tcp://lo;127.0.0.1:5000", "tcp://127.0.0.2:;127.0.0.1:5000", "tcp://a:b;127.0.0.1:5000",
    "tcp://127.0.0.1:65536;127.0.0.1:5000", "tcp://127.0.0.1:x;127.0.0.1", "tcp://127.0.0.1:5000;x",
    "tcp://;127.0.0.1:5000", "tcp://a;127.0.0.1:*", "tcp://a;127.0.0.1", "tcp://lo;*:5000", "tcp://lo;a b:5000"};

static void all (void)
{
    size_t i;
    say ("every kind of endpoint");
    /* Which transports there are besides these depends on how the library was built. */
    for (i = 0; i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++)
        try_one (ZMQ_DEALER, 0, ENDPOINTS[i]);
    try_one (ZMQ_DEALER, 1, "tcp://*:*");
    try_one (ZMQ_DEALER, 1, "tcp://127.0.0.1:*");
    try_one (ZMQ_DEALER, 1, "tcp://[::1]:*");
    try_one (ZMQ_DEALER, 1, "tcp://[::1%lo]:*");
    try_one (ZMQ_DEALER, 1, "tcp://[::1%nosuch]:*");
    try_one (ZMQ_DEALER, 1, "tcp://[::ffff:127.0.0.1]:*");
    try_one (ZMQ_PUB, 0, "tcp://127.0.0.1:*");
}

/* More than a byte means nothing to IPv6, and stands in nobody's way. */
static void odd_service (int ipv6)
{
    void *server = open_socket (context, ZMQ_DEALER), *client = open_socket (context, ZMQ_DEALER);
    char endpoint[256];
    printf ("-- a type of service beyond a byte, IPv6 %d\n", ipv6);
    set_int (server, ZMQ_IPV6, ipv6);
    set_int (client, ZMQ_IPV6, ipv6);
    set_int (server, ZMQ_TOS, 0x128);
    set_int (client, ZMQ_TOS, 0x128);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    CALL (zmq_connect (client, endpoint));
    send_text (client, "hello", 0);
    receive (server, 0);
    zmq_close (client);
    zmq_close (server);
}

static void long_names (void)
{
    char endpoint[200];
    void *socket = open_socket (context, ZMQ_PAIR);
    say ("the longest name of an abstract address");
    sprintf (endpoint, "ipc://@%d-", (int) getpid ());
    while (strlen (endpoint) < 6 + 107)
        strcat (endpoint, "x");
    CALL (zmq_bind (socket, endpoint));
    strcat (endpoint, "x");
    CALL (zmq_bind (socket, endpoint));
    CALL (zmq_connect (socket, endpoint));
    zmq_close (socket);
}

static void giving_up (const char *kind, const char *wildcard)
{
    void *server = open_socket (context, ZMQ_DEALER);
    void *client = open_socket (context, ZMQ_DEALER);
    void *other = open_socket (context, ZMQ_DEALER);
    char endpoint[256];
    int i;
    printf ("-- giving up %s\n", kind);
    bind_anywhere (server, wildcard, endpoint);
    CALL (zmq_connect (client, endpoint));
    CALL (zmq_connect (client, endpoint));
    if (strchr (wildcard, '*')) {
        CALL (zmq_disconnect (client, wildcard));
        CALL (zmq_unbind (server, wildcard));
    }
    CALL (zmq_disconnect (server, "tcp://127.0.0.1:1"));
    CALL (zmq_unbind (client, "tcp://127.0.0.1:1"));
    CALL (zmq_disconnect (client, "nonsense"));
    CALL (zmq_disconnect (client, "none://a"));
    CALL (zmq_disconnect (client, endpoint));
    CALL (zmq_disconnect (client, endpoint));
    CALL (zmq_connect (client, endpoint));
    send_text (client, "hello", 0);
    receive (server, 0);
    CALL (zmq_unbind (server, endpoint));
    CALL (zmq_unbind (server, endpoint));
    for (i = 0; i < 2000 && zmq_bind (other, endpoint) == -1; i++)
        usleep (1000);
    printf ("bound again: %s\n", i < 2000 ? "yes" : "no");
    CALL (zmq_unbind (other, endpoint));
    zmq_close (server);
    zmq_close (client);
    zmq_close (other);
}

/* A port is what C's atoi makes of it, to bind and to unbind. */
static void spelled (void)
{
    static const char *const SPELLINGS[] = {"127.0.0.1: %s", "127.0.0.1:+%s", "127.0.0.1:\t0%s", "127.0.0.1:%sx",
                                            "127.0.0.1:%s ", "[127.0.0.1]:%s", "127.1:%s", "127.0.0.1%%lo:%s",
                                            "lo:%s", "lo:0%s", "*:%s", "127.0.0.1:- %s", "127.0.0.1: *",
                                            "127.0.0.1: 0", "127.0.0.1:+", "127.0.0.1:\n"};
    char endpoint[256], real[256], text[256];
    size_t i, size;
    say ("spelled otherwise");
    for (i = 0; i < sizeof SPELLINGS / sizeof *SPELLINGS; i++) {
        void *socket = open_socket (context, ZMQ_REP);
        int tries, bound;
        bind_anywhere (socket, "tcp://127.0.0.1:*", real);
        strcpy (text, "tcp://");
        sprintf (text + 6, SPELLINGS[i], strrchr (real, ':') + 1);
        printf ("%s\n", SPELLINGS[i]);
        CALL (zmq_disconnect (socket, text));
        (void) zmq_unbind (socket, real);
        for (tries = 0; (bound = zmq_bind (socket, text)) == -1 && zmq_errno () == EADDRINUSE && tries < 2000; tries++)
            usleep (1000);
        printf ("bound: %s\n", bound == 0 ? "yes" : error_name (zmq_errno ()));
        size = sizeof endpoint;
        NEED (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
        printf ("last endpoint: %s\n", strcmp (endpoint, real) == 0 ? "the same" : "another");
        CALL (zmq_unbind (socket, text));
        CALL (zmq_unbind (socket, endpoint));
        CALL (zmq_unbind (socket, endpoint));
        zmq_close (socket);
    }
}

/* Some types use an endpoint once, bound or connected; the others talk to themselves. */
static void to_itself (int type, const char *wildcard)
{
    void *socket = open_socket (context, type);
    char endpoint[256];
    printf ("-- type %d connects to its own %s\n", type, wildcard);
    set_int (socket, ZMQ_SNDTIMEO, 100);
    bind_anywhere (socket, wildcard, endpoint);
    CALL (zmq_connect (socket, endpoint));
    last (socket);
    send_text (socket, "to myself", 0);
    CALL (zmq_disconnect (socket, endpoint));
    CALL (zmq_disconnect (socket, endpoint));
    zmq_close (socket);
}

static void taken (void)
{
    void *one = open_socket (context, ZMQ_REP);
    void *other = open_socket (context, ZMQ_REP);
    char endpoint[256];
    say ("taken");
    bind_anywhere (one, "tcp://127.0.0.1:*", endpoint);
    CALL (zmq_bind (other, endpoint));
    CALL (zmq_bind (one, endpoint));
    last (other);
    zmq_close (one);
    zmq_close (other);
}

/* A directory where the file is to be. */
static int occupied (void)
{
    char endpoint[64] = "ipc:///tmp/zefiro-test-XXXXXX";
    void *socket = open_socket (context, ZMQ_PAIR);
    int result, number;
    say ("a directory is in the way");
    NEED (mkdtemp (endpoint + strlen ("ipc://")) != NULL);
    result = zmq_bind (socket, endpoint);
    number = zmq_errno ();
    rmdir (endpoint + strlen ("ipc://"));
    zmq_close (socket);
    errno = number;
    return result;
}

static void several (void)
{
    void *server = open_socket (context, ZMQ_PULL);
    char one[256], other[256];
    void *push = open_socket (context, ZMQ_PUSH);
    say ("several endpoints");
    bind_anywhere (server, "tcp://127.0.0.1:*", one);
    bind_anywhere (server, "ipc://*", other);
    CALL (zmq_bind (server, "inproc://several"));
    CALL (zmq_connect (push, one));
    send_text (push, "over tcp", 0);
    receive (server, 0);
    CALL (zmq_disconnect (push, one));
    CALL (zmq_connect (push, other));
    send_text (push, "over ipc", 0);
    receive (server, 0);
    CALL (zmq_disconnect (push, other));
    CALL (zmq_connect (push, "inproc://several"));
    send_text (push, "over inproc", 0);
    receive (server, 0);
    zmq_close (push);
    zmq_close (server);
}

/* What a socket of IPv6 reads back, having bound to IPv4, is of use to one of IPv4. */
static void mapped (int binder, int connector)
{
    void *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    char bound[256], endpoint[256];
    printf ("-- an IPv4 address written as IPv6, ipv6 %d and %d\n", binder, connector);
    set_int (pull, ZMQ_IPV6, binder);
    set_int (push, ZMQ_IPV6, connector);
    bind_anywhere (pull, "tcp://[::ffff:127.0.0.1]:*", bound);
    printf ("%.*s\n", (int) (strrchr (bound, ':') - bound), bound);
    sprintf (endpoint, "tcp://[::ffff:127.0.0.1]%s", strrchr (bound, ':'));
    CALL (zmq_connect (push, endpoint));
    send_text (push, "hello", 0);
    receive (pull, 0);
    CALL (zmq_disconnect (push, endpoint));
    sprintf (endpoint, "tcp://[::ffff:127.0.0.1]:0;127.0.0.1%s", strrchr (bound, ':'));
    CALL (zmq_connect (push, endpoint));
    send_text (push, "hello", 0);
    receive (pull, 0);
    zmq_close (push);
    zmq_close (pull);
}

static void own_descriptor (void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    void *server = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    char endpoint[64];
    say ("a listening descriptor of the program's own");
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    NEED (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
    NEED (listen (fd, 10) == 0);
    NEED (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    set_int (server, ZMQ_USE_FD, fd);
    sprintf (endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    CALL (zmq_bind (server, endpoint));
    last (server);
    NEED (zmq_connect (push, endpoint) == 0);
    send_text (push, "hello", 0);
    receive (server, 0);
    zmq_close (push);
    zmq_close (server);
}

/* Names and paths are bytes, whatever they may mean. */
static void any_bytes (const char *format, const char *name)
{
    void *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    void *monitored = open_socket (context, ZMQ_PULL), *monitor = open_socket (context, ZMQ_PAIR);
    char endpoint[64], read[256];
    unsigned char event[6];
    size_t size = sizeof read;
    printf ("-- an endpoint that is not UTF-8: %.9s\n", format);
    sprintf (endpoint, format, (int) getpid ());
    CALL (zmq_bind (pull, endpoint));
    NEED (zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, read, &size) == 0);
    printf ("%s\n", size == strlen (endpoint) + 1 && strcmp (read, endpoint) == 0 ? "the same" : "another");
    CALL (zmq_connect (push, endpoint));
    send_text (push, "hello", 0);
    receive (pull, 0);
    CALL (zmq_disconnect (push, endpoint));
    CALL (zmq_unbind (pull, endpoint));
    strcat (endpoint, "\377");
    CALL (zmq_socket_monitor (monitored, name, ZMQ_EVENT_LISTENING));
    CALL (zmq_connect (monitor, name));
    NEED (zmq_bind (monitored, endpoint) == 0);
    if (strncmp (endpoint, "ipc", 3) == 0) {
        NEED (zmq_recv (monitor, event, sizeof event, 0) == sizeof event);
        NEED (zmq_recv (monitor, read, sizeof read, 0) == (int) strlen (endpoint));
        printf ("%s\n", memcmp (read, endpoint, strlen (endpoint)) == 0 ? "told of" : "told of another");
        if (endpoint[6] == '/') {
            unlink (endpoint + strlen ("ipc://"));
            endpoint[strlen (endpoint) - 1] = '\0';
            unlink (endpoint + strlen ("ipc://"));
        }
    }
    zmq_close (monitor);
    zmq_close (monitored);
    zmq_close (push);
    zmq_close (pull);
}

static void refused (void *socket, const char *endpoint)
{
    printf ("%.20s: ", endpoint);
    CALL (zmq_bind (socket, endpoint));
    printf ("%.20s: ", endpoint);
    CALL (zmq_connect (socket, endpoint));
}

/* Of two mistakes one is told. */
static void doubly_wrong (void)
{
    static const char *const endpoints[] = {"tcp://a", "tcp://", "ipc://@", "tcp://no.host.invalid:1", "none://a", "a"};
    void *ended, *elsewhere = open_socket (context, ZMQ_DEALER);
    uint64_t affinity = 2;
    char path[128];
    size_t i;
    say ("two mistakes");
    memset (path, 'x', sizeof path);
    memcpy (path, "ipc://", 6);
    path[sizeof path - 1] = '\0';
    NEED (zmq_setsockopt (elsewhere, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0);
    for (i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        refused (elsewhere, endpoints[i]);
    refused (elsewhere, path);
    zmq_close (elsewhere);
    ended = zmq_ctx_new ();
    elsewhere = open_socket (ended, ZMQ_DEALER);
    NEED (zmq_ctx_shutdown (ended) == 0);
    refused (elsewhere, path);
    refused (elsewhere, "tcp://\377");
    zmq_close (elsewhere);
    NEED (zmq_ctx_term (ended) == 0);
}

int main (void)
{
    char path[64];
    context = zmq_ctx_new ();
    all ();
    long_names ();
    odd_service (0);
    odd_service (1);
    giving_up ("tcp", "tcp://127.0.0.1:*");
    sprintf (path, "ipc:///tmp/zefiro-test-%d", (int) getpid ());
    giving_up ("ipc", path);
    unlink (path + strlen ("ipc://"));
    spelled ();
    CALL (occupied ());
    to_itself (ZMQ_DEALER, "tcp://127.0.0.1:*");
    to_itself (ZMQ_DEALER, "ipc://*");
    to_itself (ZMQ_REQ, "tcp://127.0.0.1:*");
    to_itself (ZMQ_PAIR, "tcp://127.0.0.1:*");
    taken ();
    several ();
    mapped (0, 0);
    mapped (0, 1);
    mapped (1, 0);
    mapped (1, 1);
    own_descriptor ();
    any_bytes ("inproc://\377\300-%d", "inproc://\200\377");
    any_bytes ("ipc:///tmp/\377\303-%d", "inproc://\377");
    doubly_wrong ();
    CALL (zmq_ctx_term (context));
    return 0;
}
