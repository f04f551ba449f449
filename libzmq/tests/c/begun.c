/* Messages begun, and what comes before their last part: a full peer, a newcomer, other options, the end of the one they
   are for. Then who conflates, and a descriptor without news. */
#define ZMQ_BUILD_DRAFT_API
#include "say.h"

static short readable_descriptor (void *socket)
{
    zmq_pollitem_t item;
    size_t size = sizeof item.fd;
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    NEED (zmq_getsockopt (socket, ZMQ_FD, &item.fd, &size) == 0);
    NEED (zmq_poll (&item, 1, 0) >= 0);
    return item.revents;
}

static void no_drop (void *context)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *sub = open_socket (context, ZMQ_SUB);
    say ("a message is refused with its first part while a subscriber is full");
    set_int (xpub, ZMQ_XPUB_NODROP, 1);
    set_int (xpub, ZMQ_SNDHWM, 1);
    set_int (sub, ZMQ_RCVHWM, 1);
    CALL (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "", 0));
    CALL (zmq_bind (xpub, "inproc://no-drop"));
    CALL (zmq_connect (sub, "inproc://no-drop"));
    receive (xpub, 0);
    send_text (xpub, "1", 0);
    send_text (xpub, "2", 0);
    send_text (xpub, "3", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_text (xpub, "4", ZMQ_DONTWAIT);
    receive (sub, 0);
    receive (sub, 0);
    NEED (ready (xpub, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    send_text (xpub, "whole", 0);
    receive (sub, 0);
    zmq_close (xpub);
    zmq_close (sub);
}

static void newcomer (void *context)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *early = open_socket (context, ZMQ_SUB);
    void *late = open_socket (context, ZMQ_SUB);
    say ("who subscribes in the middle of a message gets the next one");
    CALL (zmq_bind (xpub, "inproc://newcomer"));
    CALL (zmq_setsockopt (early, ZMQ_SUBSCRIBE, "", 0));
    CALL (zmq_connect (early, "inproc://newcomer"));
    receive (xpub, 0);
    send_text (xpub, "1", ZMQ_SNDMORE);
    CALL (zmq_setsockopt (late, ZMQ_SUBSCRIBE, "1", 1));
    CALL (zmq_connect (late, "inproc://newcomer"));
    receive (xpub, 0);
    send_text (xpub, "2", 0);
    send_text (xpub, "1 next", 0);
    receive (early, 0);
    receive (early, 0);
    receive (late, 0);
    zmq_close (xpub);
    zmq_close (early);
    zmq_close (late);
}

/* Each of the two connects when the one before is there. */
static void two_subscribers (void *xpub, void *one, void *other, const char *endpoint, const char *topic)
{
    CALL (zmq_bind (xpub, endpoint));
    CALL (zmq_setsockopt (one, ZMQ_SUBSCRIBE, topic, strlen (topic)));
    CALL (zmq_connect (one, endpoint));
    receive (xpub, 0);
    CALL (zmq_setsockopt (other, ZMQ_SUBSCRIBE, topic, strlen (topic)));
    CALL (zmq_connect (other, endpoint));
}

static void no_drop_from_now_on (void *context)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *slow = open_socket (context, ZMQ_SUB);
    void *fast = open_socket (context, ZMQ_SUB);
    int number;
    say ("a message begun while full subscribers miss messages is not refused");
    set_int (xpub, ZMQ_XPUB_VERBOSE, 1);
    set_int (xpub, ZMQ_SNDHWM, 1);
    set_int (slow, ZMQ_RCVHWM, 1);
    two_subscribers (xpub, slow, fast, "inproc://from-now-on", "");
    receive (xpub, 0);
    for (number = 0; number < 3; number++)
        send_text (xpub, "more than the slow one holds", 0);
    send_text (xpub, "1", ZMQ_SNDMORE);
    set_int (xpub, ZMQ_XPUB_NODROP, 1);
    send_text (xpub, "2", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    send_text (xpub, "3", ZMQ_DONTWAIT);
    for (number = 0; number < 3; number++)
        receive (slow, ZMQ_DONTWAIT);
    for (number = 0; number < 5; number++)
        receive (fast, ZMQ_DONTWAIT);
    NEED (ready (xpub, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    send_text (xpub, "for both", ZMQ_DONTWAIT);
    receive (slow, 0);
    receive (fast, 0);
    zmq_close (xpub);
    zmq_close (slow);
    zmq_close (fast);
}

/* Whose request is read between the parts of a last value gets the next one. */
static void last_value (void *context, int is_read)
{
    void *xpub = open_socket (context, ZMQ_XPUB);
    void *first = open_socket (context, ZMQ_SUB);
    void *second = open_socket (context, ZMQ_SUB);
    printf ("-- a last value is for one, who is known with its first part; another asks meanwhile, and is read: %d\n", is_read);
    set_int (xpub, ZMQ_XPUB_MANUAL, 1);
    set_int (xpub, ZMQ_XPUB_MANUAL_LAST_VALUE, 1);
    two_subscribers (xpub, first, second, "inproc://last-value", "a");
    CALL (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "a", 1));
    send_text (xpub, "a, for the first", ZMQ_SNDMORE);
    /* There is nobody whose subscriptions would be meant. */
    CALL (zmq_setsockopt (xpub, ZMQ_UNSUBSCRIBE, "a", 1));
    if (is_read) {
        receive (xpub, 0);
        CALL (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "a", 1));
    }
    send_text (xpub, "and more", ZMQ_SNDMORE);
    send_text (xpub, "its end", 0);
    send_text (xpub, "a, for the one who was read", ZMQ_SNDMORE);
    send_text (xpub, "its end", 0);
    send_text (xpub, "a, for all", 0);
    receive (first, 0);
    receive (first, ZMQ_DONTWAIT);
    receive (first, ZMQ_DONTWAIT);
    receive (second, ZMQ_DONTWAIT);
    receive (second, ZMQ_DONTWAIT);
    receive (second, ZMQ_DONTWAIT);
    zmq_close (xpub);
    zmq_close (first);
    zmq_close (second);
}

static void another_of_that_name (void *context)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *first = open_socket (context, ZMQ_DEALER);
    void *second = open_socket (context, ZMQ_DEALER);
    say ("the rest of a message to a ROUTER's peer is not for another of the same name");
    CALL (zmq_setsockopt (first, ZMQ_ROUTING_ID, "D", 1));
    CALL (zmq_setsockopt (second, ZMQ_ROUTING_ID, "D", 1));
    CALL (zmq_bind (router, "inproc://name"));
    CALL (zmq_connect (first, "inproc://name"));
    send_text (first, "here", 0);
    receive (router, 0);
    send_text (router, "D", ZMQ_SNDMORE);
    CALL (zmq_close (first));
    usleep (50000);
    CALL (zmq_connect (second, "inproc://name"));
    NEED (ready (router, ZMQ_POLLIN, 50) == 0);
    send_text (router, "x", ZMQ_SNDMORE);
    send_text (router, "y", 0);
    CALL (ready (second, ZMQ_POLLIN, 50));
    zmq_close (router);
    zmq_close (second);
}

