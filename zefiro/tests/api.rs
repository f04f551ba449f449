//! What every type of the interface can be relied on for: threads, printing, errors that travel.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use zefiro::*;

fn shared<T: Send + Sync + Debug + 'static>() {}
fn is_value<T: Clone + Eq + Hash>() {}
fn is_error<T: Error + Display + Send + Sync + 'static>() {}

#[test]
fn whatever_is_public_crosses_threads_and_prints() {
    shared::<AnySocket>();
    shared::<Push>();
    shared::<Builder<kind::Push>>();
    shared::<Context>();
    shared::<ContextBuilder>();
    shared::<ContextOptions>();
    shared::<Options>();
    shared::<OptionInfo>();
    shared::<Message>();
    shared::<Frame>();
    shared::<IntoFrames>();
    shared::<Frames<'static>>();
    shared::<Metadata>();
    shared::<Monitor>();
    shared::<MonitorHandle>();
    shared::<Event>();
    shared::<Poller>();
    shared::<Ready>();
    shared::<Proxy>();
    shared::<ProxyStatistics>();
    shared::<Peer>();
    shared::<Counters>();
    shared::<Endpoint>();
    shared::<RecvFuture<'static>>();
    shared::<SendFuture<'static>>();
    shared::<SharedKey>();
    shared::<Password>();
    shared::<CurveSecret>();
    shared::<auth::Request>();
    shared::<auth::Answer>();
    shared::<auth::Users>();
    shared::<auth::Addresses>();
    shared::<auth::Keys>();
    shared::<certificate::Certificate>();
    #[cfg(feature = "stream")]
    shared::<(RecvStream, SendSink)>();
}

#[test]
fn values_can_be_kept_in_sets_and_errors_boxed() {
    is_value::<Message>();
    is_value::<Frame>();
    is_value::<Endpoint>();
    is_value::<TcpEndpoint>();
    is_value::<UdpEndpoint>();
    is_value::<IpcEndpoint>();
    is_value::<AddressFilter>();
    is_value::<PeerId>();
    is_value::<SocketType>();
    is_value::<ErrorKind>();
    is_value::<CurveKey>();
    is_error::<zefiro::Error>();
    is_error::<SendError>();
    is_error::<NotSent>();
    let endpoints: HashSet<Endpoint> = ["tcp://a:1", "tcp://a:1", "ipc://a"].map(|text| text.parse().unwrap()).into();
    assert_eq!(endpoints.len(), 2);
}

#[test]
fn each_error_goes_with_a_question_mark_and_says_what_failed_where_and_why() {
    fn told(act: impl FnOnce() -> Result<(), Box<dyn Error>>) -> String {
        act().unwrap_err().to_string()
    }
    let push = Push::builder().linger(std::time::Duration::ZERO).build().unwrap();
    assert_eq!(told(|| Ok(push.connect("tcp://localhost")?)), "connect tcp://localhost: the port is missing");
    assert_eq!(told(|| Ok(push.try_send("nobody")?)), "send: it would have to wait");
    push.connect("ipc:///nobody/is/there").unwrap();
    push.send("nobody").unwrap();
    let not_sent = told(|| Ok(push.close_within(std::time::Duration::ZERO)?));
    let text = "close: 1 message was not sent in the time allowed: 1 from PUSH to ipc:///nobody/is/there";
    assert_eq!(not_sent, text);
    assert_eq!(told(|| Ok(push.try_send("nobody")?)), "send: the socket was closed");
    // As errors of the system, for programs that have those.
    let as_io = |error: zefiro::Error| std::io::Error::from(error);
    let error = as_io(Pull::new().bind("tcp://192.0.2.1:5555").unwrap_err());
    assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    assert!(error.to_string().starts_with("bind tcp://192.0.2.1:5555: "), "{error}");
}
