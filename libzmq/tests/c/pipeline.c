/* PUSH and PULL: exact limits, turns on both sides, and parts that stay together. */
#include "say.h"

static void *context;

static int push_until_full (void *push)
{
    int sent = 0;
    while (sent < 100000 && zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        sent++;
    return sent;
}

static void limit (int send_limit, int receive_limit)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    char endpoint[64];
    char byte;
    int i;
    sprintf (endpoint, "inproc://limit-%d-%d", send_limit, receive_limit);
    set_int (push, ZMQ_SNDHWM, send_limit);
    set_int (pull, ZMQ_RCVHWM, receive_limit);
    NEED (zmq_bind (pull, endpoint) == 0);
    NEED (zmq_connect (push, endpoint) == 0);
    printf ("limits %d and %d: %d fit", send_limit, receive_limit, push_until_full (push));
    for (i = 1; i < 50; i++) {
        NEED (zmq_recv (pull, &byte, 1, ZMQ_DONTWAIT) == 1);
        if (ready (push, ZMQ_POLLOUT, 0))
            break;
    }
    printf (", room again after %d read: %d more\n", i, push_until_full (push));
    zmq_close (push);
    zmq_close (pull);
}

static int numbers;

/* A message of three parts, the first one empty, as a request has it; 1 if it was taken. */
static int send_parts (void *sender)
{
    char number[16];
    sprintf (number, "%d", ++numbers);
    if (zmq_send (sender, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1)
        return 0;
    NEED (zmq_send (sender, number, strlen (number), ZMQ_SNDMORE) > 0);
    NEED (zmq_send (sender, "", 0, 0) == 0);
    return 1;
}

/* A message of several parts has its place until the last is read, whoever has looked at it before. */
static void part_by_part (int type, int peer_type, int limit, const char *name)
{
    void *sender = open_socket (context, type), *receiver = open_socket (context, peer_type);
    char endpoint[64], part[16];
    int step;
    sprintf (endpoint, "inproc://%s-%d", name, limit);
    printf ("-- part by part, %s, limits 1 and %d\n", name, limit);
    numbers = 0;
    NEED (zmq_setsockopt (sender, ZMQ_ROUTING_ID, "d", 1) == 0);
    set_int (sender, ZMQ_SNDHWM, 1);
    set_int (receiver, ZMQ_RCVHWM, limit);
    NEED (peer_type != ZMQ_SUB || zmq_setsockopt (receiver, ZMQ_SUBSCRIBE, "", 0) == 0);
    NEED (zmq_bind (receiver, endpoint) == 0);
    NEED (zmq_connect (sender, endpoint) == 0);
    for (step = 0; step < 4; step++) {
        int more = 1;
        printf ("events %d %d", get_int (receiver, ZMQ_EVENTS), get_int (sender, ZMQ_EVENTS));
        while (numbers < 20 && send_parts (sender) && type != ZMQ_PUB)
            continue;
        printf (", number %d, events %d\n", numbers, get_int (receiver, ZMQ_EVENTS));
        while (more) {
            int size;
            (void) get_int (sender, ZMQ_EVENTS);
            printf ("taken %d, ", send_parts (sender));
            size = zmq_recv (receiver, part, sizeof part, ZMQ_DONTWAIT);
            NEED (size >= 0);
            (void) get_int (receiver, ZMQ_EVENTS);
            printf ("part \"%.*s\"; ", size, part);
            more = get_int (receiver, ZMQ_RCVMORE);
        }
        printf ("\n");
        NEED (peer_type != ZMQ_REP || zmq_send (receiver, "", 0, ZMQ_DONTWAIT) == 0);
    }
    zmq_close (sender);
    zmq_close (receiver);
}

static void before_bind (void)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    say ("connected before the bind");
    set_int (push, ZMQ_SNDHWM, 4);
    set_int (pull, ZMQ_RCVHWM, 3);
    NEED (zmq_connect (push, "inproc://later") == 0);
    printf ("%d fit\n", push_until_full (push));
    NEED (zmq_bind (pull, "inproc://later") == 0);
    /*  What fits now is not compared: libzmq's PUSH, once full, never notices that it has room again. */
    zmq_close (push);
    zmq_close (pull);
}

