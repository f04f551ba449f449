//! Input: the buffers that what is read goes to, how large they are, and whose memory they are made of.

use super::{Connection, Phase};
use crate::memory::Memory;
use crate::socket_type::SocketType;

impl Connection {
    /// A buffer with room: append what was read, then call [`handle_input`](Connection::handle_input). It has no room if
    /// there is no memory for what the peer sends; then the connection cannot go on.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// # let now = Instant::now();
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
    /// assert!(pull.input().capacity() > 0);
    /// pull.input().push(0xff);
    /// pull.handle_input(now)?;
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn input(&mut self) -> &mut Vec<u8> {
        if self.input.capacity() == 0 && self.opener.is_none() {
            self.input = fresh_buffer(&mut self.lent, &mut self.husk, 1);
        }
        let len = self.input.len();
        let fresh = self.input_bytes.max(self.large_bytes);
        let need = match &self.phase {
            Phase::Traffic(scanner) if self.opener.is_none() => scanner.need(),
            _ => 0,
        };
        // What a peer announces is only made room for as far as it has kept its word so far.
        let trusted = (2 * len).max(INPUT_BYTES_MAX).max(self.large_bytes);
        let want = need.min(trusted).max(if len == 0 { fresh } else { 0 });
        // A peer must not end the process by what it sends: where memory is short, a little more of it may still be had.
        // Of a large frame just what is missing is read, so that it need not be moved; but not a few bytes at a time.
        if self.input.capacity() < want && want - len >= INPUT_BYTES_MIN {
            let _ = self.input.try_reserve_exact(want - len);
        }
        if self.input.capacity() < want || self.input.capacity() == len {
            let _ = self.input.try_reserve_exact(len.clamp(INPUT_BYTES_MIN, INPUT_GROWTH_MAX));
        }
        if self.input.capacity() == len {
            let _ = self.input.try_reserve_exact(INPUT_BYTES_MIN);
        }
        &mut self.input
    }

    /// The next buffer is as large as what comes in one read, about.
    pub(super) fn fit_next_buffer(&mut self) {
        if self.input.len() == self.input.capacity() {
            let most = if self.is_publisher() { REQUEST_BYTES_MAX } else { INPUT_BYTES_MAX };
            self.input_bytes = (self.input_bytes * 2).min(most);
        } else if self.input.len() < self.input_bytes / 4 {
            self.input_bytes = (self.input_bytes / 2).max(INPUT_BYTES_MIN);
        }
    }

    fn is_publisher(&self) -> bool {
        matches!(self.config.socket_type, SocketType::Pub | SocketType::XPub)
    }

    /// How many bytes of memory to [lend](Connection::lend) for what is read next; `None`: there is some.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Memory, SocketType};
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), Instant::now());
    /// let bytes = pull.wants_memory().expect("none was lent");
    /// pull.lend(Memory::from(Vec::with_capacity(bytes)));
    /// assert_eq!(pull.wants_memory(), None);
    /// ```
    pub fn wants_memory(&self) -> Option<usize> {
        self.lent.is_none().then(|| self.input_bytes.max(self.large_bytes))
    }

    /// Lends memory that has held other messages, and saves an allocation: messages that come are kept in it.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Memory, SocketType};
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), Instant::now());
    /// pull.lend(Memory::from(Vec::with_capacity(100_000)));
    /// assert_eq!(pull.input().capacity(), 100_000);
    /// ```
    pub fn lend(&mut self, memory: Memory) {
        self.lent = Some(memory);
    }

    /// Memory that was [lent](Connection::lend) and has nothing in it.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Memory, SocketType};
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), Instant::now());
    /// pull.lend(Memory::from(Vec::with_capacity(100_000)));
    /// assert_eq!(pull.take_lent().map(|memory| memory.capacity()), Some(100_000));
    /// ```
    pub fn take_lent(&mut self) -> Option<Memory> {
        let buffer = if self.opener.is_some() { &mut self.opened } else { &mut self.input };
        if buffer.is_empty()
            && let Some(mut husk) = self.husk.take()
        {
            husk.put_buffer(std::mem::take(buffer));
            return Some(husk);
        }
        self.lent.take()
    }

    /// Gives the input buffer back if there is nothing in it: an idle connection owns none.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Memory, SocketType};
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), Instant::now());
    /// pull.input();
    /// pull.idle_trim(); // The room for what comes is made anew when it comes.
    /// assert!(pull.input().is_empty());
    /// ```
    pub fn idle_trim(&mut self) {
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if self.opened.is_empty() {
            self.opened = Vec::new();
        }
    }
}

/// A buffer for messages, out of what was lent if that has at least so much room.
pub(super) fn fresh_buffer(lent: &mut Option<Memory>, husk: &mut Option<Memory>, room: usize) -> Vec<u8> {
    let Some(mut memory) = lent.take_if(|lent| lent.reusable_bytes() >= room) else { return Vec::new() };
    let buffer = memory.take_buffer();
    *husk = Some(memory);
    buffer.unwrap_or_default()
}

/// Capacity of an input buffer after a pause, and while reads keep filling it.
pub(super) const INPUT_BYTES_MIN: usize = 8 * 1024;
pub(super) const INPUT_BYTES_MAX: usize = 64 * 1024;
/// What a publisher gets are requests, hundreds of which go into a buffer, and each is some work.
const REQUEST_BYTES_MAX: usize = INPUT_BYTES_MIN;

/// The most that a buffer grows by where nothing says how much is to come.
const INPUT_GROWTH_MAX: usize = 1024 * 1024;
