//! Faults: what the operating system may answer and hardly ever does, at random, in test builds (`--cfg zefiro_faults`).
//! Other builds have functions that do nothing in their place, and no trace of them is left.
//!
//! What is not injected: a failure to end a registration, which needs no memory and which the kernel only reports for
//! wrong arguments; and a full eventfd where it would be lit already.

#[cfg(zefiro_faults)]
pub use self::injected::{Made, arm, count, disarm, made};
#[cfg(zefiro_faults)]
pub(crate) use self::injected::{Spurious, count_read, fail, remember, shorten, spurious};

/// A kind of system call.
#[cfg_attr(
    not(all(zefiro_faults, zefiro_portable)),
    allow(dead_code, reason = "some are only told apart to fail differently, and some systems do without some")
)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    Read,
    Write,
    Wait,
    /// Waiting where the kernel needs memory for it.
    Poll,
    Sleep,
    Register,
    Change,
    /// A new descriptor that is no socket.
    Descriptor,
    Ring,
    Light,
    Accept,
    Open,
    Connect,
}

/// Nothing ever fails here by design.
#[cfg(not(zefiro_faults))]
#[inline(always)]
pub(crate) fn fail(_: Call) -> rustix::io::Result<()> {
    Ok(())
}

/// Nobody counts.
#[cfg(not(zefiro_faults))]
#[inline(always)]
pub(crate) fn count_read() {}

/// All of it.
#[cfg(not(zefiro_faults))]
#[inline(always)]
pub(crate) fn shorten(len: usize) -> usize {
    len
}

#[cfg(zefiro_faults)]
mod injected {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::io::Errno;

    use super::Call;

    static STATE: AtomicU64 = AtomicU64::new(0);
    /// One call in so many fails; 0: none does.
    static ONE_IN: AtomicU64 = AtomicU64::new(0);
    static COUNT: AtomicU64 = AtomicU64::new(0);

    /// From now on one call in `one_in` ends a connection or is refused, and many more are short, interrupted or in
    /// vain. With one thread, a seed gives the same faults each time.
    pub fn arm(seed: u64, one_in: u64) {
        STATE.store(seed, Ordering::Relaxed);
        ONE_IN.store(one_in, Ordering::Relaxed);
    }

    /// No faults from now on.
    pub fn disarm() {
        ONE_IN.store(0, Ordering::Relaxed);
    }

    /// How many calls have failed so far.
    pub fn count() -> u64 {
        COUNT.load(Ordering::Relaxed)
    }

    /// Calls made so far, failed ones included.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[allow(missing_docs, reason = "each is what its name says")]
    pub struct Made {
        /// That brought something: who waits awake may ask by reading.
        pub reads: u64,
        pub writes: u64,
        /// Descriptors added to a selector.
        pub registrations: u64,
    }

    static READS: AtomicU64 = AtomicU64::new(0);
    static WRITES: AtomicU64 = AtomicU64::new(0);
    static REGISTRATIONS: AtomicU64 = AtomicU64::new(0);

    /// How many calls were made so far.
    pub fn made() -> Made {
        let [reads, writes, registrations] =
            [&READS, &WRITES, &REGISTRATIONS].map(|count| count.load(Ordering::Relaxed));
        Made { reads, writes, registrations }
    }

    /// SplitMix64, shared by all threads.
    fn random() -> u64 {
        let state = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Whether something that happens `often` times as often as a failure happens now.
    fn strikes(often: u64) -> bool {
        let one_in = ONE_IN.load(Ordering::Relaxed);
        one_in > 0 && random() % one_in < often
    }

    /// The errno that the call fails with, if it does.
    pub(crate) fn fail(call: Call) -> rustix::io::Result<()> {
        match call {
            Call::Write => WRITES.fetch_add(1, Ordering::Relaxed),
            Call::Register => REGISTRATIONS.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        let (fatal, harmless): (&[Errno], &[Errno]) = match call {
            Call::Read => (
                &[Errno::CONNRESET, Errno::TIMEDOUT, Errno::NOMEM, Errno::CONNREFUSED, Errno::NOBUFS, Errno::IO],
                &[Errno::INTR, Errno::AGAIN],
            ),
            Call::Write => (
                &[Errno::CONNRESET, Errno::PIPE, Errno::NOMEM, Errno::NOBUFS, Errno::HOSTUNREACH, Errno::NETDOWN],
                &[Errno::INTR, Errno::AGAIN],
            ),
            Call::Wait | Call::Light => (&[], &[Errno::INTR]),
            Call::Poll => (&[Errno::NOMEM], &[Errno::INTR]),
            // It has slept, or not: nobody has roused it, as far as it knows.
            Call::Sleep => (&[], &[Errno::INTR, Errno::AGAIN]),
            Call::Register => (&[Errno::NOMEM, Errno::NOSPC], &[]),
            Call::Change => (&[Errno::NOMEM], &[]),
            Call::Descriptor => (&[Errno::MFILE, Errno::NFILE, Errno::NOMEM], &[]),
            Call::Ring => (&[], &[Errno::INTR, Errno::AGAIN]),
            Call::Accept => (
                &[Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::PERM, Errno::PROTO],
                &[Errno::INTR, Errno::AGAIN, Errno::CONNABORTED],
            ),
            Call::Open => (&[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ACCESS], &[]),
            Call::Connect => (
                &[
                    Errno::CONNREFUSED,
                    Errno::TIMEDOUT,
                    Errno::ADDRNOTAVAIL,
                    Errno::NETUNREACH,
                    Errno::AGAIN,
                    Errno::PERM,
                ],
                &[],
            ),
        };
        let often = if matches!(call, Call::Read | Call::Write | Call::Change | Call::Poll) { 1 } else { 20 };
        let chosen = match () {
            () if !fatal.is_empty() && strikes(often) => fatal,
            () if !harmless.is_empty() && strikes(50) => harmless,
            () => return Ok(()),
        };
        COUNT.fetch_add(1, Ordering::Relaxed);
        chosen.get(random() as usize % chosen.len()).map_or(Ok(()), |errno| Err(*errno))
    }

    /// How much of `len` bytes is read or written.
    pub(crate) fn shorten(len: usize) -> usize {
        if len > 1 && strikes(100) { 1 + random() as usize % (len - 1) } else { len }
    }

    /// What a wait tells besides the truth.
    pub(crate) enum Spurious {
        /// It is over at once, with or without anything.
        Over,
        /// The first that is ready once more, and the other way round, and a neighbour of it that may be there or not.
        Again,
        /// One that was ready some time ago, and may be gone since.
        Old(u64),
    }

    static OLD: [AtomicU64; 64] = [const { AtomicU64::new(u64::MAX) }; 64];

    fn old() -> &'static AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(u64::MAX);
        OLD.get(random() as usize % OLD.len()).unwrap_or(&NONE)
    }

    /// A read has brought something.
    pub(crate) fn count_read() {
        READS.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was ready.
    pub(crate) fn remember(token: u64) {
        old().store(token, Ordering::Relaxed);
    }

    /// Whether a wait is to tell something that is not so.
    pub(crate) fn spurious() -> Option<Spurious> {
        if !strikes(20) {
            return None;
        }
        COUNT.fetch_add(1, Ordering::Relaxed);
        Some(match random() % 3 {
            0 => Spurious::Over,
            1 => Spurious::Again,
            _ => Spurious::Old(old().load(Ordering::Relaxed)),
        })
    }
}
