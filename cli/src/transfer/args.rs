//! The verbs that talk, what each can be told, and the [`Job`] it comes to.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Args, Subcommand};
use zefiro::{Frame, SocketType};

use super::input;
use crate::args::{Misuse, at_least_one, duration, examples};
use crate::ends::Ends;

/// The sockets one can talk with.
#[derive(Subcommand)]
pub enum Talk {
    /// Send messages to PULL peers in turn
    ///
    /// A pipeline's beginning: each message goes to one peer, the next one to the next. What nobody has room for waits.
    /// Ends when everything is sent.
    #[command(mut_arg("count", of_sent), after_help = examples!(
        "zefiro push --connect tcp://localhost:5555 'a task' 'another task'",
        "zefiro push --bind 'tcp://*:5555' --peers 2 --lines tasks.txt",
    ))]
    Push(Verb<Say>),
    /// Receive messages from PUSH peers
    ///
    /// A pipeline's end: takes from each peer in turn, and prints a line for each message.
    #[command(mut_arg("count", of_received), after_help = examples!(
        "zefiro pull --bind 'tcp://*:5555'",
        "zefiro pull --connect tcp://localhost:5555 --count 10 --timeout 5s --json",
    ))]
    Pull(Verb<(), Hear>),
    /// Publish messages to all subscribers
    ///
    /// Each message goes to every peer that has subscribed to its beginning, and to nobody if there is none. The first one
    /// waits for a subscriber; those that are dropped later are counted, and told.
    #[command(mut_arg("count", of_sent), after_help = examples!(
        "zefiro pub --bind 'tcp://*:5556' --topic weather 'sunny, 21 °C'",
        "tail -f log | zefiro pub --bind 'tcp://*:5556' --peers 2",
    ))]
    Pub(Verb<Say, (), Prefix>),
    /// Receive what publishers send on the topics subscribed to (all by default)
    ///
    /// A topic is the beginning of the messages wanted. What was published before the subscription arrived is missed.
    #[command(mut_arg("count", of_received), after_help = examples!(
        "zefiro sub --connect tcp://localhost:5556",
        "zefiro sub --connect tcp://localhost:5556 --topic weather --topic sport --json",
    ))]
    Sub(Verb<(), Hear, Subscriptions>),
    /// Send requests, one after the other, and print the replies
    ///
    /// Each request goes to one of the peers (REP or ROUTER), and the next is sent when the reply is there. Ends with the
    /// last reply.
    #[command(mut_arg("count", of_replies), after_help = examples!(
        "zefiro req --connect tcp://localhost:5555 hello",
        "zefiro req --connect tcp://localhost:5555 --lines questions.txt --timeout 2s",
    ))]
    Req(Verb<Say, Hear>),
    /// Answer requests: --echo, --reply TEXT or --exec COMMAND
    ///
    /// Takes a request from one of the peers (REQ or DEALER), prints it, answers, and takes the next.
    #[command(mut_arg("count", of_received), after_help = examples!(
        "zefiro rep --bind 'tcp://*:5555' --echo",
        "zefiro rep --bind 'tcp://*:5555' --exec 'tr a-z A-Z'",
    ))]
    Rep(Verb<(), Hear, (), Answers>),
    /// Send to peers in turn and print what comes back
    ///
    /// As req, but without waiting for a reply before the next request, and without the empty part in front that REP
    /// peers need: give it as `'|request'`. When everything is sent it waits for as many messages as it has sent, and
    /// ends; with --count 0 at once. If there is nothing to send it goes on.
    #[command(after_help = examples!(
        "zefiro dealer --connect tcp://localhost:5555 one two three",
        "zefiro dealer --connect tcp://localhost:5555 '|for a REP peer'",
    ))]
    Dealer(Verb<Say, Hear>),
    /// Print what comes, with the peer's routing id in front; answer, or send to the peers by their ids
    ///
    /// Peers are DEALER, REQ, REP or ROUTER; messages of REQ, and for REP, have an empty part in front. The first part of
    /// what is sent is the peer's routing id, as text or as 0x and hexadecimal digits, as it is printed; a peer has the
    /// id that it was given with -o routing_id=NAME, or a random one. A peer that is not there yet is waited for. When
    /// everything is sent it waits for as many messages as it has sent, and ends; with --count 0 at once. If there is
    /// nothing to send it goes on.
    #[command(after_help = examples!(
        "zefiro router --bind 'tcp://*:5555' --exec 'wc -c'",
        "zefiro dealer --connect tcp://localhost:5555 -o routing_id=worker < /dev/null",
        "zefiro router --bind 'tcp://*:5555' 'worker|do this' '0x00a1b2c3d4|and you that'",
        "zefiro router --bind 'tcp://*:5555' --to worker --lines tasks.txt",
    ))]
    Router(Verb<SayTo, Hear, (), Answers>),
    /// Talk both ways with one peer
    ///
    /// There is one peer at a time, also a PAIR. What it sends is printed, and each line of the input is sent to it.
    /// Goes on until --count messages have come, or nothing for the time of --timeout; with --count 0, until everything is
    /// sent.
    #[command(after_help = examples!(
        "zefiro pair --bind 'tcp://*:5555'",
        "zefiro pair --connect tcp://localhost:5555 --count 1 ping",
    ))]
    Pair(Verb<Say, Hear>),
    /// Publish, and print subscriptions
    ///
    /// As pub; each subscription that comes is printed: a byte 1 and the topic, or a byte 0 when it ends.
    /// Ends when everything is sent, if --count and --timeout say nothing else; if there is nothing to send it goes on.
    #[command(after_help = examples!(
        "zefiro xpub --bind 'tcp://*:5556' --hex",
    ))]
    Xpub(Verb<Say, Hear, Prefix>),
    /// Subscribe, and send anything upstream
    ///
    /// As sub; what is sent goes to all publishers, to be read by those that are XPUB.
    /// Ends when everything is sent, if --count and --timeout say nothing else; if there is nothing to send it goes on.
    #[command(after_help = examples!(
        "zefiro xsub --connect tcp://localhost:5556 --topic weather",
    ))]
    Xsub(Verb<Say, Hear, Subscriptions>),
    /// Talk with plain TCP peers: print what comes; answer, or send to the peers by their ids
    ///
    /// Connected to one peer it works as netcat: what is sent goes there, lines with their ends, and what comes is printed
    /// as it is, until the peer ends the connection. Otherwise what comes is printed with the peer's id in front, as router
    /// does, an empty piece when a peer has come or gone; and what is sent needs the id in front, or --to.
    #[command(mut_arg("key_file", |arg| arg.hide(true)), after_help = examples!(
        "zefiro stream --bind 'tcp://*:7777' --echo",
        "zefiro stream --connect tcp://example.org:80 $'GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n'",
        "zefiro stream --bind 'tcp://*:7777'           # then type, for instance: 0x0000000001|hello",
    ))]
    Stream(Verb<SayTo, Hear, (), Answers>),
}

