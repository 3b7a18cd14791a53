//! Gathers contracts whose channels are to be opened, and opens them with as few transactions as
//! can be: an order for many machines takes a block or two, not one after the other.
//!
//! How long is waited depends on what the [`Seats`] say may still come. When nothing can, nothing
//! is waited for: an order for one machine opens its channel at once.

use std::future::{pending, Future};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep_until, Duration, Instant},
};
use zennet_primitives::contract::Terms;

use super::{
    seats::{Outlook, Seats},
    world::{OpenError, OpenedChannel},
};

/// Channels that one transaction opens at most.
const MOST: usize = 100;

/// Contracts that may wait for the gatherer.
const QUEUE: usize = 256;

/// After the last contract, while seats are free and another provider may come.
const FOR_NEW: Duration = Duration::from_millis(400);

/// After the last contract, while others are being signed.
const FOR_SIGNING: Duration = Duration::from_millis(1500);

/// After the first contract, in any of these cases.
const LONGEST: Duration = Duration::from_secs(4);

/// After the first contract, while leases that are there wait for their turn to take a free seat.
const FOR_TURNS: Duration = Duration::from_secs(6);

type Outcome = Result<OpenedChannel, OpenError>;

/// Opens channels, several with one transaction.
pub(crate) trait OpenMany: Send + Sync + 'static {
    /// Gives an outcome for each contract, in their order.
    fn open_many(&self, contracts: Vec<Terms>) -> impl Future<Output = Vec<Outcome>> + Send;
}

struct Request {
    terms: Terms,
    reply: oneshot::Sender<Outcome>,
}

/// Where contracts are handed in; clones share the gatherer, which ends with the last one.
#[derive(Clone)]
pub(crate) struct Opener {
    requests: mpsc::Sender<Request>,
}

impl Opener {
    /// Begins to gather the contracts of an order.
    pub(crate) fn start(chain: impl OpenMany + Clone, seats: Seats) -> Self {
        let (requests, handed_in) = mpsc::channel(QUEUE);
        tokio::spawn(gather(chain, seats, handed_in));
        Opener { requests }
    }

    /// Opens the channel of a contract, together with others.
    pub(crate) async fn open(&self, terms: Terms) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        if self.requests.send(Request { terms, reply }).await.is_err() {
            return Err(OpenError::Refused("the order has ended".into()));
        }
        let lost = |_| Err(OpenError::Unknown("the task that opens channels failed".into()));
        outcome.await.unwrap_or_else(lost)
    }
}

/// Contracts that wait, and since when.
struct Gathered {
    requests: Vec<Request>,
    first: Instant,
    last: Instant,
}

impl Gathered {
    /// When they are sent, as things look now.
    fn due(&self, outlook: Outlook) -> Instant {
        if self.requests.len() >= MOST {
            return self.first;
        }
        let Outlook { free, signing, waiting } = outlook;
        let turns = free > 0 && waiting > 0;
        match (turns, signing > 0, free > 0) {
            (true, _, _) => self.first + FOR_TURNS,
            (false, true, _) => (self.last + FOR_SIGNING).min(self.first + LONGEST),
            (false, false, true) => (self.last + FOR_NEW).min(self.first + LONGEST),
            (false, false, false) => self.first,
        }
    }
}

async fn gather(
    chain: impl OpenMany + Clone,
    seats: Seats,
    mut handed_in: mpsc::Receiver<Request>,
) {
    let mut gathered: Option<Gathered> = None;
    let mut sending = JoinSet::new();
    let mut changes = seats.changes();
    loop {
        let due = gathered.as_ref().map(|gathered| gathered.due(seats.outlook()));
        if due.is_some_and(|due| due <= Instant::now()) {
            if let Some(Gathered { requests, .. }) = gathered.take() {
                sending.spawn(send(chain.clone(), requests));
            }
            continue;
        }
        tokio::select! {
            request = handed_in.recv() => {
                let Some(request) = request else { break };
                let now = Instant::now();
                let fresh = || Gathered { requests: Vec::new(), first: now, last: now };
                let gathered = gathered.get_or_insert_with(fresh);
                gathered.requests.push(request);
                gathered.last = now;
            }
            () = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            } => {}
            // It may have become clear that nothing more comes.
            Ok(()) = changes.changed() => {}
            Some(_) = sending.join_next(), if !sending.is_empty() => {}
        }
    }
}

