/* A program that forks again and again while its threads send, receive, wait, open and close. The children find what
 * they have inherited inert, have contexts of their own, and end in every way; the parent loses nothing. */
#define ZMQ_BUILD_DRAFT_API
#include "say.h"

#include <pthread.h>
#include <sys/wait.h>

enum { FORKS = 160, CHILDREN = 4, PRODUCERS = 3, KINDS = 8, CHILD_SECONDS = 60 };

static void *context, *inherited, *shared_pull, *shared_push, *poller, *timers;
static char work_endpoint[256], child_endpoint[256], echo_endpoint[256];
static volatile int stopping;
static int sends_of_children;

/* In a child: says what went wrong by how it ends. */
#define MUST(condition)                                                              \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf (stderr, "child: %s:%d: %s does not hold (%s)\n", __FILE__, __LINE__, #condition, \
                     error_name (zmq_errno ()));                                     \
            _exit (1);                                                               \
        }                                                                            \
    } while (0)

static void finish (int at_once)
{
    if (at_once)
        _exit (0);
    exit (0);
}

/* Numbered messages, until the end is asked for; the last one says so. */
static void *produce (void *argument)
{
    int message[2];
    void *push = open_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDTIMEO, -1);
    set_int (push, ZMQ_LINGER, -1);
    NEED (zmq_connect (push, work_endpoint) == 0);
    message[0] = (int) (size_t) argument;
    for (message[1] = 0; !stopping; message[1]++)
        NEED (zmq_send (push, message, sizeof message, 0) == sizeof message);
    message[1] = -1;
    NEED (zmq_send (push, message, sizeof message, 0) == sizeof message);
    zmq_close (push);
    return NULL;
}

/* Each producer's numbers come in order, none missing, none twice. */
static void *consume (void *argument)
{
    int expected[PRODUCERS] = {0}, message[2], ended = 0;
    void *pull = argument;
    set_int (pull, ZMQ_RCVTIMEO, CHILD_SECONDS * 1000);
    while (ended < PRODUCERS) {
        NEED (zmq_recv (pull, message, sizeof message, 0) == sizeof message);
        NEED (message[0] >= 0 && message[0] < PRODUCERS);
        if (message[1] == -1) {
            ended++;
        } else {
            NEED (message[1] == expected[message[0]]);
            expected[message[0]]++;
        }
    }
    zmq_close (pull);
    return NULL;
}

static void *answer (void *argument)
{
    int number;
    zmq_pollitem_t item;
    memset (&item, 0, sizeof item);
    item.socket = argument;
    item.events = ZMQ_POLLIN;
    do {
        NEED (zmq_poll (&item, 1, -1) == 1);
        NEED (zmq_recv (argument, &number, sizeof number, 0) == sizeof number);
        NEED (zmq_send (argument, &number, sizeof number, 0) == sizeof number);
    } while (number != -1);
    zmq_close (argument);
    return NULL;
}

static void *ask (void *argument)
{
    int number = 0, same;
    void *req = open_socket (context, ZMQ_REQ);
    (void) argument;
    set_int (req, ZMQ_LINGER, -1);
    set_int (req, ZMQ_RCVTIMEO, CHILD_SECONDS * 1000);
    NEED (zmq_connect (req, echo_endpoint) == 0);
    while (number != -1) {
        number = stopping ? -1 : number + 1;
        NEED (zmq_send (req, &number, sizeof number, 0) == sizeof number);
        NEED (zmq_recv (req, &same, sizeof same, 0) == sizeof same && same == number);
    }
    zmq_close (req);
    return NULL;
}

/* Handles that come and go, so that a fork may meet any state of their table. */
static void *churn (void *argument)
{
    (void) argument;
    while (!stopping) {
        void *own = zmq_ctx_new ();
        void *one = open_socket (own, ZMQ_PAIR), *other = open_socket (own, ZMQ_PAIR);
        char byte;
        NEED (zmq_bind (one, "inproc://churn") == 0 && zmq_connect (other, "inproc://churn") == 0);
        NEED (zmq_send (one, "x", 1, 0) == 1 && zmq_recv (other, &byte, 1, 0) == 1);
        zmq_close (one);
        zmq_close (other);
        NEED (zmq_ctx_term (own) == 0);
    }
    return NULL;
}

#define INERT(expression)                                                            \
    do {                                                                             \
        errno = 0;                                                                   \
        MUST ((expression) == -1 && zmq_errno () == ETERM);                          \
    } while (0)