fn of_sent(count: Arg) -> Arg {
    count.help("End after sending so many; messages that were given are repeated for it").value_parser(at_least_one)
}

fn of_received(count: Arg) -> Arg {
    count.help("End after so many messages").value_parser(at_least_one)
}

fn of_replies(count: Arg) -> Arg {
    count.help("End after so many replies; messages that were given are repeated for it").value_parser(at_least_one)
}

/// A verb, and what it can be told: of what to send, of how to print what comes, of topics, and of answers.
#[derive(Args)]
pub struct Verb<S: Args = (), H: Args = (), T: Args = (), A: Args = ()> {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    say: S,
    #[command(flatten)]
    topics: T,
    #[command(flatten)]
    answers: A,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    hear: H,
    /// End after so many messages have come; 0: do not wait for any
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// Give up after so long without progress: 500ms, 2s; a bare number is seconds (exit code 3). Without, what was
    /// sent may take 30 seconds to leave, or as long as `-o linger` says
    #[arg(short = 'w', long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Tell on the standard error when peers come and go, and why not; failed handshakes are told in any case, and on a
    /// terminal everything
    #[arg(short, long)]
    verbose: bool,
}

/// What to send.
#[derive(Args, Default)]
pub struct Say {
    /// Messages to send; without any, each line of the input is one
    pub messages: Vec<String>,
    /// Send each line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "messages")]
    pub lines: Option<PathBuf>,
    /// Send a whole file as one message (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["messages", "lines"])]
    pub file: Vec<PathBuf>,
    /// Wait between messages: 100ms, 1s; a bare number is seconds
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Wait for so many peers before sending
    #[arg(long, default_value_t = 1)]
    pub peers: usize,
    /// The peer to send to, if it is to be named and always the same.
    #[arg(skip)]
    pub to: Option<Frame>,
}

