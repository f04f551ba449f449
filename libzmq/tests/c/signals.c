/* A signal ends waiting, and nothing else. */
#include "say.h"

#include <pthread.h>
#include <signal.h>

static pthread_t main_thread;

static void caught (int number)
{
    (void) number;
}

static void interrupt (void *argument)
{
    (void) argument;
    usleep (100000);
    pthread_kill (main_thread, SIGUSR1);
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    struct sigaction action;
    zmq_pollitem_t item;
    void *thread;
    char byte;
    memset (&action, 0, sizeof action);
    action.sa_handler = caught;
    sigaction (SIGUSR1, &action, NULL);
    main_thread = pthread_self ();

    thread = zmq_threadstart (interrupt, NULL);
    CALL (zmq_recv (pull, &byte, 1, 0));
    zmq_threadclose (thread);
    thread = zmq_threadstart (interrupt, NULL);
    CALL (zmq_send (push, "a", 1, 0));
    zmq_threadclose (thread);
    item.socket = pull;
    item.events = ZMQ_POLLIN;
    thread = zmq_threadstart (interrupt, NULL);
    CALL (zmq_poll (&item, 1, -1));
    zmq_threadclose (thread);
    thread = zmq_threadstart (interrupt, NULL);
    CALL (zmq_proxy (pull, push, NULL));
    zmq_threadclose (thread);
    thread = zmq_threadstart (interrupt, NULL);
    CALL (zmq_ctx_term (context));
    zmq_threadclose (thread);
    zmq_close (pull);
    zmq_close (push);
    return 0;
}
