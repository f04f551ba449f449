//! The other side of a scenario, in a thread or a process of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::{Context as _, ensure};
use zefiro::{AnySocket, Context, Frame, Message, Proxy, SharedKey, SocketType};

use super::scenario::PATIENCE;

/// What the other side does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Role {
    Push,
    Rep,
    /// As `Rep`, encrypted and authenticated.
    SecretRep,
    Pub,
    Xpub,
    ProxiedPub,
    Router,
    Dealer,
    Pair,
    PlainTcp,
}

/// The other side of a demo scenario; not for people
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    role: Role,
    endpoint: String,
    count: u64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let context = Context::new();
    play(&context, args.role, &args.endpoint, args.count)?;
    context.close_within(PATIENCE).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))?;
    Ok(ExitCode::SUCCESS)
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Push => "push",
            Role::Rep => "rep",
            Role::SecretRep => "secret-rep",
            Role::Pub => "pub",
            Role::Xpub => "xpub",
            Role::ProxiedPub => "proxied-pub",
            Role::Router => "router",
            Role::Dealer => "dealer",
            Role::Pair => "pair",
            Role::PlainTcp => "plain-tcp",
        }
    }

    /// The socket that faces this role.
    pub fn opposite(self) -> SocketType {
        match self {
            Role::Push => SocketType::Pull,
            Role::Rep | Role::SecretRep => SocketType::Req,
            Role::Pub | Role::ProxiedPub => SocketType::Sub,
            Role::Xpub => SocketType::XSub,
            Role::Router => SocketType::Dealer,
            Role::Dealer => SocketType::Router,
            Role::Pair => SocketType::Pair,
            Role::PlainTcp => SocketType::Stream,
        }
    }

    /// Whether there is such a thing over the transport. Within the process there is nobody to hide from.
    pub fn suits(self, transport: &str) -> bool {
        match self {
            Role::PlainTcp => transport == "tcp",
            Role::SecretRep => transport != "inproc",
            _ => true,
        }
    }

    /// Whether the pattern drops what a slow receiver has no room for.
    pub fn drops(self) -> bool {
        matches!(self, Role::Pub | Role::Xpub | Role::ProxiedPub)
    }
}

/// The message with a number: three parts, the second of nothing to 1 MiB.
pub fn message(number: u64) -> Message {
    let body = body(number);
    let mut message = Message::from(format!("topic {number}"));
    message.push_back(Frame::from(body));
    message.push_back(body.len().to_string());
    message
}

/// Byte `i` of the second part of message `n` is `31 i + n`, so that no two are alike and none could be moved.
fn body(number: u64) -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..(1usize << 20) + 256).map(|at| (at * 31) as u8).collect());
    let size = match number % 1000 {
        _ if number.is_multiple_of(5) => 0,
        999 if number % 20_000 == 19_999 => 1 << 20,
        999 => 100_000,
        501 => 10_000,
        other => (other * 7 % 300) as usize,
    };
    // 31 × 223 = 1 (modulo 256): there the bytes begin with the number's.
    let start = (number * 223 % 256) as usize;
    BYTES.get(start..start + size).unwrap_or_default()
}

/// Whether this is the message with the number, whole.
pub fn check(message: &Message, number: u64) -> anyhow::Result<()> {
    let parts: Vec<&Frame> = message.frames().collect();
    let [head, body, len] = parts.as_slice() else {
        anyhow::bail!("message {number} came with {} parts, not 3", parts.len())
    };
    ensure!(head.as_slice() == format!("topic {number}").as_bytes(), "{head:?} came where number {number} was due");
    let expected = self::body(number);
    let whole = body.as_slice() == expected && len.as_slice() == expected.len().to_string().as_bytes();
    ensure!(whole, "message {number} came damaged");
    Ok(())
}

/// Nobody subscribes to this: who gets it complains.
const OFF_TOPIC: &str = "another topic";

