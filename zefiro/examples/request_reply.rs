//! REQ and REP: a client asks ten times and waits for each answer.
//!
//! Run it with `cargo run -p zefiro --example request_reply`; it ends by itself.

use std::error::Error;
use std::thread;

use zefiro::{Rep, Req};

const REQUESTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let server = Rep::new();
    // The system chooses a free port; `bind` answers which.
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let serving = thread::spawn(move || {
        for request in server.incoming().take(REQUESTS) {
            server.send(format!("Hello, {}!", request?.as_str().unwrap_or("stranger")))?;
        }
        Ok::<_, zefiro::Error>(())
    });

    let client = Req::new();
    client.connect(endpoint)?;
    for number in 0..REQUESTS {
        client.send(format!("client {number}"))?;
        println!("{}", client.recv()?.as_str()?);
    }
    serving.join().expect("the server does not panic")?;
    Ok(())
}
