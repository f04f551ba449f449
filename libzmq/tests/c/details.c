/* What no family of calls has to itself, and programs seldom meet. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "say.h"

#include <dirent.h>
#include <sched.h>

static void full_before_the_bind (void *context)
{
    void *push = open_socket (context, ZMQ_PUSH), *pull = open_socket (context, ZMQ_PULL);
    int count = 0;
    say ("a sender that is full before anybody is bound");
    set_int (push, ZMQ_SNDHWM, 2);
    set_int (pull, ZMQ_RCVHWM, 3);
    CALL (zmq_connect (push, "inproc://early"));
    while (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    printf ("%d fit, events %d\n", count, get_int (push, ZMQ_EVENTS));
    CALL (zmq_bind (pull, "inproc://early"));
    printf ("events %d\n", get_int (push, ZMQ_EVENTS));
    while (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    printf ("%d fit, events %d\n", count, get_int (push, ZMQ_EVENTS));
    while (count-- > 0)
        receive (pull, 0);
    printf ("events %d\n", get_int (push, ZMQ_EVENTS));
    CALL (zmq_send (push, "x", 1, 0));
    receive (pull, 0);
    zmq_close (push);
    zmq_close (pull);
}

static void lengths_without_values (void *context)
{
    static const int options[] = {ZMQ_LINGER, ZMQ_TCP_ACCEPT_FILTER, ZMQ_PLAIN_USERNAME, ZMQ_PLAIN_PASSWORD,
                                  ZMQ_IPC_FILTER_PID, ZMQ_IPC_FILTER_UID, ZMQ_IPC_FILTER_GID, ZMQ_SOCKS_PROXY,
                                  ZMQ_BINDTODEVICE};
    void *socket = open_socket (context, ZMQ_DEALER);
    size_t index;
    say ("a length, but no value");
    for (index = 0; index < sizeof options / sizeof *options; index++) {
        printf ("%d ", options[index]);
        CALL (zmq_setsockopt (socket, options[index], NULL, 3));
    }
    zmq_close (socket);
}

/* What comes after it tells whether it has come. */
static void publish (void *xpub, void *xsub, const char *topic)
{
    char text[8];
    int size;
    CALL (zmq_send (xpub, topic, strlen (topic), 0));
    NEED (zmq_send (xpub, "ready", 5, 0) == 5);
    size = zmq_recv (xsub, text, sizeof text, 0);
    printf ("%s: %s\n", topic, size == 5 ? "nothing" : "comes");
    NEED (size == 5 || (size == 1 && text[0] == topic[0] && zmq_recv (xsub, text, sizeof text, 0) == 5));
}

static void requests_amid_other_parts (void *context, const char *endpoint, int only_first)
{
    const char *parts[][3] = {{"up", "\1N", NULL}, {"up", "\1M", "more"}, {"\1K", "up", "\1L"}, {"\0K", "\1J", "up"}};
    void *xpub = open_socket (context, ZMQ_XPUB), *xsub = open_socket (context, ZMQ_XSUB);
    char bound[256];
    unsigned i, j;
    printf ("-- requests amid other parts, %s%s\n", endpoint, only_first ? ", only the first part" : "");
    if (only_first)
        set_int (xpub, 108 /* ZMQ_ONLY_FIRST_SUBSCRIBE */, 1);
    bind_anywhere (xpub, endpoint, bound);
    NEED (zmq_connect (xsub, bound) == 0);
    send_text (xsub, "\1ready", 0);
    receive (xpub, 0);
    for (i = 0; i < 4; i++) {
        for (j = 0; j < 3 && parts[i][j] != NULL; j++) {
            int last = j == 2 || parts[i][j + 1] == NULL;
            size_t size = parts[i][j][0] == 0 ? 2 : strlen (parts[i][j]);
            NEED (zmq_send (xsub, parts[i][j], size, last ? 0 : ZMQ_SNDMORE) == (int) size);
        }
        receive (xpub, 0);
        if (ready (xpub, ZMQ_POLLIN, i == 0 || (only_first && i == 1) ? 50 : 2000)) {
            receive (xpub, 0);
            while (ready (xpub, ZMQ_POLLIN, 50))
                receive (xpub, 0);
        }
    }
    for (i = 0; i < 5; i++) {
        char topic[2] = {0, 0};
        topic[0] = "NMKLJ"[i];
        publish (xpub, xsub, topic);
    }
    zmq_close (xsub);
    zmq_close (xpub);
}

