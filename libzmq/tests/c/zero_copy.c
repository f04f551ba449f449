/* Buffers of the program's own: each comes back once, whatever becomes of the message. */
#include "say.h"

static void *counter;

static void freed (void *data, void *hint)
{
    zmq_atomic_counter_inc (hint ? hint : counter);
    free (data);
}

/* A callback may use the library. */
static void freed_and_sends (void *data, void *hint)
{
    free (data);
    zmq_send (hint, "freed", 5, ZMQ_DONTWAIT);
}

static char *buffer (size_t size)
{
    char *data = (char *) malloc (size);
    memset (data, 'b', size);
    return data;
}

static void count (const char *what)
{
    printf ("%s: %d freed\n", what, zmq_atomic_counter_value (counter));
    zmq_atomic_counter_set (counter, 0);
}

/* Waits until so many were freed, as an I/O thread may do it. */
static void count_at_last (const char *what, int expected)
{
    int i;
    for (i = 0; i < 5000 && zmq_atomic_counter_value (counter) < expected; i++)
        usleep (1000);
    count (what);
}

static void alone (size_t size)
{
    zmq_msg_t one, other;
    printf ("-- alone, %d bytes\n", (int) size);
    CALL (zmq_msg_init_data (&one, buffer (size), size, freed, NULL));
    CALL (zmq_msg_size (&one));
    zmq_msg_close (&one);
    count ("closed");
    zmq_msg_init_data (&one, buffer (size), size, freed, NULL);
    zmq_msg_init (&other);
    zmq_msg_copy (&other, &one);
    zmq_msg_close (&one);
    count ("one of two closed");
    zmq_msg_close (&other);
    count ("both closed");
    zmq_msg_init_data (&one, buffer (size), size, freed, NULL);
    zmq_msg_init (&other);
    zmq_msg_move (&other, &one);
    zmq_msg_close (&one);
    count ("moved");
    zmq_msg_close (&other);
    count ("target closed");
    zmq_msg_init_data (&one, buffer (size), size, freed, NULL);
    zmq_msg_init (&other);
    zmq_msg_move (&one, &other);
    count ("overwritten by a move");
    zmq_msg_close (&one);
    zmq_msg_init_data (&one, buffer (size), size, freed, NULL);
    zmq_msg_copy (&one, &other);
    count ("overwritten by a copy");
    zmq_msg_close (&one);
    zmq_msg_close (&other);
}

static void sent (const char *endpoint)
{
    void *context = zmq_ctx_new ();
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    char real[256];
    zmq_msg_t message;
    int i;
    printf ("-- sent over %s\n", endpoint);
    bind_anywhere (pull, endpoint, real);
    NEED (zmq_connect (push, real) == 0);
    for (i = 0; i < 10; i++) {
        size_t size = 10u + 1000u * (unsigned) i;
        zmq_msg_init_data (&message, buffer (size), size, freed, NULL);
        NEED (zmq_msg_send (&message, push, 0) == (int) size);
        zmq_msg_close (&message);
    }
    for (i = 0; i < 10; i++) {
        zmq_msg_init (&message);
        NEED (zmq_msg_recv (&message, pull, 0) == 10 + 1000 * i);
        NEED (((char *) zmq_msg_data (&message))[9] == 'b');
        zmq_msg_close (&message);
    }
    count_at_last ("ten sent and received", 10);

    zmq_msg_init_data (&message, buffer (50), 50, freed, NULL);
    zmq_msg_send (&message, push, 0);
    zmq_close (push);
    zmq_close (pull);
    zmq_ctx_term (context);
    count ("left in a queue");
}

