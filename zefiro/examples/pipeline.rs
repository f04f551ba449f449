//! PUSH and PULL: tasks are dealt to workers in turn, and their results come together again.
//!
//! Run it with `cargo run -p zefiro --example pipeline`; it ends by itself.

use std::error::Error;
use std::thread;
use std::time::Duration;

use zefiro::{Pull, Push};

const WORKERS: usize = 4;
const TASKS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let ventilator = Push::new();
    let sink = Pull::new();
    // Within a process `inproc` is the fastest transport; `tcp` or `ipc` would do as well.
    ventilator.bind("inproc://tasks")?;
    sink.bind("inproc://results")?;

    for worker in 0..WORKERS {
        let (tasks, results) = (Pull::new(), Push::new());
        tasks.connect("inproc://tasks")?;
        results.connect("inproc://results")?;
        thread::spawn(move || {
            // Ends when the program does: a task comes or none does.
            for task in tasks.incoming() {
                let number: u64 = task?.as_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                results.send([worker.to_string(), (number * number).to_string()])?;
            }
            Ok::<_, zefiro::Error>(())
        });
    }

    ventilator.wait_connected(WORKERS, Duration::from_secs(5))?;
    for task in 1..=TASKS {
        ventilator.send(task.to_string())?;
    }
    let (mut sum, mut done) = (0, [0; WORKERS]);
    for _ in 0..TASKS {
        let result = sink.recv()?;
        done[result[0].as_str()?.parse::<usize>()?] += 1;
        sum += result[1].as_str()?.parse::<u64>()?;
    }
    println!("the first {TASKS} squares sum up to {sum}; done by each worker: {done:?}");
    Ok(())
}
