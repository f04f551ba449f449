//! `zefiro push`, `pull`, `req`, `rep` and the others: talk from the shell.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use zefiro::{AnySocket, Error, ErrorKind, Event, EventKind, Frame, Message, Monitor, SocketType};

use crate::args::{EXIT_TIMEOUT, Misuse, Talk, TalkArgs};

/// Talks until everything is said.
pub fn run(talk: &Talk) -> anyhow::Result<ExitCode> {
    let (socket_type, args) = talk.parts();
    refuse_misuse(socket_type, args)?;
    let socket = args.ends.build(socket_type, args.timeout)?;
    let mut troubles = Troubles { monitor: socket.monitor(), last: None };
    args.ends.attach(&socket)?;
    let code = talk_as(&socket, socket_type, args).inspect_err(|error| {
        let waited = error.downcast_ref::<Error>().is_some_and(Error::is_would_block);
        if let Some(why) = troubles.last().filter(|_| waited) {
            say!("zefiro: {why}");
        }
    })?;
    // What was sent is to arrive, unless the program was told to hurry.
    let linger = args.timeout.unwrap_or(Duration::from_secs(30));
    let deadline = Instant::now() + linger;
    // A closed socket tells no more of what happens to it.
    while socket.counters().queued_out > 0 && Instant::now() < deadline {
        troubles.listen(LISTENING);
    }
    // Of those that talk to whoever is there, some peers are gone before all is said.
    let lost = match socket_type {
        SocketType::Push | SocketType::Dealer | SocketType::Pair => socket.counters().dropped.peer_gone,
        _ => 0,
    };
    if lost > 0 {
        let why = troubles.last().map(|why| format!(": {why}")).unwrap_or_default();
        bail!("{lost} message{} lost with the connection{why}", if lost == 1 { " was" } else { "s were" });
    }
    if let Err(unsent) = socket.close_within(deadline.saturating_duration_since(Instant::now())) {
        let messages: usize = unsent.messages();
        let why = troubles.last().map(|why| format!(": {why}")).unwrap_or_default();
        say!(
            "zefiro: {messages} message{} not sent within {linger:?}{why}",
            if messages == 1 { " was" } else { "s were" }
        );
        return Ok(ExitCode::from(EXIT_TIMEOUT));
    }
    Ok(code)
}

/// What would be left out in silence is refused.
fn refuse_misuse(socket_type: SocketType, args: &TalkArgs) -> Result<(), Misuse> {
    use SocketType::{Pull, Rep, Router, Stream, Sub};
    let name = socket_type.name().to_lowercase();
    let says = !args.messages.is_empty() || !args.file.is_empty() || args.lines.is_some();
    let answers = args.echo || args.reply.is_some() || args.exec.is_some();
    match socket_type {
        Rep if !answers => Err(Misuse(format!("{name} needs --echo, --reply TEXT or --exec COMMAND"))),
        Pull | Sub if says => Err(Misuse(format!("{name} sends no messages"))),
        Rep | Router | Stream if says => {
            Err(Misuse(format!("{name} sends answers only: --echo, --reply TEXT or --exec COMMAND")))
        }
        Rep | Router | Stream => Ok(()),
        _ if answers => Err(Misuse(format!("--echo, --reply and --exec are for rep, router and stream, not {name}"))),
        _ => Ok(()),
    }
}

fn talk_as(socket: &AnySocket, socket_type: SocketType, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    Ok(match socket_type {
        SocketType::Push | SocketType::Pub => send_all(socket, args)?,
        SocketType::Pull => receive_all(socket, args)?,
        SocketType::Sub => {
            subscribe(socket, args)?;
            receive_all(socket, args)?
        }
        SocketType::Req => ask_all(socket, args)?,
        SocketType::Rep | SocketType::Router | SocketType::Stream => answer_all(socket, socket_type, args)?,
        SocketType::Pair | SocketType::Dealer | SocketType::XPub | SocketType::XSub => {
            if socket_type == SocketType::XSub {
                subscribe(socket, args)?;
            }
            both_ways(socket, socket_type, args)?
        }
        other => bail!("there is no command to talk as {other}"),
    })
}

/// What the connections have suffered last: why what was to be sent was not.
struct Troubles {
    monitor: Monitor,
    last: Option<Event>,
}

impl Troubles {
    /// The last there was, unless a connection succeeded after it.
    fn last(&mut self) -> Option<&Event> {
        self.listen(Duration::ZERO);
        self.last.as_ref()
    }

    /// Waits so long for something to happen, and takes note of all that has.
    fn listen(&mut self, patience: Duration) {
        let mut next = self.monitor.recv_timeout(patience);
        while let Some(event) = next {
            match event.kind {
                EventKind::HandshakeSucceeded => self.last = None,
                EventKind::Unresolved(_)
                | EventKind::HandshakeFailed(_)
                | EventKind::ProtocolFailed(_)
                | EventKind::AuthenticationFailed(_)
                | EventKind::Closed(_) => self.last = Some(event),
                // Told after a failed handshake as well, and says less.
                EventKind::Disconnected(_) if self.last.is_none() => self.last = Some(event),
                _ => {}
            }
            next = self.monitor.try_recv();
        }
    }
}

