//! A poller: one thread waits for tasks and for orders at once.
//!
//! Run it with `cargo run -p zefiro --example poller`; it ends by itself.

use std::error::Error;
use std::thread;
use std::time::Duration;

use zefiro::{Interest, Poller, Pub, Pull, Push, Sub};

const TASKS: u64 = 0;
const ORDERS: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let tasks = Pull::new();
    let for_tasks = tasks.bind("tcp://127.0.0.1:*")?.to_string();
    let orders = Sub::new();
    let for_orders = orders.bind("tcp://127.0.0.1:*")?.to_string();
    orders.subscribe("stop")?;

    let boss = thread::spawn(move || {
        let (push, publisher) = (Push::new(), Pub::new());
        push.connect(&for_tasks)?;
        publisher.connect(&for_orders)?;
        for number in 1..=5 {
            push.send(format!("task {number}"))?;
            thread::sleep(Duration::from_millis(20));
        }
        publisher.wait_subscribed("stop", 1, Duration::from_secs(5))?;
        publisher.send("stop")?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });

    let poller = Poller::new()?;
    // The key of each comes back with its readiness.
    poller.add(&tasks, Interest::READABLE, TASKS)?;
    poller.add(&orders, Interest::READABLE, ORDERS)?;
    let mut ready = Vec::new();
    'working: loop {
        poller.wait(&mut ready, None)?;
        for socket in &ready {
            match socket.key {
                TASKS => println!("{}", tasks.recv()?.as_str()?),
                _ => {
                    println!("order: {}", orders.recv()?.as_str()?);
                    break 'working;
                }
            }
        }
    }
    boss.join().expect("the boss does not panic").map_err(|error| error.to_string())?;
    Ok(())
}
