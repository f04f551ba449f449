/* Programs that end in every way while threads of theirs wait in the library, and that use it while they end. */
#include "say.h"

#include <pthread.h>
#include <sys/wait.h>

enum { WAITING = 6, SECONDS = 60 };

static void *context, *sockets[WAITING];
static int waiting;
static pthread_key_t key;

static void start (void *(*body) (void *), void *argument)
{
    pthread_t thread;
    NEED (pthread_create (&thread, NULL, body, argument) == 0);
    NEED (pthread_detach (thread) == 0);
}

static void *wait_for_ever (void *argument)
{
    int way = (int) (size_t) argument;
    char byte;
    zmq_pollitem_t items[2];
    memset (items, 0, sizeof items);
    items[0].socket = sockets[way];
    items[0].events = way == 5 ? ZMQ_POLLOUT : ZMQ_POLLIN;
    items[1].fd = -1;
    (void) __sync_fetch_and_add (&waiting, 1);
    switch (way) {
        case 0: (void) zmq_recv (sockets[0], &byte, 1, 0); break;
        case 1: (void) zmq_poll (items, 1, -1); break;
        case 2: (void) zmq_poll (items, 2, -1); break;
        case 3: (void) zmq_proxy (sockets[3], sockets[4], NULL); break;
        default: while (zmq_send (sockets[5], "x", 1, 0) == 1) {}
    }
    return NULL;
}

/* Sockets in the middle of everything, and threads that wait on them. */
static void set_up (void)
{
    static const int types[WAITING] = {ZMQ_PULL, ZMQ_DEALER, ZMQ_SUB, ZMQ_ROUTER, ZMQ_DEALER, ZMQ_PUSH};
    char endpoint[256];
    int i;
    context = zmq_ctx_new ();
    for (i = 0; i < WAITING; i++) {
        sockets[i] = zmq_socket (context, types[i]);
        NEED (sockets[i] != NULL);
        bind_anywhere (sockets[i], i % 2 == 0 ? "tcp://127.0.0.1:*" : "ipc://*", endpoint);
    }
    for (i = 0; i < WAITING; i++)
        if (i != 4)
            start (wait_for_ever, (void *) (size_t) i);
    while (__sync_fetch_and_add (&waiting, 0) < WAITING - 1)
        usleep (200);
}

/* Everything from the beginning, with whatever the thread still has. */
static void talk (void)
{
    char text[8], endpoint[256];
    zmq_pollitem_t items[2];
    void *own = zmq_ctx_new ();
    void *rep = open_socket (own, ZMQ_REP), *req = open_socket (own, ZMQ_REQ);
    bind_anywhere (rep, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (req, endpoint) == 0);
    memset (items, 0, sizeof items);
    items[0].socket = rep;
    items[0].events = ZMQ_POLLIN;
    NEED (zmq_send (req, "ping", 4, 0) == 4);
    NEED (zmq_poll (items, 1, -1) == 1);
    items[1].fd = -1;
    NEED (zmq_poll (items, 2, -1) >= 1);
    NEED (zmq_recv (rep, text, sizeof text, 0) == 4);
    NEED (zmq_send (rep, "pong", 4, 0) == 4);
    NEED (zmq_recv (req, text, sizeof text, 0) == 4);
    NEED (zmq_bind (req, "nonsense") == -1 && zmq_errno () == EINVAL);
    NEED (zmq_close (rep) == 0 && zmq_close (req) == 0);
    NEED (zmq_ctx_term (own) == 0);
}

static void talk_at_exit (void)
{
    talk ();
    _exit (7);
}

static void *leave (void *argument)
{
    (void) argument;
    exit (5);
}

static void talk_at_thread_end (void *argument)
{
    (void) argument;
    talk ();
    (void) __sync_fetch_and_add (&waiting, 1);
}

static void *end_soon (void *argument)
{
    NEED (pthread_setspecific (key, argument) == 0);
    talk ();
    return NULL;
}

static void *leave_last (void *argument)
{
    (void) argument;
    talk ();
    exit (9);
}

static int end (const char *how)
{
    if (strcmp (how, "return") == 0)
        return 1;
    if (strcmp (how, "exit") == 0)
        exit (2);
    if (strcmp (how, "_exit") == 0)
        _exit (3);
    if (strcmp (how, "another thread") == 0) {
        start (leave, NULL);
        for (;;)
            pause ();
    }
    if (strcmp (how, "use at exit") == 0) {
        NEED (atexit (talk_at_exit) == 0);
        talk ();
        exit (6);
    }
    if (strcmp (how, "use at the end of a thread") == 0) {
        pthread_t thread;
        NEED (pthread_key_create (&key, talk_at_thread_end) == 0);
        NEED (pthread_create (&thread, NULL, end_soon, &key) == 0);
        NEED (pthread_join (thread, NULL) == 0);
        NEED (waiting == WAITING);
        return 8;
    }
    if (strcmp (how, "main thread first") == 0) {
        start (leave_last, NULL);
        pthread_exit (NULL);
    }
    if (strcmp (how, "another program") == 0)
        execl ("/bin/sh", "sh", "-c", "exit $(ls -l /proc/self/fd | grep -c -e socket: -e anon_inode)", (char *) NULL);
    return 99;
}

int main (void)
{
    static const char *const ways[] = {"return", "exit", "_exit", "another thread", "use at exit",
                                       "use at the end of a thread", "main thread first", "another program"};
    size_t i;
    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        int status = -1;
        pid_t child = fork ();
        if (child == 0) {
            alarm (SECONDS);
            set_up ();
            return end (ways[i]);
        }
        NEED (waitpid (child, &status, 0) == child);
        printf ("%s: %s %d\n", ways[i], WIFEXITED (status) ? "exit code" : "signal",
                WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status));
        fflush (stdout);
    }
    return 0;
}
