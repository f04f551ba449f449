//! The policy of the whole process, which is why it is a program of its own.

use zefiro::{Context, CurveSecret, Dish, ErrorKind, Pull, SharedKey, Stream, policy};

#[test]
fn outside_loopback_only_what_is_encrypted_is_bound() {
    let context = Context::new();
    let pull = || Pull::builder().context(&context);
    let everywhere = "tcp://*:*";
    assert!(!policy::requires_encryption());
    pull().build().unwrap().bind(everywhere).unwrap();
    policy::require_encryption(true);
    for plain in [pull(), pull().plain_server(true), pull().zap_domain("test")] {
        let plain = plain.build().unwrap();
        let mut monitor = plain.monitor();
        let error = plain.bind(everywhere).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Insecure);
        assert_eq!(error.endpoint(), Some(everywhere));
        let event = monitor.try_recv().unwrap();
        assert!(matches!(event.kind, zefiro::EventKind::BindFailed(_)));
        assert_eq!(event.to_string().matches("tcp://").count(), 1, "{event}");
        plain.bind("tcp://127.0.0.1:*").unwrap();
        plain.bind("ipc://*").unwrap();
    }
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    assert_eq!(pull().build().unwrap().bind_fd(everywhere, listener).unwrap_err().kind(), ErrorKind::Insecure);
    let stream = Stream::builder().context(&context).build().unwrap();
    assert_eq!(stream.bind(everywhere).unwrap_err().kind(), ErrorKind::Insecure);
    let dish = Dish::builder().context(&context).build().unwrap();
    assert_eq!(dish.bind("udp://*:0").unwrap_err().kind(), ErrorKind::Insecure);
    let secret = CurveSecret::generate().unwrap();
    pull().curve_server(true).curve_secret_key(secret).build().unwrap().bind(everywhere).unwrap();
    pull().shared_key(SharedKey::generate().unwrap()).build().unwrap().bind(everywhere).unwrap();
    policy::require_encryption(false);
    pull().build().unwrap().bind(everywhere).unwrap();
}
