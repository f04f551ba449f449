/* A process that is stopped while it waits, as by the shell, and goes on, goes on waiting. */
#include "say.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

enum { WAITS = 6 };

/* What a process does just now: 'R' it runs, 'S' it sleeps, 'T' it is stopped. */
static char state_of (pid_t process)
{
    char text[512];
    size_t size;
    FILE *file;
    snprintf (text, sizeof text, "/proc/%d/stat", (int) process);
    file = fopen (text, "r");
    NEED (file != NULL);
    size = fread (text, 1, sizeof text - 1, file);
    fclose (file);
    text[size] = '\0';
    NEED (strrchr (text, ')') != NULL);
    return strrchr (text, ')')[2];
}

/* Whether it came to do that within a while; it may not, if it is not waiting any more. */
static int comes_to (pid_t process, char state)
{
    int tries;
    for (tries = 0; tries < 2000 && state_of (process) != state; tries++)
        usleep (1000);
    return tries < 2000;
}

/* The other process: each time it is told that its parent waits, it stops it, lets it go on, and sends what it waits for. */
static void stop_and_send (const char *endpoint, int told)
{
    pid_t parent = getppid ();
    void *context = zmq_ctx_new ();
    void *push = open_socket (context, ZMQ_PUSH);
    char byte;
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "first", 5, 0) == 5);
    while (read (told, &byte, 1) == 1) {
        NEED (comes_to (parent, 'S'));
        kill (parent, SIGSTOP);
        NEED (comes_to (parent, 'T'));
        kill (parent, SIGCONT);
        comes_to (parent, 'S');
        NEED (zmq_send (push, "more", 4, 0) == 4);
    }
    zmq_close (push);
    zmq_ctx_term (context);
}

int main (void)
{
    char endpoint[256];
    char byte[8];
    int told[2], status, i;
    pid_t child;
    zmq_pollitem_t items[3];
    void *context, *pull, *other;
    int address[2];
    NEED (pipe (told) == 0 && pipe (address) == 0);
    child = fork ();
    NEED (child >= 0);
    if (child == 0) {
        close (told[1]);
        NEED (read (address[0], endpoint, sizeof endpoint) == sizeof endpoint);
        stop_and_send (endpoint, told[0]);
        return 0;
    }
    close (told[0]);
    context = zmq_ctx_new ();
    pull = open_socket (context, ZMQ_PULL);
    other = open_socket (context, ZMQ_PULL);
    memset (endpoint, 0, sizeof endpoint);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (write (address[1], endpoint, sizeof endpoint) == sizeof endpoint);
    receive (pull, 0);

    memset (items, 0, sizeof items);
    for (i = 0; i < 3; i++)
        items[i].events = ZMQ_POLLIN;
    items[0].socket = pull;
    items[1].socket = other;
    items[2].fd = address[0];
    for (i = 0; i < WAITS; i++) {
        NEED (write (told[1], "", 1) == 1);
        switch (i) {
            case 0: CALL (zmq_recv (pull, byte, sizeof byte, 0)); continue;
            case 1: CALL (zmq_poll (items, 1, -1)); break;
            case 2: CALL (zmq_poll (items, 1, LONG)); break;
            case 3: CALL (zmq_poll (items, 2, -1)); break;
            case 4: CALL (zmq_poll (items, 3, LONG)); break;
            default: set_int (pull, ZMQ_RCVTIMEO, -1);
        }
        receive (pull, 0);
    }
    close (told[1]);
    NEED (waitpid (child, &status, 0) == child && status == 0);
    zmq_close (pull);
    zmq_close (other);
    zmq_ctx_term (context);
    return 0;
}
