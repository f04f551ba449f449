//! What the tests share: endpoints on every transport, and a bound on every wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use zefiro::{Configure, Context, Socket, kind};

/// No wait in a test is longer; one that takes this long has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// Something to bind to on every transport.
pub fn endpoints() -> Vec<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = NEXT.fetch_add(1, Ordering::Relaxed);
    vec!["tcp://127.0.0.1:*".into(), "ipc://*".into(), format!("inproc://test-{name}")]
}

/// A socket of its own context whose waits end.
pub fn socket<K: kind::Typed>(context: &Context) -> Socket<K> {
    Socket::<K>::builder().context(context).recv_timeout(LONG).send_timeout(LONG).build().unwrap()
}

/// Two sockets joined by each transport in turn: the first one binds.
pub fn over_each_transport<A: kind::Typed, B: kind::Typed>(test: impl Fn(Socket<A>, Socket<B>)) {
    for endpoint in endpoints() {
        let context = Context::new();
        let (bound, connected) = (socket::<A>(&context), socket::<B>(&context));
        let endpoint = bound.bind(&endpoint).unwrap().to_string();
        connected.connect(&endpoint).unwrap();
        bound.wait_connected(1, LONG).unwrap();
        connected.wait_connected(1, LONG).unwrap();
        test(bound, connected);
        context.close_within(LONG).unwrap();
    }
}
