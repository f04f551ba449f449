//! From bytes back to messages: what of an outbox can go to the next connection when one is lost.

use zmtp::{Frame, Framing};

use super::batch::Segment;
use crate::message::Message;
use crate::routing::request::Request;

/// The whole messages in `segments` of which none of the first `untouched` bytes is a part, and how many others end only
/// after the first `gone` bytes. Commands are left out: each connection has its own. So are, where the socket `subscribes`,
/// requests in the form of messages: the next connection is told of those that hold by then. A message of several parts
/// that asks for something counts as lost: what it asks for may have been taken back since.
///
/// `gone` is what the kernel has taken, `untouched` where it has begun with nothing: not the same where it takes frames
/// as wholes, being encrypted.
///
/// The encoder keeps a header within one segment, and a body either behind its header or as the whole next segment;
/// should that ever not hold, what cannot be read is left out.
pub(super) fn reclaim(
    framing: Framing,
    segments: &[Segment],
    gone: usize,
    untouched: usize,
    subscribes: bool,
) -> (Vec<Message>, usize) {
    let mut messages = Vec::new();
    let mut torn = 0;
    let mut frames: Vec<Frame> = Vec::new();
    let mut message_start = 0;
    let mut position = 0;
    let mut segments = segments.iter().peekable();
    while let Some(segment) = segments.next() {
        if let Segment::Body(_) = segment {
            return (messages, torn);
        }
        let mut rest = segment.as_slice();
        while let Ok(Some(header)) = framing.decode_header(rest) {
            if frames.is_empty() {
                message_start = position;
            }
            let body_len = header.body as usize;
            let after_header = rest.get(header.len..).unwrap_or_default();
            let frame = match after_header.get(..body_len) {
                Some(body) => {
                    rest = after_header.get(body_len..).unwrap_or_default();
                    Frame::from(body)
                }
                None => match segments.next() {
                    Some(Segment::Body(body)) => {
                        rest = &[];
                        body.clone()
                    }
                    _ => return (messages, torn),
                },
            };
            position += header.len + body_len;
            if header.command {
                continue;
            }
            frames.push(frame);
            if !header.more {
                let message = Message::from(std::mem::take(&mut frames));
                if subscribes && message.frame_count() == 1 && Request::of(message.first()).is_some() {
                    continue;
                }
                let asks = subscribes && message.frames().any(|frame| Request::of(frame).is_some());
                if message_start >= untouched && !asks {
                    messages.push(message);
                } else if position > gone {
                    torn += 1;
                }
            }
        }
    }
    (messages, torn)
}

/// A message in the bytes of `framing`, for one that goes to many peers.
pub(super) fn encode(framing: Framing, message: &Message, out: &mut Vec<u8>) {
    let count = message.frame_count();
    for (index, frame) in message.frames().enumerate() {
        framing.encode(out, frame, index + 1 < count);
    }
}

#[cfg(test)]
mod tests {
    use zmtp::Version;

    use super::*;
    use crate::pipe::broadcast::Broadcast;
    use crate::pipe::outbox::{Format, Outbox, Reclaimed};
    use crate::pipe::pool::Pool;
    use crate::routing::request::Form;

    /// An outbox with the connection's own first message and two others, of which the kernel has taken the first `written`
    /// bytes; `None`: it was not asked.
    fn texts_kept(greeting: Option<&str>, written: Option<usize>) -> (Vec<String>, usize) {
        let (mut pool, mut broadcast) = (Pool::default(), Broadcast::default());
        let mut outbox = Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1));
        if let Some(greeting) = greeting {
            outbox.push_greeting(&mut pool, Frame::from(greeting));
        }
        for text in ["one", "two"] {
            outbox.push(&mut pool, &[], &mut Message::from(text));
        }
        if let Some(written) = written {
            let mut batch = outbox.take(&mut pool, &mut broadcast).unwrap();
            batch.advance(written);
            outbox.park(batch);
            outbox.push(&mut pool, &[], &mut Message::from("three"));
        }
        let Reclaimed { kept, lost, delivered } = outbox.reclaim(&mut pool, &mut broadcast, false);
        let sent = 2 + usize::from(greeting.is_some()) + usize::from(written.is_some());
        assert_eq!(sent, kept.len() + lost + delivered);
        (kept.iter().map(|message| message.as_str().unwrap().to_owned()).collect(), lost)
    }

    #[test]
    fn the_message_that_each_connection_begins_with_does_not_go_to_the_next() {
        assert_eq!(texts_kept(None, None), (vec!["one".into(), "two".into()], 0));
        assert_eq!(texts_kept(Some("hello"), None), (vec!["one".into(), "two".into()], 1));
        for (written, kept, lost) in [
            (0, &["one", "two", "three"][..], 1),
            (1, &["one", "two", "three"], 1),
            (7, &["one", "two", "three"], 0),
            (8, &["two", "three"], 1),
        ] {
            assert_eq!(
                texts_kept(Some("hello"), Some(written)),
                (kept.iter().map(|text| (*text).into()).collect(), lost),
                "{written}"
            );
        }
    }

    #[test]
    fn a_message_that_asks_for_something_is_lost_with_its_connection() {
        for (subscribes, kept, lost) in [(true, 1, 1), (false, 2, 0)] {
            let (mut pool, mut broadcast) = (Pool::default(), Broadcast::default());
            let mut outbox = Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1));
            for parts in [["more", "\u{1}a"], ["and", "more"]] {
                outbox.push(&mut pool, &[], &mut Message::from(parts));
            }
            let gone = outbox.reclaim(&mut pool, &mut broadcast, subscribes);
            assert_eq!((gone.kept.len(), gone.lost, gone.delivered), (kept, lost, 0));
        }
    }

    #[test]
    fn requests_are_not_counted_among_what_the_program_sent() {
        let sent = [Message::from("one"), Message::from("two"), Message::from(["three", "four"])];
        for (form, version) in
            [(Form::OfVersion, Version::V3_1), (Form::OfVersion, Version::V2_0), (Form::Message, Version::V3_1)]
        {
            let (mut pool, mut broadcast) = (Pool::default(), Broadcast::default());
            let mut written = 0;
            loop {
                let mut outbox = Outbox::new(Format::Zmtp(Framing::V2, version));
                let (mut delivered, mut lost) = (0, 0);
                for message in &sent {
                    outbox.push_subscription(&mut pool, form, true, b"a");
                    let start = outbox.bytes();
                    outbox.push(&mut pool, &[], &mut message.clone());
                    delivered += usize::from(outbox.bytes() <= written);
                    lost += usize::from(start < written && written < outbox.bytes());
                }
                if outbox.bytes() == written {
                    break;
                }
                let mut batch = outbox.take(&mut pool, &mut broadcast).unwrap();
                batch.advance(written);
                outbox.park(batch);
                outbox.push_subscription(&mut pool, form, false, b"a");
                let gone = outbox.reclaim(&mut pool, &mut broadcast, true);
                assert_eq!((gone.delivered, gone.lost), (delivered, lost), "{form:?} {version:?} {written}");
                assert_eq!(gone.kept, sent[lost + delivered..], "{form:?} {version:?} {written}");
                written += 1;
            }
        }
    }
}
