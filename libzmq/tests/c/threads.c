/* One socket after the other in many threads, and the end while they work. */
#include "say.h"

enum { WORKERS = 4, TASKS = 1000 };

static void *context, *at_work;

static void work (void *argument)
{
    void *in = zmq_socket (context, ZMQ_PULL);
    void *out = zmq_socket (context, ZMQ_PUSH);
    int number;
    (void) argument;
    set_int (out, ZMQ_LINGER, 0);
    NEED (zmq_connect (in, "inproc://tasks") == 0);
    NEED (zmq_connect (out, "inproc://results") == 0);
    zmq_atomic_counter_inc (at_work);
    while (zmq_recv (in, &number, sizeof number, 0) == sizeof number) {
        number *= 2;
        NEED (zmq_send (out, &number, sizeof number, 0) == sizeof number);
    }
    NEED (zmq_errno () == ETERM);
    zmq_close (in);
    zmq_close (out);
}

int main (void)
{
    void *threads[WORKERS];
    void *tasks, *results;
    int i, number;
    long sum = 0;
    context = zmq_ctx_new ();
    at_work = zmq_atomic_counter_new ();
    tasks = open_socket (context, ZMQ_PUSH);
    results = open_socket (context, ZMQ_PULL);
    NEED (zmq_bind (tasks, "inproc://tasks") == 0);
    NEED (zmq_bind (results, "inproc://results") == 0);
    for (i = 0; i < WORKERS; i++)
        threads[i] = zmq_threadstart (work, NULL);
    while (zmq_atomic_counter_value (at_work) < WORKERS)
        usleep (1000);
    for (i = 0; i < TASKS; i++)
        NEED (zmq_send (tasks, &i, sizeof i, 0) == sizeof i);
    for (i = 0; i < TASKS; i++) {
        NEED (zmq_recv (results, &number, sizeof number, 0) == sizeof number);
        sum += number;
    }
    printf ("sum %ld\n", sum);
    zmq_close (tasks);
    zmq_close (results);
    CALL (zmq_ctx_term (context));
    for (i = 0; i < WORKERS; i++)
        zmq_threadclose (threads[i]);
    zmq_atomic_counter_destroy (&at_work);
    return 0;
}
