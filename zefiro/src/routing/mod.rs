//! Routing: what patterns are composed of.

pub(crate) mod distributor;
pub(crate) mod fair_queue;
pub(crate) mod load_balancer;
pub(crate) mod named_queue;
mod prefix_hash;
pub(crate) mod request;
pub(crate) mod routing_table;
pub(crate) mod subscriptions;
