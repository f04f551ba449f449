//! Encrypted and authenticated in one line at each end.

use zefiro::{Pull, Push, SharedKey};

fn main() -> zefiro::Result<()> {
    // In practice at both ends: `SharedKey::from_env()`, or `from_file` of what `zefiro keygen --shared` made.
    let key = SharedKey::generate()?;
    let pull = Pull::builder().shared_key(key.clone()).build()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
    let push = Push::builder().shared_key(key).build()?;
    push.connect(&endpoint)?;
    push.send("nobody in between can read this")?;
    println!("{:?} over {}", pull.recv()?, pull.peers()[0].mechanism);
    Ok(())
}