async fn send(chain: impl OpenMany, requests: Vec<Request>) {
    // A lease that has ended meanwhile opens no channel.
    let wanted = requests.into_iter().filter(|request| !request.reply.is_closed());
    let (contracts, replies): (Vec<_>, Vec<_>) =
        wanted.map(|Request { terms, reply }| (terms, reply)).unzip();
    if contracts.is_empty() {
        return;
    }
    tracing::debug!(channels = contracts.len(), "opening channels with one transaction");
    let outcomes = chain.open_many(contracts).await;
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        // Whoever no longer waits has no use for the answer.
        let _ = reply.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use zennet_primitives::AccountId;

    use super::*;
    use crate::{lease::seats::Take, store::tests::terms};

    /// Notes how many channels it was asked for each time.
    #[derive(Clone, Default)]
    struct Node {
        asked: Arc<Mutex<Vec<usize>>>,
        lost: bool,
    }

    impl Node {
        fn asked(&self) -> Vec<usize> {
            self.asked.lock().unwrap().clone()
        }
    }

    /// A contract of this deposit is refused.
    const BAD: u128 = 13;

    impl OpenMany for Node {
        async fn open_many(&self, contracts: Vec<Terms>) -> Vec<Outcome> {
            self.asked.lock().unwrap().push(contracts.len());
            let open = |terms: &Terms| match terms.deposit {
                _ if self.lost => Err(OpenError::Unknown("no answer".into())),
                BAD => Err(OpenError::Refused("bad".into())),
                nonce => Ok(OpenedChannel {
                    nonce: u64::try_from(nonce).unwrap(),
                    channel: terms.hash(),
                    block: 5,
                    fee: 1,
                }),
            };
            contracts.iter().map(open).collect()
        }
    }

    /// Seats for `wanted` machines; the contracts of the first `signed` providers are signed.
    fn seats(wanted: usize, signed: u8) -> Seats {
        let seats = Seats::new(wanted, None);
        for n in 1..=signed {
            assert_eq!(seats.take(&AccountId::new([n; 32])), Take::Seat(n.into()));
            seats.signed(n.into());
        }
        seats
    }

    async fn open(opener: &Opener, deposits: impl IntoIterator<Item = u128>) -> Vec<Outcome> {
        let open = deposits.into_iter().map(|deposit| {
            let opener = opener.clone();
            tokio::spawn(async move { opener.open(Terms { deposit, ..terms() }).await })
        });
        let open: Vec<_> = open.collect();
        let mut outcomes = Vec::new();
        for task in open {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    #[tokio::test]
    async fn one_machine_waits_for_nothing() {
        let node = Node::default();
        let opener = Opener::start(node.clone(), seats(1, 1));
        let begin = Instant::now();
        assert_eq!(open(&opener, [7]).await[0].as_ref().unwrap().nonce, 7);
        assert!(begin.elapsed() < FOR_NEW);
        assert_eq!(node.asked(), [1]);
    }

    #[tokio::test]
    async fn contracts_that_come_together_go_out_together_and_each_gets_its_own_answer() {
        let node = Node::default();
        let opener = Opener::start(node.clone(), seats(9, 3));
        let outcomes = open(&opener, [1, BAD, 2]).await;
        assert_eq!(outcomes[0].as_ref().unwrap().nonce, 1);
        assert_eq!(outcomes[1], Err(OpenError::Refused("bad".into())));
        assert_eq!(outcomes[2].as_ref().unwrap().nonce, 2);
        assert_eq!(node.asked(), [3]);
    }

    #[tokio::test]
    async fn no_transaction_opens_more_than_a_hundred() {
        let node = Node::default();
        let opener = Opener::start(node.clone(), seats(200, 0));
        open(&opener, 20..130).await;
        assert_eq!(node.asked(), [100, 10]);
    }

    #[tokio::test]
    async fn of_a_lost_answer_nothing_is_known_for_any() {
        let opener = Opener::start(Node { lost: true, ..Node::default() }, seats(3, 2));
        let outcomes = open(&opener, [1, 2]).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(OpenError::Unknown(_)))));
    }

    #[tokio::test]
    async fn a_lease_that_has_ended_opens_no_channel() {
        let node = Node::default();
        let opener = Opener::start(node.clone(), seats(3, 2));
        let ended = tokio::spawn({
            let opener = opener.clone();
            async move { opener.open(terms()).await }
        });
        tokio::task::yield_now().await;
        ended.abort();
        open(&opener, [1]).await;
        assert_eq!(node.asked(), [1]);
    }

    #[test]
    fn the_longer_something_may_still_come_the_longer_it_is_waited_for() {
        let first = Instant::now();
        let after = |millis| first + Duration::from_millis(millis);
        let gathered = |last| Gathered { requests: Vec::new(), first, last };
        let outlook = |free, signing, waiting| Outlook { free, signing, waiting };
        for (free, signing, waiting, due, late) in [
            (0, 0, 0, 0, 0),
            // Those who wait get a seat only when one is freed.
            (0, 0, 9, 0, 0),
            (1, 0, 0, 400, 4000),
            (0, 1, 0, 1500, 4000),
            (1, 1, 0, 1500, 4000),
            (1, 0, 1, 6000, 6000),
            (1, 1, 1, 6000, 6000),
        ] {
            let outlook = outlook(free, signing, waiting);
            assert_eq!(gathered(first).due(outlook), after(due), "{outlook:?}");
            assert_eq!(gathered(after(3900)).due(outlook), after(late), "{outlook:?}");
        }
    }
}
