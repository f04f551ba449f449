/* A child that lives on has copies of all its parent's descriptors: what the parent closes is closed all the same. */
#include "say.h"

#include <signal.h>
#include <sys/wait.h>

static void await_loss (void *monitor)
{
    unsigned char event[6];
    char endpoint[256];
    NEED (zmq_recv (monitor, event, sizeof event, 0) == sizeof event);
    NEED (zmq_recv (monitor, endpoint, sizeof endpoint, 0) >= 0);
}

static void *bound_to (void *context, const char *endpoint)
{
    void *pull = open_socket (context, ZMQ_PULL);
    NEED (zmq_bind (pull, endpoint) == 0);
    return pull;
}

static void move_away (const char *wildcard)
{
    void *context = zmq_ctx_new (), *pull = open_socket (context, ZMQ_PULL), *push = open_socket (context, ZMQ_PUSH);
    void *monitor = open_socket (context, ZMQ_PAIR);
    char endpoint[256], text[8];
    int commands[2];
    pid_t child;
    NEED (pipe (commands) == 0);
    bind_anywhere (pull, wildcard, endpoint);
    NEED (zmq_socket_monitor (push, "inproc://monitor", ZMQ_EVENT_DISCONNECTED) == 0);
    NEED (zmq_connect (monitor, "inproc://monitor") == 0);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "one", 3, 0) == 3 && zmq_recv (pull, text, sizeof text, 0) == 3);
    child = fork ();
    if (child == 0) {
        close (commands[1]);
        /* Until the parent says so, or is gone. */
        _exit (read (commands[0], text, 1) == 1 ? 0 : 1);
    }
    NEED (child > 0);
    NEED (zmq_unbind (pull, endpoint) == 0);
    await_loss (monitor);
    zmq_close (pull);
    pull = bound_to (context, endpoint);
    NEED (zmq_send (push, "two", 3, 0) == 3 && zmq_recv (pull, text, sizeof text, 0) == 3);
    zmq_close (pull);
    await_loss (monitor);
    pull = bound_to (context, endpoint);
    NEED (zmq_send (push, "three", 5, 0) == 5 && zmq_recv (pull, text, sizeof text, 0) == 5);
    zmq_close (push);
    zmq_close (pull);
    zmq_close (monitor);
    NEED (zmq_ctx_term (context) == 0);
    NEED (waitpid (child, NULL, WNOHANG) == 0);
    NEED (write (commands[1], "x", 1) == 1);
    NEED (waitpid (child, NULL, 0) == child);
}

int main (void)
{
    char endpoint[64];
    sprintf (endpoint, "ipc://fork-holds-%ld", (long) getpid ());
    move_away ("tcp://127.0.0.1:*");
    move_away (endpoint);
    unlink (endpoint + strlen ("ipc://"));
    return 0;
}
