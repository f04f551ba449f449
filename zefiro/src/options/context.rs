//! The options of a context: the same table in small.

use zmtp::Frame;

use super::codec::*;
use super::define::define_options;
use super::raw::{RawError, copy_out};
use crate::error::{Error, ErrorKind, Result};

define_options! {
    /// The options of a context, a field each; given to [`ContextBuilder`](crate::ContextBuilder).
    ContextOptions {};

    "I/O threads; 0 is enough for inproc."
        "ZMQ_IO_THREADS" 1 io_threads: usize = 1; "threads", "0 and up", "before the first socket";
        rw Natural;
    "Most sockets at a time."
        "ZMQ_MAX_SOCKETS" 2 max_sockets: usize = 1023; "sockets", "1 and up", "before the first socket";
        rw Positive, check |sockets| *sockets > 0;
    "The default of the socket option `ipv6`."
        "ZMQ_IPV6" 42 ipv6: bool = false; "flag", "0, 1", "for sockets made later";
        rw Truth;
    "Whether sockets linger for ever by default, or not at all."
        "ZMQ_BLOCKY" 70 blocky: bool = true; "flag", "0, 1", "for sockets made later";
        rw Truth;
    "What the names of the I/O threads begin with, which then go on as libzmq's do: `prefix/ZMQbg/IO/0`, as far as the system shows names."
        "ZMQ_THREAD_NAME_PREFIX" 9 thread_name_prefix: Frame = Frame::new(); "text", "up to 16 bytes", "before the first socket";
        rw Prefix, check |prefix| prefix.len() <= 16;
    "The scheduling policy of the I/O threads, as the system counts them; `None`: that of the thread that starts them. What the system refuses fails the first bind or connect."
        "ZMQ_THREAD_SCHED_POLICY" 4 thread_sched_policy: Option<u32> = None; "number", "0 and up, or never", "before the first socket";
        rw SetOnce;
    "The priority of the I/O threads under a real-time policy; above 0 under another, they are as nice as can be least (-20). `None`: 0."
        "ZMQ_THREAD_PRIORITY" 3 thread_priority: Option<u32> = None; "number", "0 and up, or never", "before the first socket";
        w SetOnce;
    "The CPUs on which the I/O threads may run; empty: all."
        "ZMQ_THREAD_AFFINITY_CPU_ADD" 7 thread_affinity: Vec<u32> = Vec::new(); "CPU numbers", "a list", "before the first socket";
        w Cpus;
    "Kept and read back only, as in libzmq."
        "ZMQ_MAX_MSGSZ" 5 max_msgsz: u32 = i32::MAX as u32; "bytes", "0 to 2147483647", "never";
        rw Natural, check |bytes| *bytes <= i32::MAX as u32;
    "Whether large frames refer to the receive buffer instead of being copied; Zefiro decides by their size."
        "ZMQ_ZERO_COPY_RECV" 10 zero_copy_recv: bool = true; "flag", "0, 1", "never so far";
        rw Truth;
}

impl ContextOptions {
    /// Sets an option by its C number from C's bytes, with what libzmq allows.
    ///
    /// # Errors
    /// [`RawError::Invalid`]: no such option, or no value for it. Then nothing is changed.
    pub fn set_raw(&mut self, number: i32, value: Option<&[u8]>) -> Result<(), RawError> {
        match number {
            CPU_REMOVE => int(value).and_then(|cpu| {
                let position = self.thread_affinity.iter().position(|own| i64::from(*own) == i64::from(cpu))?;
                self.thread_affinity.remove(position);
                Some(())
            }),
            _ => self.decode(number, value),
        }
        .ok_or(RawError::Invalid)
    }

    /// Appends an option's value by its C number, as C reads it: numbers in the machine's byte order, the prefix of
    /// thread names as it is.
    ///
    /// # Errors
    /// [`RawError::Invalid`]: no such option, or one that C cannot read.
    pub fn get_raw(&self, number: i32, out: &mut Vec<u8>) -> Result<(), RawError> {
        self.encode_any(number, out).map(|_| ()).ok_or(RawError::Invalid)
    }

    /// As [`get_raw`](ContextOptions::get_raw), into C's buffer; answers the value's length. Into four bytes the prefix
    /// of thread names goes as the number it spells, or 0.
    ///
    /// # Errors
    /// [`RawError::Invalid`], also for a buffer of the wrong size.
    pub fn read_raw(&self, number: i32, buffer: &mut [u8]) -> Result<usize, RawError> {
        let mut value = Vec::new();
        let is_number = if number == NAME_PREFIX && buffer.len() == 4 {
            let number = self.thread_name_prefix.as_str().ok().and_then(|text| text.parse::<i32>().ok());
            put(number.unwrap_or(0), &mut value);
            true
        } else {
            self.encode_any(number, &mut value).ok_or(RawError::Invalid)?
        };
        copy_out(&value, is_number, buffer)
    }

