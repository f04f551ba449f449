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

/// Hands the parts of a message that are requests to `each`, and answers the others as one message.
///
/// Every part is looked at; with `only_first` (ONLY_FIRST_SUBSCRIBE) the later ones only if the first is a request.
pub(crate) fn take_requests(message: Message, only_first: bool, mut each: impl FnMut(Frame)) -> Option<Message> {
    let first_asks = Request::of(message.first()).is_some();
    if !first_asks && (only_first || message.frame_count() == 1) {
        return Some(message);
    }
    let mut others = Vec::new();
    for part in message {
        if Request::of(&part).is_some() {
            each(part);
        } else {
            others.push(part);
        }
    }
    (!others.is_empty()).then(|| Message::from(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: Message, only_first: bool) -> (Vec<Frame>, Option<Message>) {
        let mut requests = Vec::new();
        let others = take_requests(message, only_first, |part| requests.push(part));
        (requests, others)
    }

    #[test]
    fn every_part_is_looked_at() {
        let message = Message::from(["data", "\u{1}a", "more", "\u{0}b"]);
        let (requests, others) = split(message, false);
        assert_eq!(requests, ["\u{1}a", "\u{0}b"].map(Frame::from));
        assert_eq!(others, Some(Message::from(["data", "more"])));
    }

    #[test]
    fn on_demand_the_first_part_decides() {
        let data_first = Message::from(["data", "\u{1}a"]);
        assert_eq!(split(data_first.clone(), true), (Vec::new(), Some(data_first)));
        let (requests, others) = split(Message::from(["\u{1}a", "\u{1}b"]), true);
        assert_eq!((requests.len(), others), (2, None));
    }

    #[test]
    fn a_request_is_a_byte_and_a_topic_that_may_be_empty() {
        assert_eq!(Request::of(b"\x01"), Some(Request { subscribe: true, topic: b"" }));
        assert_eq!(Request::of(b"\x00t"), Some(Request { subscribe: false, topic: b"t" }));
        assert_eq!(Request::of(b""), None);
        assert_eq!(Request::of(b"\x02t"), None);
    }
}
