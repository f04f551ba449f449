//! Early: what a subscriber asks for while its publisher is not connected yet, in the order it asked.

use std::collections::VecDeque;

use crate::message::Message;
use crate::routing::request::Form;

/// The requests for the next connection.
#[derive(Default)]
pub(crate) struct Early {
    requests: VecDeque<Request>,
}

struct Request {
    /// So many of the messages that wait in the pipe were there before.
    after: usize,
    form: Form,
    subscribe: bool,
    topic: Box<[u8]>,
}

/// Something that waited for the connection.
pub(crate) enum Waited {
    Message(Message),
    Request { form: Form, subscribe: bool, topic: Box<[u8]> },
}

impl Early {
    /// Adds a request behind so many messages; `false`, and none are kept, if they are too many.
    pub(super) fn add(&mut self, after: usize, form: Form, subscribe: bool, topic: &[u8]) -> bool {
        if self.requests.len() >= EARLY_MAX {
            self.requests = VecDeque::new();
            return false;
        }
        self.requests.push_back(Request { after, form, subscribe, topic: topic.into() });
        true
    }

    /// The requests among the messages that waited in the same pipe.
    pub(crate) fn among(mut self, mut queue: VecDeque<Message>) -> impl Iterator<Item = Waited> {
        let mut taken = 0;
        std::iter::from_fn(move || {
            let due = self.requests.front().is_some_and(|next| next.after <= taken || queue.is_empty());
            if due && let Some(Request { form, subscribe, topic, .. }) = self.requests.pop_front() {
                return Some(Waited::Request { form, subscribe, topic });
            }
            taken += 1;
            queue.pop_front().map(Waited::Message)
        })
    }
}

/// Requests kept one by one: as many as a queue of libzmq's has room for by default. Beyond, a new connection is told
/// what then holds, so that a program that asks on and on costs no more.
const EARLY_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(early: Early, queue: &[&str]) -> Vec<String> {
        let queue = queue.iter().map(|text| Message::from(*text)).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let waited = early.among(queue).map(|waited| match waited {
            Waited::Message(message) => text(message.first()),
            Waited::Request { subscribe, topic, .. } => {
                format!("{}{}", if subscribe { '+' } else { '-' }, text(&topic))
            }
        });
        waited.collect()
    }

    #[test]
    fn requests_and_messages_keep_their_order() {
        let mut early = Early::default();
        for (after, subscribe) in [(0, true), (1, false), (1, true), (3, false)] {
            assert!(early.add(after, Form::Message, subscribe, b"a"));
        }
        assert_eq!(told(early, &["m1", "m2", "m3"]), ["+a", "m1", "-a", "+a", "m2", "m3", "-a"]);
    }

    #[test]
    fn requests_beyond_the_bound_are_forgotten() {
        let mut early = Early::default();
        for number in 0..EARLY_MAX {
            assert!(early.add(0, Form::Message, true, number.to_string().as_bytes()));
        }
        assert!(!early.add(0, Form::Message, true, b"one more"));
        assert!(told(early, &["m1"]) == ["m1"]);
    }
}
