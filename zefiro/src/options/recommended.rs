//! What sockets begin with in Rust, beside what libzmq has by default: limits to what peers may cost, and dead ones noticed.

use std::time::Duration;

use zmtp::SocketType;

use super::{ContextOptions, DISTRIBUTORS, NAMERS, Options};

impl Options {
    /// What a [builder](crate::Builder) begins with: the defaults of the type, a [`liveness`](Options::liveness) of 20
    /// seconds, and limits to what peers may cost:
    ///
    /// | option | here |
    /// |---|---|
    /// | [`handshake_interval`](Options::handshake_interval) | 10 s |
    /// | [`handshake_bytes_max`](Options::handshake_bytes_max) | 64 KiB |
    /// | [`handshakes_max`](Options::handshakes_max) | 1,024 |
    /// | [`message_bytes_max`](Options::message_bytes_max) | 1 GiB |
    /// | [`message_frames_max`](Options::message_frames_max) | 65,536 |
    /// | [`address_connections_max`](Options::address_connections_max) | 10,000 |
    /// | [`peer_subscriptions_max`](Options::peer_subscriptions_max) of PUB, XPUB and RADIO | 1,000,000 |
    /// | [`peer_subscription_bytes_max`](Options::peer_subscription_bytes_max) of these | 64 MiB |
    ///
    /// Endpoints are read [strictly](Options::strict_endpoints), and a ROUTER [hangs up](Options::router_refuse_duplicates) on
    /// peers whose routing id is in use. [`Options::new`] and [`Options::default`] are as libzmq has it:
    /// without.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Options, Pull, SocketType};
    /// let options = Options::recommended(SocketType::Pull, &Default::default());
    /// assert_eq!(options.liveness, Some(Duration::from_secs(20)));
    /// assert_eq!(Pull::new().options().liveness, options.liveness);
    /// ```
    pub fn recommended(socket_type: SocketType, context: &ContextOptions) -> Options {
        let distributes = DISTRIBUTORS.contains(&socket_type);
        Options {
            liveness: Some(Duration::from_secs(20)),
            strict_endpoints: true,
            router_refuse_duplicates: NAMERS.contains(&socket_type),
            handshake_interval: Some(Duration::from_secs(10)),
            handshake_bytes_max: Some(64 * 1024),
            handshakes_max: Some(1024),
            message_bytes_max: Some(1 << 30),
            message_frames_max: Some(65_536),
            address_connections_max: Some(10_000),
            peer_subscriptions_max: distributes.then_some(1_000_000),
            peer_subscription_bytes_max: distributes.then_some(64 << 20),
            ..Options::new(socket_type, context)
        }
    }

    /// For a socket of this type, if they were another's: what was only [recommended](Options::recommended) for that, and does
    /// nothing here, is not taken along.
    pub(crate) fn taken_over(mut self, socket_type: SocketType) -> Options {
        let elsewhere = Options::recommended(SocketType::Pub, &Default::default());
        if !NAMERS.contains(&socket_type) {
            self.router_refuse_duplicates = false;
        }
        if !DISTRIBUTORS.contains(&socket_type) {
            self.peer_subscriptions_max.take_if(|max| Some(*max) == elsewhere.peer_subscriptions_max);
            self.peer_subscription_bytes_max.take_if(|max| Some(*max) == elsewhere.peer_subscription_bytes_max);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_one_socket_may_be_given_to_one_of_another_type() {
        for (from, to) in SocketType::ALL.iter().flat_map(|from| SocketType::ALL.iter().map(move |to| (*from, *to))) {
            Options::recommended(from, &Default::default()).taken_over(to).check_type(to).unwrap();
        }
    }
}
