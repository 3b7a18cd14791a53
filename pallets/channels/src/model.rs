//! Random sequences of calls against a model that knows only the rules of the money.
//!
//! After each call the model's opinion on whether it was allowed, every balance and every lock must
//! be the chain's. At the end every channel is finalized, and all that no signature gave away must be
//! back at its publisher.

use std::collections::BTreeMap;

use frame_support::{
    dispatch::{DispatchResult, DispatchResultWithPostInfo},
    traits::fungible::Inspect,
};
use pallet_deposits::DepositLedger;
use proptest::prelude::*;
use sp_core::Pair;
use sp_runtime::Perbill;
use zennet_primitives::{
    amount::Balance,
    channel::{channel_id, ChannelContext, ChannelId, Split, Voucher},
    record::AppShare,
    signed::{Signable, Unverified},
    Hash,
};

use crate::{mock::*, Channels as Map};

const CHALLENGE: u64 = MIN_CHALLENGE;

#[derive(Clone, Debug)]
enum Step {
    Open { publisher: u8, provider: u8, deposit: Balance, life: u64, share: Option<u32> },
    TopUp { of: usize, amount: Balance },
    Extend { of: usize, life: u64 },
    Claim { of: usize, cumulative: Balance, forged: bool },
    Close { of: usize, voucher: Option<Balance> },
    CloseTogether { of: usize, to_provider: Balance },
    RequestClose { of: usize },
    Finalize { of: usize },
    Wait { blocks: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let of = 0usize..4;
    let amount = prop_oneof![0 as Balance..40, 0 as Balance..3000, Just(Balance::MAX)];
    prop_oneof![
        3 => (
            prop_oneof![Just(PUBLISHER), Just(SECOND_PUBLISHER)],
            prop_oneof![Just(PROVIDER), Just(POOR_PROVIDER)],
            amount.clone(),
            0..=MAX_LIFETIME + 1,
            prop::option::of(0u32..=100),
        )
            .prop_map(|(publisher, provider, deposit, life, share)| Step::Open {
                publisher, provider, deposit, life, share
            }),
        1 => (of.clone(), amount.clone()).prop_map(|(of, amount)| Step::TopUp { of, amount }),
        1 => (of.clone(), 0..=MAX_LIFETIME + 1).prop_map(|(of, life)| Step::Extend { of, life }),
        6 => (of.clone(), amount.clone(), prop::bool::weighted(0.1)).prop_map(
            |(of, cumulative, forged)| Step::Claim { of, cumulative, forged }
        ),
        1 => (of.clone(), prop::option::of(amount.clone()))
            .prop_map(|(of, voucher)| Step::Close { of, voucher }),
        1 => (of.clone(), amount)
            .prop_map(|(of, to_provider)| Step::CloseTogether { of, to_provider }),
        1 => of.clone().prop_map(|of| Step::RequestClose { of }),
        1 => of.prop_map(|of| Step::Finalize { of }),
        3 => (1u64..20).prop_map(|blocks| Step::Wait { blocks }),
    ]
}

/// What the model remembers of a channel, also after it is settled.
struct Known {
    id: ChannelId,
    publisher: u8,
    provider: u8,
    share: Option<u32>,
    deposit: Balance,
    paid: Balance,
    expires_at: u64,
    closing_at: Option<u64>,
    settled: bool,
}

impl Known {
    fn ends_at(&self) -> u64 {
        self.closing_at.map_or(self.expires_at, |closing| closing.min(self.expires_at))
    }

    fn developers_part(&self, cumulative: Balance) -> Balance {
        cumulative * Balance::from(self.share.unwrap_or(0)) / 100
    }
}

struct Model {
    now: u64,
    free: BTreeMap<u8, Balance>,
    nonces: BTreeMap<u8, u64>,
    channels: Vec<Known>,
}

impl Model {
    fn new() -> Self {
        Self {
            now: 1,
            free: (1..=5).map(|seed| (seed, ENDOWMENT)).collect(),
            nonces: BTreeMap::new(),
            channels: Vec::new(),
        }
    }

    fn free(&self, who: u8) -> Balance {
        self.free.get(&who).copied().unwrap_or_default()
    }

    fn give(&mut self, who: u8, amount: Balance) {
        *self.free.entry(who).or_default() += amount;
    }

    fn lock(&mut self, who: u8, amount: Balance) -> bool {
        let allowed = amount <= self.free(who) - EXISTENTIAL_DEPOSIT;
        if allowed {
            *self.free.get_mut(&who).unwrap() -= amount;
        }
        allowed
    }

