/* Whose message is read when several peers have some: in the order of the peers first, then of their messages. And who is
   sent to next when some have left. */
#include "say.h"

#define PEERS 8
#define FIRST_PEERS 4
#define RANDOM_PLAYS 18
#define RANDOM_STEPS 40

static void *context;
static int plays;

static void *connect_peer (void *bound, int type, int number, const char *endpoint)
{
    char name = (char) ('a' + number);
    void *peer = open_socket (context, type);
    NEED (zmq_setsockopt (peer, ZMQ_ROUTING_ID, &name, 1) == 0);
    NEED (zmq_connect (peer, endpoint) == 0);
    /* The one subscribes, the other reads that. */
    (void) get_int (bound, ZMQ_EVENTS);
    (void) get_int (peer, ZMQ_EVENTS);
    return peer;
}

/* libzmq closes on a thread of its own. */
static void close_peer (void *bound, void **peer, int microseconds)
{
    zmq_close (*peer);
    *peer = NULL;
    usleep (microseconds);
    (void) get_int (bound, ZMQ_EVENTS);
}

/* Letters are peers that send, capital ones close, and dots messages that are read, or parts if there are three; first all
   that is there is looked for. The first four peers are there when it begins, the others come when they first send. */
static void play (int type, int peer_type, const char *script, int parts)
{
    void *bound = open_socket (context, type), *peers[PEERS] = {NULL};
    int sent[PEERS] = {0};
    char endpoint[32];
    const char *step;
    int i;
    sprintf (endpoint, "inproc://turns-%d", ++plays);
    NEED (zmq_bind (bound, endpoint) == 0);
    NEED (type != ZMQ_SUB || zmq_setsockopt (bound, ZMQ_SUBSCRIBE, "", 0) == 0);
    for (i = 0; i < FIRST_PEERS; i++)
        peers[i] = connect_peer (bound, peer_type, i, endpoint);
    printf ("%-28s", script);
    for (step = script; *step; step++) {
        char text[8] = "";
        if (*step >= 'A' && *step <= 'Z') {
            close_peer (bound, &peers[*step - 'A'], 20000);
            continue;
        }
        if (*step != '.') {
            if (!peers[*step - 'a'])
                peers[*step - 'a'] = connect_peer (bound, peer_type, *step - 'a', endpoint);
            sprintf (text, "%c%d", *step, ++sent[*step - 'a']);
            NEED (zmq_send (peers[*step - 'a'], text, 2, parts > 1 ? ZMQ_SNDMORE : 0) == 2);
            NEED (parts < 3 || zmq_send (peers[*step - 'a'], "2", 1, ZMQ_SNDMORE) == 1);
            NEED (parts == 1 || zmq_send (peers[*step - 'a'], "", 0, 0) == 0);
            continue;
        }
        (void) get_int (bound, ZMQ_EVENTS);
        if (type == ZMQ_ROUTER && parts < 3 && zmq_recv (bound, text, 7, ZMQ_DONTWAIT) == -1)
            strcpy (text, "-");
        else if (zmq_recv (bound, text, 7, ZMQ_DONTWAIT) == -1)
            strcpy (text, "-");
        else if (parts == 2)
            NEED (zmq_recv (bound, NULL, 0, ZMQ_DONTWAIT) == 0);
        printf (" %s", text);
    }
    printf ("\n");
    for (i = 0; i < PEERS; i++)
        if (peers[i])
            zmq_close (peers[i]);
    zmq_close (bound);
}

/* A DEALER sends at each plus, and who gets that is printed; the letters are as above, and small ones that come later connect.
   A peer that has left keeps its place while its end is behind what others have sent. */
static void send_in_turn (const char *script)
{
    void *bound = open_socket (context, ZMQ_DEALER), *peers[PEERS] = {NULL};
    char endpoint[32], text[8];
    const char *step;
    int i;
    sprintf (endpoint, "inproc://turns-%d", ++plays);
    NEED (zmq_bind (bound, endpoint) == 0);
    for (i = 0; i < FIRST_PEERS; i++)
        peers[i] = connect_peer (bound, ZMQ_DEALER, i, endpoint);
    printf ("%-28s", script);
    for (step = script; *step; step++) {
        (void) get_int (bound, ZMQ_EVENTS);
        if (*step == '.') {
            NEED (zmq_recv (bound, text, 7, ZMQ_DONTWAIT) == 1);
            printf (" %c", text[0]);
        } else if (*step == '+') {
            NEED (zmq_send (bound, "", 0, ZMQ_DONTWAIT) == 0);
            for (i = 0; i < PEERS; i++)
                if (peers[i] && zmq_recv (peers[i], NULL, 0, ZMQ_DONTWAIT) == 0)
                    printf (" +%c", 'a' + i);
        } else if (*step >= 'A' && *step <= 'Z') {
            close_peer (bound, &peers[*step - 'A'], 50000);
        } else {
            if (!peers[*step - 'a'])
                peers[*step - 'a'] = connect_peer (bound, ZMQ_DEALER, *step - 'a', endpoint);
            NEED (zmq_send (peers[*step - 'a'], step, 1, 0) == 1);
        }
    }
    printf ("\n");
    for (i = 0; i < PEERS; i++)
        if (peers[i])
            zmq_close (peers[i]);
    zmq_close (bound);
}

