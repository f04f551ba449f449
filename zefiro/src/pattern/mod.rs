//! Patterns: how the messages of a socket type find their way among its pipes.
//!
//! A pattern is a small state machine under the socket's lock. It sees [`Pipes`] and whole messages, never a
//! descriptor, a thread or a clock, and never waits: what cannot be done now is refused, and the engine tries again
//! when a pipe has become readable or writable.

mod dealer;
mod dgram;
mod dish;
mod pair;
mod r#pub;
mod pull;
mod push;
mod radio;
mod rep;
mod req;
mod router;
mod server;
mod single;
mod stream;
mod sub;
#[cfg(test)]
mod testing;
mod xpub;
mod xsub;

use zmtp::{Frame, SocketType};

use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};

/// Why a pattern would not send or receive just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Nothing there, or no room: try again when a pipe has changed.
    WouldBlock,
    /// Not this socket's turn (REQ, REP).
    State,
    /// No such peer (ROUTER with MANDATORY, STREAM).
    Unroutable,
    /// This type never does that.
    Unsupported,
    /// The message lacks frames this type needs.
    InvalidMessage,
}

/// Whom a message is for of which the first part has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Recipient {
    /// The pattern decides with the last part, or has noted itself who they are.
    #[default]
    Later,
    /// This peer, and if it goes before the last part nobody.
    Peer(PipeId),
    /// Nobody, for that reason: it will be dropped.
    Nobody(DropReason),
}

