//! Feeds the targets with mutations of a small corpus: a smoke test for any toolchain.
//!
//! `zefiro-fuzz [--seconds N] [--seed N] [--target NAME]`. A panic prints the input as hexadecimal and ends with 1.
//! `zefiro-fuzz --corpus DIRECTORY` only writes the corpus there, for guided runs to begin with.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zefiro_fuzz::{SLOW, TARGETS};

/// A generator good enough to choose bytes with (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Well-formed beginnings to mutate.
const CORPUS: [&[u8]; 33] = [
    b"\x87\x00\x05Hello\x01\x00\x00\x02Hi",
    b"\x89\x04\x0b\x09SUBSCRIBEA\x04\x08\x06CANCELA",
    b"\x85\x04\x0c\x04PING\x00\x0aHELLO\x02\x00\x00\x00\x00\x00\x00\x01\x00",
    b"\x07\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL",
    b"\x05\x01\x00\x06\x00Hello\xff\x00\x00\x00\x00\x00\x00\x01\x00\x00",
    b"\x05\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x06\x00\x02id",
    b"\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00",
    b"\x04\x04\x13\x05HELLO\x05admin\x06secret\x04\x0d\x08INITIATE",
    b"\x0d\x04\xc8\x05HELLO\x01\x00",
    b"\x14\x04\x12\x08INITIATE\x00\x00\x00\x05hello\x04\x00\x00\x1f\x07MESSAGE\x00\x00\x00\x13\x07\x00\x05READY\x06Socket\x00\x00\x00\x00",
    b"\x15\x04\x12\x08INITIATE\x00\x00\x00\x05hello\x04\x00\x04\x06\x05READY\x00\x05Hello",
    b"\x1d\x04\x14\x08INITIATE\x00\x00\x00\x07welcome\x04\x06\x05READY\x00\x05Hello",
    b"\x03\x00\x07Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
    b"metadata\n    name = \"A\"\ncurve\n    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n",
    b"|1.0|1|200|OK|bobb|",
    b"|1.0|1|400|no|||",
    b"\x00\x05\xff\x00\x41\xff\x08\x42\xff\x00\xff\xff\x06\xff\xff\x04\x41\xff\x06\x50\xff\x05\x00\xff",
    b"\x00\x40\x07\x00\x80\x07\x00\x60\x5f\x06\xf0\x07\x0c\x80\x07\x06\xf0\x07\x06\xf0\x5f\x0d\x00\xff",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x05Hello\0\x01\x01A\x20\x02\x06\x04PING\0\x0c\0\x03old",
    b"\0\0\0\0\0\0\0\x05Hello\0\x01\x01A\x0e\0\x03far\x1e\0\x05wrong",
    b"\x01\x05\x02\0\0\x02\x01\x03Hi\x00\x00\x01\x05\x05\x03\x00\x00\x01\x15\xb3",
    b"\x05|1.0|1|200|OK|bobb|\xff|1.0|1|400|no||",
    b"\x06\x31.0|1|200|OK|bobb|\x01A\0\0\0\x01B",
    b"\x00\x07\x02tvnews\x03\x01AB\x03\x05tv\x00",
    b"\x01\x05Hello\x00\x0210",
    b"\x12\x20\x05Hello\x21\x03one\x24\x64two\x10\x05\x04PING\x22\x02Hi",
    b"\x05\x07\x01\x02\x00\x02\x80\x07\x08\x29\x07\x0a\x71\x03\x0d\x07\x08",
    b"\x0c\x07\x0d\x07\x11\x07\x08\x8d\x0b\x07\x0c\x07\x4e\x07\x11\x07",
    b"\x10\x07\x00\x07\x08\x07\x0a\x00\x02\x02\x04\x81\x07\x08",
    b"\x81\x87\x04\x1e\x08INITIATE\0\0\0\x11\x60\x0f\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x30\x00",
    b"\x8a\x00\x01\x00\x00\x04an answer",
    b"tcp://[::1%lo]:5555",
    b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
];

fn main() -> ExitCode {
    let argument = |name: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1)
    };
    let seconds = argument("--seconds").and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = argument("--seed").and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let only = argument("--target");
    if let Some(directory) = argument("--corpus") {
        for (index, input) in CORPUS.iter().enumerate() {
            std::fs::write(format!("{directory}/{index:02}"), input).expect("the directory can be written to");
        }
        return ExitCode::SUCCESS;
    }
    println!("seed {seed}");
    let (mut random, end) = (Random(seed), Instant::now() + Duration::from_secs(seconds));
    let mut cases = 0u64;
    std::panic::set_hook(Box::new(|_| {}));
    while Instant::now() < end {
        for round in 0..256 {
            let input = mutate(&mut random);
            for (name, target) in TARGETS.into_iter().chain(SLOW.into_iter().filter(|_| round == 0 || only.is_some())) {
                if only.as_ref().is_some_and(|only| only != name) {
                    continue;
                }
                cases += 1;
                if let Err(panic) = std::panic::catch_unwind(|| target(&input)) {
                    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                    let why = panic.downcast_ref::<String>().map(String::as_str);
                    let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
                    println!("{name} panicked ({why}) on {hex}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    println!("{cases} cases, no panic");
    ExitCode::SUCCESS
}

fn mutate(random: &mut Random) -> Vec<u8> {
    let mut input = CORPUS[random.below(CORPUS.len())].to_vec();
    for _ in 0..random.below(8) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 => input.insert(at.min(input.len()), random.next() as u8),
            1 if at < input.len() => drop(input.remove(at)),
            2 if at < input.len() => input[at] ^= 1 << random.below(8),
            3 => input.extend_from_slice(CORPUS[random.below(CORPUS.len())]),
            4 => input.truncate(at),
            _ => {
                let run = vec![random.next() as u8; random.below(600)];
                input.splice(at.min(input.len())..at.min(input.len()), run);
            }
        }
    }
    input
}
