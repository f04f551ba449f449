/* High-water marks over streams: who does not wait is refused at the mark, however fast messages leave, until it has
   looked at the socket or a millisecond has passed. */
#include "say.h"

static void *context;
static char endpoint[256];
static char body[65536];

static int send_all (void *socket, size_t size, int limit)
{
    int sent = 0;
    while (sent < limit && zmq_send (socket, body, size, ZMQ_DONTWAIT) == (int) size)
        sent++;
    if (sent < limit)
        NEED (zmq_errno () == EAGAIN);
    return sent;
}

/* Marks are small here, so that they are met well within a millisecond. What was sent before may count still. On a busy
   machine milliseconds pass between two calls: then more than the mark is taken, but not much more. */
static void say_about (const char *what, int sent, int mark)
{
    printf ("%s: %s\n", what, 2 * sent + 1 >= mark && sent < 10 * mark ? "about the mark" : "not the mark");
}

static void pushed (int mark, size_t size)
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, mark);
    set_int (pull, ZMQ_RCVHWM, mark);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "first", 5, 0) == 5);
    receive (pull, 0);
    NEED (ready (push, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    say_about ("at once", send_all (push, size, 100000), mark);
    NEED (ready (push, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    say_about ("after a look", send_all (push, size, 100000), mark);
    zmq_close (push);
    zmq_close (pull);
}

/* What the I/O thread is writing counts, too, but for the message it has begun with. Who reads tells of it only when that is
   half the mark: never, here, as the kernel takes less. */
static void large (const char *wildcard)
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, 60);
    set_int (push, ZMQ_SNDBUF, sizeof body);
    set_int (pull, ZMQ_RCVHWM, 1);
    set_int (pull, ZMQ_RCVBUF, sizeof body);
    bind_anywhere (pull, wildcard, endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "first", 5, 0) == 5);
    receive (pull, 0);
    printf ("at once: %d\n", send_all (push, sizeof body, 1000));
    printf ("ready: %d\n", ready (push, ZMQ_POLLOUT, 100));
    printf ("later: %d\n", send_all (push, sizeof body, 1000));
    set_int (push, ZMQ_SNDTIMEO, 100);
    CALL (zmq_send (push, body, sizeof body, 0));
    zmq_close (push);
    zmq_close (pull);
}

static void take_one (void *socket)
{
    NEED (zmq_recv (socket, NULL, 0, 0) >= 0);
}

static void echo (void *replier)
{
    char text[8];
    while (zmq_recv (replier, text, sizeof text, 0) == 1)
        NEED (zmq_send (replier, text, 1, 0) == 1);
}

/* Who asks and then waits for the answer has looked. */
static void asked (int type, int answering)
{
    void *replier = open_socket (context, answering);
    void *asker = open_socket (context, type);
    void *thread;
    int rounds, refused = 0;
    set_int (asker, ZMQ_SNDHWM, 1);
    bind_anywhere (replier, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (asker, endpoint) == 0);
    thread = zmq_threadstart (echo, replier);
    NEED (zmq_send (asker, "x", 1, 0) == 1);
    take_one (asker);
    for (rounds = 0; rounds < 100; rounds++) {
        if (zmq_send (asker, "x", 1, ZMQ_DONTWAIT) != 1) {
            refused++;
            NEED (zmq_send (asker, "x", 1, 0) == 1);
        }
        take_one (asker);
    }
    printf ("refused: %s\n", refused < 20 ? "hardly" : "often");
    NEED (zmq_send (asker, "stop", 4, 0) == 4);
    zmq_threadclose (thread);
    zmq_close (asker);
    zmq_close (replier);
}