/// What to send, and to whom.
#[derive(Args)]
pub struct SayTo {
    #[command(flatten)]
    say: Say,
    /// The peer to send to, by its id as it is printed, instead of one in front of each message
    #[arg(long, value_name = "ID", value_parser = input::peer_id)]
    to: Option<Frame>,
}

/// How to print what comes.
#[derive(Args, Default)]
pub struct Hear {
    /// Print each message as a JSON array of its parts: strings, or {"hex":"00ff"} where a part is no text
    #[arg(short, long)]
    pub json: bool,
    /// Print the bytes as they came, control characters too, also to a terminal
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

/// How messages are written, both ways.
#[derive(Args)]
pub struct Form {
    /// Splits messages into parts, and joins the parts of those that come
    #[arg(short, long, default_value = "|")]
    pub separator: String,
    /// Messages are hexadecimal, both ways
    #[arg(short = 'x', long)]
    pub hex: bool,
}

/// The topic of a publisher.
#[derive(Args)]
pub struct Prefix {
    /// Topic: put in front of each message, as its first part
    #[arg(short, long)]
    topic: Option<String>,
}

/// The topics of a subscriber.
#[derive(Args)]
pub struct Subscriptions {
    /// Topic to subscribe to: what the messages begin with (repeatable; all by default)
    #[arg(short, long)]
    topic: Vec<String>,
}

/// The topics of either.
#[derive(Default)]
pub struct Topics {
    pub prefix: Option<String>,
    pub subscriptions: Vec<String>,
}

/// How to answer.
#[derive(Args, Default)]
pub struct Answers {
    /// Answer each message with itself
    #[arg(long, conflicts_with_all = ["reply", "exec"])]
    pub echo: bool,
    /// Answer each message with this
    #[arg(long, value_name = "TEXT", conflicts_with = "exec")]
    pub reply: Option<String>,
    /// Answer each message with what this shell command makes of it: it reads the parts, joined by the separator, and the
    /// answer is what it writes, without the last line's end. If it fails, that is told on the standard error, and the
    /// answer is what it wrote until then, or empty: who asked waits for one
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
}

/// All that a verb was told; the defaults for what it cannot be.
pub struct Job {
    pub socket_type: SocketType,
    pub ends: Ends,
    pub say: Say,
    pub topics: Topics,
    pub answers: Answers,
    pub form: Form,
    pub hear: Hear,
    pub count: Option<u64>,
    pub timeout: Option<Duration>,
    pub verbose: bool,
}

impl Talk {
    /// What is to be done.
    ///
    /// # Errors
    /// What would be left out in silence, or cannot be.
    pub fn job(self) -> Result<Job, Misuse> {
        let job = match self {
            Talk::Push(verb) => verb.job(SocketType::Push),
            Talk::Pull(verb) => verb.job(SocketType::Pull),
            Talk::Pub(verb) => verb.job(SocketType::Pub),
            Talk::Sub(verb) => verb.job(SocketType::Sub),
            Talk::Req(verb) => verb.job(SocketType::Req),
            Talk::Rep(verb) => verb.job(SocketType::Rep),
            Talk::Dealer(verb) => verb.job(SocketType::Dealer),
            Talk::Router(verb) => verb.job(SocketType::Router),
            Talk::Pair(verb) => verb.job(SocketType::Pair),
            Talk::Xpub(verb) => verb.job(SocketType::XPub),
            Talk::Xsub(verb) => verb.job(SocketType::XSub),
            Talk::Stream(verb) => verb.job(SocketType::Stream),
        };
        job.check()?;
        Ok(job)
    }
}

impl<S, H, T, A> Verb<S, H, T, A>
where
    S: Args + Into<Say>,
    H: Args + Into<Hear>,
    T: Args + Into<Topics>,
    A: Args + Into<Answers>,
{
    fn job(self, socket_type: SocketType) -> Job {
        Job {
            socket_type,
            ends: self.ends,
            say: self.say.into(),
            topics: self.topics.into(),
            answers: self.answers.into(),
            form: self.form,
            hear: self.hear.into(),
            count: self.count,
            timeout: self.timeout,
            verbose: self.verbose,
        }
    }
}

impl Job {
    fn check(&self) -> Result<(), Misuse> {
        if self.socket_type == SocketType::Rep && !self.answers() {
            return Err(Misuse("rep needs --echo, --reply TEXT or --exec COMMAND".into()));
        }
        if self.answers() && (self.say.is_given() || self.say.to.is_some()) {
            return Err(Misuse("with --echo, --reply or --exec nothing but answers is sent".into()));
        }
        if self.has_ids() && self.say.to.is_none() && !self.say.file.is_empty() {
            return Err(Misuse("a whole file has no room for the peer's id: it needs --to ID".into()));
        }
        let misuse = |error: anyhow::Error| Misuse(error.to_string());
        for text in &self.say.messages {
            input::compose(text.as_bytes(), self).map_err(misuse)?;
        }
        if let Some(text) = &self.answers.reply {
            input::parse(text.as_bytes(), &self.form).map_err(misuse)?;
        }
        Ok(())
    }

