//! Encrypted and authenticated: a CURVE server that lets in one client it knows.

use std::thread;

use zefiro::{Configure, CurveSecret, Pull, Push, Rep};

fn main() -> zefiro::Result<()> {
    // Kept in files in practice: `zefiro keygen`.
    let server = CurveSecret::generate().expect("the system has random bytes");
    let client = CurveSecret::generate().expect("the system has random bytes");

    // Whoever is bound here decides who is welcome (ZAP, RFC 27). Without, every client that knows the server's key is.
    let known = client.public();
    let authenticator = Rep::new();
    authenticator.bind("inproc://zeromq.zap.01")?;
    thread::spawn(move || {
        for request in authenticator.incoming() {
            let welcome = request.get(6).is_some_and(|key| *key == known.as_bytes());
            let status = if welcome { "200" } else { "400" };
            if authenticator.send(["1.0", "1", status, "", "the client we know", ""]).is_err() {
                return;
            }
        }
    });

    let pull = Pull::builder().curve_server(true).curve_secret_key(server.clone()).build()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
    let push = Push::builder().curve_server_key(server.public()).curve_secret_key(client).build()?;
    push.connect(&endpoint)?;
    push.send("nobody in between can read this")?;
    println!("{:?}", pull.recv()?);
    Ok(())
}
