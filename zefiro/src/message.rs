//! Message: one or more frames that travel together, whole or not at all.

use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Error;

use bytes::Bytes;
use zmtp::Frame;

/// One or more [frames](Frame), sent and received as one: a peer gets all of them or none.
///
/// A message always has a first frame, if only an empty one. Up to [`Frame::INLINE_MAX`] bytes a frame lives inside
/// the message, without an allocation; above that it refers to shared memory that is never copied.
///
/// That memory may belong to a value of the program's ([`Bytes::from_owner`]). It is dropped by whoever needs the message
/// last, an I/O thread perhaps, and when nothing is locked: its `drop` may use sockets, but not wait.
///
/// ```
/// use zefiro::Message;
///
/// let single = Message::from("hello");
/// assert_eq!(single.as_str(), Ok("hello"));
///
/// let multipart = Message::from(["weather.milan", "21 °C"]);
/// assert_eq!(multipart.frame_count(), 2);
/// assert_eq!(&multipart[1], "21 °C".as_bytes());
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Message {
    first: Frame,
    rest: Vec<Frame>,
}

impl Message {
    /// A message of one empty frame.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let message = Message::new();
    /// assert_eq!((message.frame_count(), message.byte_len()), (1, 0));
    /// ```
    pub const fn new() -> Message {
        Message { first: Frame::new(), rest: Vec::new() }
    }

