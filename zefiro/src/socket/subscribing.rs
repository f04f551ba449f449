//! Subscriptions: a subscriber's own, and a publisher's wait for them.

use std::time::Duration;

use super::kind::{Kind, Publishes, Subscribes};
use super::{Socket, ops};
use crate::error::{Error, Result};

impl<K: Kind> Socket<K> {
    /// Subscribes to messages that begin with `topic`; the empty topic is all. Subscribing twice needs unsubscribing
    /// twice.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pub, Sub};
    /// # let (publisher, subscriber) = (Pub::new(), Sub::new());
    /// # subscriber.connect(publisher.bind("tcp://127.0.0.1:*")?)?;
    /// subscriber.subscribe("weather.")?;
    /// # publisher.wait_subscribed("weather.", 1, Duration::from_secs(10))?;
    /// publisher.send("sports.rome 2:1")?;
    /// publisher.send("weather.milan 21 °C")?;
    /// assert_eq!(subscriber.recv()?, "weather.milan 21 °C");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) on a type that has no subscriptions.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<()>
    where
        K: Subscribes,
    {
        let mut state = self.core.lock();
        state.check_open("subscribe")?;
        let (pattern, pipes, options) = state.parts();
        pattern
            .subscribe(pipes, options, topic.as_ref())
            .map_err(|refusal| Error::new(ops::kind_of(refusal), "subscribe"))
    }

    /// Ends a subscription; one that is not there is no error.
    ///
    /// ```
    /// # let subscriber = zefiro::Sub::new();
    /// subscriber.subscribe("weather.")?;
    /// subscriber.subscribe("sports.")?;
    /// subscriber.unsubscribe("sports.")?;
    /// assert_eq!(subscriber.topic_count(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`subscribe`](Socket::subscribe).
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<()>
    where
        K: Subscribes,
    {
        let mut state = self.core.lock();
        state.check_open("unsubscribe")?;
        let (pattern, pipes, options) = state.parts();
        pattern
            .unsubscribe(pipes, options, topic.as_ref())
            .map_err(|refusal| Error::new(ops::kind_of(refusal), "unsubscribe"))
    }

    /// Waits until at least `peers` subscribers would get a message on `topic`: what is published from then on reaches
    /// them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use zefiro::{Pub, Sub};
    ///
    /// let publisher = Pub::new();
    /// let subscriber = Sub::new();
    /// subscriber.connect(publisher.bind("tcp://127.0.0.1:*")?)?;
    /// subscriber.subscribe("weather")?;
    /// publisher.wait_subscribed("weather.milan", 1, Duration::from_secs(10))?;
    /// publisher.send("weather.milan 21 °C")?;
    /// assert_eq!(subscriber.recv()?, "weather.milan 21 °C");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut), or the socket was closed, or its context shut down.
    pub fn wait_subscribed(&self, topic: impl AsRef<[u8]>, peers: usize, timeout: Duration) -> Result<()>
    where
        K: Publishes,
    {
        self.core
            .wait_until("wait for subscribers", timeout, |state| state.pattern.subscribers(topic.as_ref()) >= peers)
    }

    /// Distinct topics subscribed to: by the socket's peers (PUB, XPUB), or by the socket itself (SUB, XSUB).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pub, Sub};
    /// # let (publisher, subscriber) = (Pub::new(), Sub::new());
    /// # subscriber.connect(publisher.bind("tcp://127.0.0.1:*")?)?;
    /// subscriber.subscribe("weather.")?;
    /// publisher.wait_subscribed("weather.", 1, Duration::from_secs(10))?;
    /// assert_eq!(publisher.topic_count(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn topic_count(&self) -> usize {
        self.core.lock().pattern.topics()
    }
}