/// The behaviour of one socket type.
pub(crate) trait Pattern: Send {
    /// A pipe was made: by connect at once, by accept and inproc when the peer is there. A pattern that does not want
    /// it closes it.
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId);

    /// The peer behind the pipe is there and has told its identity; again after each reconnect.
    fn on_connected(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    /// The connection behind the pipe was lost; the pipe stays, and a new connection may come.
    fn on_disconnected(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    /// The pipe takes no more messages. Unread ones can still be read; the pipe is gone when they are.
    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId);

    /// The pipe's inbox has gone from empty to not empty; or the peer is about to end it, which takes a turn among the
    /// messages of the others, as in libzmq.
    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId);

    /// The pipe has room again after it had none.
    fn on_writable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId);

    /// Sends a whole message, and leaves an empty one in its place; or refuses, and leaves it as it is.
    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal>;

    /// Puts the next message for the program in `out`.
    fn recv(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal>;

    /// Whether [`recv`](Pattern::recv) would give a message.
    fn can_recv(&mut self, pipes: &mut Pipes, options: &Options) -> bool;

    /// The program looks at the socket in the middle of a message from that peer:
    /// [the turn passes anew](crate::routing::fair_queue::FairQueue::pass_again).
    fn pass_turn_again(&mut self, _id: PipeId) {}

    /// Whether [`send`](Pattern::send) would take a message (POLLOUT's rules: `spec` of the socket types).
    fn can_send(&mut self, pipes: &mut Pipes, options: &Options) -> bool;

    /// Whether a message that begins with `first` would be taken, and whom it is for; asked before the parts of one are
    /// collected.
    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        let _ = first;
        if self.can_send(pipes, options) { Ok(Recipient::Later) } else { Err(Refusal::WouldBlock) }
    }

    /// The one that a message was begun for is gone, and the message lost with it; the program is not told.
    fn recipient_gone(&mut self) {}

    /// SUB, XSUB: adds a subscription; XPUB with manual subscriptions: for the peer whose request was read last.
    fn subscribe(&mut self, _pipes: &mut Pipes, _options: &Options, _topic: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// SUB, XSUB: ends one subscription; XPUB with manual subscriptions: as above.
    fn unsubscribe(&mut self, _pipes: &mut Pipes, _options: &Options, _topic: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// DISH: joins a group.
    fn join(&mut self, _pipes: &mut Pipes, _group: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// DISH: leaves a group.
    fn leave(&mut self, _pipes: &mut Pipes, _group: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// [Sends](Pattern::send) a message of one part, if that is [simple](Pipes::write_swiftly); `false`, and nothing has
    /// happened, if it is not.
    fn send_swiftly(&mut self, _pipes: &mut Pipes, _options: &Options, _part: &(impl Part + ?Sized)) -> bool {
        false
    }

    /// [Receives](Pattern::recv) a message, if that is [simple](Pipes::read_swiftly); `false`, and `out` is anything, if
    /// it is not.
    fn recv_swiftly(&mut self, _pipes: &mut Pipes, _options: &Options, _out: &mut impl Arrival) -> bool {
        false
    }

    /// [Receives](Pattern::recv) a message of any number of parts, the first to its place and the others behind those in
    /// `rest`, if that is [simple](Pipes::read_parts_swiftly); `false`, and both have anything, if it is not.
    fn recv_parts_swiftly(
        &mut self,
        _pipes: &mut Pipes,
        _options: &Options,
        _first: &mut impl Arrival,
        _rest: &mut Vec<Frame>,
    ) -> bool {
        false
    }

    /// [Admits](Pattern::admits) a message that begins with those bytes, if it is simple to say whom it is for.
    fn admits_swiftly(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &[u8]) -> Option<Recipient> {
        None
    }

    /// [Sends](Pattern::send) a message of several parts, `head` and `last`, to whom it was admitted for, if that
    /// is [simple](Pipes::write_parts_swiftly); `false`, and nothing has happened, if it is not. Once
    /// it is sent, anything is left of `head`.
    fn send_parts_swiftly(
        &mut self,
        _pipes: &mut Pipes,
        _options: &Options,
        _recipient: Recipient,
        _head: &mut Message,
        _last: &(impl Part + ?Sized),
    ) -> bool {
        false
    }

    /// PUB, XPUB: how many peers would get a message on `topic`. SUB, XSUB, others: 0.
    fn subscribers(&self, _topic: &[u8]) -> usize {
        0
    }

    /// PUB, XPUB, RADIO: one of those that the last message was for.
    fn last_target(&self) -> Option<PipeId> {
        None
    }

    /// XPUB: whether a peer asks for just this topic.
    fn is_asked_for(&self, _topic: &[u8]) -> bool {
        false
    }

    /// XSUB: a proxy [asks](crate::routing::subscriptions::Subscriptions::note_proxied) for a topic.
    fn note_proxied(&mut self, _topic: &[u8]) {}

    /// XSUB: a proxy has heard of the [end](crate::routing::subscriptions::Subscriptions::end_proxied) of one.
    fn end_proxied(&mut self, _topic: &[u8], _is_wanted: bool) -> bool {
        true
    }

    /// Distinct subscriptions held.
    fn topics(&self) -> usize {
        0
    }

    /// ROUTER, STREAM: whether a peer has this routing id.
    fn knows(&self, _routing_id: &[u8]) -> bool {
        false
    }

    /// Whom a message is from that was found while looking whether there is one, and is in no queue any more.
    fn found_from(&self) -> Option<PipeId> {
        None
    }
}

macro_rules! any_pattern {
    ($($variant:ident($type:ty) = $make:expr;)*) => {
        /// The pattern of some socket: a table from type to pattern, and calls without indirection.
        pub(crate) enum AnyPattern {
            $($variant(Box<$type>),)*
        }

        /// The pattern of a socket type.
        pub(crate) fn pattern_of(socket_type: SocketType) -> AnyPattern {
            match socket_type {
                $(SocketType::$variant => AnyPattern::$variant(Box::new($make)),)*
            }
        }

        impl AnyPattern {
            pub(crate) fn socket_type(&self) -> SocketType {
                match self {
                    $(AnyPattern::$variant(_) => SocketType::$variant,)*
                }
            }
        }

        any_pattern!(@calls [$($variant)*]
            on_attached(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            on_connected(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            on_disconnected(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            on_ended(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            on_readable(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            on_writable(pipes: &mut Pipes, options: &Options, id: PipeId) -> ();
            send(pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal>;
            recv(pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal>;
            can_recv(pipes: &mut Pipes, options: &Options) -> bool;
            pass_turn_again(id: PipeId) -> ();
            can_send(pipes: &mut Pipes, options: &Options) -> bool;
            admits(pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal>;
            admits_swiftly(pipes: &mut Pipes, options: &Options, first: &[u8]) -> Option<Recipient>;
            recipient_gone() -> ();
            subscribe(pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal>;
            unsubscribe(pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal>;
            join(pipes: &mut Pipes, group: &[u8]) -> Result<(), Refusal>;
            leave(pipes: &mut Pipes, group: &[u8]) -> Result<(), Refusal>;
            note_proxied(topic: &[u8]) -> ();
            end_proxied(topic: &[u8], is_wanted: bool) -> bool;
        );

        impl AnyPattern {
            #[inline(always)]
            pub(crate) fn send_swiftly(
                &mut self,
                pipes: &mut Pipes,
                options: &Options,
                part: &(impl Part + ?Sized),
            ) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.send_swiftly(pipes, options, part),)*
                }
            }

            #[inline(always)]
            pub(crate) fn recv_swiftly(
                &mut self,
                pipes: &mut Pipes,
                options: &Options,
                out: &mut impl Arrival,
            ) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.recv_swiftly(pipes, options, out),)*
                }
            }

            #[inline]
            pub(crate) fn recv_parts_swiftly(
                &mut self,
                pipes: &mut Pipes,
                options: &Options,
                first: &mut impl Arrival,
                rest: &mut Vec<Frame>,
            ) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.recv_parts_swiftly(pipes, options, first, rest),)*
                }
            }

            #[inline]
            pub(crate) fn send_parts_swiftly(
                &mut self,
                pipes: &mut Pipes,
                options: &Options,
                recipient: Recipient,
                head: &mut Message,
                last: &(impl Part + ?Sized),
            ) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => {
                        pattern.send_parts_swiftly(pipes, options, recipient, head, last)
                    })*
                }
            }

            pub(crate) fn subscribers(&self, topic: &[u8]) -> usize {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.subscribers(topic),)*
                }
            }

            #[inline]
            pub(crate) fn last_target(&self) -> Option<PipeId> {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.last_target(),)*
                }
            }

            pub(crate) fn is_asked_for(&self, topic: &[u8]) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.is_asked_for(topic),)*
                }
            }

            pub(crate) fn topics(&self) -> usize {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.topics(),)*
                }
            }

            pub(crate) fn knows(&self, routing_id: &[u8]) -> bool {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.knows(routing_id),)*
                }
            }

            pub(crate) fn found_from(&self) -> Option<PipeId> {
                match self {
                    $(AnyPattern::$variant(pattern) => pattern.found_from(),)*
                }
            }
        }
    };
    (@calls $variants:tt $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(any_pattern!(@call $variants $name($($argument: $type),*) -> $result);)*
    };
    (@call [$($variant:ident)*] $name:ident $arguments:tt -> $result:ty) => {
        any_pattern!(@function [$($variant)*] $name $arguments $arguments -> $result);
    };
    (@function [$($variant:ident)*] $name:ident ($($argument:ident: $type:ty),*) $again:tt -> $result:ty) => {
        impl AnyPattern {
            #[inline]
            pub(crate) fn $name(&mut self, $($argument: $type),*) -> $result {
                any_pattern!(@match self [$($variant)*] $name $again)
            }
        }
    };
    (@match $self:ident [$($variant:ident)*] $name:ident $again:tt) => {
        match $self {
            $(AnyPattern::$variant(pattern) => any_pattern!(@forward pattern $name $again),)*
        }
    };
    (@forward $pattern:ident $name:ident ($($argument:ident: $type:ty),*)) => {
        $pattern.$name($($argument),*)
    };
}

any_pattern! {
    Pair(pair::Pair) = pair::Pair::default();
    Pub(r#pub::Pub) = r#pub::Pub::new();
    Sub(sub::Sub) = sub::Sub::new();
    Req(req::Req) = req::Req::new();
    Rep(rep::Rep) = rep::Rep::new();
    Dealer(dealer::Dealer) = dealer::Dealer::default();
    Router(router::Router) = router::Router::new();
    Pull(pull::Pull) = pull::Pull::default();
    Push(push::Push) = push::Push::default();
    XPub(xpub::XPub) = xpub::XPub::new();
    XSub(xsub::XSub) = xsub::XSub::new();
    Stream(stream::Stream) = stream::Stream::new();
    Server(server::Server) = server::Server::new();
    Client(single::Single<dealer::Dealer>) = single::Single::default();
    Radio(radio::Radio) = radio::Radio::default();
    Dish(dish::Dish) = dish::Dish::default();
    Gather(single::Single<pull::Pull>) = single::Single::default();
    Scatter(single::Single<push::Push>) = single::Single::default();
    Dgram(dgram::Dgram) = dgram::Dgram::default();
    Peer(server::Server) = server::Server::new();
    Channel(single::Single<pair::Pair>) = single::Single::default();
}
