//! A machine's local port and own counters, over its connection.

use anyhow::Result;
use tokio::{sync::mpsc, task::JoinSet};
use zennet_lease::Millis;
use zennet_primitives::{contract::Terms, usage::Usage};
use zennet_transport::Connection;

use super::{keys::ClientKey, ports::Ports, readings};
use crate::lease::world::Shell;

/// What makes the machine at the other end of a connection usable.
pub(crate) struct ConnectionShell {
    connection: Connection,
    ports: Ports,
    key: ClientKey,
    tasks: JoinSet<()>,
}

impl ConnectionShell {
    /// Nothing is open yet.
    pub(crate) fn new(connection: Connection, ports: Ports, key: ClientKey) -> Self {
        ConnectionShell { connection, ports, key, tasks: JoinSet::new() }
    }
}

impl Shell for ConnectionShell {
    async fn start(&mut self, terms: &Terms, readings: mpsc::Sender<Usage>) -> Result<u16> {
        let local = self.ports.listen().await?;
        let port = local.port;
        self.tasks.spawn(local.serve(self.connection.clone()));
        let every_ms = Millis::from(terms.quote.tick_ms);
        self.tasks.spawn(readings::follow(
            self.connection.clone(),
            self.key.clone(),
            terms.quote.host_key,
            every_ms,
            readings,
        ));
        Ok(port)
    }

    fn stop(&mut self) {
        self.tasks.abort_all();
    }
}
