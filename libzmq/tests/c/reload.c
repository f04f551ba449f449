/* A library that is loaded, used by threads that end, and unloaded, again and again: nothing is left behind that would
 * run on without it, and nothing grows. Not linked with it, so without say.h. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(condition)                                                              \
    do {                                                                             \
        if (!(condition)) {                                                          \
            printf ("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);    \
            exit (1);                                                                \
        }                                                                            \
    } while (0)

enum { ROUNDS = 12, THREADS = 3, PAIR = 0, REQ = 3, REP = 4, PULL = 7, PUSH = 8, LINGER = 17, LAST_ENDPOINT = 32 };

struct item
{
    void *socket;
    int fd;
    short events, revents;
};

static void *library;
static void *(*ctx_new) (void), *(*open_one) (void *, int);
static int (*term) (void *), (*close_one) (void *), (*bind_one) (void *, const char *), (*connect_one) (void *, const char *);
static int (*send_one) (void *, const void *, size_t, int), (*recv_one) (void *, void *, size_t, int);
static int (*set) (void *, int, const void *, size_t), (*get) (void *, int, void *, size_t *);
static int (*poll_all) (struct item *, int, long), (*monitor) (void *, const char *, int);

static void load (void)
{
    library = dlopen ("libzmq.so.5", RTLD_NOW | RTLD_LOCAL);
    NEED (library != NULL);
#define FIND(pointer, name) NEED ((*(void **) &pointer = dlsym (library, name)) != NULL)
    FIND (ctx_new, "zmq_ctx_new");
    FIND (open_one, "zmq_socket");
    FIND (term, "zmq_ctx_term");
    FIND (close_one, "zmq_close");
    FIND (bind_one, "zmq_bind");
    FIND (connect_one, "zmq_connect");
    FIND (send_one, "zmq_send");
    FIND (recv_one, "zmq_recv");
    FIND (set, "zmq_setsockopt");
    FIND (get, "zmq_getsockopt");
    FIND (poll_all, "zmq_poll");
    FIND (monitor, "zmq_socket_monitor");
#undef FIND
}

static void talk (void *context, int one_type, int other_type, const char *wildcard)
{
    char endpoint[256], large[5000];
    size_t size = sizeof endpoint;
    struct item items[2];
    int zero = 0;
    void *one = open_one (context, one_type), *other = open_one (context, other_type);
    NEED (one != NULL && other != NULL);
    NEED (set (other, LINGER, &zero, sizeof zero) == 0);
    NEED (bind_one (one, wildcard) == 0);
    NEED (get (one, LAST_ENDPOINT, endpoint, &size) == 0);
    NEED (connect_one (other, endpoint) == 0);
    memset (large, 'x', sizeof large);
    memset (items, 0, sizeof items);
    NEED (send_one (other, large, sizeof large, 0) == (int) sizeof large);
    items[0].socket = one;
    items[0].events = 1;
    NEED (poll_all (items, 1, -1) == 1);
    items[1].fd = 0;
    NEED (poll_all (items, 2, -1) >= 1);
    NEED (recv_one (one, large, sizeof large, 0) == (int) sizeof large);
    NEED (close_one (one) == 0 && close_one (other) == 0);
}

static void *use (void *argument)
{
    void *context = ctx_new (), *named;
    int zero = 0;
    (void) argument;
    talk (context, PULL, PUSH, "tcp://127.0.0.1:*");
    talk (context, REP, REQ, "ipc://*");
    talk (context, PAIR, PAIR, "inproc://here");
    /* A name that somebody still looks up when all is over. */
    named = open_one (context, PUSH);
    NEED (set (named, LINGER, &zero, sizeof zero) == 0);
    NEED (monitor (named, "inproc://monitor", 0xffff) == 0);
    NEED (connect_one (named, "tcp://localhost:9") == 0);
    NEED (close_one (named) == 0);
    NEED (term (context) == 0);
    return NULL;
}

static int entries_of (const char *folder)
{
    int count = 0;
    DIR *directory = opendir (folder);
    NEED (directory != NULL);
    while (readdir (directory) != NULL)
        count++;
    closedir (directory);
    return count;
}

int main (void)
{
    pthread_t threads[THREADS];
    int i, round, status, descriptors = entries_of ("/proc/self/fd");
    for (round = 0; round < ROUNDS; round++) {
        pid_t child;
        load ();
        for (i = 0; i < THREADS; i++)
            NEED (pthread_create (&threads[i], NULL, use, NULL) == 0);
        for (i = 0; i < THREADS; i++)
            NEED (pthread_join (threads[i], NULL) == 0);
        NEED (dlclose (library) == 0);
        /* Without the library nobody may be called at a fork. */
        child = fork ();
        if (child == 0)
            exit (0);
        NEED (waitpid (child, &status, 0) == child && WIFEXITED (status) && WEXITSTATUS (status) == 0);
    }
    /* Those who look up names end in their own time. */
    while (entries_of ("/proc/self/task") > 3)
        usleep (1000);
    NEED (entries_of ("/proc/self/fd") == descriptors);
    printf ("unloaded\n");
    return 0;
}
