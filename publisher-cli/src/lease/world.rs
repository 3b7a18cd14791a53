//! What a lease's driver needs of the world, as small traits so that tests can stand in.

use std::future::Future;

use anyhow::Result;
use thiserror::Error;
use tokio::sync::mpsc;
use zennet_primitives::{
    amount::Balance, auth::PeerIdBytes, channel::ChannelId, contract::Terms, frame::Frame,
    AccountId,
};

use crate::ssh::readings::{Reading, Totals};

/// Why no frame came or went.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum WireError {
    /// The other side sent something that is no frame.
    #[error("the other side sent a malformed frame")]
    Malformed,
    /// The connection is gone.
    #[error("the connection is gone: {0}")]
    Lost(String),
}

/// The control stream of one connection.
pub(crate) trait Wire: Send {
    /// Own peer id and the other side's, as the transport proved them.
    fn peers(&self) -> (PeerIdBytes, PeerIdBytes);

    /// Sends one frame.
    fn send(&mut self, frame: &Frame) -> impl Future<Output = Result<(), WireError>> + Send;

    /// Receives the next frame; a dropped future loses nothing.
    fn receive(&mut self) -> impl Future<Output = Result<Frame, WireError>> + Send;

    /// Flushes and closes.
    fn close(&mut self);
}

/// A new connection of a lease, on which its provider has proved itself.
pub(crate) struct Rejoined<W, L> {
    /// Its control stream.
    pub(crate) wire: W,
    /// What ssh streams go over.
    pub(crate) line: L,
}

/// A channel that is in a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OpenedChannel {
    /// The publisher's nonce of it.
    pub(crate) nonce: u64,
    /// The channel.
    pub(crate) channel: ChannelId,
    /// Number of the block.
    pub(crate) block: u32,
    /// Fee.
    pub(crate) fee: Balance,
}

/// Why a channel was not opened.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum OpenError {
    /// It will not be.
    #[error("{0}")]
    Refused(String),
    /// It will not be: the account cannot pay the deposit and the fee.
    #[error("{0}")]
    NoCoin(String),
    /// It may still be: the transaction is out and nothing is known of it.
    #[error("{0}")]
    Unknown(String),
}

/// What a channel is to have, for its lease to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Funding {
    /// The channel.
    pub(crate) channel: ChannelId,
    /// What it is to have locked in all.
    pub(crate) deposit: Balance,
    /// How much longer its lease can last, seconds.
    pub(crate) left_secs: u32,
    /// Whether this was tried before, so that a transaction may still be on its way.
    pub(crate) again: bool,
}

/// What happens to a channel on chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChannelChange {
    /// The block that opened it is final.
    Final,
    /// The provider was paid without closing it.
    Claimed,
    /// It is being closed.
    Closing,
    /// This side's request to close it is in a block.
    Requested,
    /// It is gone.
    Settled {
        /// What it paid in all.
        paid: Balance,
    },
}

/// The chain, as far as a lease needs it.
pub(crate) trait LeaseChain: Clone + Send + Sync + 'static {
    /// Whether the account has a mined identity as a provider.
    fn is_mined_provider(&self, account: AccountId) -> impl Future<Output = Result<bool>> + Send;

    /// Opens the channel of a contract.
    fn open(&self, terms: Terms) -> impl Future<Output = Result<OpenedChannel, OpenError>> + Send;

    /// Adds to a channel what it lacks; whether that took a transaction.
    fn fund(&self, funding: Funding) -> impl Future<Output = Result<bool>> + Send;

    /// Tells every change of a channel until it is settled. `opened` is the block that opened it,
    /// or a later one at which it stood.
    fn watch(
        &self,
        channel: ChannelId,
        opened: u32,
        changes: mpsc::Sender<ChannelChange>,
    ) -> impl Future<Output = ()> + Send;

    /// Requests the close of a channel and refunds what is left when its time has come, until its
    /// lease ends. What was requested already is not requested again.
    fn reclaim(
        &self,
        channel: ChannelId,
        changes: mpsc::Sender<ChannelChange>,
    ) -> impl Future<Output = ()> + Send;
}

/// What makes a machine usable.
pub(crate) trait Shell: Send {
    /// What ssh streams go over.
    type Line: Send + 'static;

    /// From now on streams go over this.
    fn attach(&mut self, line: Self::Line);

    /// Opens a local port for the machine, unless it is open, and reads its own counters from now
    /// on.
    fn start(
        &mut self,
        terms: &Terms,
        readings: mpsc::Sender<Reading>,
    ) -> impl Future<Output = Result<u16>> + Send;

    /// What was read so far, for a later run to go on with.
    fn totals(&self) -> Totals;

    /// Closes the port and stops reading.
    fn stop(&mut self);
}