static void options_after_the_end (void)
{
    void *context = zmq_ctx_new (), *socket = zmq_socket (context, ZMQ_PUSH);
    int linger = 0;
    size_t size = sizeof linger;
    say ("options after zmq_ctx_shutdown");
    CALL (zmq_connect (socket, "tcp://127.0.0.1:9"));
    CALL (zmq_send (socket, "never sent", 10, ZMQ_DONTWAIT));
    CALL (zmq_ctx_shutdown (context));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &linger, 3));
    linger = 7;
    CALL (zmq_getsockopt (socket, ZMQ_LINGER, &linger, &size));
    printf ("%d\n", linger);
    CALL (zmq_getsockopt (socket, ZMQ_EVENTS, &linger, &size));
    CALL (zmq_unbind (socket, NULL));
    CALL (zmq_send (socket, "x", 1, ZMQ_DONTWAIT));
    CALL (zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger));
    CALL (zmq_getsockopt (socket, ZMQ_LINGER, &linger, &size));
    CALL (zmq_getsockopt (socket, ZMQ_TYPE, &linger, &size));
    CALL (zmq_close (socket));
    CALL (zmq_ctx_term (context));
}

/* How many threads of this process have that name, and how many of those run on the first CPU alone. */
static void count_threads (const char *wanted, int *named, int *tied)
{
    DIR *tasks = opendir ("/proc/self/task");
    struct dirent *task;
    *named = *tied = 0;
    while (tasks != NULL && (task = readdir (tasks)) != NULL) {
        char path[512], name[64] = "";
        FILE *file;
        snprintf (path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        file = fopen (path, "r");
        if (file != NULL && fgets (name, sizeof name, file) != NULL && strncmp (name, wanted, strlen (wanted)) == 0) {
            cpu_set_t cpus;
            ++*named;
            *tied += sched_getaffinity (atoi (task->d_name), sizeof cpus, &cpus) == 0 && CPU_COUNT (&cpus) == 1
                     && CPU_ISSET (0, &cpus);
        }
        if (file != NULL)
            fclose (file);
    }
    if (tasks != NULL)
        closedir (tasks);
}

static void options_of_a_context (void)
{
    void *context = zmq_ctx_new (), *first, *second;
    int named, tied, left = 5000;
    say ("options of a context count when its first socket is made");
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 2));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_NAME_PREFIX, 77));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, 0));
    MAKE (first = zmq_socket (context, ZMQ_PAIR));
    MAKE (second = zmq_socket (context, ZMQ_PAIR));
    CALL (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 5));
    CALL (zmq_ctx_set (context, ZMQ_IO_THREADS, 0));
    CALL (zmq_ctx_set (context, ZMQ_THREAD_NAME_PREFIX, 78));
    CALL (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    CALL (zmq_ctx_get (context, ZMQ_IO_THREADS));
    MAKE (zmq_socket (context, ZMQ_PAIR));
    CALL (zmq_bind (first, "tcp://127.0.0.1:*"));
    /* A thread names itself some time after it was started. */
    do {
        usleep (1000);
        count_threads ("77/ZMQbg/IO/0", &named, &tied);
    } while (named == 0 && --left > 0);
    printf ("%d named, %d tied\n", named, tied);
    zmq_close (first);
    zmq_close (second);
    CALL (zmq_ctx_term (context));
}

static void source_of_a_bind (void *context)
{
    const char *sources[] = {"lo:0", "*:*", "127.0.0.1:1", "1.2.3.4:77", "lo", "", "no-such-device:1", "127.0.0.1:x"};
    unsigned i;
    say ("a source address in a bind");
    for (i = 0; i < sizeof sources / sizeof *sources; i++) {
        void *socket = open_socket (context, ZMQ_PULL);
        char endpoint[256];
        sprintf (endpoint, "tcp://%s;127.0.0.1:*", sources[i]);
        printf ("%s\n", endpoint);
        CALL (zmq_bind (socket, endpoint));
        zmq_close (socket);
    }
}

