//! ROUTER and DEALER: a server answers many clients out of order, each by its name.
//!
//! A DEALER sends without waiting for answers; a ROUTER sees who sent what, in a first frame that names the sender,
//! and sends to whom the first frame names.
//!
//! Run it with `cargo run -p zefiro --example router_dealer`; it ends by itself.

use std::error::Error;

use zefiro::{Dealer, Router};

fn main() -> Result<(), Box<dyn Error>> {
    let router = Router::new();
    let endpoint = router.bind("tcp://127.0.0.1:*")?.to_string();

    let mut clients = Vec::new();
    for name in ["ann", "bob", "cleo"] {
        let client = Dealer::builder().routing_id(name).build()?;
        client.connect(&endpoint)?;
        for number in 1..=2 {
            client.send(format!("question {number}"))?;
        }
        clients.push((name, client));
    }

    let mut questions = Vec::new();
    for _ in 0..6 {
        questions.push(router.recv()?);
    }
    // The router may answer whom it wants, when it wants.
    for question in questions.into_iter().rev() {
        let (name, text) = (question[0].clone(), question[1].as_str()?);
        router.send([name, format!("answer to {text}").into()])?;
    }

    for (name, client) in clients {
        for _ in 0..2 {
            println!("{name}: {}", client.recv()?.as_str()?);
        }
    }
    Ok(())
}
