//! Ducts alone: marks, room, and that what goes swiftly is what goes.

use super::*;

fn next(reader: &mut DuctReader) -> Option<Message> {
    let mut message = Message::new();
    reader.pop(&mut message, false).map(|_| message)
}

#[test]
fn both_marks_add_up_and_room_comes_back_by_half() {
    let (mut writer, mut reader) = duct(2, false);
    reader.set_mark(2);
    let mut written = 0;
    while writer.has_room() {
        writer.push(&mut Message::from("x"));
        written += 1;
    }
    assert_eq!(written, 4);
    assert_eq!(reader.pop(&mut Message::new(), false), Some(false));
    assert!(!writer.has_room());
    assert_eq!(reader.pop(&mut Message::new(), false), Some(true));
    assert!(writer.has_room());
}

/// Miri interprets each step: it is given so many times less to do.
const STEPS: usize = if cfg!(miri) { 60 } else { 3000 };

/// Two ducts get the same, the one messages of one part swiftly; from one as much as can be is read swiftly.
#[test]
fn what_goes_swiftly_is_what_goes() {
    let long = "x".repeat(Frame::INLINE_MAX + 1);
    let kinds: [Message; 4] = ["".into(), "a".into(), ["a", "b"].into(), long.as_str().into()];
    for (mark, conflate) in [(0, false), (7, false), (1000, false), (0, true)] {
        let ((mut one, mut reader), (mut other, mut other_reader)) = (duct(mark, conflate), duct(mark, conflate));
        let (mut seed, mut swift) = (1u64, 0);
        let mut random = move |of: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % of
        };
        for step in 0..STEPS {
            match random(8) {
                0 => assert_eq!(reader.set_mark(step % 9), other_reader.set_mark(step % 9)),
                1..4 => {
                    for _ in 0..random(12) {
                        assert_eq!(one.has_room(), other.has_room());
                        let kind = &kinds[[0, 1, 1, 1, 1, 2, 3][random(7) as usize]];
                        let told = match kind.as_single() {
                            Some(part) => one.push_part(part),
                            None => one.push(&mut kind.clone()),
                        };
                        assert_eq!(told, other.push(&mut kind.clone()));
                    }
                }
                _ => {
                    for _ in 0..random(8) {
                        let (mut message, mut same) = (Message::new(), Message::new());
                        let by_parts = random(2) > 0;
                        let swiftly = reader.pop_swiftly(message.parts_mut().0);
                        let popped = match swiftly {
                            Some(len) => Some(len).filter(|len| *len == message.byte_len()).map(|_| false),
                            None => reader.pop(&mut message, by_parts),
                        };
                        assert_eq!(popped, other_reader.pop(&mut same, by_parts));
                        assert_eq!((&message, reader.holds()), (&same, other_reader.holds()));
                        assert_eq!(reader.ended_trickle(), other_reader.ended_trickle());
                        swift += usize::from(swiftly.is_some());
                        if random(2) > 0 {
                            assert_eq!(reader.release(), other_reader.release());
                        }
                    }
                }
            }
            let standing = |reader: &mut DuctReader| (reader.queued(), reader.read, reader.acknowledged);
            assert_eq!(standing(&mut reader), standing(&mut other_reader));
            assert_eq!(
                (reader.take_fresh(), reader.take_rouse()),
                (other_reader.take_fresh(), other_reader.take_rouse())
            );
        }
        assert!(if conflate { swift == 0 } else { swift > STEPS / 15 }, "{mark}: {swift}");
    }
}

