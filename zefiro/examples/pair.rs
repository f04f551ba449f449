//! PAIR: two threads of a program, joined one to one.
//!
//! Run it with `cargo run -p zefiro --example pair`; it ends by itself.

use std::error::Error;
use std::thread;

use zefiro::Pair;

fn main() -> Result<(), Box<dyn Error>> {
    let main_end = Pair::new();
    main_end.bind("inproc://steps")?;

    let helper = thread::spawn(|| {
        let helper_end = Pair::new();
        helper_end.connect("inproc://steps")?;
        let order = helper_end.recv()?;
        println!("the helper was told: {}", order.as_str().unwrap_or("?"));
        helper_end.send("done")?;
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    });

    main_end.send("begin")?;
    println!("the helper says: {}", main_end.recv()?.as_str()?);
    if let Err(error) = helper.join().expect("the helper does not panic") {
        eprintln!("the helper failed: {error}");
    }
    Ok(())
}
