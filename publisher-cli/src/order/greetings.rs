//! Connections whose first frame is awaited: so many of them, and nobody takes all places.

use std::{collections::HashMap, future::Future, net::IpAddr};

use tokio::task::{Id, JoinSet};

/// Greetings that go on, and what each comes to.
pub(super) struct Greetings<T> {
    tasks: JoinSet<T>,
    /// Where they come from; those through a relay cannot be told apart.
    from: HashMap<Id, Option<IpAddr>>,
}

/// Places that one address may take of so many: a quarter is left to others.
fn share(most: usize) -> usize {
    most - most / 4
}

impl<T: Send + 'static> Greetings<T> {
    pub(super) fn new() -> Self {
        Greetings { tasks: JoinSet::new(), from: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether another one may begin from an address, where there are `most` places.
    pub(super) fn has_place(&self, from: Option<IpAddr>, most: usize) -> bool {
        let same = self.from.values().filter(|other| from.is_some() && **other == from).count();
        self.tasks.len() < most && same < share(most)
    }

    /// Begins one.
    pub(super) fn begin(
        &mut self,
        from: Option<IpAddr>,
        greeting: impl Future<Output = T> + Send + 'static,
    ) {
        let id = self.tasks.spawn(greeting).id();
        self.from.insert(id, from);
    }

    /// Waits for the next end, and gives what it came to; nothing where its task failed. There must
    /// be one under way.
    pub(super) async fn next(&mut self) -> Option<T> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => {
                tracing::error!(%error, "a greeting failed");
                (error.id(), None)
            }
        };
        self.from.remove(&id);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    /// Begins as many idle ones as have a place.
    fn fill(greetings: &mut Greetings<()>, from: Option<IpAddr>, most: usize) -> usize {
        (0..)
            .take_while(|_| {
                let has_place = greetings.has_place(from, most);
                if has_place {
                    greetings.begin(from, pending());
                }
                has_place
            })
            .count()
    }

    #[tokio::test]
    async fn one_address_leaves_places_to_others() {
        let mut greetings = Greetings::new();
        assert_eq!(fill(&mut greetings, ONE, 18), 14);
        assert_eq!(fill(&mut greetings, OTHER, 18), 4);
        assert!(!greetings.has_place(None, 18), "all are taken");
    }

    #[tokio::test]
    async fn those_behind_relays_share_every_place() {
        assert_eq!(fill(&mut Greetings::new(), None, 18), 18);
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_its_greeting_has_ended_or_failed() {
        let mut greetings = Greetings::new();
        greetings.begin(ONE, ready(7));
        greetings.begin(ONE, async { panic!("on purpose") });
        assert!(!greetings.has_place(ONE, 2));
        let mut ended = [greetings.next().await, greetings.next().await];
        ended.sort_unstable();
        assert_eq!(ended, [None, Some(7)]);
        assert!(greetings.has_place(ONE, 2) && greetings.is_empty());
    }
}
