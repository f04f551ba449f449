/* Messages larger than the memory the process may have: made, copied or sent by a peer. None of them ends it. */
#include "say.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const size_t HUGE_SIZE = (size_t) 400 << 20, ALLOWED = (size_t) 100 << 20;

/* Another process, without a limit: sends what is too large. */
static void send_huge (int commands)
{
    char endpoint[256];
    void *context = zmq_ctx_new (), *push = zmq_socket (context, ZMQ_PUSH);
    zmq_msg_t message;
    NEED (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0);
    if (read (commands, endpoint, sizeof endpoint) != (ssize_t) sizeof endpoint)
        _exit (1);
    NEED (zmq_msg_init_size (&message, HUGE_SIZE) == 0);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_msg_send (&message, push, 0) != -1);
    for (;;)
        pause ();
}

static void await_loss (void *monitor)
{
    uint16_t kind = 0;
    unsigned char event[6];
    char endpoint[256];
    while (kind != ZMQ_EVENT_DISCONNECTED) {
        NEED (zmq_recv (monitor, event, sizeof event, 0) == sizeof event);
        NEED (zmq_recv (monitor, endpoint, sizeof endpoint, 0) >= 0);
        memcpy (&kind, event, sizeof kind);
    }
}

static void limit_memory (void)
{
    struct rlimit limit;
    long pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    NEED (file != NULL && fscanf (file, "%ld", &pages) == 1);
    fclose (file);
    limit.rlim_cur = limit.rlim_max = (size_t) pages * (size_t) sysconf (_SC_PAGESIZE) + ALLOWED;
    NEED (setrlimit (RLIMIT_AS, &limit) == 0);
}

int main (void)
{
    char endpoint[256];
    void *context, *pull, *push, *monitor, *huge;
    zmq_msg_t message;
    int commands[2];
    pid_t child;
    memset (endpoint, 0, sizeof endpoint);
    NEED (pipe (commands) == 0);
    child = fork ();
    if (child == 0)
        send_huge (commands[0]);
    context = zmq_ctx_new ();
    pull = open_socket (context, ZMQ_PULL);
    push = open_socket (context, ZMQ_PUSH);
    monitor = open_socket (context, ZMQ_PAIR);
    set_int (monitor, ZMQ_RCVTIMEO, 60000);
    NEED (zmq_socket_monitor (pull, "inproc://monitor", ZMQ_EVENT_DISCONNECTED) == 0);
    NEED (zmq_connect (monitor, "inproc://monitor") == 0);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    send_text (push, "before", 0);
    receive (pull, 0);
    /* Readable, but not written: it takes no memory. */
    huge = mmap (NULL, HUGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    NEED (huge != MAP_FAILED);
    limit_memory ();

    say ("made");
    CALL (zmq_msg_init_size (&message, HUGE_SIZE));
    CALL (zmq_msg_init_size (&message, (size_t) 1 << 60));
    say ("copied");
    CALL (zmq_send (push, huge, HUGE_SIZE, 0));
    CALL (zmq_send (push, huge, HUGE_SIZE, ZMQ_SNDMORE));
    send_text (push, "between", 0);
    receive (pull, 0);
    say ("sent by a peer");
    NEED (write (commands[1], endpoint, sizeof endpoint) == (ssize_t) sizeof endpoint);
    await_loss (monitor);
    send_text (push, "after", 0);
    receive (pull, 0);

    kill (child, SIGKILL);
    NEED (waitpid (child, NULL, 0) == child);
    zmq_close (push);
    zmq_close (pull);
    zmq_close (monitor);
    CALL (zmq_ctx_term (context));
    return 0;
}