static void child_touches (void)
{
    char text[256];
    size_t size = sizeof text;
    zmq_pollitem_t item;
    zmq_msg_t message;
    memset (&item, 0, sizeof item);
    item.socket = shared_pull;
    item.events = ZMQ_POLLIN;
    INERT (zmq_send (shared_push, "stray", 5, 0));
    INERT (zmq_send (shared_push, "stray", 5, ZMQ_DONTWAIT));
    INERT (zmq_recv (shared_pull, text, sizeof text, 0));
    INERT (zmq_poll (&item, 1, -1));
    zmq_msg_init (&message);
    INERT (zmq_msg_recv (&message, shared_pull, 0));
    zmq_msg_close (&message);
    zmq_msg_init_size (&message, 1000);
    INERT (zmq_msg_send (&message, shared_push, 0));
    zmq_msg_close (&message);
    INERT (zmq_getsockopt (shared_pull, ZMQ_LAST_ENDPOINT, text, &size));
    INERT (zmq_setsockopt (shared_pull, ZMQ_LINGER, &size, sizeof (int)));
    INERT (zmq_bind (shared_pull, "tcp://127.0.0.1:*"));
    INERT (zmq_connect (shared_push, work_endpoint));
    INERT (zmq_unbind (shared_pull, work_endpoint));
    INERT (zmq_disconnect (shared_push, work_endpoint));
    INERT (zmq_socket_monitor (shared_pull, "inproc://monitor", ZMQ_EVENT_ALL));
    INERT (zmq_proxy (shared_pull, shared_push, NULL));
    INERT (zmq_ctx_get (context, ZMQ_IO_THREADS));
    INERT (zmq_ctx_set (context, ZMQ_IO_THREADS, 3));
    MUST (zmq_socket (context, ZMQ_PUSH) == NULL && zmq_errno () == ETERM);
    MUST (zmq_ctx_shutdown (context) == 0);
    MUST (zmq_close (shared_pull) == 0 && zmq_close (shared_push) == 0 && zmq_close (inherited) == 0);
    MUST (zmq_close (inherited) == -1 && zmq_errno () == ENOTSOCK);
    MUST (zmq_ctx_term (context) == 0);
    MUST (zmq_ctx_term (context) == -1 && zmq_errno () == EFAULT);
    MUST (zmq_poller_destroy (&poller) == 0 && zmq_timers_destroy (&timers) == 0);
}

static void child_sends (void)
{
    void *own = zmq_ctx_new ();
    void *push = zmq_socket (own, ZMQ_PUSH);
    int linger = -1;
    MUST (push != NULL && zmq_setsockopt (push, ZMQ_LINGER, &linger, sizeof linger) == 0);
    MUST (zmq_connect (push, child_endpoint) == 0);
    MUST (zmq_send (push, "child", 5, 0) == 5);
    MUST (zmq_close (push) == 0);
    MUST (zmq_ctx_term (own) == 0);
}

static void child_echo (void *socket)
{
    char text[8];
    MUST (zmq_recv (socket, text, sizeof text, 0) == 4);
    MUST (zmq_send (socket, text, 4, 0) == 4);
    zmq_close (socket);
}

