//! A machine's local port and own counters, over whichever connection to its provider there is.

use anyhow::Result;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use zennet_lease::Millis;
use zennet_primitives::contract::Terms;
use zennet_transport::Connection;

use super::{
    keys::ClientKey,
    login::Logins,
    ports::Ports,
    readings::{self, lock, Carried, Reading, Totals},
    remote::Remote,
};
use crate::lease::world::Shell;

/// What all machines of a run are reached with.
pub(crate) struct Access {
    /// Local ports.
    pub(crate) ports: Ports,
    /// The key that the machines let in.
    pub(crate) key: ClientKey,
    /// Logins of this program.
    pub(crate) logins: Logins,
}

/// What makes the machine at the other end of a connection usable.
pub(crate) struct ConnectionShell {
    lines: watch::Sender<Option<Connection>>,
    access: Access,
    /// The port that the machine has, or had in an earlier run.
    port: Option<u16>,
    carried: Carried,
    tasks: JoinSet<()>,
}

impl ConnectionShell {
    /// Nothing is open yet.
    pub(crate) fn new(
        connection: Option<Connection>,
        access: Access,
        port: Option<u16>,
        totals: Totals,
    ) -> Self {
        let lines = watch::Sender::new(connection);
        let carried = Carried::new(totals.into());
        ConnectionShell { lines, access, port, carried, tasks: JoinSet::new() }
    }

    /// The way into the machine for commands of this program.
    pub(crate) fn remote(&self) -> Remote {
        Remote {
            lines: self.lines.subscribe(),
            key: self.access.key.clone(),
            logins: self.access.logins.clone(),
        }
    }
}

impl Shell for ConnectionShell {
    type Line = Connection;

    fn attach(&mut self, connection: Connection) {
        self.lines.send_replace(Some(connection));
    }

    async fn start(&mut self, terms: &Terms, readings: mpsc::Sender<Reading>) -> Result<u16> {
        if let (Some(port), false) = (self.port, self.tasks.is_empty()) {
            return Ok(port);
        }
        let local = self.access.ports.listen(self.port).await?;
        let port = local.port;
        self.port = Some(port);
        self.tasks.spawn(local.serve(self.lines.subscribe()));
        let every_ms = Millis::from(terms.quote.tick_ms);
        self.tasks.spawn(readings::follow(
            self.lines.subscribe(),
            self.access.key.clone(),
            self.access.logins.clone(),
            terms.quote.host_key,
            every_ms,
            self.carried.clone(),
            readings,
        ));
        Ok(port)
    }

    fn totals(&self) -> Totals {
        *lock(&self.carried)
    }

    fn stop(&mut self) {
        self.tasks.abort_all();
    }
}
