//! Frames to and from bytes, in the framing of ZMTP 1.0 and in that of 2.0 and later; whole connections by version.

use std::sync::Arc;
use std::time::Instant;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use zmtp::connection::{Config, Connection, Event};
use zmtp::{Frame, Framing, Memory, Run, SocketType, Version};

use crate::{BATCH, payload};

const SIZES: [usize; 4] = [8, 64, 1024, 16 * 1024];

fn encoded(framing: Framing, size: usize) -> Vec<u8> {
    let body = payload(size);
    let mut out = Vec::new();
    for _ in 0..BATCH {
        framing.encode(&mut out, &body, false);
    }
    out
}

fn encode(bencher: Bencher<'_, '_>, framing: Framing, size: usize) {
    let (body, expected) = (payload(size), encoded(framing, size));
    let mut out = Vec::with_capacity(expected.len());
    bencher.counter(ItemsCount::new(BATCH)).counter(BytesCount::new(BATCH * size)).bench_local(|| {
        out.clear();
        for _ in 0..BATCH {
            framing.encode(&mut out, black_box(&body), false);
        }
        black_box(&out);
    });
    assert_eq!(out, expected);
}

#[divan::bench(args = SIZES)]
fn encode_v1(bencher: Bencher<'_, '_>, size: usize) {
    encode(bencher, Framing::V1, size);
}

#[divan::bench(args = SIZES)]
fn encode_v2(bencher: Bencher<'_, '_>, size: usize) {
    encode(bencher, Framing::V2, size);
}

/// Cuts received bytes into frames, as a receiver does.
fn cut(bencher: Bencher<'_, '_>, framing: Framing, size: usize) {
    let bytes = encoded(framing, size);
    let end = bytes.len();
    let run = Run::new(framing, Memory::from(bytes), 0..end, BATCH);
    let (body, mut frame, mut count) = (payload(size), Frame::new(), 0);
    bencher.counter(ItemsCount::new(BATCH)).counter(BytesCount::new(BATCH * size)).bench_local(|| {
        let mut run = run.clone();
        count = 0;
        while run.next_frame_into(&mut frame).is_some() {
            count += 1;
            black_box(&frame);
        }
    });
    assert_eq!((count, frame.as_slice()), (BATCH, body.as_slice()));
}

#[divan::bench(args = SIZES)]
fn cut_v1(bencher: Bencher<'_, '_>, size: usize) {
    cut(bencher, Framing::V1, size);
}

#[divan::bench(args = SIZES)]
fn cut_v2(bencher: Bencher<'_, '_>, size: usize) {
    cut(bencher, Framing::V2, size);
}

/// A PULL that has shaken hands with a PUSH of the version.
fn connection(version: Version, now: Instant) -> Connection {
    let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
    match version {
        // An anonymous peer: its first frame is an empty identity.
        Version::V1_0 => hear(&mut pull, b"\x01\x00", now),
        // Signature, revision 1, socket type 8, an empty identity.
        Version::V2_0 => hear(&mut pull, b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\x00\x00", now),
        Version::V3_0 | Version::V3_1 => {
            let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), now);
            let mut sent = 0;
            loop {
                let (mut to_pull, to_push) = (push.take_output(), pull.take_output());
                if to_pull.is_none() && to_push.is_none() {
                    break;
                }
                if let Some(bytes) = &mut to_pull {
                    let minor = 11usize.checked_sub(sent).and_then(|at| bytes.get_mut(at));
                    if let Some(minor) = minor.filter(|_| version == Version::V3_0) {
                        *minor = 0;
                    }
                    sent += bytes.len();
                }
                hear(&mut push, &to_push.unwrap_or_default(), now);
                hear(&mut pull, &to_pull.unwrap_or_default(), now);
            }
        }
    }
    assert!(pull.is_ready() && pull.version() == version, "{version:?} became {:?}", pull.version());
    while pull.poll_event().is_some() {}
    pull
}

/// Hands bytes to a connection, as much at a time as it has room for.
fn hear(connection: &mut Connection, mut bytes: &[u8], now: Instant) {
    while !bytes.is_empty() {
        let input = connection.input();
        let (piece, rest) = bytes.split_at(bytes.len().min(input.capacity() - input.len()));
        input.extend_from_slice(piece);
        connection.handle_input(now).unwrap();
        bytes = rest;
    }
}

const VERSIONS: [Version; 4] = [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1];

/// From received bytes to frames, by way of a connection: its buffers, its checks of limits, the cutting.
#[divan::bench(args = VERSIONS)]
fn receive_64_bytes(bencher: Bencher<'_, '_>, version: Version) {
    let now = Instant::now();
    let mut pull = connection(version, now);
    let (bytes, body) = (encoded(pull.framing(), 64), payload(64));
    let (mut frame, mut count) = (Frame::new(), 0);
    bencher.counter(ItemsCount::new(BATCH)).counter(BytesCount::new(BATCH * 64)).bench_local(|| {
        hear(&mut pull, &bytes, now);
        count = 0;
        while let Some(Event::Messages(mut run)) = pull.poll_event() {
            while run.next_frame_into(&mut frame).is_some() {
                count += 1;
                black_box(&frame);
            }
        }
    });
    assert_eq!((count, frame.as_slice()), (BATCH, body.as_slice()));
}

/// Two connections from nothing to the end of the handshake.
#[divan::bench(args = [Version::V3_0, Version::V3_1])]
fn handshake(version: Version) -> Connection {
    connection(version, Instant::now())
}
