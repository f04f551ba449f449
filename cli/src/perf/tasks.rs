//! What is asked for, as measurements to make, in order.

use std::collections::BTreeSet;

use super::{Api, Args, Contender, Plan, Rival, Task, Transport, What, Work, bytes_text, raw};
use crate::args::Misuse;

/// The measurements that are asked for. What had to be left out is told.
pub fn tasks_of(args: &Args) -> Result<Vec<Task>, Misuse> {
    let mut tasks = Tasks { args, tasks: Vec::new(), left_out: BTreeSet::new() };
    tasks.add_throughput();
    tasks.add_latency();
    tasks.add_many_peers();
    tasks.add_pauses();
    tasks.add_connections_and_subscriptions();
    tasks.finish()
}

struct Tasks<'a> {
    args: &'a Args,
    tasks: Vec<Task>,
    left_out: BTreeSet<&'static str>,
}

impl Tasks<'_> {
    fn add_throughput(&mut self) {
        let mut table = [64, 1024, 16 << 10, 128 << 10, 1 << 20].map(|size| (Transport::Tcp, size)).to_vec();
        table.extend([(Transport::Ipc, 64), (Transport::Ipc, 1024), (Transport::Inproc, 64)]);
        for (transport, size) in self.cases(What::Thr, &table) {
            let (plan, parts) = self.in_parts(self.plan(size, 1));
            self.add(Work::Thr, transport, plan, format!(" {}{parts}", bytes_text(size)));
        }
    }

    /// Round trips in a row, after rests, and at fixed rates.
    fn add_latency(&mut self) {
        let all = self.is_all();
        let usual = vec![(0.0, 0), (10.0, 0), (0.0, 100), (0.0, 10_000)];
        let rests = if all { usual } else { vec![(self.args.idle, self.args.rate)] };
        let table = [Transport::Tcp, Transport::Ipc, Transport::Inproc].map(|transport| (transport, 64));
        for (transport, size) in self.cases(What::Lat, &table) {
            for (idle, rate) in rests.iter().take(if all && transport != Transport::Tcp { 1 } else { rests.len() }) {
                let plan = Plan { pause_nanos: (idle * 1e6) as u64, rate: *rate, ..self.plan(size, 1) };
                let after = if *idle > 0.0 { format!(" after {idle} ms") } else { String::new() };
                let at = if *rate > 0 { format!(" at {rate}/s") } else { String::new() };
                self.add(Work::Lat, transport, plan, format!(" {}{after}{at}", bytes_text(size)));
            }
        }
    }

    fn add_many_peers(&mut self) {
        for (what, work, peers) in [(What::Fan, Work::Fan, 100), (What::In, Work::In, 16), (What::Rtr, Work::Rtr, 100)]
        {
            let peers = self.peers_or(peers, peers);
            for (transport, size) in self.cases(what, &[(Transport::Tcp, 64)]) {
                let plan = self.plan(size, peers);
                let (plan, parts) = if work == Work::Rtr { (plan, String::new()) } else { self.in_parts(plan) };
                self.add(work, transport, plan, format!(" {}{parts} × {peers}", bytes_text(size)));
            }
        }
    }

    fn add_pauses(&mut self) {
        for (transport, size) in self.cases(What::Gap, &[(Transport::Tcp, 64)]) {
            // A number and the time.
            let size = size.max(16);
            for gap in &self.args.gaps {
                let plan = Plan { pause_nanos: (gap * 1e3) as u64, ..self.plan(size, 1) };
                self.add(Work::Gap, transport, plan, format!(" {} every {gap} µs", bytes_text(size)));
            }
        }
    }

    fn add_connections_and_subscriptions(&mut self) {
        for transport in if self.is_all() { vec![Transport::Tcp] } else { self.args.transport.clone() } {
            if self.asks_for(What::Conn) {
                self.add(Work::Conn, transport, self.plan(64, 1), String::new());
                let peers = self.peers_or(2000, 200);
                self.add(Work::Idle, transport, self.plan(64, peers), format!(" × {peers}"));
            }
            if self.asks_for(What::Subs) {
                let peers = self.peers_or(1_000_000, 20_000);
                self.add(Work::Subs, transport, self.plan(64, peers), format!(" × {peers}"));
            }
        }
    }

    /// One measurement, if anybody is to be measured.
    fn add(&mut self, work: Work, transport: Transport, plan: Plan, details: String) {
        let contenders = self.contenders(work, transport, &plan);
        if contenders.is_empty() {
            return;
        }
        if transport == Transport::Inproc && !matches!(work, Work::Thr | Work::Lat | Work::Gap) {
            self.left_out.insert("inproc runs thr, lat and gap only");
            return;
        }
        let end = if plan.curve { " CURVE" } else { "" };
        let label = format!("{} {}{details}{end}", work.name(), transport.name());
        self.tasks.push(Task { work, transport, plan, contenders, label });
    }

    /// Who of those asked for can do it; rivals only beside one of ours.
    fn contenders(&mut self, work: Work, transport: Transport, plan: &Plan) -> Vec<Contender> {
        let lone = matches!(work, Work::Thr | Work::Lat) && transport != Transport::Inproc;
        let asynchronous = lone && plan.pause_nanos == 0 && plan.rate == 0 && plan.parts == 1;
        let mut contenders = Vec::new();
        for api in &self.args.api {
            match api {
                Api::Blocking => contenders.push(Contender::Zefiro),
                Api::Tokio if asynchronous => contenders.push(Contender::Tokio),
                Api::TokioMt if asynchronous => contenders.push(Contender::TokioMt),
                _ => {
                    self.left_out
                        .insert("tokio runs thr and lat only, over tcp and ipc, without --idle, --rate and --parts");
                }
            }
        }
        if contenders.is_empty() {
            return contenders;
        }
        if self.args.vs.contains(&Rival::Libzmq) {
            contenders.push(Contender::Libzmq);
        }
        if self.args.vs.contains(&Rival::Raw) {
            if raw::does(work) && transport != Transport::Inproc && !plan.curve && plan.parts == 1 {
                contenders.push(Contender::Raw);
            } else {
                self.left_out.insert(
                    "bare sockets have no inproc, no encryption, no subscriptions, no parts, and cost no memory when idle",
                );
            }
        }
        contenders
    }

    fn finish(self) -> Result<Vec<Task>, Misuse> {
        // The whole table has but what there is.
        if !self.is_all() || self.tasks.is_empty() {
            self.left_out.iter().for_each(|what| say!("zefiro: left out: {what}"));
        }
        match self.tasks.is_empty() {
            true => Err(Misuse("nothing is left to be measured".into())),
            false => Ok(self.tasks),
        }
    }

    fn is_all(&self) -> bool {
        self.args.what == What::All
    }

    fn asks_for(&self, what: What) -> bool {
        self.is_all() || self.args.what == what
    }

    /// The transports and sizes that were given, or those of the whole table; none if it is not asked for.
    fn cases(&self, what: What, table: &[(Transport, usize)]) -> Vec<(Transport, usize)> {
        let (transports, sizes) = (&self.args.transport, &self.args.sizes);
        match self.args.what {
            What::All => table.to_vec(),
            asked if asked == what => {
                transports.iter().flat_map(|transport| sizes.iter().map(|size| (*transport, *size))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn peers_or(&self, usual: usize, quick: usize) -> usize {
        self.args.peers.unwrap_or(if self.args.quick { quick } else { usual })
    }

    /// The plan, with messages of as many parts as were asked for, and how that is told.
    fn in_parts(&self, plan: Plan) -> (Plan, String) {
        match self.args.parts {
            1 => (plan, String::new()),
            parts => (Plan { parts, ..plan }, format!(" in {parts} parts")),
        }
    }

    fn plan(&self, size: usize, peers: usize) -> Plan {
        let millis = if self.args.quick { QUICK_MILLIS } else { self.args.millis };
        Plan { size, millis, peers, pause_nanos: 0, rate: 0, parts: 1, curve: self.args.curve }
    }
}

/// How long a round of `--quick` runs.
const QUICK_MILLIS: u64 = 150;
