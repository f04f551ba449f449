//! Futures: on tokio, on smol's executor, on one of ten lines, cancelled at any time, beside threads.

mod util;

use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};

use util::{LONG, over_each_transport, socket};
use zefiro::{Context, ErrorKind, Message, Pull, Push, Rep, Req};

/// The smallest executor there is.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn no_runtime_is_needed() {
    over_each_transport(|rep: Rep, req: Req| {
        let server = thread::spawn(move || {
            block_on(async {
                for _ in 0..500 {
                    let request = rep.recv_async().await.unwrap();
                    rep.send_async(request).await.unwrap();
                }
            });
            rep
        });
        block_on(async {
            for number in 0..500 {
                req.send_async(number.to_string()).await.unwrap();
                assert_eq!(req.recv_async().await.unwrap(), number.to_string().as_str());
            }
        });
        drop(server.join().unwrap());
    });
}

/// A waker that goes on with its task at once, as some executors do: receives the message it is woken for, has another
/// sent, and waits for that.
struct ReceivesAtOnce {
    pull: Pull,
    next: Mutex<Sender<()>>,
    received: Mutex<Sender<zefiro::Result<Message>>>,
}

impl Wake for ReceivesAtOnce {
    fn wake(self: Arc<Self>) {
        let received = self.received.lock().unwrap();
        received.send(self.pull.recv()).unwrap();
        self.next.lock().unwrap().send(()).unwrap();
        received.send(self.pull.recv()).unwrap();
    }
}

#[test]
fn a_waker_may_receive_from_the_connection_that_woke_it() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        // Of contexts of their own: while the waker has one I/O thread, the other sends.
        let (pull, push): (Pull, Push) = (socket(&Context::new()), socket(&Context::new()));
        push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
        pull.wait_connected(1, LONG).unwrap();
        push.wait_connected(1, LONG).unwrap();
        let ((next, asked), (received, results)) = (channel(), channel());
        let waker = ReceivesAtOnce { pull: pull.clone(), next: Mutex::new(next), received: Mutex::new(received) };
        let waker = Waker::from(Arc::new(waker));
        let mut future = pin!(pull.recv_async());
        assert!(future.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_pending());
        push.send("first").unwrap();
        asked.recv_timeout(LONG).unwrap();
        push.send("second").unwrap();
        for text in ["first", "second"] {
            assert_eq!(results.recv_timeout(2 * LONG).unwrap().unwrap(), text, "{endpoint}");
        }
    }
}

#[test]
fn many_tasks_share_a_socket_on_several_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    over_each_transport(|pull: Pull, push: Push| {
        runtime.block_on(async {
            let senders: Vec<_> = (0..20u32)
                .map(|task| {
                    let push = push.clone();
                    tokio::spawn(async move {
                        for number in 0..500u32 {
                            push.send_async((task * 500 + number).to_string()).await.unwrap();
                        }
                    })
                })
                .collect();
            let receivers: Vec<_> = (0..10)
                .map(|_| {
                    let pull = pull.clone();
                    tokio::spawn(async move {
                        let mut numbers = Vec::new();
                        for _ in 0..1000 {
                            let message = pull.recv_async().await.unwrap();
                            numbers.push(message.as_str().unwrap().parse::<u32>().unwrap());
                        }
                        numbers
                    })
                })
                .collect();
            for sender in senders {
                sender.await.unwrap();
            }
            let mut all = Vec::new();
            for receiver in receivers {
                all.extend(receiver.await.unwrap());
            }
            all.sort_unstable();
            assert_eq!(all, (0..10_000).collect::<Vec<u32>>());
        });
    });
}

#[test]
fn a_cancelled_receive_takes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    over_each_transport(|pull: Pull, push: Push| {
        let sender = thread::spawn(move || {
            for number in 0..3000u32 {
                push.send(Message::from(&number.to_be_bytes())).unwrap();
                if number % 7 == 0 {
                    thread::yield_now();
                }
            }
            push
        });
        runtime.block_on(async {
            let mut next = 0u32;
            while next < 3000 {
                // Two futures at a time on one socket; whichever is not first is dropped.
                let message = tokio::select! {
                    message = pull.recv_async() => Some(message.unwrap()),
                    message = pull.recv_async() => Some(message.unwrap()),
                    () = tokio::task::yield_now() => None,
                };
                if let Some(message) = message {
                    assert_eq!(message.as_bytes(), next.to_be_bytes());
                    next += 1;
                }
            }
        });
        drop(sender.join());
    });
}

#[test]
fn a_cancelled_send_gives_the_message_back() {
    let context = Context::new();
    let push: Push = socket(&context);
    let mut sending = Box::pin(push.send_async(["no", "peer"]));
    let waker = Waker::noop();
    assert!(sending.as_mut().poll(&mut TaskContext::from_waker(waker)).is_pending());
    drop(sending);
    let refused = push.try_send(["no", "peer"]).unwrap_err();
    assert_eq!(refused.into_message(), ["no", "peer"]);
    assert_eq!(push.send_async("kept").into_message().unwrap(), "kept");
}

