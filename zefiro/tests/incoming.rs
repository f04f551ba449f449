//! Messages as they come: iterators and streams.

mod util;

use std::thread;
use std::time::Duration;

use util::over_each_transport;
use zefiro::{AnySocket, ErrorKind, Pull, Push, Rep, Req, SocketType};

#[test]
fn incoming_waits_however_short_the_socket_waits_otherwise() {
    over_each_transport(|pull: Pull, push: Push| {
        pull.set_options(|options| options.recv_timeout = Some(Duration::from_millis(1))).unwrap();
        let sender = thread::spawn(move || {
            for number in 0..3 {
                thread::sleep(Duration::from_millis(20));
                push.send(number.to_string()).unwrap();
            }
            push
        });
        assert_eq!(pull.incoming().take(3).filter(|message| message.is_ok()).count(), 3);
        drop(sender.join().unwrap());
        let closes = pull.clone();
        let closing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            closes.close();
        });
        assert_eq!(pull.incoming().count(), 0);
        closing.join().unwrap();
    });
}

#[test]
fn who_never_answers_comes_to_an_end_instead_of_failing_for_ever() {
    over_each_transport(|rep: Rep, req: Req| {
        req.send("a question").unwrap();
        // An error is passed over here, and there would be no end to them.
        assert_eq!(rep.incoming().flatten().count(), 1);
        // It is the last item, where it is looked at.
        let items: Vec<_> = rep.incoming().map(|item| item.unwrap_err().kind()).collect();
        assert_eq!(items, [ErrorKind::State]);
        rep.send("an answer").unwrap();
        assert_eq!(req.recv().unwrap(), "an answer");
    });
    let push = AnySocket::open(SocketType::Push);
    let items: Vec<_> = push.incoming().map(|item| item.unwrap_err().kind()).collect();
    assert_eq!(items, [ErrorKind::Unsupported]);
}

#[cfg(feature = "stream")]
#[test]
fn a_stream_ends_as_the_iterator_does() {
    use futures_util::{StreamExt, future};
    let (rep, req) = (Rep::new(), Req::new());
    req.connect(rep.bind("inproc://a-stream-ends").unwrap()).unwrap();
    req.send("a question").unwrap();
    let answered = rep.recv_stream().filter_map(|item| future::ready(item.ok())).count();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(answered), 1);
}
