/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What Zefiro's libzmq.so.5 offers beyond ZeroMQ's C interface.
 *
 * A program that calls one of these runs with Zefiro only: the system's libzmq does not have them. One that wants
 * to run with both finds them with dlsym.
 */

#ifndef ZEFIRO_H_INCLUDED
#define ZEFIRO_H_INCLUDED

#include "zmq.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What became of the messages of a socket: at any moment each one accepted for sending has been handed on, is queued
 * or was dropped for one of the reasons. Later versions only add members at the end.
 */
typedef struct zefiro_counters_t
{
    uint64_t sent_messages;           /* accepted for sending, once for each peer they went to */
    uint64_t sent_bytes;              /* their payload, without framing */
    uint64_t received_messages;       /* handed to the program */
    uint64_t received_bytes;          /* their payload */
    uint64_t queued_out;              /* accepted and not yet handed to the system or the peer */
    uint64_t queued_in;               /* arrived and not yet handed to the program */
    uint64_t dropped_high_water_mark; /* the peer's queue was full, and the pattern drops then */
    uint64_t dropped_unroutable;      /* no peer wanted it, or had the routing id */
    uint64_t dropped_peer_gone;       /* queued or half sent when the peer left */
    uint64_t dropped_linger_expired;  /* queued when ZMQ_LINGER ran out */
    uint64_t dropped_oversize;        /* over ZMQ_MAXMSGSIZE */
    uint64_t dropped_filtered;        /* arrived, but not subscribed to, or no reply to the request */
    uint64_t dropped_conflated;       /* replaced by a newer one under ZMQ_CONFLATE */
} zefiro_counters_t;

/*
 * Fills `out` with the counters of `socket`: at most `size` bytes, so pass sizeof (zefiro_counters_t). Never blocks.
 * Returns 0, or -1 with errno ENOTSOCK (not a socket, or closed) or EFAULT (`out` is NULL).
 */
ZMQ_EXPORT int zefiro_socket_counters (void *socket, zefiro_counters_t *out, size_t size);

/*
 * Sets an option of `socket` that libzmq does not have, by its name, from text. What a peer may cost is not bounded
 * unless a program says so here, as with libzmq; what Zefiro's Rust interface has from the start is in brackets.
 *
 *   handshake_bytes_max         largest command of a handshake ["65536"]
 *   handshakes_max              handshakes going on at once on one bound address ["1024"]
 *   message_bytes_max           a message, all its parts together ["1073741824"]
 *   message_frames_max          parts of a message ["65536"]
 *   address_connections_max     connections from one IP address to one bound address ["10000"]
 *   peer_subscriptions_max      topics or groups of one peer ["1000000"]
 *   peer_subscription_bytes_max their bytes ["67108864"]
 *   send_high_water_bytes       payload queued for one peer, beside ZMQ_SNDHWM; "0": no limit
 *   liveness                    a peer whose system acknowledges nothing for so long is gone, as "20s" ["20s"]
 *   ipc_mode                    permissions of an ipc path's file, in octal, as "660"; from the start as the umask says
 *   ipc_owner, ipc_group        to whom that file is given, by number
 *   strict_endpoints            whether endpoints mean what they say, "0" or "1" ["1"]
 *   router_refuse_duplicates    whether a ROUTER hangs up on a peer whose routing id is in use, "0" or "1" ["1"]
 *   shared_key                  a key that both ends have, as zefiro keygen --shared makes it: CURVE in one line
 *
 * "never" takes a limit away. Set before zmq_bind or zmq_connect. Returns 0, or -1 with errno ENOTSOCK (not a socket, or
 * closed), EFAULT (a NULL) or EINVAL (no such option, no value for it, or one that zmq_setsockopt sets).
 */
ZMQ_EXPORT int zefiro_set_option (void *socket, const char *name, const char *value);

/*
 * The text of the last error any ZeroMQ call had on this thread: operation, endpoint and cause; of an argument that is
 * not valid, the cause alone. Empty if there was none; EAGAIN is none. Valid until the next call on this thread; not to
 * be freed.
 */
ZMQ_EXPORT const char *zefiro_last_error (void);

/* Stores Zefiro's own version, beside the ZeroMQ version of zmq_version; a NULL is left out. Returns 0. */
ZMQ_EXPORT int zefiro_version (int *major, int *minor, int *patch);

#ifdef __cplusplus
}
#endif

#endif /* ZEFIRO_H_INCLUDED */