/// Plays a role to its end.
pub fn play(context: &Context, role: Role, endpoint: &str, count: u64) -> anyhow::Result<()> {
    let open = |socket_type| {
        let builder = AnySocket::builder_of(socket_type).context(context).recv_timeout(PATIENCE).send_timeout(PATIENCE);
        let builder = builder.shared_key((role == Role::SecretRep).then(SharedKey::from_env).transpose()?);
        builder.send_high_water_mark(if role.drops() { 0usize } else { 1000 }).build()
    };
    let connected = |socket_type| -> anyhow::Result<AnySocket> {
        let socket = open(socket_type)?;
        socket.connect(endpoint)?;
        Ok(socket)
    };
    match role {
        Role::Push => send(&connected(SocketType::Push)?, count)?,
        Role::Pub => {
            let socket = connected(SocketType::Pub)?;
            socket.wait_subscribed("topic", 1, PATIENCE)?;
            send(&socket, count)?;
        }
        Role::Xpub => {
            let socket = connected(SocketType::XPub)?;
            ensure!(socket.recv()?.as_bytes() == b"\x01topic", "the subscription did not come");
            send(&socket, count)?;
        }
        Role::ProxiedPub => {
            let publisher = open(SocketType::Pub)?;
            let (xsub, xpub) = (open(SocketType::XSub)?, connected(SocketType::XPub)?);
            publisher.connect(xsub.bind("inproc://demo-proxy")?)?;
            let proxy = Proxy::new(&xsub, &xpub);
            // It ends when its sockets are closed, with the context.
            std::thread::spawn(move || proxy.run());
            publisher.wait_subscribed("topic", 1, PATIENCE)?;
            send(&publisher, count)?;
            let carried = std::time::Instant::now();
            while xpub.counters().sent < count && carried.elapsed() < PATIENCE {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            xpub.close_within(PATIENCE).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))?;
        }
        Role::Rep | Role::SecretRep | Role::Pair | Role::Router => {
            let socket = connected(match role {
                Role::Rep | Role::SecretRep => SocketType::Rep,
                Role::Pair => SocketType::Pair,
                _ => SocketType::Router,
            })?;
            for number in 0..count {
                let question = socket.recv().with_context(|| format!("question {number} did not come"))?;
                socket.send(question).map_err(zefiro::Error::from)?;
            }
            socket.close_within(PATIENCE).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))?;
        }
        Role::Dealer => {
            let socket = connected(SocketType::Dealer)?;
            let (mut asked, mut answered) = (0, 0);
            while answered < count {
                while asked < count && asked - answered < 100 {
                    socket.send(message(asked)).map_err(zefiro::Error::from)?;
                    asked += 1;
                }
                check(&socket.recv().with_context(|| format!("answer {answered} did not come"))?, answered)?;
                answered += 1;
            }
        }
        Role::PlainTcp => {
            let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://"))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            for number in 0..count {
                let line: Vec<u8> = (0..1 + number % 3000).map(|index| (index + number) as u8).collect();
                stream.write_all(&line)?;
                let mut answer = vec![0; line.len()];
                stream.read_exact(&mut answer).with_context(|| format!("answer {number} did not come"))?;
                ensure!(answer == line, "answer {number} came damaged");
            }
        }
    }
    Ok(())
}

fn send(socket: &AnySocket, count: u64) -> anyhow::Result<()> {
    let publishes = matches!(socket.socket_type(), SocketType::Pub | SocketType::XPub);
    for number in 0..count {
        if publishes && number % 10 == 3 {
            socket.send(OFF_TOPIC).map_err(zefiro::Error::from)?;
        }
        socket.send(message(number)).map_err(zefiro::Error::from)?;
    }
    if socket.last_endpoint().is_some_and(|endpoint| endpoint.starts_with("inproc")) {
        return Ok(());
    }
    socket.close_within(PATIENCE).map_err(|unsent| anyhow::anyhow!("not sent: {unsent:?}"))
}
