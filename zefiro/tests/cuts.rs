//! Never a part of a message: a proxy resets the connection at every byte of a recorded stream, in either direction,
//! and what arrives is whole, in order, and all but what the kernel had; the counters say so too.

#![cfg(unix)]

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;
use util::{LONG, free_address, is_long, until};
use zefiro::{Context, Dealer, EventKind, Frame, Message};

/// Who says what is cut.
#[derive(Clone, Copy, PartialEq, Debug)]
enum From {
    Connecting,
    Bound,
}

/// Of each of the four kernel buffers that a reset may empty; the kernel doubles it.
const BUFFER_BYTES: usize = 32 << 10;

/// Lets so many bytes pass, then resets the connection; the connections after that are left alone.
#[derive(Clone, Copy, Debug)]
struct Cut {
    from: From,
    after: usize,
}

/// Between the two sockets; answers at its end how many bytes the first connection carried each way.
struct Proxy {
    address: String,
    /// Told when the end of the first connection is noticed: the next one is let in. Were both there for a while, who sends
    /// would deal out to both, and every other message would be lost with the first.
    noticed: Sender<()>,
    carrying: JoinHandle<[usize; 2]>,
}

impl Proxy {
    fn new(target: String, cut: Option<Cut>) -> Proxy {
        // It takes two connections, whoever makes them: nobody else knows the address.
        let listener = TcpListener::bind(free_address()).unwrap();
        SockRef::from(&listener).set_recv_buffer_size(BUFFER_BYTES).unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let (noticed, notice) = channel();
        let carrying = thread::spawn(move || {
            let (first, _) = listener.accept().unwrap();
            let carried = carry(first, TcpStream::connect(&target).unwrap(), cut);
            if cut.is_some() {
                notice.recv().unwrap();
                // The connection after the cut lasts until the sockets end it; one cut in the handshake comes again once.
                let (second, _) = listener.accept().unwrap();
                carry(second, TcpStream::connect(&target).unwrap(), None);
            }
            carried
        });
        Proxy { address, noticed, carrying }
    }
}

fn carry(connecting: TcpStream, bound: TcpStream, cut: Option<Cut>) -> [usize; 2] {
    SockRef::from(&bound).set_send_buffer_size(BUFFER_BYTES).unwrap();
    let mut carried = [0; 2];
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut room = [buffer.len(); 2];
        if let Some(cut) = cut {
            room[cut.from as usize] = room[cut.from as usize].min(cut.after - carried[cut.from as usize]);
            if room[cut.from as usize] == 0 {
                // Closing becomes a reset.
                SockRef::from(&connecting).set_linger(Some(Duration::ZERO)).unwrap();
                SockRef::from(&bound).set_linger(Some(Duration::ZERO)).unwrap();
                return carried;
            }
        }
        let mut ready = [PollFd::new(&connecting, PollFlags::IN), PollFd::new(&bound, PollFlags::IN)];
        poll(&mut ready, None).unwrap();
        let ready = ready.map(|ready| !ready.revents().is_empty());
        for (from, (mut source, mut sink)) in [(&connecting, &bound), (&bound, &connecting)].into_iter().enumerate() {
            if !ready[from] {
                continue;
            }
            match source.read(&mut buffer[..room[from]]) {
                Ok(count @ 1..) if sink.write_all(&buffer[..count]).is_ok() => carried[from] += count,
                _ => return carried,
            }
        }
    }
}

/// Two sockets, the proxy between them, and what they say.
struct Scene {
    connecting: Dealer,
    bound: Dealer,
    proxy: Proxy,
    context: Context,
}

impl Scene {
    fn new(cut: Option<Cut>) -> Scene {
        let context = Context::new();
        let dealer = || {
            let builder = Dealer::builder().as_libzmq().context(&context).recv_timeout(LONG).send_timeout(LONG);
            let builder = builder.reconnect_interval(Some(Duration::from_millis(1)));
            let builder = builder.send_buffer(Some(BUFFER_BYTES)).recv_buffer(Some(BUFFER_BYTES));
            builder.linger(Duration::ZERO).build().unwrap()
        };
        let (connecting, bound) = (dealer(), dealer());
        let target = bound.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let proxy = Proxy::new(target.trim_start_matches("tcp://").into(), cut);
        Scene { connecting, bound, proxy, context }
    }

    fn end(self) -> [usize; 2] {
        drop((self.connecting, self.bound));
        self.context.terminate();
        self.proxy.carrying.join().unwrap()
    }
}

/// Parts of several sizes, all of which tell which message they belong to.
fn message(number: usize, size: usize) -> Message {
    Message::from([Frame::from(vec![number as u8]), Frame::new(), Frame::from(vec![number as u8; size + number % 3])])
}

fn number_of(message: &Message, size: usize) -> usize {
    let number = usize::from(message.first().as_slice()[0]);
    assert_eq!(*message, self::message(number, size), "not whole");
    number
}

const END: usize = 255;

/// Receives until the end, and answers the numbers of what came before, and of what is left of the connection that was cut:
/// the two are read in turn.
fn receive(dealer: &Dealer, size: usize) -> Vec<usize> {
    let numbers = dealer.incoming().map(|message| number_of(&message.unwrap(), size));
    let mut numbers: Vec<usize> = numbers.take_while(|number| *number != END).collect();
    numbers.extend(std::iter::from_fn(|| dealer.try_recv().ok()).map(|message| number_of(&message, size)));
    numbers
}