static void gone (void *context, int type, int peer_type, int flag, const char *name)
{
    void *socket = open_socket (context, type);
    void *peer = open_socket (context, peer_type);
    void *other = open_socket (context, peer_type);
    say (name);
    if (flag == 0)
        set_int (socket, ZMQ_SNDTIMEO, 0);
    CALL (zmq_bind (peer, "inproc://gone"));
    CALL (zmq_bind (other, "inproc://other"));
    CALL (zmq_connect (socket, "inproc://gone"));
    send_text (socket, "lost", ZMQ_SNDMORE);
    CALL (zmq_connect (socket, "inproc://other"));
    CALL (zmq_close (peer));
    /* Just when a pipe goes libzmq refuses a part, once; a PUSH may have missed the moment. */
    usleep (50000);
    if (type == ZMQ_PUSH)
        (void) zmq_send (socket, "lost too", 8, ZMQ_SNDMORE | flag);
    else
        CALL (zmq_send (socket, "lost too", 8, ZMQ_SNDMORE | flag));
    send_text (socket, "the last part", flag);
    CALL (zmq_send (socket, "the next", 8, flag));
    if (type != ZMQ_REQ)
        receive (other, 0);
    CALL (zmq_send (other, "nothing more", 12, ZMQ_DONTWAIT) > 0);
    CALL (ready (other, ZMQ_POLLIN, 50));
    zmq_close (socket);
    zmq_close (other);
}

/* A request that is refused with its last part is not asked: nothing else is in its way than that nobody is there. */
static void refused_at_last (void *context, int parts)
{
    void *req = open_socket (context, ZMQ_REQ), *rep = open_socket (context, ZMQ_REP);
    printf ("-- REQ: refused at last, after %d parts\n", parts);
    CALL (zmq_bind (rep, "inproc://rep"));
    CALL (zmq_connect (req, "inproc://rep"));
    while (parts-- > 0)
        send_text (req, "lost", ZMQ_SNDMORE);
    CALL (zmq_close (rep));
    usleep (50000);
    send_text (req, "the last part", ZMQ_DONTWAIT);
    CALL (get_int (req, ZMQ_EVENTS));
    send_text (req, "again", ZMQ_DONTWAIT);
    receive (req, ZMQ_DONTWAIT);
    send_text (req, "once more", ZMQ_DONTWAIT);
    zmq_close (req);
}