    /// The first frame and the others, to be changed in place.
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&mut Frame, &mut Vec<Frame>) {
        (&mut self.first, &mut self.rest)
    }

    /// Its only part.
    #[inline]
    pub(crate) fn as_single(&self) -> Option<&Frame> {
        self.rest.is_empty().then_some(&self.first)
    }

    /// Its two parts.
    #[inline]
    pub(crate) fn as_pair(&self) -> Option<(&Frame, &Frame)> {
        match self.rest.as_slice() {
            [second] => Some((&self.first, second)),
            _ => None,
        }
    }

    /// Takes the last frame away, if it is not the only one.
    pub(crate) fn pop_back(&mut self) -> Option<Frame> {
        self.rest.pop()
    }

    /// A message of those frames.
    pub(crate) fn from_parts(first: Frame, rest: Vec<Frame>) -> Message {
        Message { first, rest }
    }

    /// Moves to `out`. The memory of the list of frames stays where it is if there is nothing in it.
    pub(crate) fn move_to(&mut self, out: &mut Message) {
        std::mem::swap(&mut out.first, &mut self.first);
        if self.rest.is_empty() {
            out.rest.clear();
        } else {
            std::mem::swap(&mut out.rest, &mut self.rest);
        }
        self.clear();
    }

    /// Becomes an empty message with room for a few frames, if it had that.
    pub(crate) fn clear(&mut self) {
        self.first = Frame::new();
        clear_frames(&mut self.rest);
    }

    /// Adds a frame behind the last one.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let mut message = Message::from("head");
    /// message.push_back("body");
    /// assert_eq!(message, ["head", "body"]);
    /// ```
    pub fn push_back(&mut self, frame: impl Into<Frame>) {
        self.rest.push(frame.into());
    }

    /// Puts a frame before the first one.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let mut message = Message::from("body");
    /// message.push_front("routing id");
    /// assert_eq!(message, ["routing id", "body"]);
    /// ```
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let second = std::mem::replace(&mut self.first, frame.into());
        self.rest.insert(0, second);
    }

    /// Takes the first frame away; `None`, and nothing is taken, when it is the only one.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let mut message = Message::from(["routing id", "body"]);
    /// assert_eq!(message.pop_front(), Some("routing id".into()));
    /// assert_eq!(message.pop_front(), None);
    /// assert_eq!(message, "body");
    /// ```
    pub fn pop_front(&mut self) -> Option<Frame> {
        if self.rest.is_empty() {
            return None;
        }
        let second = self.rest.remove(0);
        Some(std::mem::replace(&mut self.first, second))
    }

    /// A message for the peer with that number, of a SERVER or PEER: the number in four bytes, the highest first, then
    /// the body.
    ///
    /// ```
    /// # use zefiro::Message;
    /// assert_eq!(Message::for_peer(258, "hello"), [&[0, 0, 1, 2][..], b"hello"]);
    /// ```
    pub fn for_peer(number: u32, body: impl Into<Frame>) -> Message {
        Message { first: Frame::from(&number.to_be_bytes()), rest: vec![body.into()] }
    }

    /// The number of the peer a SERVER or PEER has received the message from; `None` if it cannot be one.
    ///
    /// ```
    /// # use zefiro::{Client, Message, Server};
    /// # let (server, client) = (Server::new(), Client::new());
    /// # client.connect(server.bind("inproc://peer-number")?)?;
    /// client.send("question")?;
    /// let number = server.recv()?.peer_number().expect("a server's message has one");
    /// server.send(Message::for_peer(number, "answer"))?;
    /// assert_eq!(client.recv()?, "answer");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn peer_number(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.first.as_slice().try_into().ok()?)).filter(|_| self.rest.len() == 1)
    }

    /// A message for all who joined the group, of a RADIO: the group, at most 255 bytes, then the body. A DISH receives
    /// the same.
    ///
    /// ```
    /// # use zefiro::Message;
    /// assert_eq!(Message::for_group("news", "hear, hear"), ["news", "hear, hear"]);
    /// ```
    pub fn for_group(group: impl Into<Frame>, body: impl Into<Frame>) -> Message {
        Message { first: group.into(), rest: vec![body.into()] }
    }

    /// The frames in order.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let message = Message::from(["a", "bc"]);
    /// let lengths: Vec<usize> = message.frames().map(|frame| frame.len()).collect();
    /// assert_eq!(lengths, [1, 2]);
    /// ```
    pub fn frames(&self) -> Frames<'_> {
        Frames { first: Some(&self.first), rest: self.rest.iter() }
    }

    /// The frames in order, by value.
    ///
    /// ```
    /// # use zefiro::{Frame, Message};
    /// let frames: Vec<Frame> = Message::from(["a", "b"]).into_frames().collect();
    /// assert_eq!(frames, [Frame::from("a"), Frame::from("b")]);
    /// ```
    pub fn into_frames(self) -> IntoFrames {
        IntoFrames { first: Some(self.first), rest: self.rest.into_iter() }
    }

    /// How many frames there are; at least one.
    ///
    /// ```
    /// assert_eq!(zefiro::Message::from(["a", "b"]).frame_count(), 2);
    /// ```
    pub fn frame_count(&self) -> usize {
        1 + self.rest.len()
    }

    /// The first frame.
    ///
    /// ```
    /// assert_eq!(zefiro::Message::from(["a", "b"]).first().as_str(), Ok("a"));
    /// ```
    pub fn first(&self) -> &Frame {
        &self.first
    }

    /// The last frame, which is the first one if there are no others.
    ///
    /// ```
    /// assert_eq!(zefiro::Message::from(["a", "b"]).last().as_str(), Ok("b"));
    /// ```
    pub fn last(&self) -> &Frame {
        self.rest.last().unwrap_or(&self.first)
    }

    /// The frame at `index`, counted from 0.
    ///
    /// ```
    /// # use zefiro::Message;
    /// let message = Message::from(["a", "b"]);
    /// assert_eq!((message.get(1), message.get(2)), (Some(&"b".into()), None));
    /// ```
    pub fn get(&self, index: usize) -> Option<&Frame> {
        match index {
            0 => Some(&self.first),
            _ => self.rest.get(index - 1),
        }
    }

    /// The bytes of the first frame: the whole payload of a single-part message.
    ///
    /// ```
    /// assert_eq!(zefiro::Message::from("hello").as_bytes(), b"hello");
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.first
    }

    /// The first frame as text.
    ///
    /// ```
    /// # use zefiro::Message;
    /// assert_eq!(Message::from("hello").as_str(), Ok("hello"));
    /// assert!(Message::from(b"\xff").as_str().is_err());
    /// ```
    ///
    /// # Errors
    /// The frame is not valid UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.first)
    }

    /// Whether there is no payload at all: every frame is empty.
    ///
    /// ```
    /// # use zefiro::Message;
    /// assert!(Message::from(["", ""]).is_empty());
    /// assert!(!Message::from(["", "body"]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.byte_len() == 0
    }

    /// The payload bytes of all frames together.
    ///
    /// ```
    /// assert_eq!(zefiro::Message::from(["a", "bc"]).byte_len(), 3);
    /// ```
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.first.len() + self.rest.iter().map(|frame| frame.len()).sum::<usize>()
    }
}