/// Sends `count` messages each way through a connection that is cut, and what follows when there is a new one. Answers
/// what arrived at the bound and at the connecting socket.
fn exchange(cut: Option<Cut>, count: usize, size: usize) -> ([Vec<usize>; 2], [usize; 2]) {
    let scene = Scene::new(cut);
    let Scene { connecting, bound, proxy, .. } = &scene;
    let mut monitor = bound.monitor();
    // The first half waits in the process for the connection, the rest meets it as it is.
    connecting.connect(&proxy.address).unwrap();
    (0..count / 2).for_each(|number| connecting.send(message(number, size)).unwrap());
    let arrived = thread::scope(|scope| {
        let receivers = [scope.spawn(|| receive(bound, size)), scope.spawn(|| receive(connecting, size))];
        // It waits for a connection, and the first may be cut before it is one.
        let sending = scope.spawn(|| (0..count).for_each(|number| bound.send(message(number, size)).unwrap()));
        (count / 2..count).for_each(|number| connecting.send(message(number, size)).unwrap());
        if cut.is_some() {
            let disconnected = |kind: &EventKind| matches!(kind, EventKind::Disconnected(_));
            while !disconnected(&monitor.recv_timeout(LONG).expect("the bound socket sees the cut").kind) {}
            proxy.noticed.send(()).unwrap();
            bound.wait_connected(1, LONG).unwrap();
        }
        sending.join().unwrap();
        connecting.send(message(END, size)).unwrap();
        bound.send(message(END, size)).unwrap();
        receivers.map(|receiver| receiver.join().unwrap())
    });
    for (sender, arrived) in [(connecting, &arrived[0]), (bound, &arrived[1])] {
        // What has arrived may be about to be noted as written.
        until("the queue is empty", || sender.counters().queued_out == 0);
        let counters = sender.counters();
        let handed_over = counters.sent - counters.dropped.total();
        assert_eq!(counters.sent, count as u64 + 1);
        assert!((arrived.len() as u64) < handed_over, "{counters:?}, arrived {}", arrived.len());
    }
    // What a lasting pipe keeps is not lost, but for the one message of which the kernel had a part.
    assert!(connecting.counters().dropped.total() <= 1, "{:?}", connecting.counters());
    let carried = scene.end();
    (arrived, carried)
}

/// Order is kept and nothing comes twice; answers how many are missing in the one gap there may be.
fn check_order(arrived: &[usize], count: usize) -> usize {
    let missing: Vec<usize> = (0..count).filter(|number| !arrived.contains(number)).collect();
    assert!(arrived.is_sorted() && arrived.len() + missing.len() == count, "{arrived:?}");
    assert!(missing.windows(2).all(|two| two[1] == two[0] + 1), "more than one gap: {arrived:?}");
    missing.len()
}

/// Order is kept in each connection. To whom it was made a new one is a new peer, read in turn with what is left of the one
/// before. Answers how many are missing in between.
fn check_order_in_each(arrived: &[usize], count: usize) -> usize {
    let is_divided_at = |next: usize| {
        let (one, other): (Vec<usize>, Vec<usize>) = arrived.iter().partition(|number| **number < next);
        one.is_sorted() && other.is_sorted()
    };
    let missing = (0..count).find(|number| !arrived.contains(number));
    assert!(missing.map_or_else(|| (0..=count).any(is_divided_at), is_divided_at), "{arrived:?}");
    let mut sorted = arrived.to_vec();
    sorted.sort_unstable();
    check_order(&sorted, count)
}

/// Until the peers have greeted and told their properties.
fn handshake_bytes() -> usize {
    util::handshake("DEALER").len() + b"\x08Identity\0\0\0\0".len()
}

#[test]
fn a_reset_at_any_byte_loses_only_whole_messages_the_kernel_had() {
    const COUNT: usize = 8;
    const SIZE: usize = 9;
    let ([to_bound, to_connecting], whole) = exchange(None, COUNT, SIZE);
    assert_eq!((to_bound.len(), to_connecting.len()), (COUNT, COUNT));
    let step = if is_long() { 1 } else { 3 };
    for from in [From::Connecting, From::Bound] {
        // The end is only said after the cut.
        let end_bytes = SIZE + 7;
        for after in (0..whole[from as usize] - end_bytes).step_by(step) {
            let cut = Cut { from, after };
            println!("{cut:?}");
            let ([to_bound, to_connecting], _) = exchange(Some(cut), COUNT, SIZE);
            let missing = check_order_in_each(&to_bound, COUNT);
            check_order(&to_connecting, COUNT);
            // Who has not been greeted says nothing yet.
            if after < if from == From::Connecting { 64 } else { handshake_bytes() } {
                assert_eq!(missing, 0, "{cut:?}: nothing was sent yet");
            }
        }
    }
}

#[test]
fn what_the_kernel_did_not_take_is_sent_again() {
    const COUNT: usize = 40;
    const SIZE: usize = 50_000;
    let cuts = if is_long() { 500 } else { 25 };
    for cut in 0..cuts {
        let after = handshake_bytes() + cut * (COUNT * SIZE / cuts) + cut * 7919 % 1000;
        let cut = Cut { from: From::Connecting, after };
        println!("{cut:?}");
        let ([to_bound, to_connecting], _) = exchange(Some(cut), COUNT, SIZE);
        let missing = check_order_in_each(&to_bound, COUNT);
        check_order(&to_connecting, COUNT);
        // The kernel's buffers, and a message at each end of them.
        assert!(missing * SIZE <= 2 * (4 * 2 * BUFFER_BYTES) + 2 * SIZE, "{missing} are missing");
    }
}
