/* A library that is loaded, used and unloaded again, in several threads. Not linked with it, so without say.h. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NEED(condition)                                                              \
    do {                                                                             \
        if (!(condition)) {                                                          \
            printf ("%s does not hold\n", #condition);                               \
            exit (1);                                                                \
        }                                                                            \
    } while (0)

static void *use (void *argument)
{
    void *library = dlopen ("libzmq.so.5", RTLD_NOW | RTLD_LOCAL);
    void *(*ctx_new) (void), *(*socket_new) (void *, int), *context, *socket;
    int (*bind_to) (void *, const char *), (*close_it) (void *), (*term) (void *);
    (void) argument;
    NEED (library != NULL);
    *(void **) &ctx_new = dlsym (library, "zmq_ctx_new");
    *(void **) &socket_new = dlsym (library, "zmq_socket");
    *(void **) &bind_to = dlsym (library, "zmq_bind");
    *(void **) &close_it = dlsym (library, "zmq_close");
    *(void **) &term = dlsym (library, "zmq_ctx_term");
    context = ctx_new ();
    socket = socket_new (context, 7);
    NEED (bind_to (socket, "tcp://127.0.0.1:*") == 0);
    NEED (close_it (socket) == 0);
    NEED (term (context) == 0);
    NEED (dlclose (library) == 0);
    return NULL;
}

int main (void)
{
    pthread_t threads[4];
    int i, round;
    for (round = 0; round < 5; round++) {
        for (i = 0; i < 4; i++)
            NEED (pthread_create (&threads[i], NULL, use, NULL) == 0);
        for (i = 0; i < 4; i++)
            NEED (pthread_join (threads[i], NULL) == 0);
        use (NULL);
    }
    printf ("unloaded\n");
    return 0;
}
