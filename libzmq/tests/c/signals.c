/* A signal ends waiting, and nothing else. */
#include "say.h"

#include <pthread.h>
#include <signal.h>

static pthread_t main_thread;
static volatile int over;

static void caught (int number)
{
    (void) number;
}

/* Again and again: the first may come before the call has begun. */
static void interrupt (void *argument)
{
    (void) argument;
    usleep (100000);
    while (!over) {
        pthread_kill (main_thread, SIGUSR1);
        usleep (100000);
    }
}

static void *interruptions (void)
{
    over = 0;
    return zmq_threadstart (interrupt, NULL);
}

static void end (void *thread)
{
    over = 1;
    zmq_threadclose (thread);
}

/* A program that waits for signals itself gets them, whatever threads the library has. */
static void wait_for_signal (void)
{
    sigset_t set;
    int number = 0;
    sigemptyset (&set);
    sigaddset (&set, SIGUSR2);
    NEED (pthread_sigmask (SIG_BLOCK, &set, NULL) == 0);
    NEED (kill (getpid (), SIGUSR2) == 0);
    NEED (sigwait (&set, &number) == 0);
    printf ("got the signal: %d\n", number == SIGUSR2);
    fflush (stdout);
}

/* Whether it has slept all that time. */
static int sleeps (int seconds)
{
    void *watch = zmq_stopwatch_start ();
    zmq_sleep (seconds);
    return zmq_stopwatch_stop (watch) >= seconds * 1000000ul;
}

int main (void)
{
    char endpoint[256];
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
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    wait_for_signal ();

    thread = interruptions ();
    CALL (zmq_recv (pull, &byte, 1, 0));
    end (thread);
    thread = interruptions ();
    CALL (zmq_send (push, "a", 1, 0));
    end (thread);
    item.socket = pull;
    item.events = ZMQ_POLLIN;
    thread = interruptions ();
    CALL (zmq_poll (&item, 1, -1));
    end (thread);
    thread = interruptions ();
    CALL (zmq_proxy (pull, push, NULL));
    end (thread);
    thread = interruptions ();
    CALL (sleeps (30));
    end (thread);
    thread = interruptions ();
    CALL (zmq_ctx_term (context));
    end (thread);
    zmq_close (pull);
    zmq_close (push);
    return 0;
}
