//! Policy: what the whole process allows its sockets.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use zmtp::SocketType;

use crate::error::{Error, ErrorKind, Result};
use crate::options::{Options, Security};

/// From now on, binds that would take peers from outside this machine unencrypted fail with
/// [`Insecure`](ErrorKind::Insecure): over tcp, those of sockets without CURVE, GSSAPI that wraps or a
/// [shared key](crate::SharedKey) to
/// other than loopback addresses; over udp all but those. It holds for all sockets of the process, in all contexts,
/// those of the C library included; what is bound already stays so. ipc and inproc do not leave the machine.
///
/// The environment variable `ZEFIRO_REQUIRE_ENCRYPTION=1` does the same from the start.
///
/// ```
/// zefiro::policy::require_encryption(true);
/// let error = zefiro::Pull::new().bind("tcp://*:*").unwrap_err();
/// assert_eq!(error.kind(), zefiro::ErrorKind::Insecure);
/// assert!(zefiro::Pull::new().bind("tcp://127.0.0.1:*").is_ok());
/// ```
pub fn require_encryption(required: bool) {
    REQUIRED.store(required, Ordering::Relaxed);
}

/// Whether [`require_encryption`] holds.
///
/// ```
/// zefiro::policy::require_encryption(true);
/// assert!(zefiro::policy::requires_encryption());
/// ```
pub fn requires_encryption() -> bool {
    REQUIRED.load(Ordering::Relaxed)
}

/// Fails a bind that the policy does not allow.
pub(crate) fn check_bind(
    operation: &'static str,
    text: &str,
    address: IpAddr,
    socket_type: SocketType,
    options: &Options,
) -> Result<()> {
    let plain = match options.security() {
        // Plain TCP has no handshake, whatever keys there are.
        _ if socket_type == SocketType::Stream || options.router_raw => true,
        Security::Shared | Security::CurveServer | Security::CurveClient => false,
        Security::GssapiServer | Security::GssapiClient => options.gssapi_plaintext,
        Security::Null | Security::PlainServer | Security::PlainClient => true,
    };
    check(operation, text, address, plain)
}

/// Fails a bind of datagrams that the policy does not allow: they are never encrypted.
pub(crate) fn check_datagrams(operation: &'static str, text: &str, address: IpAddr) -> Result<()> {
    check(operation, text, address, true)
}

fn check(operation: &'static str, text: &str, address: IpAddr, plain: bool) -> Result<()> {
    if plain && requires_encryption() && !address.to_canonical().is_loopback() {
        let why = "the policy of this process asks for encryption outside loopback; set CURVE keys or a shared key";
        return Err(Error::with_text(ErrorKind::Insecure, operation, text, why));
    }
    Ok(())
}

static REQUIRED: LazyLock<AtomicBool> = LazyLock::new(|| {
    let value = std::env::var_os("ZEFIRO_REQUIRE_ENCRYPTION");
    AtomicBool::new(value.is_some_and(|value| !value.is_empty() && value != "0"))
});
