/* What Zefiro's libzmq.so.5 has beyond libzmq. A program that calls these needs Zefiro; to run on either, look them up
 * with dlsym().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef ZEFIRO_H
#define ZEFIRO_H

#include "zmq.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a socket has done since it was made. For each direction: sent = delivered + dropped + queued. */
typedef struct zefiro_counters_t
{
    uint64_t sent_messages; /* accepted for sending, once for each peer */
    uint64_t sent_bytes;
    uint64_t received_messages; /* handed to the program */
    uint64_t received_bytes;
    uint64_t queued_out; /* waiting now */
    uint64_t queued_in;
    /* Messages that reached nobody, by reason: */
    uint64_t dropped_high_water_mark;
    uint64_t dropped_unroutable;
    uint64_t dropped_peer_gone;
    uint64_t dropped_linger_expired;
    uint64_t dropped_oversize;
    uint64_t dropped_filtered;
    uint64_t dropped_conflated;
} zefiro_counters_t;

/* Fills *out_, of size_ bytes as the program knows it. 0, or -1 with errno ENOTSOCK or EFAULT. */
ZMQ_EXPORT int zefiro_socket_counters (void *socket_, zefiro_counters_t *out_, size_t size_);

/* This thread's last error in words: the operation, the endpoint, the cause. Empty if there was none. Valid until the
 * thread's next failing call. */
ZMQ_EXPORT const char *zefiro_last_error (void);

/* Zefiro's own version; returns 0. */
ZMQ_EXPORT int zefiro_version (int *major_, int *minor_, int *patch_);

#ifdef __cplusplus
}
#endif

#endif
