//! Both ways at once: what there is to send is sent, and what comes meanwhile is printed.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use zefiro::{AnySocket, ErrorKind, Frame, Message, SocketType};

use super::args::Job;
use super::input::messages;
use super::output::print;
use super::timeout::{Awaited, TimedOut};
use super::{Ending, FOR_EVER, awaited_peers, in_vain, publishes, send, wait_for_peers};

/// What one of the two threads has to tell.
enum Happening {
    Came(Message),
    Sent,
    /// All is sent.
    Said,
    Failed(anyhow::Error),
}

/// What the threads know of each other.
#[derive(Default)]
struct Shared {
    /// The id of a plain connection's peer, known when it is there.
    peer: OnceLock<Frame>,
    /// Whom or what the sending thread waits for.
    awaited: Mutex<Option<Awaited>>,
}

impl Shared {
    fn set_awaited(&self, awaited: Option<Awaited>) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = awaited;
    }

    fn awaited(&self) -> Option<Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends what there is to send, and prints what comes meanwhile, until there is [enough](enough).
pub fn both_ways(socket: &AnySocket, job: &Arc<Job>) -> anyhow::Result<Ending> {
    let (tell, happenings) = sync_channel(HAPPENINGS_MAX);
    let (receiver, teller) = (socket.clone(), tell.clone());
    // The threads are left behind at the end: one may wait for a line of input that never comes.
    thread::spawn(move || hear(&receiver, &teller));
    let (sender, job_to_do) = (socket.clone(), job.clone());
    let shared = Arc::new(Shared::default());
    let shared_too = shared.clone();
    thread::spawn(move || {
        let said = say(&sender, &job_to_do, &shared_too, &tell);
        let _ = tell.send(said.map_or_else(Happening::Failed, |()| Happening::Said));
    });
    converse(job, &shared, &happenings)
}

/// Deals with what happens.
fn converse(job: &Job, shared: &Shared, happenings: &Receiver<Happening>) -> anyhow::Result<Ending> {
    let (mut sent, mut received, mut said) = (0, 0, false);
    let patience = job.timeout.map_or(FOR_EVER, |timeout| timeout + job.say.interval.unwrap_or_default());
    while !enough(job, sent, received, said) {
        match happenings.recv_timeout(patience) {
            Ok(Happening::Came(mut message)) => {
                if job.is_alone() {
                    let id = message.pop_front().unwrap_or_default();
                    match (message.first().is_empty(), shared.peer.set(id)) {
                        // The peer has come.
                        (true, Ok(())) => continue,
                        // It has gone.
                        (true, Err(_)) => break,
                        _ => {}
                    }
                }
                print(&message, job)?;
                received += 1;
            }
            Ok(Happening::Sent) => sent += 1,
            Ok(Happening::Said) => said = true,
            Ok(Happening::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => {
                let replies = replies(job, sent);
                if received > 0 && job.count.is_none() && replies.is_none() {
                    return Ok(Ending::Silence(patience));
                }
                let noun = if replies.is_some() { "reply" } else { "message" };
                let arrival = Awaited::Arrival { noun, came: received, of: job.count.or(replies) };
                return Err(TimedOut { awaited: shared.awaited().unwrap_or(arrival), patience }.into());
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the socket's threads have ended"),
        }
    }
    Ok(Ending::Enough)
}

/// Whether the conversation is over. What was given is sent to its end in any case; the input may have none.
fn enough(job: &Job, sent: u64, received: u64, said: bool) -> bool {
    match job.count {
        Some(count) => received >= count && (said || (count > 0 && !job.say.is_given())),
        None => said && replies(job, sent).is_some_and(|replies| received >= replies),
    }
}

/// How many replies so many messages get; `None` if there is no telling, or nothing was sent.
fn replies(job: &Job, sent: u64) -> Option<u64> {
    match job.socket_type {
        _ if sent == 0 => None,
        SocketType::Dealer | SocketType::Router => Some(sent),
        // Subscriptions and what is published are no replies.
        SocketType::XPub | SocketType::XSub if job.timeout.is_none() => Some(0),
        _ => None,
    }
}

fn hear(socket: &AnySocket, tell: &SyncSender<Happening>) {
    loop {
        let happening = match socket.recv() {
            Ok(message) => Happening::Came(message),
            // The time is kept by the one who is told.
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            Err(error) => Happening::Failed(error.into()),
        };
        let failed = matches!(happening, Happening::Failed(_));
        if tell.send(happening).is_err() || failed {
            return;
        }
    }
}

fn say(socket: &AnySocket, job: &Job, shared: &Shared, tell: &SyncSender<Happening>) -> anyhow::Result<()> {
    shared.set_awaited(Some(awaited_peers(job)).filter(|_| publishes(job) || job.say.peers > 1));
    wait_for_peers(socket, job)?;
    shared.set_awaited(None);
    let mut told = false;
    for (index, message) in messages(job)?.enumerate() {
        if let (Some(interval), true) = (job.say.interval, index > 0) {
            thread::sleep(interval);
        }
        let mut message = message?;
        if job.is_alone() {
            message.push_front(shared.peer.wait().clone());
        }
        shared.set_awaited(Some(Awaited::Room));
        match job.socket_type {
            SocketType::Router | SocketType::Stream => send_to_peer(socket, job, shared, message)?,
            _ => send(socket, job, message, &mut told)?,
        }
        shared.set_awaited(None);
        let _ = tell.send(Happening::Sent);
    }
    Ok(())
}

/// Waits for the peer with the id in front, if need be.
fn send_to_peer(socket: &AnySocket, job: &Job, shared: &Shared, mut message: Message) -> anyhow::Result<()> {
    let patience = job.timeout.unwrap_or(FOR_EVER);
    let deadline = Instant::now() + patience;
    loop {
        let (error, unsent) = match socket.send(message) {
            Ok(()) => return Ok(()),
            Err(error) => error.into_parts(),
        };
        if error.kind() != ErrorKind::Unroutable {
            return Err(in_vain(error, Awaited::Room, socket.options().send_timeout));
        }
        let awaited = Awaited::Peer(unsent.first().clone());
        if Instant::now() >= deadline {
            return Err(TimedOut { awaited, patience }.into());
        }
        shared.set_awaited(Some(awaited));
        message = unsent;
        thread::sleep(LOOKING);
    }
}

/// What has happened waits here to be dealt with; more of what comes waits in the socket.
const HAPPENINGS_MAX: usize = 64;

/// How often to look whether a peer has come.
const LOOKING: Duration = Duration::from_millis(20);
