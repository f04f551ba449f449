/* Old programs include this; everything is in zmq.h.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef ZEFIRO_ZMQ_UTILS_H
#define ZEFIRO_ZMQ_UTILS_H

#if defined(__GNUC__) || defined(__clang__)
#warning "zmq_utils.h is not needed any more: include zmq.h"
#elif defined(_MSC_VER)
#pragma message("zmq_utils.h is not needed any more: include zmq.h")
#endif

#include "zmq.h"

#endif