/* Prints the events of a client up to the first after the connection. */
static void first_event (void *context, int server_type, int client_type, const char *secret)
{
    void *server = open_socket (context, server_type), *client = open_socket (context, client_type);
    void *events = open_socket (context, ZMQ_PAIR);
    static int count;
    char endpoint[256], name[64], z85_public[41], z85_secret[41];
    unsigned char event[6];
    uint16_t number;
    if (secret == NULL) {
        int on = 1;
        NEED (zmq_curve_keypair (z85_public, z85_secret) == 0);
        NEED (zmq_setsockopt (server, ZMQ_CURVE_SERVER, &on, sizeof on) == 0);
        NEED (zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, z85_secret, 41) == 0);
        NEED (zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, z85_public, 41) == 0);
        NEED (zmq_curve_keypair (z85_public, z85_secret) == 0);
        NEED (zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, z85_public, 41) == 0);
        NEED (zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, z85_secret, 41) == 0);
    } else if (*secret) {
        set_int (server, ZMQ_PLAIN_SERVER, 1);
        NEED (zmq_setsockopt (client, ZMQ_PLAIN_USERNAME, "\xff\xfe", 2) == 0);
        NEED (zmq_setsockopt (client, ZMQ_PLAIN_PASSWORD, secret, strlen (secret)) == 0);
    }
    set_int (client, ZMQ_RECONNECT_IVL, 60000);
    bind_anywhere (server, "tcp://127.0.0.1:*", endpoint);
    sprintf (name, "inproc://events-%d", count++);
    NEED (zmq_socket_monitor (client, name,
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
              | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED) == 0);
    NEED (zmq_connect (events, name) == 0);
    NEED (zmq_connect (client, endpoint) == 0);
    NEED (zmq_recv (events, event, 6, 0) == 6);
    memcpy (&number, event, 2);
    NEED (zmq_recv (events, endpoint, sizeof endpoint, 0) >= 0);
    printf ("types %d and %d: 0x%x\n", server_type, client_type, number);
    zmq_close (client);
    zmq_close (server);
    zmq_close (events);
}

static void authenticate (void *rep)
{
    int more = 1, count;
    for (;;) {
        char parts[12][256];
        for (count = 0, more = 1; more && count < 12; count++) {
            if (zmq_recv (rep, parts[count], sizeof parts[0], 0) == -1) {
                zmq_close (rep);
                return;
            }
            more = get_int (rep, ZMQ_RCVMORE);
        }
        zmq_send (rep, "1.0", 3, ZMQ_SNDMORE);
        zmq_send (rep, "1", 1, ZMQ_SNDMORE);
        zmq_send (rep, "200", 3, ZMQ_SNDMORE);
        zmq_send (rep, "OK", 2, ZMQ_SNDMORE);
        zmq_send (rep, "", 0, ZMQ_SNDMORE);
        zmq_send (rep, "", 0, 0);
    }
}

static void peers_that_cannot_talk (void *context)
{
    void *rep = open_socket (context, ZMQ_REP), *thread;
    say ("what a client hears of a server of the wrong type");
    set_int (rep, ZMQ_RCVTIMEO, -1);
    NEED (zmq_bind (rep, "inproc://zeromq.zap.01") == 0);
    thread = zmq_threadstart (authenticate, rep);
    first_event (context, ZMQ_PULL, ZMQ_PUSH, "");
    first_event (context, ZMQ_PULL, ZMQ_REQ, "");
    first_event (context, ZMQ_PULL, ZMQ_PUSH, "secret\x80");
    first_event (context, ZMQ_PULL, ZMQ_REQ, "secret\x80");
    if (zmq_has ("curve")) {
        first_event (context, ZMQ_PULL, ZMQ_PUSH, NULL);
        first_event (context, ZMQ_PULL, ZMQ_REQ, NULL);
    }
    CALL (zmq_ctx_shutdown (context));
    zmq_threadclose (thread);
}

