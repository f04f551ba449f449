/* Whose message is read when several peers have some: in the order of the peers first, then of their messages. */
#include "say.h"

#define PEERS 4

static void *context;
static int plays;

/* Letters are peers that send, dots messages that are read; first all that is there is waited for. */
static void play (int type, int peer_type, const char *script)
{
    void *bound = open_socket (context, type), *peers[PEERS];
    int sent[PEERS] = {0};
    char endpoint[32];
    const char *step;
    int i;
    sprintf (endpoint, "inproc://turns-%d", ++plays);
    NEED (zmq_bind (bound, endpoint) == 0);
    for (i = 0; i < PEERS; i++) {
        char name = (char) ('a' + i);
        peers[i] = open_socket (context, peer_type);
        NEED (zmq_setsockopt (peers[i], ZMQ_ROUTING_ID, &name, 1) == 0);
        NEED (zmq_connect (peers[i], endpoint) == 0);
    }
    printf ("%-28s", script);
    for (step = script; *step; step++) {
        char text[8] = "";
        if (*step != '.') {
            sprintf (text, "%c%d", *step, ++sent[*step - 'a']);
            NEED (zmq_send (peers[*step - 'a'], text, 2, 0) == 2);
            continue;
        }
        (void) get_int (bound, ZMQ_EVENTS);
        if (type == ZMQ_ROUTER && zmq_recv (bound, text, 7, ZMQ_DONTWAIT) == -1)
            strcpy (text, "-");
        else if (zmq_recv (bound, text, 7, ZMQ_DONTWAIT) == -1)
            strcpy (text, "-");
        printf (" %s", text);
    }
    printf ("\n");
    for (i = 0; i < PEERS; i++)
        zmq_close (peers[i]);
    zmq_close (bound);
}

int main (void)
{
    static const int types[][2] = {{ZMQ_PULL, ZMQ_PUSH}, {ZMQ_ROUTER, ZMQ_DEALER}, {ZMQ_DEALER, ZMQ_DEALER}};
    static const char *scripts[] = {"aaabbbccc..........", "dcba....", "a.b.c.d.abcd....", "aab.c...", "abc.a...b.",
                                    "aabbcc.ab......c..d.", "ddd.aaa.b......", "abc.c..bb...", "abcd..a.....",
                                    "d.c.b.a.dcba....", "bbb..ad.c....bdc...", ".abcd....", "..dd.aa...cb....", NULL};
    size_t type;
    int i;
    context = zmq_ctx_new ();
    for (type = 0; type < sizeof types / sizeof *types; type++) {
        say (type == 0 ? "PULL" : type == 1 ? "ROUTER" : "DEALER");
        for (i = 0; scripts[i]; i++)
            play (types[type][0], types[type][1], scripts[i]);
    }
    zmq_ctx_term (context);
    return 0;
}
