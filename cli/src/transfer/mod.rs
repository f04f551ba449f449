//! `zefiro push`, `pull`, `req`, `rep` and the others: talk from the shell.

mod answer;
mod args;
mod conversation;
mod input;
mod output;
mod timeout;
mod watch;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use zefiro::{AnySocket, Error, Message, SocketType};

use self::answer::answer_all;
use self::args::Job;
pub use self::args::Talk;
use self::conversation::both_ways;
use self::input::messages;
use self::output::print;
use self::timeout::{Awaited, TimedOut};
use self::watch::{LISTENING, Troubles};
use crate::args::EXIT_TIMEOUT;

/// Talks until everything is said.
pub fn run(talk: Talk) -> anyhow::Result<ExitCode> {
    let job = Arc::new(talk.job()?);
    let socket = job.ends.build(&job.socket_type.name().to_lowercase(), job.socket_type, job.timeout)?;
    if job.socket_type == SocketType::Router && !job.answers() {
        // A peer that is not there is waited for, unless there was no intention to send to it.
        socket.set_options(|options| options.router_mandatory = true)?;
    }
    let mut troubles = Troubles::watch(&socket, job.verbose || io::stderr().is_terminal());
    let endpoints = job.ends.attach(&socket)?;
    let (code, over) = match talk_as(&socket, &job) {
        Ok(Ending::Enough) => (ExitCode::SUCCESS, None),
        Ok(Ending::Silence(patience)) => (ExitCode::SUCCESS, Some(patience)),
        Err(error) => {
            let timed_out: TimedOut = error.downcast()?;
            if let Some(why) = troubles.untold() {
                say!("zefiro: {why}");
            }
            say!("zefiro: {}", timed_out.told(&socket, &endpoints, &job));
            (ExitCode::from(EXIT_TIMEOUT), Some(timed_out.patience))
        }
    };
    finish(&socket, &job, &mut troubles, over)?.map_or(Ok(code), Ok)
}

/// How the talk ended.
enum Ending {
    /// All was said, and what was asked for has come.
    Enough,
    /// Nothing more came for so long, and no more was asked for.
    Silence(Duration),
}

/// What was sent is to arrive, unless the program was told to hurry: what could not leave in the time that is over will
/// not leave now. Answers the exit code if it did not.
fn finish(
    socket: &AnySocket,
    job: &Job,
    troubles: &mut Troubles,
    over: Option<Duration>,
) -> anyhow::Result<Option<ExitCode>> {
    let lingers = job.ends.option.iter().any(|option| option.sets("linger"));
    let allowed = if lingers { socket.options().linger } else { over.or(job.timeout).or(Some(PATIENCE)) };
    let allowed = allowed.unwrap_or(FOR_EVER);
    let deadline = Instant::now() + if over.is_some() && !lingers { Duration::ZERO } else { allowed };
    // A closed socket tells no more of what happens to it.
    while socket.counters().queued_out > 0 && Instant::now() < deadline {
        troubles.listen(LISTENING);
    }
    // Of those that talk to whoever is there, some peers are gone before all is said.
    let lost = match job.socket_type {
        SocketType::Push | SocketType::Dealer | SocketType::Pair => socket.counters().dropped.peer_gone,
        _ => 0,
    };
    if lost > 0 {
        bail!("{} lost with the connection{}", were(lost), troubles.because());
    }
    if let Err(unsent) = socket.close_within(deadline.saturating_duration_since(Instant::now()))
        && unsent.messages() > 0
    {
        let messages = unsent.messages();
        say!("zefiro: {} not sent within {allowed:?}{}", were(messages as u64), troubles.because());
        return Ok(Some(ExitCode::from(EXIT_TIMEOUT)));
    }
    Ok(publishes(job).then(|| tell_dropped(socket)).flatten())
}

/// So many messages were.
fn were(messages: u64) -> String {
    if messages == 1 { "1 message was".to_string() } else { format!("{messages} messages were") }
}

fn talk_as(socket: &AnySocket, job: &Arc<Job>) -> anyhow::Result<Ending> {
    Ok(match job.socket_type {
        SocketType::Push | SocketType::Pub => send_all(socket, job)?,
        SocketType::Pull => receive_all(socket, job)?,
        SocketType::Sub => {
            subscribe(socket, job)?;
            receive_all(socket, job)?
        }
        SocketType::Req => ask_all(socket, job)?,
        _ if job.answers() => answer_all(socket, job)?,
        SocketType::XSub => {
            subscribe(socket, job)?;
            both_ways(socket, job)?
        }
        SocketType::Pair | SocketType::Dealer | SocketType::XPub | SocketType::Router | SocketType::Stream => {
            both_ways(socket, job)?
        }
        other => bail!("there is no command to talk as {other}"),
    })
}

fn subscribe(socket: &AnySocket, job: &Job) -> anyhow::Result<()> {
    if job.topics.subscriptions.is_empty() {
        socket.subscribe("")?;
    }
    for topic in &job.topics.subscriptions {
        socket.subscribe(topic)?;
    }
    Ok(())
}

fn send_all(socket: &AnySocket, job: &Job) -> anyhow::Result<Ending> {
    // A file that is not there is told before anybody is waited for.
    let mut given = messages(job)?;
    wait_for_peers(socket, job)?;
    let (mut sent, mut told) = (0, false);
    'repeat: loop {
        let before = sent;
        for message in given {
            if job.count.is_some_and(|count| sent >= count) {
                break 'repeat;
            }
            if let (Some(interval), true) = (job.say.interval, sent > 0) {
                thread::sleep(interval);
            }
            send(socket, job, message?, &mut told)?;
            sent += 1;
        }
        if job.count.is_none() || !job.say.is_given() || sent == before {
            break;
        }
        given = messages(job)?;
    }
    Ok(Ending::Enough)
}