    /// Raises what a channel paid; the developer's account always exists here.
    fn pay(&mut self, of: usize, cumulative: Balance) -> bool {
        let known = &self.channels[of];
        let (provider, due) = (known.provider, cumulative - known.paid);
        let developers = known.developers_part(cumulative) - known.developers_part(known.paid);
        let providers = due - developers;
        if providers > 0 && self.free(provider) + providers < EXISTENTIAL_DEPOSIT {
            return false;
        }
        self.give(DEVELOPER, developers);
        self.give(provider, providers);
        let known = &mut self.channels[of];
        known.paid = cumulative;
        true
    }

    fn settle(&mut self, of: usize) -> bool {
        let known = &mut self.channels[of];
        known.settled = true;
        let (publisher, rest) = (known.publisher, known.deposit - known.paid);
        self.give(publisher, rest + RECORD_DEPOSIT);
        true
    }

    /// Whether the step is allowed; carries it out if it is.
    fn apply(&mut self, step: &Step) -> bool {
        let now = self.now;
        match *step {
            Step::Open { publisher, provider, deposit, life, share } => {
                let fits = deposit >= EXISTENTIAL_DEPOSIT && life > 0 && life <= MAX_LIFETIME;
                let needed = deposit.checked_add(RECORD_DEPOSIT);
                if !fits || !needed.is_some_and(|needed| self.lock(publisher, needed)) {
                    return false;
                }
                let nonce = self.nonces.entry(publisher).or_default();
                let id = id_of(publisher, provider, *nonce);
                *nonce += 1;
                self.channels.push(Known {
                    id,
                    publisher,
                    provider,
                    share,
                    deposit,
                    paid: 0,
                    expires_at: now + life,
                    closing_at: None,
                    settled: false,
                });
                true
            }
            Step::Wait { blocks } => {
                self.now += blocks;
                true
            }
            Step::TopUp { of, amount } => {
                let known = &self.channels[of];
                let publisher = known.publisher;
                let open = known.closing_at.is_none() && now < known.ends_at();
                let fits = amount > 0 && amount < Balance::MAX;
                if known.settled || !open || !fits || !self.lock(publisher, amount) {
                    return false;
                }
                self.channels[of].deposit += amount;
                true
            }
            Step::Extend { of, life } => {
                let known = &mut self.channels[of];
                let open = known.closing_at.is_none() && now < known.ends_at();
                let fits = life > 0 && life <= MAX_LIFETIME && now + life > known.expires_at;
                if known.settled || !open || !fits {
                    return false;
                }
                known.expires_at = now + life;
                true
            }
            Step::Claim { of, cumulative, forged } => {
                let known = &self.channels[of];
                let fits = cumulative > known.paid && cumulative <= known.deposit;
                let open = !known.settled && now < known.ends_at();
                open && fits && !forged && self.pay(of, cumulative)
            }
            Step::Close { of, voucher } => {
                let known = &self.channels[of];
                if known.settled {
                    return false;
                }
                if let Some(cumulative) = voucher {
                    let fits = cumulative >= known.paid && cumulative <= known.deposit;
                    if !fits || now >= known.ends_at() || !self.pay(of, cumulative) {
                        return false;
                    }
                }
                self.settle(of)
            }
            Step::CloseTogether { of, to_provider } => {
                let known = &self.channels[of];
                let fits = to_provider >= known.paid && to_provider <= known.deposit;
                !known.settled && fits && self.pay(of, to_provider) && self.settle(of)
            }
            Step::RequestClose { of } => {
                let known = &mut self.channels[of];
                let open = known.closing_at.is_none() && now < known.ends_at();
                if known.settled || !open {
                    return false;
                }
                known.closing_at = Some(now + CHALLENGE);
                true
            }
            Step::Finalize { of } => {
                let known = &self.channels[of];
                !known.settled && now >= known.ends_at() && self.settle(of)
            }
        }
    }

    fn locked(&self, who: u8) -> Balance {
        let alive = self.channels.iter().filter(|known| known.publisher == who && !known.settled);
        alive.map(|known| known.deposit - known.paid + RECORD_DEPOSIT).sum()
    }

