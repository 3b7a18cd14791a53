//! The limits that an endpoint keeps; strangers are held to them.

use std::time::Duration;

/// Bounds of one endpoint, its connections and its streams.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Inbound connections at once, those still shaking hands included.
    pub connections: usize,
    /// Inbound connections at once from one IP address.
    pub connections_per_ip: usize,
    /// Time for TCP and Noise, and again for the dialer's control stream.
    pub handshake: Duration,
    /// Time in which the peer must take a whole frame.
    pub frame_write: Duration,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// Time in which a ping must be answered; the second miss in a row closes the connection.
    pub ping_timeout: Duration,
    /// Live ssh streams of one connection that this side opens; more wait.
    pub ssh_streams: usize,
    /// Time that one attempt to open an ssh stream may take before the next is made.
    pub ssh_attempt: Duration,
    /// Whether names may lead to loopback and private networks (development chains).
    pub allow_private: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 64,
            connections_per_ip: 16,
            handshake: Duration::from_secs(10),
            frame_write: Duration::from_secs(20),
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(10),
            ssh_streams: 200,
            ssh_attempt: Duration::from_secs(5),
            allow_private: false,
        }
    }
}
