//! ZeroMQ's C API, as `libzmq.so.5` exports it, on Zefiro.
//!
//! A thin layer: each function checks its handles and arguments, calls the engine, and turns the outcome into libzmq's
//! return value and errno. No call aborts or unwinds into C. What each function does is in libzmq's manual pages.
//!
//! | file | functions |
//! |---|---|
//! | `context.rs` | `zmq_ctx_*`, `zmq_init`, `zmq_term` |
//! | `socket.rs` | `zmq_socket`, `zmq_close`, options, `zmq_bind` … `zmq_disconnect` |
//! | `transfer.rs` | `zmq_send*`, `zmq_recv*`, `zmq_msg_send`, `zmq_msg_recv` |
//! | `message/calls.rs` | `zmq_msg_*` |
//! | `poll.rs`, `poller.rs` | `zmq_poll`, `zmq_ppoll`; `zmq_poller_*` |
//! | `monitor.rs`, `proxy.rs` | `zmq_socket_monitor*`; `zmq_proxy*`, `zmq_device` |
//! | `draft.rs` | `zmq_join`, `zmq_leave`, `zmq_connect_peer`, `zmq_disconnect_peer` |
//! | `timers.rs`, `utility.rs` | `zmq_timers_*`; counters, stopwatch, threads, version, `zmq_has` |
//! | `keys.rs` | `zmq_z85_*`, `zmq_curve_*` |
//! | `extension.rs` | `zefiro_*`, declared in `zefiro.h` |
//!
//! `message.rs` is `zmq_msg_t`, `message/receiving.rs` what sockets put into it, `block.rs` holds small contents, and
//! `giving_back.rs` the program's buffers until no lock is held. `handle.rs` knows which pointers are ours, `argument.rs`
//! what is at the others, `failure.rs` what goes into errno. `signal.rs` is what sockets light for who polls them.

// Peers' bytes come here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]
#![allow(clippy::missing_safety_doc, reason = "the manual pages say what C must pass")]
#![allow(missing_docs, reason = "as above")]

mod argument;
mod block;
mod context;
mod draft;
mod extension;
mod failure;
mod handle;
mod keys;
mod message;
mod monitor;
mod poll;
mod poller;
mod proxy;
mod signal;
mod socket;
#[cfg(test)]
mod storm;
mod timers;
mod transfer;
mod utility;