    fn encode_any(&self, number: i32, out: &mut Vec<u8>) -> Option<bool> {
        match number {
            SOCKET_LIMIT => put(65_535, out),
            MSG_T_SIZE => put(64, out),
            _ => return self.encode(number, out),
        }
        Some(true)
    }
}

/// From 0 up; -1, for what was never set, is only ever read.
struct SetOnce;

impl Codec<Option<u32>> for SetOnce {
    fn decode(value: Option<&[u8]>, field: &mut Option<u32>) -> Option<()> {
        *field = Some(u32::try_from(int(value)?).ok()?);
        Some(())
    }

    fn encode(field: &Option<u32>, out: &mut Vec<u8>) {
        NaturalOrNone::encode(field, out);
    }
}

/// One more CPU.
struct Cpus;

impl Codec<Vec<u32>> for Cpus {
    fn decode(value: Option<&[u8]>, field: &mut Vec<u32>) -> Option<()> {
        let cpu = u32::try_from(int(value)?).ok()?;
        if !field.contains(&cpu) {
            field.push(cpu);
        }
        Some(())
    }

    fn encode(_field: &Vec<u32>, _out: &mut Vec<u8>) {}
}

/// Four bytes are a number, 1 to 16 others a text.
struct Prefix;

impl Codec<Frame> for Prefix {
    const NUMBER: bool = false;

    fn decode(value: Option<&[u8]>, field: &mut Frame) -> Option<()> {
        *field = match int(value) {
            Some(number) => number.to_string().into(),
            None => value.filter(|bytes| (1..=16).contains(&bytes.len()))?.into(),
        };
        Some(())
    }

    fn encode(field: &Frame, out: &mut Vec<u8>) {
        out.extend_from_slice(field);
    }
}

/// The number is that of the priority, which cannot be read.
const SOCKET_LIMIT: i32 = 3;
const MSG_T_SIZE: i32 = 6;
const CPU_REMOVE: i32 = 8;
const NAME_PREFIX: i32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &ContextOptions, number: i32) -> Result<i32, RawError> {
        let mut buffer = [0; 4];
        options.read_raw(number, &mut buffer).map(|_| i32::from_ne_bytes(buffer))
    }

    #[test]
    fn numbers_have_libzmqs_defaults_and_ranges() {
        let mut options = ContextOptions::default();
        let defaults =
            [(1, 1), (2, 1023), (3, 65_535), (4, -1), (5, i32::MAX), (6, 64), (9, 0), (10, 1), (42, 0), (70, 1)];
        for (number, value) in defaults {
            assert_eq!(read(&options, number), Ok(value), "{number}");
        }
        for (number, value) in
            [(1, -1), (2, 0), (3, -1), (4, -1), (5, -1), (6, 64), (7, -1), (8, 0), (10, -1), (70, -1)]
        {
            let value: i32 = value;
            assert_eq!(options.set_raw(number, Some(&value.to_ne_bytes())), Err(RawError::Invalid), "{number}");
        }
        assert_eq!(options.set_raw(1, Some(&[1, 0, 0])), Err(RawError::Invalid));
        assert_eq!(options.set_raw(70, Some(&0i32.to_ne_bytes())), Ok(()));
        assert!(!options.blocky);
    }

    #[test]
    fn cpus_are_added_and_removed_one_by_one() {
        let mut options = ContextOptions::default();
        for cpu in [3i32, 5, 3] {
            options.set_raw(7, Some(&cpu.to_ne_bytes())).unwrap();
        }
        assert_eq!(options.thread_affinity, [3, 5]);
        options.set_raw(8, Some(&3i32.to_ne_bytes())).unwrap();
        assert_eq!(options.set_raw(8, Some(&3i32.to_ne_bytes())), Err(RawError::Invalid));
        assert_eq!(options.thread_affinity, [5]);
    }

    #[test]
    fn the_prefix_of_names_is_a_number_or_a_text() {
        let mut options = ContextOptions::default();
        options.set_raw(9, Some(&17i32.to_ne_bytes())).unwrap();
        assert_eq!((options.thread_name_prefix.as_str(), read(&options, 9)), (Ok("17"), Ok(17)));
        options.set_raw(9, Some(b"broker")).unwrap();
        let mut buffer = [1; 8];
        assert_eq!(options.read_raw(9, &mut buffer), Ok(6));
        assert_eq!((&buffer, read(&options, 9)), (b"broker\0\0", Ok(0)));
        assert_eq!(options.set_raw(9, Some(&[b'x'; 17])), Err(RawError::Invalid));
    }
}