    fn assert_agrees(&self) {
        for who in [PUBLISHER, SECOND_PUBLISHER, PROVIDER, POOR_PROVIDER, DEVELOPER, WATCHTOWER] {
            assert_eq!(Balances::balance(&account(who)), self.free(who), "free of {who}");
            let locked = <Deposits as DepositLedger>::locked(&account(who));
            assert_eq!(locked, self.locked(who), "locked of {who}");
        }
        for known in &self.channels {
            let record = Map::<Test>::get(known.id);
            assert_eq!(record.is_none(), known.settled);
            assert!(record.is_none_or(|r| r.paid == known.paid && r.deposit == known.deposit));
        }
        Channels::do_try_state().unwrap();
    }
}

fn id_of(publisher: u8, provider: u8, nonce: u64) -> ChannelId {
    let (publisher, provider) = (account(publisher), account(provider));
    channel_id(Channels::genesis(), &publisher, &provider, Hash::zero(), nonce)
}

/// What a call came to, whatever it weighed.
fn outcome(done: DispatchResultWithPostInfo) -> DispatchResult {
    done.map(|_| ()).map_err(|refused| refused.error)
}

/// The same step on the chain.
fn perform(model: &Model, step: &Step) -> bool {
    let signed = |seed| RuntimeOrigin::signed(account(seed));
    let known = |of: usize| &model.channels[of];
    let context =
        |of: usize| ChannelContext { genesis: Channels::genesis(), channel: known(of).id };
    let voucher = |of: usize, cumulative, key| {
        let payload = Voucher { cumulative, usage_hash: Hash::zero() };
        let signature = pair(key).sign(&payload.signing_bytes(&context(of)));
        Unverified { payload, signature }
    };
    let result = match *step {
        Step::Open { publisher, provider, deposit, life, share } => Channels::open(
            signed(publisher),
            account(provider),
            Hash::zero(),
            pair(SESSION).public(),
            deposit,
            model.now + life,
            CHALLENGE,
            share.map(|percent| AppShare {
                developer: account(DEVELOPER),
                share: Perbill::from_percent(percent),
            }),
        ),
        Step::Wait { blocks } => {
            go_to(model.now + blocks);
            Ok(())
        }
        Step::TopUp { of, amount } => {
            Channels::top_up(signed(known(of).publisher), known(of).id, amount)
        }
        Step::Extend { of, life } => {
            Channels::extend(signed(known(of).publisher), known(of).id, model.now + life)
        }
        Step::Claim { of, cumulative, forged } => {
            let key = if forged { PROVIDER } else { SESSION };
            let voucher = voucher(of, cumulative, key);
            outcome(Channels::claim(signed(WATCHTOWER), known(of).id, voucher))
        }
        Step::Close { of, voucher: last } => {
            let last = last.map(|cumulative| voucher(of, cumulative, SESSION));
            outcome(Channels::close(signed(known(of).provider), known(of).id, last))
        }
        Step::CloseTogether { of, to_provider } => {
            let split = Split { to_provider };
            let bytes = split.signing_bytes(&context(of));
            Channels::close_together(
                signed(known(of).publisher),
                known(of).id,
                split,
                pair(known(of).publisher).sign(&bytes),
                pair(known(of).provider).sign(&bytes),
            )
        }
        Step::RequestClose { of } => {
            Channels::request_close(signed(known(of).publisher), known(of).id)
        }
        Step::Finalize { of } => Channels::finalize(signed(WATCHTOWER), known(of).id),
    };
    result.is_ok()
}

/// Points the step at one of the newest channels, or drops it while there is none.
fn aim(step: Step, channels: usize) -> Option<Step> {
    let newest = |of: usize| channels.checked_sub(1).map(|last| last - of.min(last));
    Some(match step {
        Step::Open { .. } | Step::Wait { .. } => step,
        Step::TopUp { of, amount } => Step::TopUp { of: newest(of)?, amount },
        Step::Extend { of, life } => Step::Extend { of: newest(of)?, life },
        Step::Claim { of, cumulative, forged } => {
            Step::Claim { of: newest(of)?, cumulative, forged }
        }
        Step::Close { of, voucher } => Step::Close { of: newest(of)?, voucher },
        Step::CloseTogether { of, to_provider } => {
            Step::CloseTogether { of: newest(of)?, to_provider }
        }
        Step::RequestClose { of } => Step::RequestClose { of: newest(of)? },
        Step::Finalize { of } => Step::Finalize { of: newest(of)? },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn providers_get_what_was_signed_and_publishers_the_rest(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        build_and_execute(|| {
            let mut model = Model::new();
            for step in steps {
                let Some(step) = aim(step, model.channels.len()) else { continue };
                let done = perform(&model, &step);
                assert_eq!(done, model.apply(&step), "{step:?}");
                model.assert_agrees();
            }
            let end = Step::Wait { blocks: 2 * MAX_LIFETIME };
            let rest = (0..model.channels.len()).filter(|of| !model.channels[*of].settled);
            let rest: Vec<_> = rest.map(|of| Step::Finalize { of }).collect();
            for step in std::iter::once(end).chain(rest) {
                assert!(perform(&model, &step) && model.apply(&step), "{step:?}");
            }
            model.assert_agrees();
            assert_eq!(Map::<Test>::iter().count(), 0);
            let left: Balance = model.free.values().sum();
            assert_eq!(left, 5 * ENDOWMENT);
        });
    }
}
