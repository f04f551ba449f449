//! The socket as C programs see it: options by number, events, and a descriptor to wait on (`zmq_getsockopt(3)`).

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::task::Waker;

use zmtp::{Frame, SocketType};

use super::core::{Phase, SocketCore, State};
use super::kind::Any;
use super::{Socket, Wait};
use crate::arrival::Arrival;
use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::metadata::Metadata;
use crate::options::{Options, RawError};
use crate::part::Part;
use crate::pipe::Line;
use crate::pipe::window::Glance;
use crate::sys::Beacon;
use crate::transport::tcp;
use crate::wait::Observer;

/// Lights a socket's beacon whenever the socket has changed.
struct Lighter(Arc<Beacon>);

impl Observer for Lighter {
    fn note(&self) -> bool {
        true
    }

    fn rouse(&self) {
        self.0.light();
    }

    /// The program knows what it does; what is there to receive [lights it](State::light_beacon_for_more).
    fn note_turn(&self) -> bool {
        false
    }
}

impl State {
    /// Nothing was there to receive: until something comes, the descriptor need not be looked at.
    pub(super) fn put_beacon_out(&mut self) {
        if let Some(beacon) = self.beacon.clone() {
            self.watch_by_io();
            let more = self.unfinished.more();
            let (pattern, pipes, options) = self.parts();
            if !more && !pattern.can_recv(pipes, options) {
                beacon.put_out();
            }
        }
    }

    /// A message was taken, and more is there: a program that waits for the descriptor before each message sees that.
    #[inline]
    pub(super) fn light_beacon_for_more(&mut self) {
        if self.beacon.is_some() {
            self.light_beacon_if_more();
        }
    }

    #[inline(never)]
    fn light_beacon_if_more(&mut self) {
        if let Some(beacon) = self.beacon.clone() {
            let more = self.unfinished.more();
            let (pattern, pipes, options) = self.parts();
            if more || pattern.can_recv(pipes, options) {
                beacon.light();
            }
        }
    }
}

/// The lengths of a pipe's two queues.
#[doc(hidden)]
#[derive(Debug)]
pub struct Queues {
    /// Where its peer was accepted.
    pub bound: Option<String>,
    /// Its other end, where that has an address.
    pub connected: Option<String>,
    /// Messages sent that nobody has reported to have read.
    pub queued_out: u64,
    /// Messages that wait to be received.
    pub queued_in: u64,
}

/// For the C library, whose calls these are.
#[doc(hidden)]
impl Socket<Any> {
    /// A socket of the type with this number, with libzmq's defaults and those the context's options set.
    ///
    /// # Errors
    /// The context is [shut down](ErrorKind::Terminated) or has [too many sockets](ErrorKind::TooManySockets); there is
    /// [no such type](ErrorKind::InvalidOption).
    pub fn open_as_libzmq(context: &Context, number: i32) -> Result<Socket<Any>> {
        let Some(socket_type) = SocketType::ALL.into_iter().find(|known| *known as i32 == number) else {
            return Err(Error::new(context.inner().refusal_of_unknown_type(), "socket"));
        };
        let core = context.inner().open_socket(socket_type, |_| {}, None)?;
        core.lock().pipes.glance = Some(Glance::default());
        Ok(Socket { core, kind: PhantomData })
    }

    /// As [`send_part`](Socket::send_part); the part is taken, or stays if it is refused.
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    #[inline]
    pub fn send_part_from(&self, part: &mut Frame, more: bool, wait: Wait) -> Result<()> {
        self.core.send_part(part, more, wait)
    }

    /// Does what [`send_part_from`](Socket::send_part_from) would do, in a fraction of the steps, for most of the messages
    /// of a stream of them; `false`, and nothing has happened, for all others, which are still to be sent.
    #[inline(always)]
    pub fn send_part_swiftly(&self, part: &(impl Part + ?Sized), more: bool, wait: Wait) -> bool {
        self.core.send_part_swiftly(part, more, wait)
    }

    /// Sends a copy of the bytes as a message of one part, or as the last part of one begun by
    /// [`send_part_from`](Socket::send_part_from).
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    #[inline]
    pub fn send_last_part(&self, bytes: &[u8], wait: Wait) -> Result<()> {
        self.core.send_last_part(bytes, wait)
    }

