//! Request: what a subscriber asks of a publisher, in the form of a message part.

use zmtp::Frame;

use crate::message::Message;

/// A byte 1 and a topic: subscribe. A byte 0 and a topic: cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) subscribe: bool,
    pub(crate) topic: &'a [u8],
}

impl Request<'_> {
    /// The request that a part is; `None` if it is anything else.
    #[inline]
    pub(crate) fn of(part: &[u8]) -> Option<Request<'_>> {
        match part.split_first() {
            Some((first @ (0 | 1), topic)) => Some(Request { subscribe: *first == 1, topic }),
            _ => None,
        }
    }
}

/// How a peer is told of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// As its version of the protocol has it: by a command, or by a message.
    OfVersion,
    /// By a message, which all versions know: so a program has made it itself.
    Message,
}

/// A message but for the requests it begins with.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    pub(crate) message: Message,
    /// Some of its later parts are requests.
    pub(crate) asks: bool,
}

/// Whether a message of several parts has requests that count: with `only_first` it must begin with one.
pub(crate) fn has_requests(message: &Message, only_first: bool) -> bool {
    match Request::of(message.first()) {
        Some(_) => message.frame_count() > 1,
        None => !only_first && message.frames().any(|part| Request::of(part).is_some()),
    }
}

/// Hands the requests that a message begins with to `each`, and answers the rest of it.
///
/// Every part may be a request; with `only_first` (ONLY_FIRST_SUBSCRIBE) later ones only if the first is one.
pub(crate) fn take_requests(message: Message, only_first: bool, mut each: impl FnMut(Frame)) -> Option<Rest> {
    let first_asks = Request::of(message.first()).is_some();
    if !first_asks {
        let asks = !only_first && message.frame_count() > 1 && message.frames().any(|part| Request::of(part).is_some());
        return Some(Rest { message, asks });
    }
    let mut rest = Vec::new();
    let mut asks = false;
    for part in message {
        let is_request = Request::of(&part).is_some();
        if is_request && rest.is_empty() {
            each(part);
        } else {
            asks |= is_request;
            rest.push(part);
        }
    }
    (!rest.is_empty()).then(|| Rest { message: Message::from(rest), asks })
}

/// A subscription in the form of a message: a byte 1, or 0 for its end, then the topic.
pub(crate) fn subscription_message(subscribe: bool, topic: &[u8]) -> Message {
    let mut body = Vec::with_capacity(1 + topic.len());
    body.push(u8::from(subscribe));
    body.extend_from_slice(topic);
    Message::from(Frame::from(body.as_slice()))
}

/// That a group is joined, or left, as a message within the process; on the wire it is a command.
pub(crate) fn group_message(join: bool, group: &[u8]) -> Message {
    Message::from([if join { JOIN } else { LEAVE }, group])
}

/// The group that a message made by [`group_message`] names, and whether it is joined.
pub(crate) fn group_request(message: &Message) -> Option<(bool, Frame)> {
    match message.first().as_slice() {
        _ if message.frame_count() != 2 => None,
        JOIN => Some((true, message.last().clone())),
        LEAVE => Some((false, message.last().clone())),
        _ => None,
    }
}

const JOIN: &[u8] = b"JOIN";
const LEAVE: &[u8] = b"LEAVE";

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: Message, only_first: bool) -> (Vec<Frame>, Option<Rest>) {
        let mut requests = Vec::new();
        let rest = take_requests(message, only_first, |part| requests.push(part));
        (requests, rest)
    }

    #[test]
    fn every_part_is_looked_at() {
        let message = Message::from(["\u{1}a", "\u{0}b", "data", "\u{1}c"]);
        let (requests, rest) = split(message, false);
        assert_eq!(requests, ["\u{1}a", "\u{0}b"].map(Frame::from));
        assert_eq!(rest, Some(Rest { message: Message::from(["data", "\u{1}c"]), asks: true }));
        assert!(has_requests(&Message::from(["\u{1}a", "data"]), true));
        assert!(has_requests(&Message::from(["data", "\u{1}c"]), false));
        assert!(!has_requests(&Message::from(["data", "\u{1}c"]), true));
        assert!(!has_requests(&Message::from("\u{1}a"), false));
        let message = Message::from(["data", "more"]);
        assert_eq!(split(message.clone(), false), (Vec::new(), Some(Rest { message, asks: false })));
    }

    #[test]
    fn on_demand_the_first_part_decides() {
        let message = Message::from(["data", "\u{1}a"]);
        assert_eq!(split(message.clone(), true), (Vec::new(), Some(Rest { message, asks: false })));
        let (requests, rest) = split(Message::from(["\u{1}a", "\u{1}b"]), true);
        assert_eq!((requests.len(), rest), (2, None));
    }

    #[test]
    fn a_request_is_a_byte_and_a_topic_that_may_be_empty() {
        assert_eq!(Request::of(b"\x01"), Some(Request { subscribe: true, topic: b"" }));
        assert_eq!(Request::of(b"\x00t"), Some(Request { subscribe: false, topic: b"t" }));
        assert_eq!(Request::of(b""), None);
        assert_eq!(Request::of(b"\x02t"), None);
    }
}
