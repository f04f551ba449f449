#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zefiro_fuzz::datagrams(bytes));