    /// Whether it is a plain connection to one peer: then there is no need of ids, nor of parts.
    pub fn is_alone(&self) -> bool {
        let one = self.ends.bind.is_empty() && self.ends.connect.len() == 1;
        self.socket_type == SocketType::Stream && one && !self.answers()
    }

    /// Whether the first part of a message is a peer's id.
    pub fn has_ids(&self) -> bool {
        matches!(self.socket_type, SocketType::Router | SocketType::Stream) && !self.is_alone()
    }

    /// Whether each message is answered.
    pub fn answers(&self) -> bool {
        self.answers.echo || self.answers.reply.is_some() || self.answers.exec.is_some()
    }
}

impl Say {
    /// Whether there is something to send, and not only what may come from the input.
    pub fn is_given(&self) -> bool {
        !self.messages.is_empty() || !self.file.is_empty() || self.lines.is_some()
    }
}

impl From<()> for Say {
    fn from((): ()) -> Say {
        Say::default()
    }
}

impl From<SayTo> for Say {
    fn from(SayTo { say, to }: SayTo) -> Say {
        Say { to, ..say }
    }
}

impl From<()> for Hear {
    fn from((): ()) -> Hear {
        Hear::default()
    }
}

impl From<()> for Topics {
    fn from((): ()) -> Topics {
        Topics::default()
    }
}

impl From<()> for Answers {
    fn from((): ()) -> Answers {
        Answers::default()
    }
}

impl From<Prefix> for Topics {
    fn from(Prefix { topic }: Prefix) -> Topics {
        Topics { prefix: topic, ..Topics::default() }
    }
}

impl From<Subscriptions> for Topics {
    fn from(Subscriptions { topic }: Subscriptions) -> Topics {
        Topics { subscriptions: topic, ..Topics::default() }
    }
}
