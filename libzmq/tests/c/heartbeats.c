/* Heartbeats: what is on the wire, and whom they give up. */
#include "peer.h"

static void *context;

/* A socket that pings, or only answers, and a peer connected to it. */
static void *meet (int interval, int timeout, int time_to_live, int *peer)
{
    void *dealer = open_socket (context, ZMQ_DEALER);
    char endpoint[256];
    if (interval >= 0)
        set_int (dealer, ZMQ_HEARTBEAT_IVL, interval);
    if (timeout >= 0)
        set_int (dealer, ZMQ_HEARTBEAT_TIMEOUT, timeout);
    if (time_to_live >= 0)
        set_int (dealer, ZMQ_HEARTBEAT_TTL, time_to_live);
    bind_anywhere (dealer, "tcp://127.0.0.1:*", endpoint);
    *peer = dial (endpoint);
    shake_hands (*peer, "DEALER");
    return dealer;
}

static void part (void *dealer, int peer)
{
    zmq_close (dealer);
    close (peer);
}

/* Who says nothing is given up. */
static void silent (int timeout)
{
    int peer;
    void *dealer = meet (100, timeout, -1, &peer);
    print_frame (peer, LONG);
    if (timeout == 0) {
        print_frame (peer, LONG);
        print_frame (peer, LONG);
        send_text (dealer, "still there", 0);
        part (dealer, peer);
        return;
    }
    hear_end (peer);
    while (get_int (dealer, ZMQ_EVENTS) & ZMQ_POLLOUT)
        usleep (1000);
    CALL (zmq_send (dealer, "gone", 4, ZMQ_DONTWAIT));
    part (dealer, peer);
}

/* Whatever is said is a sign of life. */
static void alive (const char *sign, int size)
{
    int peer, round;
    unsigned char flags, body[256];
    void *dealer = meet (200, 1000, -1, &peer);
    for (round = 0; round < 12; round++) {
        NEED (hear_frame (peer, &flags, body, LONG) == 7);
        tell (peer, sign, size);
    }
    send_text (dealer, "still there", 0);
    do
        size = hear_frame (peer, &flags, body, LONG);
    while (flags == 4);
    print_part (body, (size_t) size);
    printf ("\n");
    hear_end (peer);
    part (dealer, peer);
}

static void answered (void)
{
    int peer;
    void *dealer = meet (-1, -1, -1, &peer);
    tell (peer, "\4\7\4PING\0\0", 9);
    print_frame (peer, LONG);
    tell (peer, "\4\13\4PING\0\0text", 13);
    print_frame (peer, LONG);
    tell (peer, "\4\27\4PING\0\0sixteen letters!", 25);
    print_frame (peer, LONG);
    /* Between the parts of a message. */
    tell (peer, "\1\1a\4\7\4PING\0\0\0\1b", 15);
    print_frame (peer, LONG);
    receive (dealer, 0);
    part (dealer, peer);
}

/* A peer says in tenths of a second how long it may be silent. */
static void bounded (void)
{
    int peer;
    void *dealer = meet (-1, -1, -1, &peer);
    tell (peer, "\4\7\4PING\0\3", 9);
    print_frame (peer, LONG);
    hear_end (peer);
    part (dealer, peer);
    dealer = meet (-1, -1, -1, &peer);
    tell (peer, "\4\7\4PING\0\3", 9);
    print_frame (peer, LONG);
    tell (peer, "\0\1x", 3);
    receive (dealer, 0);
    print_frame (peer, 500);
    send_text (dealer, "a message is enough", 0);
    print_frame (peer, LONG);
    part (dealer, peer);
}

static void announced (int time_to_live)
{
    int peer;
    void *dealer = meet (50, 5000, time_to_live, &peer);
    printf ("%d: ", get_int (dealer, ZMQ_HEARTBEAT_TTL));
    print_frame (peer, LONG);
    part (dealer, peer);
}

static void values (void)
{
    static const int numbers[] = {-1, 0, 1, 99, 100, 6553599, 6553600, 2147483647};
    void *dealer = open_socket (context, ZMQ_DEALER);
    size_t index;
    for (index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        int value = numbers[index];
        printf ("%d\n", value);
        CALL (zmq_setsockopt (dealer, ZMQ_HEARTBEAT_IVL, &value, sizeof value));
        CALL (zmq_setsockopt (dealer, ZMQ_HEARTBEAT_TIMEOUT, &value, sizeof value));
        CALL (zmq_setsockopt (dealer, ZMQ_HEARTBEAT_TTL, &value, sizeof value));
        printf ("%d %d %d\n", get_int (dealer, ZMQ_HEARTBEAT_IVL), get_int (dealer, ZMQ_HEARTBEAT_TIMEOUT),
                get_int (dealer, ZMQ_HEARTBEAT_TTL));
    }
    zmq_close (dealer);
}

int main (void)
{
    context = zmq_ctx_new ();
    say ("a silent peer");
    silent (-1);
    silent (150);
    say ("a silent peer without a limit");
    silent (0);
    say ("a peer that answers");
    alive ("\4\5\4PONG", 7);
    say ("a peer that speaks");
    alive ("\0\1x", 3);
    say ("what is answered");
    answered ();
    say ("time to live");
    bounded ();
    say ("announced");
    announced (-1);
    announced (100);
    announced (2560);
    announced (6553599);
    say ("values");
    values ();
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