/* Threads, a request and its answer, waiting with zmq_poll: everything anew in the child. */
static void child_talks (int terminate)
{
    char text[8], endpoint[256];
    size_t size = sizeof endpoint;
    void *own = zmq_ctx_new ();
    void *rep = zmq_socket (own, ZMQ_REP), *req = zmq_socket (own, ZMQ_REQ), *thread;
    zmq_pollitem_t items[2];
    memset (items, 0, sizeof items);
    MUST (rep != NULL && req != NULL);
    MUST (zmq_bind (rep, "tcp://127.0.0.1:*") == 0);
    MUST (zmq_getsockopt (rep, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    MUST (zmq_connect (req, endpoint) == 0);
    thread = zmq_threadstart (child_echo, rep);
    MUST (zmq_send (req, "ping", 4, 0) == 4);
    items[0].socket = req;
    items[0].events = ZMQ_POLLIN;
    MUST (zmq_poll (items, 1, -1) == 1 && zmq_recv (req, text, sizeof text, 0) == 4);
    items[1].fd = 0;
    MUST (zmq_poll (items, 2, 0) >= 0);
    if (terminate) {
        zmq_threadclose (thread);
        MUST (zmq_close (req) == 0);
        MUST (zmq_ctx_term (own) == 0);
    }
}

static void child (int kind)
{
    pid_t grandchild;
    int status;
    alarm (CHILD_SECONDS);
    switch (kind) {
        case 0: finish (1); break;
        case 1: finish (0); break;
        case 2: child_touches (); finish (1); break;
        case 3: child_touches (); child_talks (1); finish (0); break;
        case 4: child_sends (); finish (0); break;
        case 5: child_talks (1); finish (1); break;
        case 6: child_talks (0); finish (0); break;
        default:
            child_talks (0);
            grandchild = fork ();
            if (grandchild == 0) {
                alarm (CHILD_SECONDS);
                child_touches ();
                child_sends ();
                finish (0);
            }
            MUST (waitpid (grandchild, &status, 0) == grandchild && WIFEXITED (status) && WEXITSTATUS (status) == 0);
            finish (1);
    }
}

static void reap (void)
{
    int status;
    NEED (wait (&status) > 0);
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0) {
        printf ("a child ended with status %x\n", status);
        exit (1);
    }
}

/* What the forking thread itself keeps of the library's is copied too: it uses the sockets in between. */
static void use_shared (void)
{
    char byte;
    zmq_pollitem_t items[2];
    memset (items, 0, sizeof items);
    items[0].socket = shared_pull;
    items[0].events = ZMQ_POLLIN;
    NEED (zmq_send (shared_push, "y", 1, 0) == 1);
    NEED (zmq_poll (items, 1, -1) == 1);
    items[1].fd = 0;
    NEED (zmq_poll (items, 2, -1) >= 1);
    NEED (zmq_recv (shared_pull, &byte, 1, 0) == 1 && byte == 'y');
}

int main (int argc, char **argv)
{
    pthread_t threads[PRODUCERS + 4];
    void *work, *echo, *from_children;
    char text[16], endpoint[256];
    int i, forks = argc > 1 ? atoi (argv[1]) : FORKS;
    context = zmq_ctx_new ();
    NEED (zmq_ctx_set (context, ZMQ_IO_THREADS, 2) == 0);
    poller = zmq_poller_new ();
    timers = zmq_timers_new ();
    work = open_socket (context, ZMQ_PULL);
    echo = open_socket (context, ZMQ_REP);
    from_children = open_socket (context, ZMQ_PULL);
    inherited = open_socket (context, ZMQ_ROUTER);
    shared_pull = open_socket (context, ZMQ_PULL);
    shared_push = open_socket (context, ZMQ_PUSH);
    bind_anywhere (work, "tcp://127.0.0.1:*", work_endpoint);
    bind_anywhere (echo, "ipc://*", echo_endpoint);
    bind_anywhere (from_children, "tcp://127.0.0.1:*", child_endpoint);
    bind_anywhere (inherited, "tcp://127.0.0.1:*", endpoint);
    bind_anywhere (shared_pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (shared_push, endpoint) == 0);
    set_int (echo, ZMQ_LINGER, -1);
    NEED (pthread_create (&threads[0], NULL, consume, work) == 0);
    NEED (pthread_create (&threads[1], NULL, answer, echo) == 0);
    NEED (pthread_create (&threads[2], NULL, ask, NULL) == 0);
    NEED (pthread_create (&threads[3], NULL, churn, NULL) == 0);
    for (i = 0; i < PRODUCERS; i++)
        NEED (pthread_create (&threads[4 + i], NULL, produce, (void *) (size_t) i) == 0);
    fflush (stdout);
    for (i = 0; i < forks; i++) {
        pid_t id;
        if (i % 2 == 0)
            use_shared ();
        if (i >= CHILDREN)
            reap ();
        id = fork ();
        if (id == 0)
            child (i % KINDS);
        NEED (id > 0);
        sends_of_children += i % KINDS == 4 || i % KINDS == 7;
    }
    for (i = 0; i < CHILDREN; i++)
        reap ();
    use_shared ();
    for (i = 0; i < sends_of_children; i++)
        NEED (zmq_recv (from_children, text, sizeof text, 0) == 5 && memcmp (text, "child", 5) == 0);
    stopping = 1;
    for (i = 0; i < PRODUCERS + 4; i++)
        NEED (pthread_join (threads[i], NULL) == 0);
    NEED (zmq_recv (from_children, text, sizeof text, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    NEED (zmq_recv (shared_pull, text, sizeof text, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    zmq_close (from_children);
    zmq_close (inherited);
    zmq_close (shared_pull);
    zmq_close (shared_push);
    zmq_poller_destroy (&poller);
    zmq_timers_destroy (&timers);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