/// Empties a list to be used again; what many frames took is given back.
pub(crate) fn clear_frames(frames: &mut Vec<Frame>) {
    frames.clear();
    if frames.capacity() > FRAMES_KEPT {
        *frames = Vec::new();
    }
}

/// Frames that an empty list has room for at most.
const FRAMES_KEPT: usize = 16;

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")?;
        f.debug_list().entries(self.frames()).finish()
    }
}

impl std::ops::Index<usize> for Message {
    type Output = Frame;

    /// The frame at `index`, counted from 0.
    ///
    /// # Panics
    /// There are not that many; use [`Message::get`] where that can happen.
    #[allow(clippy::indexing_slicing, reason = "a part that is not there is refused, as by any list")]
    fn index(&self, index: usize) -> &Frame {
        match index {
            0 => &self.first,
            _ => &self.rest[index - 1],
        }
    }
}

/// The frames of a borrowed message; made by [`Message::frames`].
///
/// ```
/// # use zefiro::Message;
/// let message = Message::from(["a", "b"]);
/// let backwards: Message = message.frames().rev().cloned().collect();
/// assert_eq!(backwards, ["b", "a"]);
/// ```
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    first: Option<&'a Frame>,
    rest: std::slice::Iter<'a, Frame>,
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a Frame;

    fn next(&mut self) -> Option<&'a Frame> {
        self.first.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.first.is_some()) + self.rest.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Frames<'_> {}

/// The frames of a message by value; made by [`Message::into_frames`].
///
/// ```
/// # use zefiro::Message;
/// for frame in Message::from(["a", "b"]) {
///     assert_eq!(frame.into_vec().len(), 1);
/// }
/// ```
#[derive(Debug)]
pub struct IntoFrames {
    first: Option<Frame>,
    rest: std::vec::IntoIter<Frame>,
}

impl Iterator for IntoFrames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.first.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.first.is_some()) + self.rest.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for IntoFrames {}

impl<'a> IntoIterator for &'a Message {
    type Item = &'a Frame;
    type IntoIter = Frames<'a>;

    fn into_iter(self) -> Frames<'a> {
        self.frames()
    }
}

impl IntoIterator for Message {
    type Item = Frame;
    type IntoIter = IntoFrames;

    fn into_iter(self) -> IntoFrames {
        self.into_frames()
    }
}

/// No frames make a message of one empty frame.
impl<F: Into<Frame>> FromIterator<F> for Message {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Message {
        let mut frames = frames.into_iter();
        let first = frames.next().map(Into::into).unwrap_or_default();
        Message { first, rest: frames.map(Into::into).collect() }
    }
}

macro_rules! message_from_single {
    ($($source:ty),+) => {
        $(impl From<$source> for Message {
            /// A single-part message.
            #[inline]
            fn from(body: $source) -> Message {
                Message { first: Frame::from(body), rest: Vec::new() }
            }
        })+
    };
}

