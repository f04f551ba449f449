//! Sockets in async code: many requests in flight on one task each, here with Tokio; any other runtime does as well.
//!
//! Run it with `cargo run -p zefiro --example async_tokio`; it ends by itself.

use std::error::Error;
use std::time::Duration;

use zefiro::{Rep, Req};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Rep::new();
    let endpoint = server.bind("tcp://127.0.0.1:*")?.to_string();
    let serving = tokio::spawn(async move {
        for _ in 0..6 {
            let request = server.recv_async().await?;
            server.send_async(request).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });

    let mut clients = Vec::new();
    for name in ["ann", "bob", "cleo"] {
        let endpoint = endpoint.clone();
        clients.push(tokio::spawn(async move {
            let client = Req::new();
            client.connect(&endpoint)?;
            for number in 1..=2 {
                client.send_async(format!("{name} {number}")).await?;
                println!("echoed: {}", client.recv_async().await?.as_str()?);
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        }));
    }
    for client in clients {
        client.await?.map_err(|error| error.to_string())?;
    }
    serving.await?.map_err(|error| error.to_string())?;

    // A future may be dropped at any time, here by a time limit: no message is lost by that.
    let idle = Rep::new();
    idle.bind("tcp://127.0.0.1:*")?;
    let silence = tokio::time::timeout(Duration::from_millis(50), idle.recv_async()).await;
    println!("nobody asked: {}", silence.is_err());
    Ok(())
}