/// How long to wait for events before looking again whether all is sent.
const LISTENING: Duration = Duration::from_millis(5);

fn subscribe(socket: &AnySocket, args: &TalkArgs) -> anyhow::Result<()> {
    if args.topic.is_empty() {
        socket.subscribe("")?;
    }
    for topic in &args.topic {
        socket.subscribe(topic)?;
    }
    Ok(())
}

fn send_all(socket: &AnySocket, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    wait_for_peers(socket, args)?;
    let mut sent = 0;
    'repeat: loop {
        let before = sent;
        for message in messages(args)? {
            if args.count.is_some_and(|count| sent >= count) {
                break 'repeat;
            }
            if let (Some(interval), true) = (args.interval, sent > 0) {
                thread::sleep(interval);
            }
            socket.send(message?).map_err(Error::from)?;
            sent += 1;
        }
        let repeatable = !args.messages.is_empty() || args.lines.is_some() || !args.file.is_empty();
        if args.count.is_none() || !repeatable || sent == before {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A publisher without subscribers would talk to nobody.
fn wait_for_peers(socket: &AnySocket, args: &TalkArgs) -> anyhow::Result<()> {
    let patience = args.timeout.unwrap_or(Duration::from_secs(60 * 60 * 24 * 365));
    if socket.socket_type() == SocketType::Pub {
        let topic = args.topic.first().cloned().unwrap_or_default();
        let waited = match args.topic.len() {
            0 => socket.wait_connected(args.peers, patience),
            _ => socket.wait_subscribed(topic, args.peers, patience),
        };
        waited.context("no subscriber came")?;
        // Subscriptions follow the handshake at once; without a topic it is not known which to wait for.
        thread::sleep(Duration::from_millis(50));
    } else if args.peers > 1 {
        socket.wait_connected(args.peers, patience)?;
    }
    Ok(())
}

fn receive_all(socket: &AnySocket, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    let mut received = 0;
    while args.count.is_none_or(|count| received < count) {
        match socket.recv() {
            Ok(message) => print(&message, args)?,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                let satisfied = args.count.is_none() && received > 0;
                return Ok(if satisfied { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TIMEOUT) });
            }
            Err(error) => return Err(error.into()),
        }
        received += 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn ask_all(socket: &AnySocket, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    let mut asked = 0;
    loop {
        let before = asked;
        for message in messages(args)? {
            if args.count.is_some_and(|count| asked >= count) {
                return Ok(ExitCode::SUCCESS);
            }
            if let (Some(interval), true) = (args.interval, asked > 0) {
                thread::sleep(interval);
            }
            socket.send(message?).map_err(Error::from)?;
            print(&socket.recv()?, args)?;
            asked += 1;
        }
        if args.count.is_none() || args.messages.is_empty() || asked == before {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn answer_all(socket: &AnySocket, socket_type: SocketType, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    let answers = args.echo || args.reply.is_some() || args.exec.is_some();
    let mut received = 0;
    while args.count.is_none_or(|count| received < count) {
        let mut message = match socket.recv() {
            Ok(message) => message,
            Err(error) if error.kind() == ErrorKind::TimedOut && received > 0 && args.count.is_none() => break,
            Err(error) => return Err(error.into()),
        };
        received += 1;
        print(&message, args)?;
        if !answers {
            continue;
        }
        let id = if socket_type == SocketType::Rep { None } else { message.pop_front() };
        if socket_type == SocketType::Stream && message.first().is_empty() {
            continue;
        }
        // A REQ's envelope is not its message, and the answer needs it.
        let is_enveloped = id.is_some() && message.frame_count() > 1 && message.first().is_empty() && !args.echo;
        let envelope = if is_enveloped { message.pop_front() } else { None };
        let mut answer = answer_to(message, args)?;
        if let Some(envelope) = envelope {
            answer.push_front(envelope);
        }
        if let Some(id) = id {
            answer.push_front(id);
        }
        match socket.send(answer) {
            Err(error) if error.kind() != ErrorKind::Unroutable => return Err(Error::from(error).into()),
            _ => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn answer_to(message: Message, args: &TalkArgs) -> anyhow::Result<Message> {
    if let Some(reply) = &args.reply {
        return parse(reply.as_bytes(), args);
    }
    let Some(command) = &args.exec else { return Ok(message) };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {command:?}"))?;
    let input = child.stdin.take();
    // Beside reading what it says: a command that answers before it has read all would wait for us, and we for it.
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            // A command that does not read its input is none the worse for it.
            let _ = input.map(|mut input| write_joined(&mut input, &message, args));
        });
        child.wait_with_output()
    })?;
    if !output.status.success() {
        say!("zefiro: {command:?} failed: {}", output.status);
    }
    let text = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
    Ok(Message::from(text))
}

/// Sends what there is to send, and prints what comes meanwhile.
fn both_ways(socket: &AnySocket, socket_type: SocketType, args: &TalkArgs) -> anyhow::Result<ExitCode> {
    let receiver = socket.clone();
    let wants_answers = args.count.is_some() || args.timeout.is_some() || args.messages.is_empty();
    thread::scope(|scope| {
        let printing = scope.spawn(|| match wants_answers {
            true => receive_all(&receiver, args),
            false => Ok(ExitCode::SUCCESS),
        });
        // With --count the count is of what comes: everything is sent once.
        let send = |message: anyhow::Result<Message>| -> anyhow::Result<()> {
            let mut message = message?;
            if socket_type == SocketType::XPub {
                for topic in args.topic.iter().rev() {
                    message.push_front(topic.as_str());
                }
            }
            Ok(socket.send(message).map_err(Error::from)?)
        };
        let sent = send_beside(socket_type, args, send);
        if sent.is_err() {
            // The other thread may wait for ever: what is wrong is to be told now.
            socket.close();
            let _ = printing.join();
            return sent.map(|()| ExitCode::SUCCESS);
        }
        printing.join().unwrap_or_else(|_| bail!("the receiving thread panicked"))
    })
}

/// What [`both_ways`] sends.
fn send_beside(
    socket_type: SocketType,
    args: &TalkArgs,
    send: impl Fn(anyhow::Result<Message>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let nothing_to_say = args.messages.is_empty() && args.file.is_empty() && args.lines.is_none();
    if nothing_to_say && matches!(socket_type, SocketType::XPub | SocketType::XSub) {
        return Ok(());
    }
    for (index, message) in messages(args)?.enumerate() {
        if let (Some(interval), true) = (args.interval, index > 0) {
            thread::sleep(interval);
        }
        send(message)?;
    }
    Ok(())
}

/// The messages to send.
fn messages(args: &TalkArgs) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Message>> + '_>> {
    if !args.messages.is_empty() {
        return Ok(Box::new(
            args.messages.iter().map(|text| parse(text.as_bytes(), args).map(|body| with_topic(body, args))),
        ));
    }
    if !args.file.is_empty() {
        return Ok(Box::new(args.file.iter().map(|path| {
            let body = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(with_topic(Message::from(body), args))
        })));
    }
    let mut input: Box<dyn BufRead> = match &args.lines {
        Some(path) => {
            Box::new(BufReader::new(File::open(path).with_context(|| format!("opening {}", path.display()))?))
        }
        None => Box::new(io::stdin().lock()),
    };
    // Lines may be of any bytes, as messages may.
    let lines = std::iter::from_fn(move || {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(without_line_end(line))),
            Err(error) => Some(Err(error)),
        }
    });
    Ok(Box::new(lines.map(|line| parse(&line?, args).map(|body| with_topic(body, args)))))
}

fn with_topic(mut message: Message, args: &TalkArgs) -> Message {
    // Other types' topics are subscriptions.
    if let Some(topic) = args.topic.first() {
        message.push_front(topic.as_str());
    }
    message
}

fn without_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}

fn parse(text: &[u8], args: &TalkArgs) -> anyhow::Result<Message> {
    split(text, args.separator.as_bytes())
        .into_iter()
        .map(|part| if args.hex { from_hex(&String::from_utf8_lossy(part)) } else { Ok(Frame::from(part)) })
        .collect::<Result<Vec<_>, _>>()
        .map(Message::from)
}

/// The parts between separators; all of it where there is to be none.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !separator.is_empty()
        && let Some(at) = rest.windows(separator.len()).position(|window| window == separator)
    {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

fn from_hex(text: &str) -> anyhow::Result<Frame> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    ensure!(digits.len().is_multiple_of(2), "{text:?} has half a byte too much");
    let bytes = digits.chunks(2).map(|pair| {
        let digit = |byte: u8| char::from(byte).to_digit(16).with_context(|| format!("{text:?} is not hexadecimal"));
        Ok((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
    });
    Ok(Frame::from(bytes.collect::<anyhow::Result<Vec<u8>>>()?))
}

fn print(message: &Message, args: &TalkArgs) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let parts: Vec<serde_json::Value> = message
            .frames()
            .map(|frame| match std::str::from_utf8(frame) {
                _ if args.hex => to_hex(frame).into(),
                Ok(text) => text.into(),
                Err(_) => serde_json::json!({ "hex": to_hex(frame) }),
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string(&parts)?)?;
    } else {
        if args.hex {
            let parts: Vec<String> = message.frames().map(|frame| to_hex(frame)).collect();
            out.write_all(parts.join(&args.separator).as_bytes())?;
        } else {
            write_joined(&mut out, message, args)?;
        }
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// The parts with the separator between them.
fn write_joined(out: &mut impl Write, message: &Message, args: &TalkArgs) -> io::Result<()> {
    for (index, frame) in message.frames().enumerate() {
        if index > 0 {
            out.write_all(args.separator.as_bytes())?;
        }
        out.write_all(frame)?;
    }
    Ok(())
}

fn to_hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}
