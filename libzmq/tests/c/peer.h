/* A peer that is no library: a plain TCP connection, and what it says and hears byte by byte. */

#ifndef PEER_H
#define PEER_H

#include "say.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in address_of (int port)
{
    struct sockaddr_in address;
    memset (&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    address.sin_port = htons ((uint16_t) port);
    return address;
}

/* Connects to an endpoint. */
static int dial (const char *endpoint)
{
    struct sockaddr_in address = address_of (atoi (strrchr (endpoint, ':') + 1));
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    NEED (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
    return fd;
}

/* Listens on a free port; the endpoint is written to `endpoint`. */
static int listen_anywhere (char *endpoint, int backlog)
{
    struct sockaddr_in address = address_of (0);
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    NEED (bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && listen (fd, backlog) == 0);
    NEED (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    sprintf (endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
    return fd;
}

/* The next connection; -1 if none comes in time. */
static int accept_within (int listener, int timeout)
{
    struct pollfd item;
    item.fd = listener;
    item.events = POLLIN;
    return poll (&item, 1, timeout) == 1 ? accept (listener, NULL, NULL) : -1;
}

/* Reads so many bytes; fewer if the stream ends, or nothing comes in time. */
static int hear (int fd, void *bytes, int size, int timeout)
{
    struct pollfd item;
    int heard = 0;
    item.fd = fd;
    item.events = POLLIN;
    while (heard < size && poll (&item, 1, timeout) == 1) {
        ssize_t more = read (fd, (char *) bytes + heard, (size_t) (size - heard));
        if (more <= 0)
            break;
        heard += (int) more;
    }
    return heard;
}

/* The next frame, a short one, is read to `body`; answers its length, or -1 if none comes in time, or no more. */
static int hear_frame (int fd, unsigned char *flags, unsigned char *body, int timeout)
{
    unsigned char header[2];
    if (hear (fd, header, 2, timeout) != 2)
        return -1;
    NEED (hear (fd, body, header[1], LONG) == header[1]);
    *flags = header[0];
    return header[1];
}

static void tell (int fd, const char *bytes, int size)
{
    NEED (write (fd, bytes, (size_t) size) == size);
}

static void print_frame (int fd, int timeout)
{
    unsigned char flags, body[256];
    int size = hear_frame (fd, &flags, body, timeout);
    if (size == -1)
        printf ("no frame\n");
    else {
        printf ("flags %d, ", flags);
        print_part (body, (size_t) size);
        printf ("\n");
    }
    fflush (stdout);
}

/* Reads on until the stream ends. */
static void hear_end (int fd)
{
    struct pollfd item;
    char bytes[256];
    ssize_t size;
    item.fd = fd;
    item.events = POLLIN;
    do {
        NEED (poll (&item, 1, LONG) == 1);
        size = read (fd, bytes, sizeof bytes);
    } while (size > 0);
    printf ("it ends\n");
    fflush (stdout);
}

/* Greets as ZMTP 3.1 does, without security. */
static void greet (int fd)
{
    char greeting[64] = "\377\0\0\0\0\0\0\0\0\177\3\1NULL";
    tell (fd, greeting, 64);
    NEED (hear (fd, greeting, 64, LONG) == 64);
}

/* Greets, and is ready as a socket of the type. */
static void shake_hands (int fd, const char *type)
{
    char ready[64] = "\4\0\5READY\13Socket-Type\0\0\0";
    int size = (int) strlen (type);
    unsigned char flags, body[256];
    ready[1] = (char) (22 + size);
    ready[23] = (char) size;
    memcpy (ready + 24, type, (size_t) size);
    greet (fd);
    tell (fd, ready, 24 + size);
    NEED (hear_frame (fd, &flags, body, LONG) > 0);
}

#endif
