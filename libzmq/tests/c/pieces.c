/* Messages in pieces: zmq_sendiov and zmq_recviov. */
#include "say.h"

#include <sys/uio.h>

static void *context, *one, *other;

static void take (size_t room, int flags)
{
    struct iovec got[8];
    size_t count = room;
    size_t i;
    printf ("room for %d: ", (int) room);
    CALL (zmq_recviov (other, got, &count, flags));
    printf ("%d stored:", (int) count);
    for (i = 0; i < count && i < room; i++) {
        printf (" ");
        print_part ((unsigned char *) got[i].iov_base, got[i].iov_len);
        free (got[i].iov_base);
    }
    printf (", more %d\n", get_int (other, ZMQ_RCVMORE));
}

int main (void)
{
    char a[] = "first", b[] = "", c[] = "and a third";
    struct iovec parts[3];
    size_t none = 0;
    context = zmq_ctx_new ();
    one = open_socket (context, ZMQ_PAIR);
    other = open_socket (context, ZMQ_PAIR);
    NEED (zmq_bind (one, "inproc://pieces") == 0);
    NEED (zmq_connect (other, "inproc://pieces") == 0);
    parts[0].iov_base = a;
    parts[0].iov_len = strlen (a);
    parts[1].iov_base = b;
    parts[1].iov_len = 0;
    parts[2].iov_base = c;
    parts[2].iov_len = strlen (c);

    say ("one message");
    CALL (zmq_sendiov (one, parts, 3, ZMQ_SNDMORE));
    take (8, 0);
    say ("three messages");
    CALL (zmq_sendiov (one, parts, 3, 0));
    take (8, 0);
    take (8, 0);
    take (8, 0);
    say ("too little room");
    CALL (zmq_sendiov (one, parts, 3, ZMQ_SNDMORE));
    take (2, 0);
    take (2, 0);
    say ("one part at a time");
    CALL (zmq_sendiov (one, parts, 1, 0));
    take (1, 0);
    say ("errors");
    CALL (zmq_sendiov (one, parts, 0, 0));
    CALL (zmq_sendiov (one, NULL, 1, 0));
    CALL (zmq_sendiov (NULL, parts, 1, 0));
    CALL (zmq_recviov (other, parts, NULL, 0));
    CALL (zmq_recviov (other, parts, &none, 0));
    CALL (zmq_recviov (NULL, parts, &none, 0));
    zmq_close (one);
    zmq_close (other);
    CALL (zmq_ctx_term (context));
    return 0;
}
