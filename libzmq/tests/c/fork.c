/* A child has nothing to do with its parent's sockets, may end them, and may have its own. */
#include "say.h"

#include <sys/wait.h>

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    char endpoint[256];
    int status = -1;
    pid_t child;
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    send_text (push, "before", 0);
    receive (pull, 0);
    fflush (stdout);
    child = fork ();
    if (child == 0) {
        void *own = zmq_ctx_new ();
        void *own_push = open_socket (own, ZMQ_PUSH);
        int failed = zmq_connect (own_push, endpoint) != 0;
        set_int (own_push, ZMQ_LINGER, -1);
        failed |= zmq_send (own_push, "from the child", 14, 0) != 14;
        failed |= zmq_close (own_push) != 0;
        failed |= zmq_ctx_term (own) != 0;
        _exit (failed);
    }
    receive (pull, 0);
    NEED (waitpid (child, &status, 0) == child);
    printf ("the child ended well: %d\n", WIFEXITED (status) && WEXITSTATUS (status) == 0);
    send_text (push, "after", 0);
    receive (pull, 0);
    zmq_close (push);
    zmq_close (pull);
    CALL (zmq_ctx_term (context));
    return 0;
}