/// Waits for the peers asked for: a publisher for those who subscribe, as it would talk to nobody without.
fn wait_for_peers(socket: &AnySocket, job: &Job) -> anyhow::Result<()> {
    let peers = job.say.peers;
    let patience = job.timeout.unwrap_or(FOR_EVER);
    let waited = match (&job.topics.prefix, publishes(job)) {
        (Some(topic), true) => socket.wait_subscribed(topic, peers, patience),
        (None, true) if peers > 0 => wait_for_any_subscription(socket, peers, patience),
        _ if peers > 1 => socket.wait_connected(peers, patience),
        _ => Ok(()),
    };
    waited.map_err(|error| in_vain(error, awaited_peers(job), Some(patience)))
}

/// Whom [`wait_for_peers`] waits for.
fn awaited_peers(job: &Job) -> Awaited {
    let peers = job.say.peers;
    if publishes(job) { Awaited::Subscribers(peers) } else { Awaited::Peers(peers) }
}

/// The error of who waited, with what for if the time was over.
fn in_vain(error: Error, awaited: Awaited, patience: Option<Duration>) -> anyhow::Error {
    match error.is_would_block() {
        true => TimedOut { awaited, patience: patience.unwrap_or_default() }.into(),
        false => error.into(),
    }
}

/// Without a topic it is not known which subscriptions to wait for: one is awaited, and the others follow soon.
fn wait_for_any_subscription(socket: &AnySocket, peers: usize, patience: Duration) -> zefiro::Result<()> {
    let start = Instant::now();
    socket.wait_connected(peers, patience)?;
    while socket.topic_count() == 0 {
        let left = patience.saturating_sub(start.elapsed());
        // That a subscription to all has come is told at once, of others one has to look.
        let waited = socket.wait_subscribed("", 1, left.min(SUBSCRIBING));
        if left.is_zero() {
            return waited;
        }
    }
    thread::sleep(SUBSCRIBING);
    Ok(())
}

fn publishes(job: &Job) -> bool {
    matches!(job.socket_type, SocketType::Pub | SocketType::XPub)
}

/// Sends a message. That nobody gets it is told the first time, and [at the end](tell_dropped) how many they were.
fn send(socket: &AnySocket, job: &Job, message: Message, told: &mut bool) -> anyhow::Result<()> {
    let sent = socket.send(message).map_err(Error::from);
    sent.map_err(|error| in_vain(error, Awaited::Room, socket.options().send_timeout))?;
    if publishes(job) && !*told && dropped(socket) > 0 {
        *told = true;
        say!("zefiro: a message was dropped: nobody subscribes to it, or not fast enough");
    }
    Ok(())
}

fn dropped(socket: &AnySocket) -> u64 {
    let dropped = socket.counters().dropped;
    dropped.unroutable + dropped.high_water_mark + dropped.peer_gone
}

/// Says how many messages were published in vain; all of them is a failure.
fn tell_dropped(socket: &AnySocket) -> Option<ExitCode> {
    let counters = socket.counters();
    for (messages, why) in [
        (counters.dropped.unroutable, "nobody subscribed to what they begin with"),
        (counters.dropped.high_water_mark, "a subscriber was too slow (-o xpub_no_drop waits for it)"),
        (counters.dropped.peer_gone, "a subscriber has gone"),
    ] {
        if messages > 0 {
            say!("zefiro: {} dropped: {why}", were(messages));
        }
    }
    (counters.sent == 0 && counters.dropped.unroutable > 0).then_some(ExitCode::FAILURE)
}

fn receive_all(socket: &AnySocket, job: &Job) -> anyhow::Result<Ending> {
    let mut received = 0;
    while job.count.is_none_or(|count| received < count) {
        match receive(socket, job, "message", received)? {
            Ok(message) => print(&message, job)?,
            Err(silence) => return Ok(silence),
        }
        received += 1;
    }
    Ok(Ending::Enough)
}

/// The next message, or silence if that is enough after those that came.
fn receive(socket: &AnySocket, job: &Job, noun: &'static str, came: u64) -> anyhow::Result<Result<Message, Ending>> {
    let error = match socket.recv() {
        Ok(message) => return Ok(Ok(message)),
        Err(error) => error,
    };
    let patience = socket.options().recv_timeout;
    match patience {
        Some(patience) if error.is_would_block() && came > 0 && job.count.is_none() => {
            Ok(Err(Ending::Silence(patience)))
        }
        _ => Err(in_vain(error, Awaited::Arrival { noun, came, of: job.count }, patience)),
    }
}

fn ask_all(socket: &AnySocket, job: &Job) -> anyhow::Result<Ending> {
    let mut asked = 0;
    loop {
        let before = asked;
        for message in messages(job)? {
            if job.count.is_some_and(|count| asked >= count) {
                return Ok(Ending::Enough);
            }
            if let (Some(interval), true) = (job.say.interval, asked > 0) {
                thread::sleep(interval);
            }
            send(socket, job, message?, &mut false)?;
            let awaited = Awaited::Arrival { noun: "reply", came: 0, of: None };
            let reply = socket.recv().map_err(|error| in_vain(error, awaited, socket.options().recv_timeout))?;
            print(&reply, job)?;
            asked += 1;
        }
        if job.count.is_none() || !job.say.is_given() || asked == before {
            return Ok(Ending::Enough);
        }
    }
}

/// How long what was sent may take to leave, unless the command line says.
const PATIENCE: Duration = Duration::from_secs(30);

/// Subscriptions follow the handshake at once.
const SUBSCRIBING: Duration = Duration::from_millis(50);

/// Nobody waits longer.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
