use std::collections::BTreeMap;

use frame_support::{
    dispatch::{DispatchResultWithPostInfo, PostDispatchInfo},
    weights::{constants::RocksDbWeight, Weight},
};
use pallet_balances::AccountData;
use proptest::prelude::*;
use zennet_primitives::AccountId;

use super::*;
use crate::WeightInfo;

type Accounts = BTreeMap<AccountId, frame_system::AccountInfo<u32, AccountData<Balance>>>;

fn accounts() -> Accounts {
    frame_system::Account::<Test>::iter().collect()
}

/// Makes a call; gives its weight, and how many accounts changed beside the caller's.
fn weighed(
    by: u8,
    call: impl FnOnce(RuntimeOrigin) -> DispatchResultWithPostInfo,
) -> (Weight, u64) {
    let before = accounts();
    let done = call(signed(by)).expect("the call is sound");
    let others = accounts().into_iter().filter(|(who, _)| *who != account(by));
    let changed = others.filter(|(who, info)| before.get(who) != Some(info)).count();
    (done.actual_weight.expect("it says what it weighed"), changed as u64)
}

fn less(most: Weight, accounts: u64) -> Weight {
    most - RocksDbWeight::get().reads_writes(accounts, accounts)
}

/// The weight of a claim, or of a close, of which so many accounts changed, with a developer who is paid
/// apart or without one.
fn claim_of(changed: u64, developer: Option<u8>) -> Weight {
    match developer.filter(|who| *who != PROVIDER) {
        Some(_) => less(<() as WeightInfo>::claim(), 3 - changed),
        None => less(<() as WeightInfo>::claim_without_developer(), 2 - changed),
    }
}

fn close_of(changed: u64, developer: Option<u8>) -> Weight {
    match developer.filter(|who| *who != PROVIDER) {
        Some(_) => less(<() as WeightInfo>::close(), 2 - changed),
        None => less(<() as WeightInfo>::close_without_developer(), 1 - changed),
    }
}

fn shared_with(developer: Option<u8>, percent: u32) -> Option<AppShare> {
    let share = Perbill::from_percent(percent);
    developer.map(|seed| AppShare { developer: account(seed), share })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_claim_weighs_what_it_changed(
        by in prop::sample::select(vec![PUBLISHER, PROVIDER, WATCHTOWER, DEVELOPER]),
        developer in prop::option::of(prop::sample::select(vec![PUBLISHER, PROVIDER, DEVELOPER])),
        percent in 1u32..100,
    ) {
        build_and_execute(|| {
            let channel = open_with(PROVIDER, shared_with(developer, percent));
            let voucher = voucher(channel, DEPOSIT / 2);
            let (weight, changed) = weighed(by, |by| Channels::claim(by, channel, voucher));
            assert_eq!(weight, claim_of(changed, developer));
        });
    }

    #[test]
    fn a_close_with_a_voucher_weighs_what_it_changed(
        developer in prop::option::of(prop::sample::select(vec![PUBLISHER, PROVIDER, DEVELOPER])),
        percent in 1u32..100,
    ) {
        build_and_execute(|| {
            let channel = open_with(PROVIDER, shared_with(developer, percent));
            let voucher = Some(voucher(channel, DEPOSIT / 2));
            let (weight, changed) = weighed(PROVIDER, |by| Channels::close(by, channel, voucher));
            assert_eq!(weight, close_of(changed, developer));
        });
    }

    #[test]
    fn nothing_weighs_more_than_declared_or_less_than_what_it_changed(
        by in prop::sample::select(vec![PUBLISHER, PROVIDER, WATCHTOWER, DEVELOPER]),
        percent in 0u32..=100,
        emptied: bool,
        cumulative in 1..=DEPOSIT,
    ) {
        build_and_execute(|| {
            let channel = open_with(PROVIDER, app(percent));
            if emptied {
                let all = free(DEVELOPER);
                let to = account(SECOND_PUBLISHER);
                assert_ok!(Balances::transfer_allow_death(signed(DEVELOPER), to, all));
            }
            let first = voucher(channel, cumulative);
            let (weight, changed) = weighed(by, |by| Channels::claim(by, channel, first));
            let most = <() as WeightInfo>::claim();
            assert!(weight.all_lte(most) && less(most, 3 - changed).all_lte(weight));
            let last = Some(voucher(channel, DEPOSIT));
            let (weight, changed) = weighed(PROVIDER, |by| Channels::close(by, channel, last));
            let most = <() as WeightInfo>::close();
            assert!(weight.all_lte(most) && less(most, 2 - changed).all_lte(weight));
        });
    }
}

#[test]
fn the_usual_payment_touches_the_publisher_alone_beside_the_caller() {
    build_and_execute(|| {
        let channel = open();
        let first = voucher(channel, DEPOSIT / 2);
        let (weight, changed) = weighed(PROVIDER, |by| Channels::claim(by, channel, first));
        assert_eq!((weight, changed), (claim_of(1, None), 1));
        let last = Some(voucher(channel, DEPOSIT));
        let (weight, changed) = weighed(PROVIDER, |by| Channels::close(by, channel, last));
        assert_eq!((weight, changed), (close_of(1, None), 1));
    });
}

#[test]
fn a_close_without_a_voucher_weighs_as_much_as_a_finalize() {
    build_and_execute(|| {
        let channel = open_with(PROVIDER, app(10));
        let (weight, changed) = weighed(PROVIDER, |by| Channels::close(by, channel, None));
        assert_eq!((weight, changed), (<() as WeightInfo>::finalize(), 1));
        assert!(weight.all_lte(<() as WeightInfo>::close()));
    });
}

#[test]
fn a_refused_claim_weighs_as_much_as_declared() {
    build_and_execute(|| {
        let channel = open();
        let forged = voucher_in(&context(channel), PROVIDER, 1);
        let refused = Channels::claim(signed(PROVIDER), channel, forged).unwrap_err();
        assert_eq!(refused.post_info, PostDispatchInfo::default());
        assert_eq!(refused.error, Error::<Test>::BadVoucherSignature.into());
    });
}