    /// As [`recv_part`](Socket::recv_part), to where the caller wants it.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    #[inline]
    pub fn recv_part_into(&self, place: &mut impl Arrival, wait: Wait) -> Result<bool> {
        self.core.recv_part(place, wait)
    }

    /// Does what [`recv_part_into`](Socket::recv_part_into) would do, in a fraction of the steps, for most of the messages
    /// of a stream of them; `None`, and `place` has anything, for all others, which are still to be received.
    #[inline(always)]
    pub fn recv_part_swiftly(&self, place: &mut impl Arrival) -> Option<bool> {
        self.core.recv_part_swiftly(place)
    }

    /// Sends a whole message, which stays if it is refused.
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    pub fn send_message(&self, message: &mut Message, wait: Wait) -> Result<()> {
        self.core.send(message, wait)
    }

    /// Receives a whole message, and what is known of the connection it came by.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_message(
        &self,
        out: &mut Message,
        metadata: Option<&mut Option<Arc<Metadata>>>,
        wait: Wait,
    ) -> Result<()> {
        let state = self.core.recv_locked(out, wait)?;
        if let Some(metadata) = metadata {
            *metadata = state.pipes.last_metadata().cloned();
        }
        Ok(())
    }

    /// Sets an option by its C number from C's bytes, with libzmq's lengths and ranges; `None` is a null pointer.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption), or the socket is closed.
    pub fn set_raw_option(&self, number: i32, value: Option<&[u8]>) -> Result<()> {
        self.core.set_raw_option(number, value)
    }

    /// Sets an option that libzmq does not have, by its name, from text.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption), or the socket is closed.
    pub fn set_own_option(&self, name: &str, text: &str) -> Result<()> {
        let mut state = self.core.lock();
        state.check_told(SET)?;
        let mut options = Options::clone(&state.options);
        options.set_own(name, text)?;
        options.check_security(self.core.socket_type, false)?;
        state.adopt_options(options);
        Ok(())
    }

    /// Reads an option by its C number into C's buffer; answers the value's length.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption): no such option, or the buffer has the wrong size.
    pub fn raw_option(&self, number: i32, buffer: &mut [u8]) -> Result<usize> {
        self.core.raw_option(number, buffer)
    }

    /// The descriptor that the program set for the next bind to use (`ZMQ_USE_FD`), once; the caller hands it to
    /// [`bind_fd`](Socket::bind_fd).
    pub fn take_use_fd(&self) -> Option<RawFd> {
        let mut state = self.core.lock();
        let descriptor = state.options.use_fd.filter(|descriptor| state.used_fd != Some(*descriptor))?;
        state.used_fd = Some(descriptor);
        Some(descriptor)
    }

    /// Whether a call before the last one has said that the context was shut down.
    pub fn knew_of_end(&self) -> bool {
        self.core.lock().knew_of_end()
    }

    /// Whether libzmq lets several threads use sockets of this type (`ZMQ_THREAD_SAFE`).
    pub fn is_thread_safe(&self) -> bool {
        is_thread_safe(self.core.socket_type)
    }

    /// Whether something could be received, and sent, now.
    ///
    /// # Errors
    /// The socket is closed, or its context shut down.
    pub fn readiness(&self) -> Result<(bool, bool)> {
        self.core.lock().check_open("poll")?;
        Ok(self.core.readiness())
    }

    /// Has `waker` called whenever the socket has changed, until [`forget`](Socket::forget). Answers its place.
    ///
    /// # Errors
    /// The socket is closed, or its context shut down.
    pub fn observe(&self, waker: Waker) -> Result<u64> {
        self.core.observe("poll", Arc::new(waker))
    }

    /// Ends an [observation](Socket::observe).
    pub fn forget(&self, place: u64) {
        let removed = self.core.lock().observers.remove(place);
        drop(removed);
    }

    /// How long the queues are, a pair of them for each pipe, as libzmq counts: what was sent is in the queue until the
    /// reader has reported it, which it does each time half a queue is read.
    pub fn queues(&self) -> Vec<Queues> {
        let mut state = self.core.lock();
        state.pipes.catch_up();
        let found_from = state.pattern.found_from();
        let queues = state.pipes.iter().map(|(id, pipe)| {
            let counters = pipe.counters_now(found_from == Some(id));
            let is_within = pipe.is_within_process();
            let marks = match &pipe.line {
                Line::Duct(writer, ..) => writer.marks(),
                _ => state.pipes.send_mark,
            };
            let read = if is_within { counters.delivered } else { pipe.gone_out() };
            let reported = read - read.checked_rem(marks.div_ceil(2) as u64).unwrap_or(read);
            let endpoint = Some(pipe.facts.endpoint.to_string()).filter(|_| !is_within);
            let is_accepted = state.endpoints.iter().any(|entry| entry.is_bound_to(&pipe.facts.endpoint));
            let far_end = || tcp::peer_address(&pipe.link()?.stream).map(|address| format!("tcp://{address}"));
            let (bound, connected) = if is_accepted { (endpoint, far_end()) } else { (None, endpoint) };
            let queued_out = counters.sent.saturating_sub(reported);
            Queues { bound, connected, queued_out, queued_in: counters.queued_in }
        });
        queues.collect()
    }

    /// Whether the peer of that routing id could be sent to now.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported): not a ROUTER. [`Unroutable`](ErrorKind::Unroutable): no such peer.
    pub fn peer_has_room(&self, routing_id: &[u8]) -> Result<bool> {
        self.core.peer_has_room(routing_id)
    }
}

