//! Hearing: a publisher reads what its peers ask for before it sends, whoever watches its links.

use std::sync::Arc;
use std::time::Duration;

use super::{Set, pipe_of};
use crate::io::ALARM_TOKEN;
use crate::io::receive::{READS_APPLICATION, receive};
use crate::lock::give_way;
use crate::socket::core::SocketCore;
use crate::sys::{ReadyList, now};

/// Reads what the links of a publisher have, whoever watches them; where a thread is just reading it is waited for. All
/// that takes no longer than a moment.
pub(crate) fn hear(core: &Arc<SocketCore>, set: &Set) {
    let (begun, mut late) = (now(), false);
    let mut ready = ReadyList::new();
    if set.selector.wait(&mut ready, Some(Duration::ZERO)).is_err() {
        return;
    }
    for event in ready {
        if late && event.token != ALARM_TOKEN {
            continue;
        }
        let mut state = core.lock();
        if event.token == ALARM_TOKEN {
            state.pass_alarm_on();
            continue;
        }
        let link = state.pipes.get(pipe_of(event.token)).and_then(|pipe| pipe.link().cloned());
        drop(state);
        // One of them is always heard, however late it is by then.
        if let Some(link) = link {
            while now() - begun < HEARING && link.reader.try_lock().is_none() {
                give_way(&link.reader);
            }
            receive(core, &link, READS_APPLICATION, false);
            late = now() - begun >= HEARING;
        }
    }
}

/// So long a publisher listens to one after the other of its peers.
const HEARING: Duration = Duration::from_micros(100);

#[cfg(all(test, not(zefiro_loom), not(zefiro_portable)))]
mod tests {
    use super::*;
    use crate::pipe::Line;
    use crate::pipe::outbox::WriteState;
    use crate::{Dish, Message, Poller, Pub, Radio, Sub, XPub};

    const LONG: Duration = Duration::from_secs(30);

    /// What the peer has said is in the kernel.
    fn wait_written(core: &Arc<SocketCore>) {
        let is_written = |core: &Arc<SocketCore>| {
            let state = core.lock();
            let mut pipes = state.pipes.iter();
            pipes.all(|(_, pipe)| matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Idle))
        };
        while !is_written(core) {
            std::thread::yield_now();
        }
    }

    /// The I/O thread is told nothing any more.
    fn deafen(core: &Arc<SocketCore>) {
        wait_written(core);
        core.lock().watch.set().unwrap().disarm();
    }

    /// The subscription is in the kernel, and the I/O thread is not told.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_publisher_that_has_rested_hears_who_has_subscribed() {
        let (publisher, subscriber) = (Pub::new(), Sub::new());
        subscriber.connect(publisher.bind("ipc://*").unwrap()).unwrap();
        publisher.wait_connected(1, LONG).unwrap();
        subscriber.wait_connected(1, LONG).unwrap();
        deafen(publisher.core());
        for topic in ["a", "b"] {
            subscriber.subscribe(topic).unwrap();
            wait_written(subscriber.core());
            assert!(publisher.wait_subscribed(topic, 1, Duration::ZERO).is_err());
            publisher.core().lock().rest();
            publisher.send(topic).unwrap();
            assert_eq!(subscriber.recv_timeout(LONG).unwrap(), topic);
            wait_written(publisher.core());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn what_a_publisher_has_heard_can_be_read() {
        let (publisher, subscriber) = (XPub::new(), Sub::new());
        subscriber.connect(publisher.bind("ipc://*").unwrap()).unwrap();
        publisher.wait_connected(1, LONG).unwrap();
        subscriber.wait_connected(1, LONG).unwrap();
        deafen(publisher.core());
        subscriber.subscribe("a").unwrap();
        wait_written(subscriber.core());
        publisher.core().lock().rest();
        publisher.send("a").unwrap();
        assert_eq!(publisher.try_recv().unwrap(), "\u{1}a");
        assert_eq!(subscriber.recv_timeout(LONG).unwrap(), "a");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_radio_that_has_rested_hears_who_has_joined() {
        let (radio, dish) = (Radio::new(), Dish::new());
        dish.connect(radio.bind("ipc://*").unwrap()).unwrap();
        radio.wait_connected(1, LONG).unwrap();
        dish.wait_connected(1, LONG).unwrap();
        deafen(radio.core());
        for group in ["a", "b"] {
            dish.join(group).unwrap();
            wait_written(dish.core());
            radio.core().lock().rest();
            radio.send(Message::for_group(group, "hear")).unwrap();
            assert_eq!(dish.recv_timeout(LONG).unwrap(), [group, "hear"]);
            wait_written(radio.core());
        }
    }

    /// With each look it hears one of them at least, however little time there is.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_publisher_that_has_rested_hears_one_after_the_other() {
        const PEERS: usize = 8;
        let publisher = Pub::new();
        let endpoint = publisher.bind("ipc://*").unwrap();
        let subscribers: Vec<Sub> = (0..PEERS).map(|_| Sub::new()).collect();
        for subscriber in &subscribers {
            subscriber.connect(&endpoint).unwrap();
        }
        publisher.wait_connected(PEERS, LONG).unwrap();
        for subscriber in &subscribers {
            subscriber.wait_connected(1, LONG).unwrap();
        }
        deafen(publisher.core());
        for subscriber in &subscribers {
            subscriber.subscribe("a").unwrap();
            wait_written(subscriber.core());
        }
        for _ in 0..PEERS {
            publisher.core().lock().rest();
            publisher.send("a").unwrap();
            wait_written(publisher.core());
        }
        publisher.wait_subscribed("a", PEERS, Duration::ZERO).unwrap();
        for subscriber in &subscribers {
            assert_eq!(subscriber.recv_timeout(LONG).unwrap(), "a");
        }
    }

    /// One thread sends and hears, another waits with a poller for what the first, itself or the I/O thread has read.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn who_waits_for_subscriptions_is_told_of_those_that_a_sender_has_heard() {
        const TOPICS: u32 = 200;
        let (publisher, subscriber) = (XPub::new(), Sub::new());
        subscriber.connect(publisher.bind("ipc://*").unwrap()).unwrap();
        publisher.wait_connected(1, LONG).unwrap();
        let reader = publisher.clone();
        let reading = std::thread::spawn(move || {
            let poller = Poller::new().unwrap();
            poller.add(&reader, crate::Interest::READABLE, 0).unwrap();
            let (mut seen, mut ready) = (Vec::new(), Vec::new());
            while seen.len() < TOPICS as usize {
                assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1, "nobody has told of {}", seen.len());
                while let Ok(message) = reader.try_recv() {
                    seen.push(message);
                }
            }
            seen
        });
        for number in 0..TOPICS {
            let topic = format!("{number:04}");
            subscriber.subscribe(&topic).unwrap();
            wait_written(subscriber.core());
            wait_written(publisher.core());
            publisher.core().lock().rest();
            publisher.send(topic.as_str()).unwrap();
        }
        let asked: Vec<Message> = (0..TOPICS).map(|number| format!("\u{1}{number:04}").into()).collect();
        assert_eq!(reading.join().unwrap(), asked);
    }
}
