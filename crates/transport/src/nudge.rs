//! The handler of a connection to a relay: no streams of ours, and a nudge now and then.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    core::upgrade::DeniedUpgrade,
    swarm::{
        handler::ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol,
    },
};
use tokio::time::{interval, Interval, MissedTickBehavior};

/// Time between two nudges.
const PERIOD: Duration = Duration::from_millis(20);

/// Has the connection's other handlers polled: libp2p-relay hands one circuit on each time that it
/// is polled and asks to be polled again for no further one, which would wait for the next ping.
pub(crate) struct Nudge {
    timer: Interval,
}

impl Nudge {
    pub(crate) fn new() -> Self {
        let mut timer = interval(PERIOD);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Nudge { timer }
    }
}

impl ConnectionHandler for Nudge {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade, ()> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        while self.timer.poll_tick(cx).is_ready() {}
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        _event: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade, (), ()>,
    ) {
    }
}