/* Who is sent away leaves its place to the last at once, among those that are read from, too. */
static void send_away (int type, int peer_type)
{
    void *reader = open_socket (context, type), *peers[PEERS];
    char endpoint[PEERS][32], text[8];
    int i, number;
    say ("one that was disconnected");
    for (i = 0; i < PEERS; i++) {
        if (i == FIRST_PEERS) {
            NEED (zmq_disconnect (reader, endpoint[1]) == 0);
            (void) get_int (peers[1], ZMQ_EVENTS);
            (void) get_int (reader, ZMQ_EVENTS);
        }
        sprintf (endpoint[i], "inproc://turns-%d-%d", ++plays, i);
        peers[i] = open_socket (context, peer_type);
        text[0] = 'a' + i;
        NEED (zmq_setsockopt (peers[i], ZMQ_ROUTING_ID, text, 1) == 0);
        NEED (zmq_bind (peers[i], endpoint[i]) == 0);
        NEED (zmq_connect (reader, endpoint[i]) == 0);
        (void) get_int (peers[i], ZMQ_EVENTS);
        for (number = '1'; number < '3'; number++) {
            sprintf (text, "%c%c", 'a' + i, number);
            NEED (zmq_send (peers[i], text, 2, 0) == 2);
        }
    }
    for (i = 0; i < (type == ZMQ_ROUTER ? 2 : 1) * (2 * PEERS - 1); i++)
        receive (reader, ZMQ_DONTWAIT);
    for (i = 0; i < PEERS; i++)
        zmq_close (peers[i]);
    zmq_close (reader);
}

static unsigned roll (unsigned sides)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % sides;
}

/* Closed peers stay so. */
static void play_at_random (int type, int peer_type, int parts)
{
    char script[2 * RANDOM_STEPS + 1], state[PEERS] = {0};
    size_t len = 0, step;
    for (step = 0; step < RANDOM_STEPS; step++) {
        unsigned number = roll (PEERS), what = roll (20);
        if (what < 9)
            script[len++] = '.';
        else if (state[number] == 'A')
            continue;
        else if (what > 16 && (state[number] || number < FIRST_PEERS))
            script[len++] = (char) ((state[number] = 'A') + number);
        else
            script[len++] = (char) ((state[number] = 'a') + number);
    }
    memset (script + len, '.', RANDOM_STEPS / 2);
    script[len + RANDOM_STEPS / 2] = 0;
    play (type, peer_type, script, parts);
}

int main (void)
{
    static const int types[][2] = {{ZMQ_PULL, ZMQ_PUSH}, {ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_DEALER, ZMQ_DEALER}, {ZMQ_SUB, ZMQ_PUB}};
    static const char *scripts[] = {"aaabbbccc..........", "dcba....", "a.b.c.d.abcd....", "aab.c...", "abc.a...b.",
                                    "aabbcc.ab......c..d.", "ddd.aaa.b......", "abc.c..bb...", "abcd..a.....",
                                    "d.c.b.a.dcba....", "bbb..ad.c....bdc...", ".abcd....", "..dd.aa...cb....", NULL};
    static const char *by_parts[] = {"d.ed............", "d..ef.ead............", "a.gd...fe...h.a.e..c.......................", NULL};
    static const char *names[] = {"PULL", "ROUTER", "DEALER", "SUB"};
    static const char *sent[] = {"+++aC++++.++++", "bbB+++..+++", "++aBe+++.++.++", "abCDf++..+++++", "+dABC++++.++", NULL};
    size_t type;
    int i, parts;
    context = zmq_ctx_new ();
    say ("sent in turn");
    for (i = 0; sent[i]; i++)
        send_in_turn (sent[i]);
    send_away (ZMQ_DEALER, ZMQ_DEALER);
    send_away (ZMQ_PULL, ZMQ_PUSH);
    send_away (ZMQ_ROUTER, ZMQ_DEALER);
    for (type = 0; type < sizeof types / sizeof *types; type++) {
        say (names[type]);
        for (i = 0; scripts[i]; i++)
            for (parts = 1; parts <= 2; parts++)
                play (types[type][0], types[type][1], scripts[i], parts);
        for (i = 0; by_parts[i]; i++)
            play (types[type][0], types[type][1], by_parts[i], 3);
        for (i = 0; i < RANDOM_PLAYS; i++) {
            say ("at random, with peers that leave");
            play_at_random (types[type][0], types[type][1], 1 + i % 3);
        }
    }
    zmq_ctx_term (context);
    return 0;
}
