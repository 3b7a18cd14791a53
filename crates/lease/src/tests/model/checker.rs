//! Breadth-first search through all states of a model.
//!
//! [`Model`] has the shape of the trait of that name in the crate `stateright`. That crate is not
//! used because it asks for serde's feature `rc`, with which cargo would compile everything that
//! knows serde once more.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

/// A system that goes from state to state by actions.
pub(super) trait Model {
    type State: Copy + Eq + Hash;
    type Action: Copy + Debug;

    fn init_states(&self) -> Vec<Self::State>;

    /// What may happen in a state, in an order that depends on nothing else.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);

    /// What it leads to; nothing where it changes nothing.
    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State>;

    fn properties(&self) -> Vec<Property<Self>>
    where
        Self: Sized;

    /// Whether all is well with a state that nothing follows.
    fn may_end(&self, state: &Self::State) -> bool;
}

/// What must hold in every state, or be possible in one.
pub(super) struct Property<M: Model> {
    pub(super) name: &'static str,
    pub(super) expectation: Expectation,
    pub(super) condition: fn(&M, &M::State) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expectation {
    Always,
    /// Shows that the model gets where the other properties mean something.
    Sometimes,
}

/// Name of the property that every run ends, and ends well.
pub(super) const ENDS: &str = "every run ends, with the deposit paid out and returned";

/// A property that does not hold and, where there is one, the shortest way to a state that shows
/// it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Violation {
    pub(super) property: &'static str,
    pub(super) trace: Vec<String>,
}

/// What a search found.
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) transitions: usize,
    pub(super) violations: Vec<Violation>,
}

/// Where a state was first reached from.
type Origin<A> = Option<(u32, A)>;

/// Looks at every reachable state. The first state that violates a property is kept for it, and
/// its successors are looked at like all others.
pub(super) fn check<M: Model>(model: &M) -> Report {
    let properties = model.properties();
    let mut open: Vec<&Property<M>> = properties.iter().collect();
    let mut violations = Vec::new();
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut origins: Vec<Origin<M::Action>> = Vec::new();
    let mut graph = Graph::default();
    let mut frontier = VecDeque::new();
    let mut ends_badly = None;
    for state in model.init_states() {
        numbers.insert(fingerprint(&state), origins.len() as u32);
        frontier.push_back((origins.len() as u32, state));
        origins.push(None);
    }
    let mut actions = Vec::new();
    while let Some((number, state)) = frontier.pop_front() {
        open.retain(|property| match (property.expectation, (property.condition)(model, &state)) {
            (Expectation::Always, true) | (Expectation::Sometimes, false) => true,
            (Expectation::Sometimes, true) => false,
            (Expectation::Always, false) => {
                let trace = trace(&origins, number);
                violations.push(Violation { property: property.name, trace });
                false
            }
        });
        actions.clear();
        model.actions(&state, &mut actions);
        graph.begin();
        for &action in &actions {
            let Some(next) = model.next_state(&state, action) else { continue };
            let fresh = origins.len() as u32;
            let found = *numbers.entry(fingerprint(&next)).or_insert(fresh);
            if found == fresh {
                origins.push(Some((number, action)));
                frontier.push_back((fresh, next));
            }
            graph.edges.push(found);
        }
        if graph.is_end(number) && !model.may_end(&state) {
            ends_badly.get_or_insert(number);
        }
    }
    violations.extend(
        open.into_iter().filter(|p| p.expectation == Expectation::Sometimes).map(|property| {
            Violation { property: property.name, trace: vec!["not possible".into()] }
        }),
    );
    if let Some(number) = ends_badly {
        violations.push(Violation { property: ENDS, trace: trace(&origins, number) });
    }
    if let Some(number) = graph.on_a_cycle() {
        let mut trace = trace(&origins, number);
        trace.push("and so on, for ever".into());
        violations.push(Violation { property: ENDS, trace });
    }
    Report { states: origins.len(), transitions: graph.edges.len(), violations }
}

/// Stands for a state. Two of some million states share one with a probability below 1e-6.
fn fingerprint<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn trace<A: Debug>(origins: &[Origin<A>], mut number: u32) -> Vec<String> {
    let mut steps = Vec::new();
    while let Some((before, action)) = &origins[number as usize] {
        steps.push(format!("{action:?}"));
        number = *before;
    }
    steps.reverse();
    steps
}

/// What follows what, by numbers in the order of the search.
#[derive(Default)]
struct Graph {
    starts: Vec<usize>,
    edges: Vec<u32>,
}

impl Graph {
    /// The successors of the next state follow.
    fn begin(&mut self) {
        self.starts.push(self.edges.len());
    }

    fn after(&self, number: u32) -> &[u32] {
        let number = number as usize;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.edges.len());
        &self.edges[self.starts[number]..end]
    }

    fn is_end(&self, number: u32) -> bool {
        self.after(number).is_empty()
    }

    /// A state that some run comes back to. Without one every run is finite.
    fn on_a_cycle(&self) -> Option<u32> {
        let mut before = vec![0u32; self.starts.len()];
        self.edges.iter().for_each(|next| before[*next as usize] += 1);
        let mut ready: Vec<u32> =
            (0..self.starts.len() as u32).filter(|n| before[*n as usize] == 0).collect();
        while let Some(number) = ready.pop() {
            for next in self.after(number) {
                before[*next as usize] -= 1;
                if before[*next as usize] == 0 {
                    ready.push(*next);
                }
            }
        }
        before.iter().position(|left| *left > 0).map(|number| number as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up to five, and from three also back to one where it may.
    struct Counter {
        returns: bool,
    }

    impl Model for Counter {
        type State = u8;
        type Action = u8;

        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }

        fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
            actions.extend((*state < 5).then_some(state + 1));
            actions.extend((*state == 3 && self.returns).then_some(1));
        }

        fn next_state(&self, _: &u8, action: u8) -> Option<u8> {
            Some(action)
        }

        fn properties(&self) -> Vec<Property<Self>> {
            let always = Expectation::Always;
            let below = Property { name: "below", expectation: always, condition: |_, s| *s < 2 };
            let sometimes = Expectation::Sometimes;
            let six = Property { name: "six", expectation: sometimes, condition: |_, s| *s == 6 };
            vec![below, six]
        }

        fn may_end(&self, state: &u8) -> bool {
            *state == 5
        }
    }

    #[test]
    fn a_violation_comes_with_the_shortest_way_to_it() {
        let report = check(&Counter { returns: false });
        let names: Vec<_> = report.violations.iter().map(|v| v.property).collect();
        assert_eq!((report.states, names), (6, vec!["below", "six"]));
        assert_eq!(report.violations[0].trace, ["1", "2"]);
    }

    #[test]
    fn a_run_without_an_end_is_a_violation() {
        let report = check(&Counter { returns: true });
        assert!(report.violations.iter().any(|violation| violation.property == ENDS));
    }
}