impl SocketCore {
    /// Has `observer` told of each change from now on, and the links watched by the I/O thread. Answers the place to
    /// leave by.
    pub(crate) fn observe(self: &Arc<SocketCore>, operation: &'static str, observer: Arc<dyn Observer>) -> Result<u64> {
        let mut state = self.lock();
        state.check_open(operation)?;
        let place = state.observers.add(observer);
        state.watch_by_io();
        Ok(place)
    }

    /// Sets an option by its C number from C's bytes (`None`: a null pointer).
    fn set_raw_option(self: &Arc<SocketCore>, number: i32, value: Option<&[u8]>) -> Result<()> {
        let invalid = || Error::with_text(ErrorKind::InvalidOption, SET, number.to_string(), "no value for the option");
        let mut state = self.lock();
        state.check_told(SET)?;
        if matches!(number, SUBSCRIBE | UNSUBSCRIBE) {
            if !matches!(self.socket_type, SocketType::Sub | SocketType::XPub | SocketType::Pub) {
                return Err(invalid());
            }
            let topic = value.unwrap_or_default();
            let (pattern, pipes, options) = state.parts();
            let result = match number {
                SUBSCRIBE => pattern.subscribe(pipes, options, topic),
                _ => pattern.unsubscribe(pipes, options, topic),
            };
            return result.map_err(|_| invalid());
        }
        let mut options = Options::clone(&state.options);
        match options.set_raw(self.socket_type, number, value) {
            Ok(()) => {
                match number {
                    USE_FD => state.used_fd = None,
                    ROUTING_ID => state.pipes.made_up_id = None,
                    _ => {}
                }
                state.adopt_options(options);
            }
            Err(RawError::Invalid) => return Err(invalid()),
        }
        Ok(())
    }

    /// Reads an option by its C number into C's buffer; answers the value's length.
    fn raw_option(self: &Arc<SocketCore>, number: i32, buffer: &mut [u8]) -> Result<usize> {
        let invalid = || Error::with_text(ErrorKind::InvalidOption, GET, number.to_string(), "no such option to read");
        match number {
            EVENTS => self.lock().check_open(GET)?,
            _ => self.lock().check_told(GET)?,
        }
        let value = match number {
            EVENTS => self.events(),
            FD if is_thread_safe(self.socket_type) => return Err(invalid()),
            FD => self.descriptor()?,
            TYPE if buffer.len() != size_of::<i32>() => return Err(invalid()),
            TYPE => self.socket_type as i32,
            THREAD_SAFE => i32::from(is_thread_safe(self.socket_type)),
            RCVMORE => i32::from(self.lock().unfinished.last_more()),
            TOPICS_COUNT if has_topics(self.socket_type) => {
                i32::try_from(self.lock().pattern.topics()).unwrap_or(i32::MAX)
            }
            TOPICS_COUNT => return Err(invalid()),
            LAST_ENDPOINT => {
                let mut text = {
                    let state = self.lock();
                    Endpoint::bytes_of_text(state.last_endpoint.as_deref().unwrap_or_default()).into_owned()
                };
                text.push(0);
                return copy(&text, buffer).ok_or_else(invalid);
            }
            _ => {
                let state = self.lock();
                // STREAM's own name is the one it made up for a peer, unless one was set since.
                if let (ROUTING_ID, Some(id)) = (number, &state.pipes.made_up_id) {
                    return copy(id, buffer).ok_or_else(invalid);
                }
                let options = state.options.clone();
                drop(state);
                return options.read_raw(number, buffer).map_err(|RawError::Invalid| invalid());
            }
        };
        copy_number(value, buffer).ok_or_else(invalid)
    }