static void refused (void)
{
    void *context = zmq_ctx_new ();
    void *push = open_socket (context, ZMQ_PUSH);
    void *pub = open_socket (context, ZMQ_PUB);
    void *pull = open_socket (context, ZMQ_PULL);
    zmq_msg_t message;
    say ("not sent");
    zmq_msg_init_data (&message, buffer (50), 50, freed, NULL);
    CALL (zmq_msg_send (&message, push, ZMQ_DONTWAIT));
    CALL (zmq_msg_send (&message, pull, ZMQ_DONTWAIT));
    count ("refused");
    zmq_msg_close (&message);
    count ("refused and closed");
    zmq_msg_init_data (&message, buffer (50), 50, freed, NULL);
    CALL (zmq_msg_send (&message, pub, 0));
    count ("published to nobody");
    zmq_msg_close (&message);
    count ("and closed");
    zmq_close (push);
    zmq_close (pub);
    zmq_close (pull);
    zmq_ctx_term (context);
}

static void odd (void)
{
    static char constant[] = "constant text that stays where it is";
    void *other_counter = zmq_atomic_counter_new ();
    void *context = zmq_ctx_new ();
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    zmq_msg_t message;
    say ("no callback, no data, a hint, a callback that sends");
    CALL (zmq_msg_init_data (&message, constant, sizeof constant, NULL, NULL));
    printf ("the same memory: %d\n", zmq_msg_data (&message) == (void *) constant);
    CALL (zmq_msg_get (&message, ZMQ_SHARED));
    CALL (zmq_msg_close (&message));
    CALL (zmq_msg_init_data (&message, NULL, 0, freed, NULL));
    CALL (zmq_msg_size (&message));
    CALL (zmq_msg_close (&message));
    count ("NULL");
    zmq_msg_init_data (&message, buffer (1), 1, freed, other_counter);
    zmq_msg_close (&message);
    printf ("the hint: %d\n", zmq_atomic_counter_value (other_counter));
    zmq_atomic_counter_destroy (&other_counter);
    NEED (zmq_bind (one, "inproc://odd") == 0);
    NEED (zmq_connect (other, "inproc://odd") == 0);
    zmq_msg_init_data (&message, buffer (100), 100, freed_and_sends, one);
    zmq_msg_close (&message);
    receive (other, 0);
    zmq_close (one);
    zmq_close (other);
    zmq_ctx_term (context);
}

/* What is received within the process is as it was sent. */
static void as_sent (void)
{
    static char constant[100];
    void *context = zmq_ctx_new ();
    void *one = open_socket (context, ZMQ_PAIR);
    void *other = open_socket (context, ZMQ_PAIR);
    zmq_msg_t message, copy;
    say ("constant, shared and neither, received");
    NEED (zmq_bind (one, "inproc://as-sent") == 0);
    NEED (zmq_connect (other, "inproc://as-sent") == 0);
    NEED (zmq_send_const (one, constant, sizeof constant, 0) == (int) sizeof constant);
    zmq_msg_init (&message);
    CALL (zmq_msg_recv (&message, other, 0));
    CALL (zmq_msg_get (&message, ZMQ_SHARED));
    printf ("the same memory: %d\n", zmq_msg_data (&message) == (void *) constant);
    zmq_msg_close (&message);
    zmq_msg_init_size (&message, 100);
    zmq_msg_init (&copy);
    CALL (zmq_msg_copy (&copy, &message));
    CALL (zmq_msg_send (&copy, one, 0));
    CALL (zmq_msg_recv (&copy, other, 0));
    CALL (zmq_msg_get (&copy, ZMQ_SHARED));
    zmq_msg_close (&copy);
    zmq_msg_close (&message);
    zmq_msg_init_size (&message, 100);
    CALL (zmq_msg_send (&message, one, 0));
    CALL (zmq_msg_recv (&message, other, 0));
    CALL (zmq_msg_get (&message, ZMQ_SHARED));
    zmq_msg_close (&message);
    zmq_close (one);
    zmq_close (other);
    zmq_ctx_term (context);
}

int main (void)
{
    counter = zmq_atomic_counter_new ();
    alone (5);
    alone (100);
    sent ("inproc://sent");
    sent ("tcp://127.0.0.1:*");
    sent ("ipc://*");
    refused ();
    odd ();
    as_sent ();
    zmq_atomic_counter_destroy (&counter);
    return 0;
}
