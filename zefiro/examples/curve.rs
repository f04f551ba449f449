//! Encrypted and authenticated: a CURVE server that lets in the clients it knows.

use zefiro::auth::Keys;
use zefiro::{CurveSecret, Pull, Push};

fn main() -> zefiro::Result<()> {
    // Kept in files in practice: `zefiro keygen`, and `Keys::in_directory` of what the clients have given away.
    let server = CurveSecret::generate().expect("the system has random bytes");
    let client = CurveSecret::generate().expect("the system has random bytes");

    let known = Keys::new().key(client.public(), "the client we know");
    let pull = Pull::builder().curve_server(true).curve_secret_key(server.clone()).authenticator(known).build()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();

    let push = Push::builder().curve_server_key(server.public()).curve_secret_key(client).build()?;
    push.connect(&endpoint)?;
    push.send("nobody in between can read this")?;
    println!("{:?} from {:?}", pull.recv()?, pull.peers()[0].user_id);
    Ok(())
}