static void request_that_finds_nobody (void *context)
{
    void *req = open_socket (context, ZMQ_REQ), *rep = open_socket (context, ZMQ_REP);
    say ("a relaxed request that finds nobody");
    set_int (req, ZMQ_REQ_RELAXED, 1);
    NEED (zmq_bind (req, "inproc://relaxed") == 0);
    NEED (zmq_connect (rep, "inproc://relaxed") == 0);
    CALL (zmq_send (req, "one", 3, 0));
    receive (rep, 0);
    zmq_close (rep);
    while (get_int (req, ZMQ_EVENTS) != 0)
        usleep (1000);
    CALL (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    CALL (zmq_send (req, "two", 3, ZMQ_DONTWAIT));
    CALL (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    zmq_close (req);
}

static void unread_at_the_unbind (void *context)
{
    void *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    char endpoint[256];
    say ("what has come before the unbind");
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    send_text (push, "one", 0);
    send_text (push, "two", 0);
    receive (pull, 0);
    NEED (ready (pull, ZMQ_POLLIN, LONG));
    CALL (zmq_unbind (pull, endpoint));
    receive (pull, 0);
    set_int (pull, ZMQ_RCVTIMEO, 50);
    receive (pull, 0);
    zmq_close (push);
    zmq_close (pull);
}

static void moved_onto_itself (void)
{
    zmq_msg_t message;
    say ("a message moved onto itself");
    zmq_msg_init_size (&message, 100);
    CALL (zmq_msg_move (&message, &message));
    CALL (zmq_msg_size (&message));
    CALL (zmq_msg_close (&message));
}

static void without_io_threads (void)
{
    static const char *endpoints[] = {"tcp://nonsense", "tcp://127.0.0.1:*", "tcp://127.0.0.1:9", "ipc://", "ipc://@",
                                      "inproc://", "inproc://here", "nothing://x", "x", "", "tcp:", "udp://1.2.3.4:5", NULL};
    void *context = zmq_ctx_new (), *socket;
    int i;
    say ("endpoints where there is no I/O thread");
    NEED (zmq_ctx_set (context, ZMQ_IO_THREADS, 0) == 0);
    socket = open_socket (context, ZMQ_DEALER);
    for (i = 0; endpoints[i]; i++) {
        printf ("\"%s\"\n", endpoints[i]);
        CALL (zmq_bind (socket, endpoints[i]));
        CALL (zmq_connect (socket, endpoints[i]));
    }
    zmq_close (socket);
    CALL (zmq_ctx_term (context));
}

static void shut_down (void *context)
{
    /* Nothing says that a receive has begun to wait. */
    usleep (20000);
    NEED (zmq_ctx_shutdown (context) == 0);
}

static void received_at_the_end (void *context, int type)
{
    void *socket = open_socket (context, type), *thread = zmq_threadstart (shut_down, context);
    zmq_msg_t message;
    say ("what is left in a message when the context ends amid a receive");
    zmq_msg_init_size (&message, 100);
    CALL (zmq_msg_recv (&message, socket, 0));
    CALL (zmq_msg_size (&message));
    zmq_msg_close (&message);
    zmq_threadclose (thread);
    zmq_close (socket);
    CALL (zmq_ctx_term (context));
}

int main (void)
{
    void *context = zmq_ctx_new ();
    int only_first;
    full_before_the_bind (context);
    lengths_without_values (context);
    for (only_first = 0; only_first < 2; only_first++) {
        requests_amid_other_parts (context, only_first ? "inproc://one" : "inproc://other", only_first);
        requests_amid_other_parts (context, "tcp://127.0.0.1:*", only_first);
    }
    source_of_a_bind (context);
    request_that_finds_nobody (context);
    unread_at_the_unbind (context);
    moved_onto_itself ();
    without_io_threads ();
    received_at_the_end (zmq_ctx_new (), ZMQ_PULL);
    received_at_the_end (zmq_ctx_new (), ZMQ_SUB);
    options_after_the_end ();
    options_of_a_context ();
    peers_that_cannot_talk (context);
    CALL (zmq_ctx_term (context));
    return 0;
}