message_from_single!(&str, String, &String, Cow<'_, str>, &[u8], Vec<u8>, &Vec<u8>, Bytes);

impl From<Frame> for Message {
    fn from(first: Frame) -> Message {
        Message { first, rest: Vec::new() }
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(body: &[u8; N]) -> Message {
        Message::from(body.as_slice())
    }
}

/// One frame an element.
impl<F: Into<Frame>, const N: usize> From<[F; N]> for Message {
    fn from(frames: [F; N]) -> Message {
        frames.into_iter().collect()
    }
}

impl From<Vec<Frame>> for Message {
    fn from(mut frames: Vec<Frame>) -> Message {
        if frames.is_empty() {
            return Message::new();
        }
        let first = frames.remove(0);
        Message { first, rest: frames }
    }
}

macro_rules! message_from_list {
    ($($part:ty),+) => {
        $(
            /// One frame an element.
            impl From<Vec<$part>> for Message {
                fn from(frames: Vec<$part>) -> Message {
                    frames.into_iter().collect()
                }
            }
        )+
    };
}

message_from_list!(&str, String, &[u8], Vec<u8>, Bytes);

impl From<Message> for Vec<Frame> {
    fn from(message: Message) -> Vec<Frame> {
        message.into_frames().collect()
    }
}

/// Adds frames behind the last one.
impl<F: Into<Frame>> Extend<F> for Message {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        self.rest.extend(frames.into_iter().map(Into::into));
    }
}

impl DoubleEndedIterator for Frames<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rest.next_back().or_else(|| self.first.take())
    }
}

impl DoubleEndedIterator for IntoFrames {
    fn next_back(&mut self) -> Option<Frame> {
        self.rest.next_back().or_else(|| self.first.take())
    }
}

/// Equal to a text when it is a single part with just that text.
impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.rest.is_empty() && self.first.as_slice() == other.as_bytes()
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<[u8]> for Message {
    fn eq(&self, other: &[u8]) -> bool {
        self.rest.is_empty() && self.first.as_slice() == other
    }
}

impl PartialEq<&[u8]> for Message {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Message {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self == other[..]
    }
}

impl PartialEq<String> for Message {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl PartialEq<Vec<u8>> for Message {
    fn eq(&self, other: &Vec<u8>) -> bool {
        *self == **other
    }
}

/// Equal to an array when there are as many frames with just those bytes.
impl<T: AsRef<[u8]>, const N: usize> PartialEq<[T; N]> for Message {
    fn eq(&self, other: &[T; N]) -> bool {
        self.frame_count() == N && self.frames().zip(other).all(|(frame, bytes)| frame.as_slice() == bytes.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_the_order_they_went_in() {
        let mut message = Message::from(["b", "c"]);
        message.push_front("a");
        message.push_back("d");
        let frames: Vec<Frame> = message.clone().into_frames().collect();
        assert_eq!(frames, ["a", "b", "c", "d"].map(Frame::from));
        assert_eq!(message.frames().len(), 4);
        let backwards: Message = message.frames().rev().cloned().collect();
        assert_eq!(backwards, ["d", "c", "b", "a"]);
        assert_eq!(Vec::from(backwards.clone()), backwards.into_frames().rev().rev().collect::<Vec<_>>());
        assert_eq!(message.pop_front().as_deref(), Some(&b"a"[..]));
        assert_eq!((message.first().as_slice(), message.last().as_slice()), (&b"b"[..], &b"d"[..]));
    }

    #[test]
    fn the_last_frame_stays() {
        let mut message = Message::from("only");
        assert_eq!(message.pop_front(), None);
        assert_eq!(message, "only");
    }

    #[test]
    fn no_frames_make_one_empty_frame() {
        let mut message = Message::new();
        message.extend(["", ""]);
        assert!(message.is_empty() && message.frame_count() == 3);
        assert_eq!(Message::from(Vec::<Frame>::new()), Message::new());
        assert_eq!(Message::new().frame_count(), 1);
        assert_eq!(Message::new().byte_len(), 0);
    }

    #[test]
    fn whatever_holds_bytes_makes_a_message() {
        let (text, bytes) = ("text".to_string(), b"text".to_vec());
        let cow = String::from_utf8_lossy(b"text");
        for message in [Message::from(&text), Message::from(&bytes), cow.into(), Message::from(b"text"), text.into()] {
            assert_eq!(message, b"text");
            assert_eq!(message, bytes);
        }
        assert_eq!(Message::from(vec!["a", "b"]), ["a", "b"]);
        assert_eq!(
            Message::from(vec!["a".to_string(), "b".to_string()]),
            Message::from(vec![b"a".to_vec(), b"b".to_vec()])
        );
        // Many things in a row, whatever they are, are collected.
        assert_eq!((1..=3).map(|number| number.to_string()).collect::<Message>(), ["1", "2", "3"]);
    }
}