#[test]
fn a_message_that_is_read_by_parts_keeps_its_place_until_the_last() {
    let fill = |writer: &mut DuctWriter, message: Message| {
        let mut written = 0;
        while writer.has_room() {
            writer.push(&mut message.clone());
            written += 1;
        }
        written
    };
    let parts = || Message::from(["a", "b"]);
    let (mut writer, mut reader) = duct(1, false);
    reader.set_mark(1);
    assert_eq!(fill(&mut writer, parts()), 2);
    assert_eq!(reader.pop(&mut Message::new(), true), Some(false));
    assert!(reader.holds() && !writer.has_room());
    assert!(reader.release() && !reader.holds());
    assert_eq!(fill(&mut writer, parts()), 1);
    // Whoever reads the next one has done with it.
    assert_eq!(reader.pop(&mut Message::new(), true), Some(false));
    assert_eq!(reader.pop(&mut Message::new(), true), Some(true));
    assert_eq!(fill(&mut writer, Message::from("x")), 1);
    // One part is read at once.
    assert_eq!(reader.pop(&mut Message::new(), true), Some(true));
    assert!(!reader.holds());
    assert_eq!(fill(&mut writer, parts()), 2);
}

#[test]
fn the_reader_is_told_once_per_sleep() {
    let (mut writer, mut reader) = duct(0, false);
    assert!(writer.push(&mut Message::from("a")));
    assert!(!writer.push(&mut Message::from("b")));
    assert!(reader.pop(&mut Message::new(), false).is_some() && reader.pop(&mut Message::new(), false).is_some());
    assert!(!reader.has_message());
    assert!(writer.push(&mut Message::from("c")));
}

#[test]
fn what_was_written_before_the_end_is_still_read() {
    let (mut writer, mut reader) = duct(10, false);
    writer.push(&mut Message::from("a"));
    assert!(writer.close());
    assert_eq!(next(&mut reader), Some(Message::from("a")));
    assert!(reader.pop(&mut Message::new(), false).is_none());
}

/// Writes while there is room, and answers how much that was.
fn fill(writer: &mut DuctWriter) -> usize {
    std::iter::from_fn(|| writer.has_room().then(|| writer.push(&mut Message::from("x")))).count()
}

#[test]
fn a_lowered_mark_holds_up_nobody_once_all_is_read() {
    let (mut writer, mut reader) = duct(1000, false);
    reader.set_mark(1000);
    for _ in 0..3 {
        writer.push(&mut Message::from("x"));
    }
    while reader.pop(&mut Message::new(), false).is_some() {}
    reader.set_mark(1);
    writer.set_mark(1);
    assert_eq!(fill(&mut writer), 2, "what was read before does not count");
}

#[test]
fn who_finds_nothing_left_to_read_tells_a_writer_that_waits() {
    let (mut writer, mut reader) = duct(1000, false);
    reader.set_mark(1000);
    writer.push(&mut Message::from("x"));
    writer.push(&mut Message::from("x"));
    assert!(next(&mut reader).is_some() && next(&mut reader).is_some());
    // As if it had taken the last message just before the marks were lowered, and not looked again.
    reader.duct.shared.lock().reader_mark = Some(1);
    writer.set_mark(1);
    assert!(!writer.has_room());
    assert!(!reader.has_message());
    assert!(reader.take_rouse() && !reader.take_rouse());
    assert_eq!(fill(&mut writer), 2);
}

#[test]
fn conflating_keeps_the_newest() {
    let (mut writer, mut reader) = duct(1, true);
    for text in ["a", "b", "c"] {
        assert!(writer.has_room());
        writer.push(&mut Message::from(text));
    }
    assert_eq!(next(&mut reader), Some(Message::from("c")));
    assert!(reader.pop(&mut Message::new(), false).is_none());
}

#[test]
fn conflating_keeps_the_newest_also_once_one_was_seen() {
    let (mut writer, mut reader) = duct(1, true);
    for text in ["a", "b", "c"] {
        writer.push(&mut Message::from(text));
        assert!(reader.has_message());
    }
    assert_eq!(next(&mut reader), Some(Message::from("c")));
    assert!(!reader.has_message());
    assert!(writer.push(&mut Message::from("d")), "who saw nothing is told of the next");
    assert_eq!((reader.take_fresh(), writer.fate().superseded), (1, 2));
}
