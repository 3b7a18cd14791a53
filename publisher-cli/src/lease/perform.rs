//! What a driver does when the state machine asks for it. Whatever takes long becomes a task whose
//! outcome is an event.

use std::time::Instant;

use zennet_lease::{PublisherAction, PublisherEvent};
use zennet_primitives::{close::CloseReason, frame::Frame};

use super::{
    driver::{Input, Lease},
    status::What,
    world::{Funding, LeaseChain, Shell, Wire},
};

impl<W: Wire, C: LeaseChain, S: Shell> Lease<W, C, S> {
    /// Does what the state machine asks for.
    pub(super) async fn perform(&mut self, action: PublisherAction) {
        match action {
            PublisherAction::Send(frame) => self.send(&frame).await,
            PublisherAction::SendAuth { claim, context } => {
                let signed = self.parts.account.sign_payload(claim, &context);
                self.send(&Frame::Auth(signed.signature)).await;
            }
            PublisherAction::CheckIdentity(account) => {
                let (chain, inbox) = (self.parts.chain.clone(), self.inbox.0.clone());
                let screen = self.parts.screen.clone();
                self.tasks.spawn(async move {
                    if let Err(why) = screen.admit(&account).await {
                        tracing::warn!(provider = %account, %why, "a provider is turned away");
                        let _ = inbox.send(Input::Unwelcome).await;
                        return;
                    }
                    let mined = chain.is_mined_provider(account).await.unwrap_or_else(|error| {
                        tracing::warn!(%error, "cannot check the provider's identity");
                        false
                    });
                    let _ = inbox.send(Input::Identity { mined }).await;
                });
            }
            PublisherAction::SendContract(terms) => {
                let signed = self.parts.account.sign_payload(terms, &());
                self.send(&Frame::Contract(signed)).await;
            }
            PublisherAction::OpenChannel(terms) => {
                self.publish();
                self.tell(What::Negotiated).await;
                if let Some(seat) = self.seat {
                    self.parts.seats.signed(seat);
                }
                let (chain, inbox) = (self.parts.chain.clone(), self.inbox.0.clone());
                self.tasks.spawn(async move {
                    let opened = chain.open(terms).await;
                    let _ = inbox.send(Input::Open(opened)).await;
                });
            }
            PublisherAction::SendVoucher { tick, voucher, context } => {
                let voucher = self.parts.session.sign(voucher, &context);
                self.send(&Frame::Voucher { tick, voucher }).await;
            }
            PublisherAction::SendAmendment(amendment) => {
                let signed = self.parts.account.sign_payload(amendment, &());
                self.send(&Frame::Amend(signed)).await;
            }
            PublisherAction::FundChannel { channel, deposit, left_secs, again } => {
                let funding = Funding { channel: channel.channel, deposit, left_secs, again };
                let (chain, inbox) = (self.parts.chain.clone(), self.inbox.0.clone());
                self.tasks.spawn(async move {
                    let funded = chain.fund(funding).await.map_err(|error| format!("{error:#}"));
                    let _ = inbox.send(Input::Funded(funded)).await;
                });
            }
            PublisherAction::LeaseAmended(scope) => {
                self.publish();
                self.tell(What::Amended(scope)).await;
            }
            PublisherAction::NotAmended(objection) => {
                self.tell(What::NotAmended(objection.to_string())).await;
            }
            PublisherAction::MachineReady => self.start().await,
            PublisherAction::MachineStateChanged(notice) => {
                self.publish();
                self.tell(What::Changed(notice)).await;
            }
            PublisherAction::RequestClose(context) => {
                if !self.reclaiming {
                    self.reclaiming = true;
                    self.tell(What::Reclaiming).await;
                    let (chain, changes) = (self.parts.chain.clone(), self.changes.0.clone());
                    self.tasks.spawn(async move {
                        chain.reclaim(context.channel, changes).await;
                    });
                }
            }
            PublisherAction::Disconnect => self.disconnect(),
            PublisherAction::Finished(reason) => self.finished = Some(reason),
        }
    }

    async fn start(&mut self) {
        let Some(terms) = self.parts.machine.terms().cloned() else { return };
        match self.parts.shell.start(&terms, self.readings.0.clone()).await {
            Ok(port) => {
                let first = self.lines.status.borrow().ready_at.is_none();
                self.lines.status.send_modify(|status| {
                    status.port = Some(port);
                    status.ready_at.get_or_insert_with(Instant::now);
                });
                if let Some(seat) = self.seat {
                    self.parts.seats.ready(seat);
                }
                self.publish();
                if first {
                    self.tell(What::Ready).await;
                }
            }
            Err(error) => {
                tracing::error!(lease = self.parts.id, %error, "cannot open a local port");
                self.queue.push_back(PublisherEvent::Stop(CloseReason::Finished));
            }
        }
    }

    async fn send(&mut self, frame: &Frame) {
        let Some(wire) = &mut self.parts.wire else { return };
        if let Err(error) = wire.send(frame).await {
            tracing::debug!(lease = self.parts.id, %error, "cannot send a frame");
            self.disconnect();
            self.queue.push_back(PublisherEvent::Disconnected);
        }
    }

    pub(super) fn disconnect(&mut self) {
        if let Some(mut wire) = self.parts.wire.take() {
            wire.close();
        }
    }
}
