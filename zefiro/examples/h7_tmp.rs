//! tmp
use std::time::Duration;
use zefiro::{Configure, Context, XPub as Pub};
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let size: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let p = Pub::builder().context(&Context::new()).send_high_water_mark(0usize).build().unwrap();
    let e = p.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut c = std::process::Command::new("/usr/bin/python3").args(["/tmp/z/h7_pub.py", &e]).spawn().unwrap();
    p.wait_subscribed("topic", 1, Duration::from_secs(5)).unwrap();
    for i in 0..n { p.send(["topic".to_string().into_bytes(), vec![i as u8; size]]).unwrap(); }
    println!("{:?}", p.close_within(Duration::from_secs(5)));
    println!("{:?}", c.wait());
}