/* Full, and then all of it read: each of these is a look, and there is room. */
static void looked (int how)
{
    void *reader = open_socket (context, ZMQ_DEALER);
    void *sender = open_socket (context, ZMQ_DEALER);
    char name[64];
    int sent;
    set_int (sender, ZMQ_SNDHWM, 10);
    bind_anywhere (reader, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (sender, endpoint) == 0);
    NEED (zmq_send (sender, "first", 5, 0) == 5);
    take_one (reader);
    NEED (ready (sender, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
    sent = send_all (sender, 1, 100000);
    while (sent-- > 0)
        take_one (reader);
    if (how == 0)
        NEED (zmq_recv (sender, name, 1, ZMQ_DONTWAIT) == -1 && zmq_errno () == EAGAIN);
    else if (how == 1)
        ready (sender, ZMQ_POLLIN, 0);
    else {
        sprintf (name, "inproc://%p", sender);
        NEED (zmq_bind (sender, name) == 0);
    }
    NEED (zmq_send (sender, "x", 1, ZMQ_DONTWAIT) == 1);
    zmq_close (sender);
    zmq_close (reader);
}

/* It was full, and knew it, before it asked for the descriptor, which so is to be looked at. */
static void late_descriptor (void)
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    zmq_pollitem_t item;
    int sent;
    memset (&item, 0, sizeof item);
    item.events = ZMQ_POLLIN;
    set_int (push, ZMQ_SNDHWM, 10);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    NEED (zmq_send (push, "first", 5, 0) == 5);
    take_one (pull);
    NEED (get_int (push, ZMQ_EVENTS) & ZMQ_POLLOUT);
    sent = send_all (push, 1, 100000);
    while (sent-- > 0)
        take_one (pull);
    item.fd = get_int (push, ZMQ_FD);
    NEED (zmq_poll (&item, 1, LONG) == 1);
    printf ("told\n");
    zmq_close (push);
    zmq_close (pull);
}

static void routed (void)
{
    void *router = open_socket (context, ZMQ_ROUTER);
    void *dealer = open_socket (context, ZMQ_DEALER);
    int sent = 0;
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    set_int (router, ZMQ_SNDHWM, 1);
    set_int (dealer, ZMQ_RCVHWM, 1);
    NEED (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "ann", 3) == 0);
    bind_anywhere (router, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (dealer, endpoint) == 0);
    send_text (dealer, "here", 0);
    receive (router, 0);
    while (sent < 1000 && zmq_send (router, "ann", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 3) {
        NEED (zmq_send (router, body, sizeof body, ZMQ_DONTWAIT) == (int) sizeof body);
        sent++;
    }
    NEED (zmq_errno () == EAGAIN);
    say_about ("to one", sent, 1);
    zmq_close (router);
    zmq_close (dealer);
}

static void published (void)
{
    void *publisher = open_socket (context, ZMQ_XPUB);
    void *subscriber = open_socket (context, ZMQ_SUB);
    int sent = 0, refused = 0, received = 0;
    set_int (publisher, ZMQ_SNDHWM, 100);
    set_int (publisher, ZMQ_XPUB_NODROP, 1);
    bind_anywhere (publisher, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_setsockopt (subscriber, ZMQ_SUBSCRIBE, "", 0) == 0);
    NEED (zmq_connect (subscriber, endpoint) == 0);
    receive (publisher, 0);
    while (sent < 5000)
        if (zmq_send (publisher, NULL, 0, ZMQ_DONTWAIT) == 0)
            sent++;
        else {
            NEED (zmq_errno () == EAGAIN);
            refused++;
            while (zmq_recv (subscriber, NULL, 0, ZMQ_DONTWAIT) == 0)
                received++;
        }
    while (received < sent) {
        NEED (zmq_recv (subscriber, NULL, 0, 0) == 0);
        received++;
    }
    printf ("refused: %d, all received: %d\n", refused > 0, received == sent);
    zmq_close (publisher);
    zmq_close (subscriber);
}

/* Refused, it waits as programs do, and all goes through. */
static void poll_for_room (void *push, zmq_pollitem_t *descriptor)
{
    (void) descriptor;
    NEED (ready (push, ZMQ_POLLOUT, LONG) == ZMQ_POLLOUT);
}

static void ask_for_events (void *push, zmq_pollitem_t *descriptor)
{
    while (!(get_int (push, ZMQ_EVENTS) & ZMQ_POLLOUT))
        NEED (zmq_poll (descriptor, 1, LONG) == 1);
}

/* Within the process the marks of both sides add up, and a full pipe has room again once half of it was read. */
static void within_the_process (int type, int to_send, int to_receive, int reader_binds)
{
    void *sender = open_socket (context, type);
    void *reader = open_socket (context, type == ZMQ_PUSH ? ZMQ_PULL : type);
    char byte;
    int all = to_send + to_receive, count;
    set_int (sender, ZMQ_SNDHWM, to_send);
    set_int (reader, ZMQ_RCVHWM, to_receive);
    sprintf (endpoint, "inproc://%p", sender);
    NEED (zmq_bind (reader_binds ? reader : sender, endpoint) == 0);
    NEED (zmq_connect (reader_binds ? sender : reader, endpoint) == 0);
    printf ("%d and %d: %d", to_send, to_receive, send_all (sender, 1, 1000));
    for (count = 0; count < 2 * all; count++) {
        NEED (zmq_recv (reader, &byte, 1, 0) == 1);
        if (get_int (sender, ZMQ_EVENTS) & ZMQ_POLLOUT)
            printf (", after %d %d", count + 1, send_all (sender, 1, 1000));
    }
    printf ("\n");
    zmq_close (sender);
    zmq_close (reader);
}

int main (void)
{
    int how;
    context = zmq_ctx_new ();
    say ("a mark of one");
    pushed (1, sizeof body);
    pushed (1, 1);
    say ("a mark of twenty");
    pushed (20, 10);
    say ("large messages");
    large ("tcp://127.0.0.1:*");
    large ("ipc://*");
    say ("within the process");
    within_the_process (ZMQ_PUSH, 1, 1, 1);
    within_the_process (ZMQ_PUSH, 2, 3, 1);
    within_the_process (ZMQ_PAIR, 7, 1, 0);
    within_the_process (ZMQ_DEALER, 10, 20, 0);
    say ("in turn");
    asked (ZMQ_REQ, ZMQ_REP);
    asked (ZMQ_DEALER, ZMQ_DEALER);
    say ("looks");
    for (how = 0; how < 3; how++)
        looked (how);
    late_descriptor ();
    say ("ROUTER, mandatory");
    routed ();
    say ("XPUB, that does not drop");
    published ();
    say ("poll");
    send_many (context, poll_for_room);
    say ("events");
    send_many (context, ask_for_events);
    NEED (zmq_ctx_term (context) == 0);
    return 0;
}