static void dialling (void)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *immediate = open_socket (context, ZMQ_PUSH);
    say ("no peer has answered yet");
    set_int (push, ZMQ_SNDHWM, 5);
    NEED (zmq_connect (push, "tcp://127.0.0.1:9") == 0);
    printf ("%d fit\n", push_until_full (push));
    set_int (immediate, ZMQ_IMMEDIATE, 1);
    NEED (zmq_connect (immediate, "tcp://127.0.0.1:9") == 0);
    printf ("%d fit\n", push_until_full (immediate));
    zmq_close (push);
    zmq_close (immediate);
}

static void in_turn (void)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull[3];
    char endpoint[32];
    char text[8];
    int i, j;
    say ("work is shared out in turn");
    for (i = 0; i < 3; i++) {
        pull[i] = open_socket (context, ZMQ_PULL);
        sprintf (endpoint, "inproc://turn-%d", i);
        NEED (zmq_bind (pull[i], endpoint) == 0);
        NEED (zmq_connect (push, endpoint) == 0);
    }
    for (i = 0; i < 6; i++) {
        sprintf (text, "%d", i);
        zmq_send (push, text, 1, i % 2 ? 0 : ZMQ_SNDMORE);
    }
    for (i = 0; i < 6; i++) {
        sprintf (text, "%d", i);
        zmq_send (push, text, 1, 0);
    }
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++)
            receive (pull[i], ZMQ_DONTWAIT);
    for (i = 0; i < 3; i++)
        zmq_close (pull[i]);
    zmq_close (push);
}

static void fair (void)
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push[3];
    int i, j;
    say ("messages are taken in turn");
    NEED (zmq_bind (pull, "inproc://fair") == 0);
    for (i = 0; i < 3; i++) {
        push[i] = open_socket (context, ZMQ_PUSH);
        NEED (zmq_connect (push[i], "inproc://fair") == 0);
    }
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++) {
            char text[8];
            sprintf (text, "%d-%d", i, j);
            zmq_send (push[i], text, 3, ZMQ_SNDMORE);
            zmq_send (push[i], "end", 3, 0);
        }
    for (i = 0; i < 10; i++)
        receive (pull, ZMQ_DONTWAIT);
    for (i = 0; i < 3; i++)
        zmq_close (push[i]);
    zmq_close (pull);
}

static void many (const char *endpoint)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    char real[256];
    unsigned i, size, wrong = 0;
    static unsigned char data[70000], got[70000];
    printf ("-- many over %s\n", endpoint);
    set_int (push, ZMQ_SNDHWM, 0);
    set_int (pull, ZMQ_RCVHWM, 0);
    bind_anywhere (pull, endpoint, real);
    NEED (zmq_connect (push, real) == 0);
    for (i = 0; i < 3000; i++) {
        size = (i * 7919u) % (i % 50 ? 300 : 70000);
        memset (data, (int) (i & 0xff), size);
        NEED (zmq_send (push, data, size, 0) == (int) size);
    }
    for (i = 0; i < 3000; i++) {
        size = (i * 7919u) % (i % 50 ? 300 : 70000);
        NEED (zmq_recv (pull, got, sizeof got, 0) == (int) size);
        wrong += size && (got[0] != (i & 0xff) || got[size - 1] != (i & 0xff));
    }
    printf ("%u wrong\n", wrong);
    zmq_close (push);
    zmq_close (pull);
}

static void closed_before_read (const char *endpoint)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    char real[256];
    int i;
    printf ("-- what lingers arrives over %s\n", endpoint);
    bind_anywhere (pull, endpoint, real);
    set_int (push, ZMQ_LINGER, -1);
    NEED (zmq_connect (push, real) == 0);
    for (i = 0; i < 3; i++)
        send_text (push, "lingering", 0);
    zmq_close (push);
    for (i = 0; i < 3; i++)
        receive (pull, 0);
    zmq_close (pull);
}

