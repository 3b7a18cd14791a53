//! What the pallets declare, taken apart into time and accesses to the database.

use frame_support::{
    derive_impl, parameter_types,
    weights::{RuntimeDbWeight, Weight},
};

use self::probe::{Accesses, Probe};
use crate::measure::{largest, Component, Name};

/// Calls of FRAME's pallets by which this machine is compared with the one on which FRAME's weights
/// were measured. They move coin and keep records of different sizes; none runs another call, whose
/// time would depend on the pallets of this runtime.
pub(crate) const REFERENCES: [(&str, &str); 13] = [
    ("pallet_balances", "transfer_allow_death"),
    ("pallet_balances", "transfer_keep_alive"),
    ("pallet_balances", "force_set_balance_creating"),
    ("pallet_balances", "force_set_balance_killing"),
    ("pallet_balances", "force_transfer"),
    ("pallet_balances", "transfer_all"),
    ("pallet_balances", "force_unreserve"),
    ("pallet_multisig", "as_multi_create"),
    ("pallet_multisig", "as_multi_approve"),
    ("pallet_multisig", "cancel_as_multi"),
    ("pallet_proxy", "announce"),
    ("pallet_proxy", "add_proxy"),
    ("pallet_proxy", "remove_proxy"),
];

type Call = (&'static str, &'static str);

/// What a call sets off in another pallet and its own benchmark cannot: it has no candidate to bar.
pub(crate) const PARTS: [(Call, Call); 1] =
    [(("pallet_equivocation", "report"), ("pallet_dpos", "bar"))];

/// A weight at the largest components of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Time without the database, picoseconds.
    pub(crate) picos: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
}

/// A chain on which accesses to the database weigh what they are set to.
// The macro asks for a feature that a runtime has.
#[allow(unexpected_cfgs)]
mod probe {
    use super::*;

    frame_support::construct_runtime!(
        pub enum Probe {
            System: frame_system,
        }
    );

    #[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
    impl frame_system::Config for Probe {
        type Block = frame_system::mocking::MockBlock<Probe>;
        type DbWeight = Accesses;
    }

    parameter_types! {
        pub static Accesses: RuntimeDbWeight = RuntimeDbWeight { read: 0, write: 0 };
    }
}

/// The components of a benchmark at their largest, by name.
struct At<'a>(&'a [Component]);

impl At<'_> {
    fn value(&self, name: &str) -> Option<u32> {
        let number = self.0.iter().position(|(parameter, ..)| parameter.to_string() == name)?;
        largest(self.0).get(number).copied()
    }
}

/// The functions that give weights, with the names of the components that they take.
macro_rules! weights {
    ($($pallet:ident { $($call:ident($($component:ident),*))* })*) => {
        fn weight(pallet: &str, call: &str, at: &At) -> Option<Weight> {
            Some(match (pallet, call) {
                $($((stringify!($pallet), stringify!($call)) => {
                    <$pallet::weights::SubstrateWeight<Probe> as $pallet::WeightInfo>::$call(
                        $(at.value(stringify!($component))?),*
                    )
                })*)*
                _ => return None,
            })
        }
    };
}

weights! {
    pallet_announcements { announce(n) cancel() expire(n) look() }
    pallet_channels {
        open() top_up() extend() claim() claim_without_developer() close()
        close_without_developer() close_together() request_close() finalize()
    }
    pallet_deposits { lock() spend() refund() }
    pallet_dpos {
        stand() make_room() retire() withdraw() vote(n) unvote() unlock() open_proxy() close_proxy() delegate()
        undelegate() claim() set_commission() unjail() set_seats() note_turns(m) disable_excluded()
        bar()
    }
    pallet_equivocation { report() authorize_report() }
    pallet_mined_identity { register() authorize_register() retarget() }
    pallet_balances {
        transfer_allow_death() transfer_keep_alive() force_set_balance_creating()
        force_set_balance_killing() force_transfer() transfer_all() force_unreserve()
    }
    pallet_multisig { as_multi_create(s, z) as_multi_approve(s, z) cancel_as_multi(s) }
    pallet_proxy { announce(a, p) add_proxy(p) remove_proxy(p) }
}

/// Whether the weights of a pallet are this project's own.
pub(crate) fn is_ours(pallet: &str) -> bool {
    !REFERENCES.iter().any(|(reference, _)| *reference == pallet)
}

/// What is declared for a call at its largest components; nothing if it is not known here.
pub(crate) fn declared(name: &Name, components: &[Component]) -> Option<Declared> {
    let time = |read, write| {
        Accesses::set(RuntimeDbWeight { read, write });
        weight(&name.pallet, &name.call, &At(components)).map(|weight| weight.ref_time())
    };
    let picos = time(0, 0)?;
    Some(Declared {
        picos,
        reads: time(1, 0)?.checked_sub(picos)?,
        writes: time(0, 1)?.checked_sub(picos)?,
    })
}

#[cfg(test)]
mod tests {
    use frame_benchmarking::BenchmarkParameter;

    use super::*;

    #[test]
    fn a_weight_comes_apart_into_time_and_accesses() {
        let transfer = declared(&Name::new("pallet_balances", "transfer_keep_alive"), &[]);
        let Some(Declared { picos, reads: 1, writes: 1 }) = transfer else {
            panic!("a transfer reads and writes one account beside its sender's: {transfer:?}");
        };
        assert!((10_000_000..200_000_000).contains(&picos), "{picos}");
    }

    #[test]
    fn a_weight_is_that_at_the_largest_components() {
        let expire = |most| {
            let components = [(BenchmarkParameter::n, 0, most)];
            declared(&Name::new("pallet_announcements", "expire"), &components)
                .expect("the hook has a weight")
        };
        let (none, one, many) = (expire(0), expire(1), expire(100));
        assert_eq!(many.reads - none.reads, 100 * (one.reads - none.reads));
        assert_eq!(many.picos - none.picos, 100 * (one.picos - none.picos));
    }

    #[test]
    fn a_component_that_the_benchmark_has_not_is_no_weight_of_zero() {
        assert_eq!(declared(&Name::new("pallet_dpos", "vote"), &[]), None);
        assert_eq!(declared(&Name::new("pallet_dpos", "dance"), &[]), None);
    }
}
