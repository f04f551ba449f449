//! Queued: what a socket has still to send and to hand out, counted: for the program, for a close, for the process's end.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Phase, SocketCore};
use crate::counters::Counters;
use crate::exit;
use crate::pipe::PipeId;
use crate::unsent::Unsent;

impl SocketCore {
    /// The counters, with what is queued now.
    pub(crate) fn counters(self: &Arc<SocketCore>) -> Counters {
        let mut state = self.lock();
        let mut counters = state.pipes.counters_of_all();
        for (_, pipe) in state.pipes.iter() {
            pipe.add_to(&mut counters);
        }
        counters.queued_in += u64::from(state.pattern.found_from().is_some());
        counters
    }

    /// What waits to be sent, for each peer.
    pub(crate) fn unsent(self: &Arc<SocketCore>) -> Vec<Unsent> {
        let mut state = self.lock();
        state.pipes.catch_up();
        state
            .pipes
            .iter()
            .filter(|(_, pipe)| pipe.queued_messages() > 0)
            .map(|(_, pipe)| Unsent {
                socket_type: self.socket_type,
                endpoint: pipe.facts.endpoint.to_string(),
                messages: pipe.queued_messages() as usize,
            })
            .collect()
    }

    /// What is queued now for peers outside this process: how many messages are to have left each pipe.
    pub(crate) fn goals_at_exit(self: &Arc<SocketCore>) -> Vec<(PipeId, u64)> {
        let mut state = self.lock();
        state.pipes.catch_up();
        let queued = state.pipes.iter().filter(|(_, pipe)| pipe.queued_messages() > 0 && !pipe.is_within_process());
        queued.map(|(id, pipe)| (id, pipe.counters.sent)).collect()
    }

    /// Whether, so long after the process began to end, a goal is not reached yet and worth waiting for.
    pub(crate) fn waits_at_exit(self: &Arc<SocketCore>, goals: &[(PipeId, u64)], since: Duration) -> bool {
        let mut state = self.lock();
        // Who closes within a time of his own gives up himself when that is over: this process's other threads run on.
        let linger = if state.phase == Phase::Closed { state.linger } else { state.options.linger };
        let linger = linger.unwrap_or(Duration::MAX);
        goals.iter().any(|(id, goal)| {
            state.pipes.get_mut(*id).is_some_and(|pipe| {
                let max = if pipe.is_connected() { exit::CONNECTED_MAX } else { exit::ABSENT_MAX };
                since < linger.min(max) && pipe.gone_out() < *goal
            })
        })
    }
}
