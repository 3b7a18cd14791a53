//! How an order begins to run, for `submit` and `resume` alike.

use std::path::Path;

use anyhow::{Context as _, Result};
use zennet_transport::{Endpoint, Limits, Multiaddr};

use super::{
    ends::Ends,
    report::{Report, Totals},
    run::{self, Announcing, Order},
};
use crate::{
    config::Config,
    control::{
        registry::Registry,
        server::{self, Server},
        socket,
    },
    failure::Failure,
    lease::recover::{Found, Recovery},
    open_files,
    order::spec::tcp_port,
    store::{Run, Store},
};

/// What others reach a run by, from before its order stands until it is over.
pub(crate) struct Open {
    /// The leases, for the control socket.
    pub(crate) registry: Registry,
    ends: Ends,
    /// Answers until this is dropped.
    _server: Server,
}

impl Open {
    /// Opens the control socket, and hears signals from now on.
    pub(crate) fn at(data_dir: &Path, registry: Registry) -> Result<Self> {
        let server = server::serve(&socket(data_dir), registry.clone())?;
        let ends = Ends::new(registry.clone()).context("cannot listen to signals")?;
        Ok(Open { registry, ends, _server: server })
    }

    /// Does what has to be done before anything is at stake; whoever asks for the end meanwhile
    /// ends it at once. What failed is not looked for by `resume` either.
    pub(crate) async fn prepare<T>(
        &mut self,
        store: &Store,
        work: impl std::future::Future<Output = Result<T>>,
    ) -> Result<T> {
        let outcome = tokio::select! {
            outcome = work => outcome,
            _ = self.ends.next() => Err(Failure::Early.into()),
        };
        if outcome.is_err() {
            forget_sought(store);
        }
        outcome
    }

    /// Keeps the leases of an order until all are settled, while others may ask about them.
    pub(crate) async fn keep(
        mut self,
        order: Order,
        announcing: Option<Announcing>,
        earlier: (Found, Recovery),
        report: &mut Report,
        totals: &mut Option<Totals>,
    ) -> Result<()> {
        let (found, recovery) = earlier;
        let running = run::run(order, announcing, found, recovery, report, &mut self.ends);
        let outcome = Box::pin(running).await;
        *totals = Some(report.totals());
        outcome
    }
}

/// From now on `resume` looks for nothing more.
pub(crate) fn forget_sought(store: &Store) {
    let forgotten = store.run().and_then(|run| match run {
        Some(run) if run.sought.is_some() => store.put_run(&Run { sought: None, ..run }),
        Some(_) | None => Ok(()),
    });
    if let Err(error) = forgotten {
        tracing::error!(%error, "cannot store that nothing is looked for any more");
    }
}

/// Listens for providers under the peer id of a seed.
pub(crate) async fn listen(
    config: &Config,
    peer_seed: [u8; 32],
    listen: &[String],
    machines: usize,
) -> Result<Endpoint> {
    let mut addresses = Vec::new();
    for text in listen {
        let address: Multiaddr = text
            .parse()
            .with_context(|| format!("`listen` or `relay`: {text:?} is no multiaddr"))?;
        addresses.push(address);
    }
    let usual = Limits::default();
    let connections = usual.connections.max(4 * machines);
    let limits = Limits {
        connections: open_files::make_room(machines, connections)?,
        // Providers may share one address: a lab, a demonstration, a translated network.
        connections_per_ip: usual.connections_per_ip.max(run::most_meetings(machines)),
        allow_private: config.allow_private_endpoint,
        ..usual
    };
    Ok(Endpoint::listen_again(peer_seed, addresses, limits).await?)
}

/// The configured addresses with the ports that the system chose, so that a later run can have
/// them again.
pub(crate) fn with_ports(configured: &[String], endpoint: &Endpoint) -> Vec<String> {
    let listening: Vec<String> = endpoint.addresses().iter().map(ToString::to_string).collect();
    configured.iter().map(|address| with_port(address, &listening)).collect()
}

fn with_port(configured: &str, listening: &[String]) -> String {
    let Some(host) = configured.strip_suffix("/tcp/0") else { return configured.to_owned() };
    // An unspecified address stands for every one of its family.
    let prefix = match host {
        "/ip4/0.0.0.0" => "/ip4/",
        "/ip6/::" => "/ip6/",
        host => host,
    };
    let port =
        listening.iter().find(|address| address.starts_with(prefix)).and_then(|a| tcp_port(a));
    port.map_or_else(|| configured.to_owned(), |port| format!("{host}/tcp/{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_that_the_system_chose_are_kept() {
        let listening = [
            "/ip4/10.0.0.5/tcp/41/p2p/x".to_owned(),
            "/ip4/127.0.0.1/tcp/42/p2p/x".to_owned(),
            "/ip6/::1/tcp/43/p2p/x".to_owned(),
        ];
        for (configured, kept) in [
            ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/42"),
            ("/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/tcp/41"),
            ("/ip6/::/tcp/0", "/ip6/::/tcp/43"),
            ("/ip4/127.0.0.1/tcp/7", "/ip4/127.0.0.1/tcp/7"),
            ("/ip4/10.0.0.9/tcp/4/p2p/x/p2p-circuit", "/ip4/10.0.0.9/tcp/4/p2p/x/p2p-circuit"),
        ] {
            assert_eq!(with_port(configured, &listening), kept);
        }
    }
}