static void alone (void *context)
{
    void *pair = open_socket (context, ZMQ_PAIR);
    void *peer = open_socket (context, ZMQ_PAIR);
    say ("PAIR: what was begun is over with the peer");
    CALL (zmq_bind (peer, "inproc://pair"));
    CALL (zmq_connect (pair, "inproc://pair"));
    send_text (pair, "lost", ZMQ_SNDMORE);
    CALL (get_int (pair, ZMQ_EVENTS));
    CALL (zmq_close (peer));
    usleep (50000);
    CALL (get_int (pair, ZMQ_EVENTS));
    send_text (pair, "the last part", ZMQ_DONTWAIT);
    CALL (get_int (pair, ZMQ_EVENTS));
    zmq_close (pair);
}

static void conflating (void *context, int binder, int connector)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    int number;
    char text[2] = "0";
    printf ("-- within the process the connector says who conflates: binder %d, connector %d\n", binder, connector);
    set_int (push, ZMQ_CONFLATE, binder);
    set_int (pull, ZMQ_CONFLATE, connector);
    CALL (zmq_bind (push, "inproc://conflating"));
    CALL (zmq_connect (pull, "inproc://conflating"));
    for (number = 1; number <= 4; number++) {
        text[0] = (char) ('0' + number);
        send_text (push, text, 0);
        NEED (ready (pull, ZMQ_POLLIN, LONG) == ZMQ_POLLIN);
    }
    receive (pull, ZMQ_DONTWAIT);
    CALL (ready (pull, ZMQ_POLLIN, 0));
    zmq_close (push);
    zmq_close (pull);
}

static void conflating_with_a_mark (void *context)
{
    void *push = open_socket (context, ZMQ_PUSH);
    void *pull = open_socket (context, ZMQ_PULL);
    char endpoint[256], digit;
    int number, came = 0;
    say ("a receiver that conflates keeps the newest, whatever its mark");
    set_int (pull, ZMQ_CONFLATE, 1);
    set_int (pull, ZMQ_RCVHWM, 1);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    for (number = 1; number <= 9; number++) {
        digit = (char) ('0' + number);
        NEED (zmq_send (push, &digit, 1, 0) == 1);
        usleep (20000);
    }
    usleep (200000);
    /* One, unless the last was on its way for long. */
    do {
        NEED (zmq_recv (pull, &digit, 1, 0) == 1);
        came++;
    } while (digit != '9');
    printf ("%s\n", came < 9 ? "the newest" : "all");
    zmq_close (push);
    zmq_close (pull);
}

static void descriptor (void *context)
{
    void *fresh = open_socket (context, ZMQ_PULL);
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    say ("a descriptor is readable when there is news");
    CALL (readable_descriptor (fresh));
    CALL (zmq_bind (pull, "inproc://descriptor"));
    CALL (get_int (pull, ZMQ_EVENTS));
    CALL (readable_descriptor (pull));
    CALL (zmq_connect (push, "inproc://descriptor"));
    CALL (get_int (push, ZMQ_EVENTS));
    CALL (readable_descriptor (push));
    send_text (push, "news", 0);
    CALL (readable_descriptor (pull));
    CALL (get_int (pull, ZMQ_EVENTS));
    receive (pull, 0);
    zmq_close (fresh);
    zmq_close (pull);
    zmq_close (push);
}

static void ended (void *context)
{
    CALL (zmq_ctx_term (context));
}

int main (void)
{
    void *context;
    int way;
    no_drop (context = zmq_ctx_new ());
    ended (context);
    newcomer (context = zmq_ctx_new ());
    ended (context);
    no_drop_from_now_on (context = zmq_ctx_new ());
    ended (context);
    for (way = 0; way < 2; way++) {
        last_value (context = zmq_ctx_new (), way);
        ended (context);
    }
    another_of_that_name (context = zmq_ctx_new ());
    ended (context);
    gone (context = zmq_ctx_new (), ZMQ_PUSH, ZMQ_PULL, ZMQ_DONTWAIT, "PUSH: what was begun for a peer that went is lost");
    ended (context);
    gone (context = zmq_ctx_new (), ZMQ_DEALER, ZMQ_DEALER, ZMQ_DONTWAIT, "DEALER: what was begun for a peer that went is lost");
    ended (context);
    gone (context = zmq_ctx_new (), ZMQ_DEALER, ZMQ_DEALER, 0, "DEALER: who has no time is told as who does not wait");
    ended (context);
    gone (context = zmq_ctx_new (), ZMQ_REQ, ZMQ_REP, ZMQ_DONTWAIT, "REQ: what was begun for a peer that went counts as asked");
    ended (context);
    refused_at_last (context = zmq_ctx_new (), 1);
    ended (context);
    refused_at_last (context = zmq_ctx_new (), 2);
    ended (context);
    alone (context = zmq_ctx_new ());
    ended (context);
    for (way = 0; way < 4; way++) {
        conflating (context = zmq_ctx_new (), way / 2, way % 2);
        ended (context);
    }
    conflating_with_a_mark (context = zmq_ctx_new ());
    ended (context);
    descriptor (context = zmq_ctx_new ());
    ended (context);
    return 0;
}