    /// Readiness as `ZMQ_POLLIN` and `ZMQ_POLLOUT`.
    fn events(self: &Arc<SocketCore>) -> i32 {
        let has_beacon = {
            let mut state = self.lock();
            let beacon = state.beacon.clone();
            if let Some(beacon) = &beacon {
                // First put out, then look: what comes in between lights it again.
                beacon.put_out();
                state.watch_by_io();
            }
            beacon.is_some()
        };
        let (readable, writable) = self.readiness();
        if !has_beacon {
            self.lock().events_told = Some((readable, writable));
        }
        i32::from(readable) * POLLIN + i32::from(writable) * POLLOUT
    }

    /// A descriptor that is readable when the socket should be looked at; made when first asked for.
    fn descriptor(self: &Arc<SocketCore>) -> Result<RawFd> {
        let mut state = self.lock();
        if state.beacon.is_none() {
            let beacon = Arc::new(Beacon::new().map_err(|error| Error::with_io(GET, "", error))?);
            // Lit if there is something that the program has not been told of by EVENTS.
            let now = state.readiness(self.socket_type);
            let news = match state.events_told {
                Some(told) => now != told,
                None => now.0 || now.1 && state.connected > 0,
            };
            if news || state.phase != Phase::Open {
                beacon.light();
            }
            state.observers.add(Arc::new(Lighter(beacon.clone())));
            state.beacon = Some(beacon);
            state.watch_by_io();
        }
        state.beacon.as_ref().map(|beacon| beacon.as_fd().as_raw_fd()).ok_or_else(|| Error::new(ErrorKind::Io, GET))
    }

    /// Whether the peer of that routing id could be sent to now (`zmq_socket_get_peer_state`).
    fn peer_has_room(self: &Arc<SocketCore>, routing_id: &[u8]) -> Result<bool> {
        const OPERATION: &str = "get peer state";
        if !matches!(self.socket_type, SocketType::Router | SocketType::Rep) {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION));
        }
        let mut state = self.lock();
        let found = state.pipes.iter().find(|(_, pipe)| pipe.routing_id() == routing_id).map(|(id, _)| id);
        let id = found.ok_or_else(|| Error::new(ErrorKind::Unroutable, OPERATION))?;
        Ok(state.pipes.has_room(id))
    }
}

fn has_topics(socket_type: SocketType) -> bool {
    matches!(socket_type, SocketType::Pub | SocketType::XPub | SocketType::Sub | SocketType::XSub)
}

/// The types that C programs may use from several threads at once. Those of this library all can be; programs ask.
fn is_thread_safe(socket_type: SocketType) -> bool {
    use SocketType::*;
    matches!(socket_type, Server | Client | Radio | Dish | Gather | Scatter | Peer | Channel)
}

/// A number goes into four bytes of what may be more.
fn copy_number(value: i32, buffer: &mut [u8]) -> Option<usize> {
    copy(&value.to_ne_bytes(), buffer)
}

fn copy(value: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let (filled, rest) = buffer.split_at_mut_checked(value.len())?;
    filled.copy_from_slice(value);
    rest.fill(0);
    Some(value.len())
}

const SET: &str = "set option";
const GET: &str = "get option";

const ROUTING_ID: i32 = 5;
const USE_FD: i32 = 89;
const SUBSCRIBE: i32 = 6;
const UNSUBSCRIBE: i32 = 7;
const RCVMORE: i32 = 13;
const FD: i32 = 14;
const EVENTS: i32 = 15;
const TYPE: i32 = 16;
const LAST_ENDPOINT: i32 = 32;
const THREAD_SAFE: i32 = 81;
const TOPICS_COUNT: i32 = 116;

const POLLIN: i32 = 1;
const POLLOUT: i32 = 2;