/// Lets others have their turn, on any runtime.
async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|task| {
        task.waker().wake_by_ref();
        if std::mem::replace(&mut given, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Polls a future for a few turns, then drops it; or goes on to its end.
async fn patiently<F: Future + Unpin>(future: &mut F, turns: Option<usize>) -> Option<F::Output> {
    let Some(turns) = turns else { return Some(future.await) };
    for _ in 0..turns {
        let once = std::future::poll_fn(|task| Poll::Ready(std::pin::Pin::new(&mut *future).poll(task))).await;
        if let Poll::Ready(output) = once {
            return Some(output);
        }
        give_way().await;
    }
    None
}

/// How long to be patient: for few turns, none, or to the end.
fn patience(state: &mut u64) -> Option<usize> {
    Some(util::random(state) as usize % 4).filter(|turns| *turns < 3)
}

/// Every message is sent once, however often its sending is given up.
async fn send_hesitantly(push: Push, messages: u32) {
    let mut state = 1;
    for number in 0..messages {
        let mut message = Message::from(&number.to_be_bytes());
        loop {
            let mut sending = push.send_async(message);
            match patiently(&mut sending, patience(&mut state)).await {
                Some(sent) => break sent.unwrap(),
                None => message = sending.into_message().expect("it was not sent"),
            }
        }
    }
}

async fn receive_hesitantly(pull: Pull, messages: u32) {
    let mut state = 2;
    for number in 0..messages {
        let message = loop {
            match patiently(&mut pull.recv_async(), patience(&mut state)).await {
                Some(received) => break received.unwrap(),
                None => give_way().await,
            }
        };
        assert_eq!(message.as_bytes(), number.to_be_bytes());
    }
}

/// Who polls.
enum Executor {
    Tokio,
    Smol,
    OfTenLines,
}

#[test]
fn nothing_is_lost_or_doubled_however_often_futures_are_dropped() {
    let messages = if util::is_long() { 200_000 } else { 2_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for endpoint in util::endpoints() {
        for executor in [Executor::Tokio, Executor::Smol, Executor::OfTenLines] {
            let context = Context::new();
            let pull = Pull::builder().context(&context).recv_high_water_mark(1).build().unwrap();
            let push = Push::builder().context(&context).send_high_water_mark(1).build().unwrap();
            push.connect(pull.bind(&endpoint).unwrap()).unwrap();
            let (sending, receiving) = (send_hesitantly(push, messages), receive_hesitantly(pull.clone(), messages));
            match executor {
                Executor::Tokio => {
                    let sending = runtime.spawn(sending);
                    runtime.block_on(runtime.spawn(receiving)).unwrap();
                    runtime.block_on(sending).unwrap();
                }
                Executor::Smol => {
                    let smol = async_executor::Executor::new();
                    let (sending, receiving) = (smol.spawn(sending), smol.spawn(receiving));
                    // Each thread runs whichever task is due until the one it waits for is done.
                    thread::scope(|scope| {
                        scope.spawn(|| block_on(smol.run(sending)));
                        block_on(smol.run(receiving));
                    });
                }
                Executor::OfTenLines => {
                    let sending = thread::spawn(move || block_on(sending));
                    block_on(receiving);
                    sending.join().unwrap();
                }
            }
            assert_eq!(pull.try_recv().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}

#[test]
fn a_future_and_a_thread_wait_on_the_same_socket() {
    let context = Context::new();
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    let other = pull.clone();
    let blocking = thread::spawn(move || (0..500).for_each(|_| drop(other.recv().unwrap())));
    let other = pull.clone();
    let waiting = thread::spawn(move || {
        block_on(async {
            for _ in 0..500 {
                other.recv_async().await.unwrap();
            }
        });
    });
    for number in 0..1000 {
        push.send(number.to_string()).unwrap();
        if number % 50 == 0 {
            thread::yield_now();
        }
    }
    blocking.join().unwrap();
    waiting.join().unwrap();
}

#[test]
fn closing_ends_futures() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let other = pull.clone();
    let waiting = thread::spawn(move || block_on(other.recv_async()).unwrap_err().kind());
    pull.close();
    assert_eq!(waiting.join().unwrap(), ErrorKind::Closed);
    context.close_within(LONG).unwrap();
}

#[cfg(feature = "stream")]
#[test]
fn sockets_are_streams_and_sinks() {
    use futures_util::{SinkExt, StreamExt};
    over_each_transport(|pull: Pull, push: Push| {
        let sender = thread::spawn(move || {
            block_on(async {
                let mut sink = push.send_sink();
                for number in 0..100 {
                    sink.send(Message::from(number.to_string())).await.unwrap();
                }
            });
            push
        });
        let numbers: Vec<String> = block_on(
            pull.recv_stream().take(100).map(|message| message.unwrap().as_str().unwrap().to_string()).collect(),
        );
        assert_eq!(numbers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        drop(sender.join());
    });
}

#[cfg(feature = "stream")]
#[test]
fn streams_and_sinks_keep_their_sockets_and_give_back_what_is_refused() {
    use futures_util::{SinkExt, StreamExt};
    let context = Context::new();
    let (mut stream, endpoint) = {
        let pull: Pull = socket(&context);
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        (pull.recv_stream(), endpoint)
    };
    let push: Push = socket(&context);
    let mut sink = {
        push.connect(&endpoint).unwrap();
        push.send_sink()
    };
    let closing = push.clone();
    drop(push);
    block_on(async {
        sink.send(Message::from("hello")).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "hello");
        closing.close();
        let refused = sink.send(Message::from("too late")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
        assert_eq!(refused.into_message(), "too late");
    });
}
