//! Watches the channels of all leases: one request a finalized block.

use tokio::sync::mpsc;
use zennet_chain_client::{Chain, ChainError, Head};
use zennet_lease::ProviderEvent;
use zennet_primitives::channel::ChannelId;

/// New channels that may wait.
const QUEUE: usize = 64;

struct Watched {
    channel: ChannelId,
    events: mpsc::Sender<ProviderEvent>,
    seen: bool,
    over: bool,
}

/// Where channels are watched; clones share the task.
#[derive(Clone)]
pub(crate) struct Channels(mpsc::Sender<Watched>);

impl Channels {
    pub(crate) fn start(chain: Chain) -> Self {
        let (wishes, wanted) = mpsc::channel(QUEUE);
        tokio::spawn(follow(chain, wanted));
        Channels(wishes)
    }

    /// Reports a channel once it is final, and when it comes to its end.
    pub(crate) async fn watch(&self, channel: ChannelId, events: mpsc::Sender<ProviderEvent>) {
        // Without the task the program is about to end.
        let _ = self.0.send(Watched { channel, events, seen: false, over: false }).await;
    }
}

async fn follow(chain: Chain, mut wanted: mpsc::Receiver<Watched>) {
    let mut watched = Vec::new();
    let mut heads = loop {
        match chain.follow_finalized().await {
            Ok(heads) => break heads,
            Err(error) => tracing::warn!(%error, "cannot follow the chain, trying again"),
        }
        tokio::time::sleep(super::PAUSE).await;
    };
    loop {
        tokio::select! {
            wish = wanted.recv() => match wish {
                Some(wish) => watched.push(wish),
                None => return,
            },
            head = heads.next() => match head {
                Some(Ok(head)) => {
                    if let Err(error) = look(&chain, &mut watched, head).await {
                        tracing::warn!(%error, "cannot read the channels");
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "cannot follow the chain, trying again");
                    tokio::time::sleep(super::PAUSE).await;
                }
                None => return,
            },
        }
    }
}

async fn look(chain: &Chain, watched: &mut Vec<Watched>, head: Head) -> Result<(), ChainError> {
    watched.retain(|lease| !lease.over && !lease.events.is_closed());
    let ids: Vec<ChannelId> = watched.iter().map(|lease| lease.channel).collect();
    let records = chain.channels(&ids, head.hash).await?;
    for (lease, record) in watched.iter_mut().zip(records) {
        let event = match record {
            Some(record) if !lease.seen => {
                lease.seen = true;
                ProviderEvent::ChannelFinal(record)
            }
            Some(record) if record.closing_at.is_none() => continue,
            None if !lease.seen => continue,
            Some(_) | None => {
                lease.over = true;
                ProviderEvent::ChannelClosing
            }
        };
        // A lease that takes no events has ended.
        let _ = lease.events.send(event).await;
    }
    Ok(())
}
