//! Prometheus: the counters of sockets as the text that it reads.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::counters::Counters;
use crate::socket::core::SocketCore;

/// The text about these sockets.
pub(crate) fn text(sockets: &[Arc<SocketCore>]) -> String {
    let mut sockets: Vec<_> = sockets.iter().map(|core| (core.id, core.socket_type.name(), core.counters())).collect();
    sockets.sort_unstable_by_key(|(id, ..)| *id);
    let mut text = String::new();
    // A metric's lines have to stand together.
    for metric in METRICS {
        let Metric { name, kind, help, .. } = metric;
        let _ = writeln!(text, "# HELP zefiro_{name} {help}\n# TYPE zefiro_{name} {kind}");
        for (id, type_name, counters) in &sockets {
            for (label, value) in (metric.values)(counters) {
                let more = if label.is_empty() { String::new() } else { format!(",{label}") };
                let _ = writeln!(text, "zefiro_{name}{{socket=\"{id}\",type=\"{type_name}\"{more}}} {value}");
            }
        }
    }
    text
}

/// What Prometheus is told of sockets.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// A value for each further label.
    values: fn(&Counters) -> Vec<(&'static str, u64)>,
}

const METRICS: [Metric; 8] = [
    Metric {
        name: "sent_messages_total",
        kind: "counter",
        help: "Messages accepted for sending, once for each peer.",
        values: |counters| vec![("", counters.sent)],
    },
    Metric {
        name: "sent_bytes_total",
        kind: "counter",
        help: "Payload bytes of those.",
        values: |counters| vec![("", counters.sent_bytes)],
    },
    Metric {
        name: "delivered_messages_total",
        kind: "counter",
        help: "Messages handed to the kernel, or to the peer within the process.",
        values: |counters| vec![("", counters.delivered)],
    },
    Metric {
        name: "arrived_messages_total",
        kind: "counter",
        help: "Messages that came from peers.",
        values: |counters| vec![("", counters.arrived)],
    },
    Metric {
        name: "received_messages_total",
        kind: "counter",
        help: "Messages handed to the program.",
        values: |counters| vec![("", counters.received)],
    },
    Metric {
        name: "received_bytes_total",
        kind: "counter",
        help: "Payload bytes of those.",
        values: |counters| vec![("", counters.received_bytes)],
    },
    Metric {
        name: "dropped_messages_total",
        kind: "counter",
        help: "Messages that reached nobody, by reason.",
        values: |counters| {
            let dropped = counters.dropped;
            vec![
                ("reason=\"high_water_mark\"", dropped.high_water_mark),
                ("reason=\"unroutable\"", dropped.unroutable),
                ("reason=\"peer_gone\"", dropped.peer_gone),
                ("reason=\"linger_expired\"", dropped.linger_expired),
                ("reason=\"oversize\"", dropped.oversize),
                ("reason=\"filtered\"", dropped.filtered),
                ("reason=\"conflated\"", dropped.conflated),
                ("reason=\"unread\"", dropped.unread),
            ]
        },
    },
    Metric {
        name: "queued_messages",
        kind: "gauge",
        help: "Messages that wait to be sent, or to be received by the program.",
        values: |counters| vec![("direction=\"out\"", counters.queued_out), ("direction=\"in\"", counters.queued_in)],
    },
];
