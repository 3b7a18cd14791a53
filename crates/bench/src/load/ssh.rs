//! The ssh server of a machine: it lets the key of the contract in and answers one command, that of
//! the machine's own counters, as the guest does.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use russh::{
    keys::{
        ssh_key::{private::Ed25519Keypair, public::KeyData},
        PrivateKey,
    },
    server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey},
    Channel, ChannelId,
};
use tokio::time::{interval, MissedTickBehavior};
use zennet_metering::line;
use zennet_primitives::{
    contract::SshKey,
    usage::{Counter, Usage},
};
use zennet_transport::SshStream;

use super::machine::Machine;

/// What is answered; the interval in milliseconds follows.
const COMMAND: &str = "/.zennet/guest usage --follow --every-ms ";

/// A machine's host key.
#[derive(Clone)]
pub(crate) struct HostKey {
    private: PrivateKey,
    pub(crate) public: SshKey,
}

impl HostKey {
    pub(crate) fn generate() -> Self {
        let pair = Ed25519Keypair::from_seed(&rand::random());
        let public = pair.public.0;
        HostKey { private: pair.into(), public }
    }
}

/// Serves one ssh connection to its end.
pub(crate) async fn serve(
    stream: SshStream,
    host_key: HostKey,
    client: SshKey,
    machine: Arc<Machine>,
) -> Result<()> {
    let config = server::Config {
        keys: vec![host_key.private],
        inactivity_timeout: None,
        ..server::Config::default()
    };
    let guest = Guest { client, machine };
    Ok(server::run_stream(Arc::new(config), stream, guest).await?.await?)
}

struct Guest {
    client: SshKey,
    machine: Arc<Machine>,
}

impl server::Handler for Guest {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(match key.public_key.key_data() {
            KeyData::Ed25519(key) if key.0 == self.client => Auth::Accept,
            _ => Auth::reject(),
        })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(every) = every_of(command) else { return session.channel_failure(channel) };
        session.channel_success(channel)?;
        tokio::spawn(tell(session.handle(), channel, every, self.machine.clone()));
        Ok(())
    }
}

fn every_of(command: &[u8]) -> Option<Duration> {
    let millis = std::str::from_utf8(command).ok()?.strip_prefix(COMMAND)?;
    millis.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// Writes the counters until the connection ends. Memory counts from the first line on.
async fn tell(handle: Handle, channel: ChannelId, every: Duration, machine: Arc<Machine>) {
    let memory_of = |usage: &Usage| usage.get(Counter::MemoryByteSecs).unwrap_or_default();
    let first = memory_of(&machine.usage());
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let usage = machine.usage();
        let memory = memory_of(&usage).saturating_sub(first);
        let age = Duration::from_millis(machine.age_ms());
        let line = line(age, &usage.with(Counter::MemoryByteSecs, memory));
        if handle.data(channel, line.into_bytes()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_the_counters_is_answered_and_no_other() {
        let every = every_of(b"/.zennet/guest usage --follow --every-ms 500");
        assert_eq!(every, Some(Duration::from_millis(500)));
        for other in [&b"sh"[..], b"/.zennet/guest usage --follow --every-ms 0", &[0xff]] {
            assert_eq!(every_of(other), None);
        }
    }

    #[test]
    fn a_line_has_the_form_of_the_guests() {
        let usage = Usage::default().with(Counter::CpuMicros, 7).with(Counter::NetTxBytes, 8);
        let expected = "{\"at_ms\":5,\"usage\":{\"cpu_micros\":7,\"net_tx_bytes\":8}}\n";
        assert_eq!(line(Duration::from_millis(5), &usage), expected);
    }
}
