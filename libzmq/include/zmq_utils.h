/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/* What this header once declared (the stopwatch, threads, Z85) has long been in zmq.h. */

#ifndef ZMQ_UTILS_H_INCLUDED
#define ZMQ_UTILS_H_INCLUDED

#include "zmq.h"

#if defined __GNUC__ || defined __clang__ || defined _MSC_VER
#pragma message("zmq_utils.h is deprecated: everything it declared is in zmq.h")
#endif

#endif /* ZMQ_UTILS_H_INCLUDED */