/* Who comes in the middle of a round has a turn in it. */
static void late_turn (int sending, int receiving)
{
    static const char *const names[] = {"inproc://turn-0", "inproc://turn-1", "inproc://turn-2", "inproc://turn-3"};
    void *context = zmq_ctx_new (), *sender = open_socket (context, sending), *receivers[4];
    int i, sent;
    printf ("-- turns, type %d\n", sending);
    for (i = 0; i < 4; i++) {
        receivers[i] = open_socket (context, receiving);
        NEED (zmq_bind (receivers[i], names[i]) == 0);
    }
    for (i = 0; i < 3; i++)
        NEED (zmq_connect (sender, names[i]) == 0);
    send_text (sender, "0", 0);
    NEED (zmq_connect (sender, names[3]) == 0);
    for (sent = 1; sent < 6; sent++) {
        char text[2] = {0, 0};
        text[0] = (char) ('0' + sent);
        send_text (sender, text, 0);
    }
    for (i = 0; i < 4; i++) {
        printf ("%d ", i);
        receive (receivers[i], 0);
        zmq_close (receivers[i]);
    }
    zmq_close (sender);
    zmq_ctx_term (context);
}

/* The last takes the place of one that goes, and who comes back is last. */
static void turns_without_one (int sending, int receiving)
{
    static const char *const names[] = {"inproc://left-0", "inproc://left-1", "inproc://left-2", "inproc://left-3"};
    void *context = zmq_ctx_new (), *sender = open_socket (context, sending), *receivers[4];
    int i, leaving;
    printf ("-- turns when one goes, type %d\n", sending);
    for (i = 0; i < 4; i++) {
        receivers[i] = open_socket (context, receiving);
        NEED (zmq_bind (receivers[i], names[i]) == 0);
        NEED (zmq_connect (sender, names[i]) == 0);
    }
    for (leaving = 0; leaving < 4; leaving++) {
        char text[2] = "a";
        NEED (zmq_disconnect (sender, names[leaving]) == 0);
        get_int (receivers[leaving], ZMQ_EVENTS);
        get_int (sender, ZMQ_EVENTS);
        for (; leaving % 2 == 0 && text[0] < 'g'; text[0]++)
            send_text (sender, text, 0);
        NEED (zmq_connect (sender, names[leaving]) == 0);
        for (; text[0] < 'l'; text[0]++)
            send_text (sender, text, 0);
        for (i = 0; i < 4; i++)
            while (ready (receivers[i], ZMQ_POLLIN, 0)) {
                printf ("%d ", i);
                receive (receivers[i], 0);
            }
    }
    for (i = 0; i < 4; i++)
        zmq_close (receivers[i]);
    zmq_close (sender);
    zmq_ctx_term (context);
}

int main (void)
{
    void *push, *pull;
    int i;
    context = zmq_ctx_new ();
    say ("limits");
    limit (1, 1);
    limit (2, 3);
    limit (10, 10);
    limit (1000, 1000);
    for (i = 1; i < 3; i++) {
        part_by_part (ZMQ_PUSH, ZMQ_PULL, i, "push-pull");
        part_by_part (ZMQ_PAIR, ZMQ_PAIR, i, "pair-pair");
        part_by_part (ZMQ_DEALER, ZMQ_ROUTER, i, "dealer-router");
        part_by_part (ZMQ_DEALER, ZMQ_REP, i, "dealer-rep");
        part_by_part (ZMQ_PUB, ZMQ_SUB, i, "pub-sub");
    }
    before_bind ();
    dialling ();
    in_turn ();
    fair ();
    many ("inproc://many");
    many ("tcp://127.0.0.1:*");
    many ("ipc://*");
    closed_before_read ("inproc://closed");
    closed_before_read ("tcp://127.0.0.1:*");
    say ("the wrong way");
    push = open_socket (context, ZMQ_PUSH);
    pull = open_socket (context, ZMQ_PULL);
    receive (push, ZMQ_DONTWAIT);
    send_text (pull, "a", ZMQ_DONTWAIT);
    printf ("events: %d %d\n", get_int (push, ZMQ_EVENTS), get_int (pull, ZMQ_EVENTS));
    zmq_close (push);
    zmq_close (pull);
    CALL (zmq_ctx_term (context));
    late_turn (ZMQ_PUSH, ZMQ_PULL);
    late_turn (ZMQ_DEALER, ZMQ_DEALER);
    turns_without_one (ZMQ_PUSH, ZMQ_PULL);
    turns_without_one (ZMQ_DEALER, ZMQ_DEALER);
    return 0;
}
