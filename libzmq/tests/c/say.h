/* What the programs share. Each prints what every call came to; the same text with any libzmq is the test. */

#ifndef SAY_H
#define SAY_H

#include <zmq.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names of the errors that appear here; their numbers differ between systems. */
static const char *error_name (int number)
{
    switch (number) {
#define NAME(e) case e: return #e;
        NAME (EINVAL) NAME (EFAULT) NAME (EAGAIN) NAME (EINTR) NAME (ENOENT) NAME (EMFILE) NAME (ENODEV)
        NAME (ENOTSUP) NAME (EPROTONOSUPPORT) NAME (EADDRINUSE) NAME (EADDRNOTAVAIL) NAME (ENOTSOCK)
        NAME (EHOSTUNREACH) NAME (ENAMETOOLONG) NAME (EACCES) NAME (EPERM) NAME (EBADF) NAME (ENOMEM)
        NAME (EFSM) NAME (ENOCOMPATPROTO) NAME (ETERM) NAME (EMTHREAD)
#undef NAME
        default: return zmq_strerror (number);
    }
}

/* Prints a call and what it returned, with the error if that is -1. */
#define CALL(expression)                                                             \
    do {                                                                             \
        int result_;                                                                 \
        errno = 0;                                                                   \
        result_ = (int) (expression);                                                \
        if (result_ == -1)                                                           \
            printf ("%s: -1 %s\n", #expression, error_name (zmq_errno ()));          \
        else                                                                         \
            printf ("%s: %d\n", #expression, result_);                               \
        fflush (stdout);                                                             \
    } while (0)

/* Prints a call that returns a pointer: only whether it is NULL. */
#define MAKE(expression)                                                             \
    do {                                                                             \
        errno = 0;                                                                   \
        if ((expression) == NULL)                                                    \
            printf ("%s: NULL %s\n", #expression, error_name (zmq_errno ()));        \
        else                                                                         \
            printf ("%s: made\n", #expression);                                      \
        fflush (stdout);                                                             \
    } while (0)

/* What must hold for the program to go on at all. */
#define NEED(condition)                                                              \
    do {                                                                             \
        if (!(condition)) {                                                          \
            printf ("%s:%d: %s does not hold (%s)\n", __FILE__, __LINE__, #condition, \
                    error_name (zmq_errno ()));                                      \
            exit (1);                                                                \
        }                                                                            \
    } while (0)

static void say (const char *text)
{
    printf ("-- %s\n", text);
    fflush (stdout);
}

static void set_int (void *socket, int option, int value)
{
    NEED (zmq_setsockopt (socket, option, &value, sizeof value) == 0);
}

static int get_int (void *socket, int option)
{
    int value = -12345;
    size_t size = sizeof value;
    NEED (zmq_getsockopt (socket, option, &value, &size) == 0);
    return value;
}

/* No wait for what must come is longer, in milliseconds: the machine may have other things to do. */
enum { LONG = 20000 };

/* A socket that gives up in the end and does not linger. */
static void *open_socket (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    NEED (socket != NULL);
    set_int (socket, ZMQ_LINGER, 0);
    set_int (socket, ZMQ_RCVTIMEO, LONG);
    set_int (socket, ZMQ_SNDTIMEO, LONG);
    return socket;
}

/* Binds to a free port; the endpoint is written to `endpoint`, of 256 bytes. */
static void bind_anywhere (void *socket, const char *wildcard, char *endpoint)
{
    size_t size = 256;
    NEED (zmq_bind (socket, wildcard) == 0);
    NEED (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

static int ready (void *socket, short events, long timeout)
{
    zmq_pollitem_t item;
    item.socket = socket;
    item.fd = 0;
    item.events = events;
    item.revents = 0;
    NEED (zmq_poll (&item, 1, timeout) >= 0);
    return item.revents;
}

static void send_text (void *socket, const char *text, int flags)
{
    int sent;
    errno = 0;
    sent = zmq_send (socket, text, strlen (text), flags);
    if (sent == -1)
        printf ("send \"%s\": %s\n", text, error_name (zmq_errno ()));
    else
        printf ("send \"%s\"%s: %d\n", text, flags & ZMQ_SNDMORE ? " and more" : "", sent);
    fflush (stdout);
}

static void print_part (const unsigned char *data, size_t size)
{
    size_t i;
    printf ("\"");
    for (i = 0; i < size; i++)
        if (data[i] >= 32 && data[i] < 127)
            printf ("%c", data[i]);
        else
            printf ("\\x%02x", data[i]);
    printf ("\"");
}

/* Receives one message, all its parts, and prints them. */
static void receive (void *socket, int flags)
{
    int more = 1;
    printf ("receive:");
    while (more) {
        zmq_msg_t part;
        zmq_msg_init (&part);
        errno = 0;
        if (zmq_msg_recv (&part, socket, flags) == -1) {
            printf (" %s", error_name (zmq_errno ()));
            more = 0;
        } else {
            printf (" ");
            print_part ((const unsigned char *) zmq_msg_data (&part), zmq_msg_size (&part));
            more = zmq_msg_more (&part);
        }
        zmq_msg_close (&part);
    }
    printf ("\n");
    fflush (stdout);
}

/* As above, with the first part, an id that the library chose, left out. */
static void receive_after_id (void *socket, unsigned char *id, int *id_size)
{
    *id_size = zmq_recv (socket, id, 255, 0);
    NEED (*id_size >= 0);
    printf ("from an id of %d bytes, ", *id_size);
    receive (socket, 0);
}

#define MANY 100000

static void take_many (void *pull)
{
    int left = MANY;
    while (left-- > 0)
        NEED (zmq_recv (pull, NULL, 0, 0) >= 0);
}

/* A hundred thousand messages from one thread to another, of which 50 may be under way. The sender does not wait: what it
   does when it is refused, with ZMQ_FD at hand, is up to the program. */
static void send_many (void *context, void (*refused) (void *push, zmq_pollitem_t *descriptor))
{
    void *pull = open_socket (context, ZMQ_PULL);
    void *push = open_socket (context, ZMQ_PUSH);
    void *thread;
    char endpoint[256];
    int left = MANY;
    zmq_pollitem_t descriptor;
    set_int (push, ZMQ_SNDHWM, 50);
    bind_anywhere (pull, "tcp://127.0.0.1:*", endpoint);
    NEED (zmq_connect (push, endpoint) == 0);
    memset (&descriptor, 0, sizeof descriptor);
    descriptor.fd = get_int (push, ZMQ_FD);
    descriptor.events = ZMQ_POLLIN;
    thread = zmq_threadstart (take_many, pull);
    while (left > 0)
        if (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
            left--;
        else
            refused (push, &descriptor);
    zmq_threadclose (thread);
    zmq_close (push);
    zmq_close (pull);
}

#endif
