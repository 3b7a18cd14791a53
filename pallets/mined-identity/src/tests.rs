use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo};
use proptest::prelude::*;
use sp_runtime::{
    traits::{Applyable, Checkable, IdentityLookup},
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
    },
    ApplyExtrinsicResult, DispatchError,
};

use super::*;
use crate::mock::*;

fn authorized() -> RuntimeOrigin {
    frame_system::RawOrigin::Authorized.into()
}

fn register(
    role: Role,
    account: &AccountId,
    anchor: u64,
    nonce: PowNonce,
) -> sp_runtime::DispatchResult {
    MinedIdentity::register(authorized(), role, account.clone(), anchor, nonce)
}

fn register_mined(role: Role, account: &AccountId, anchor: u64) {
    assert_ok!(register(role, account, anchor, mine(role, account, anchor)));
}

fn extrinsic(role: Role, account: &AccountId, anchor_number: u64, nonce: PowNonce) -> Extrinsic {
    let call = Call::register { role, account: account.clone(), anchor_number, nonce };
    Extrinsic::new_transaction(
        call.into(),
        (
            frame_system::AuthorizeCall::new(),
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckNonce::from(0),
            frame_system::CheckWeight::new(),
        ),
    )
}

fn validate(xt: Extrinsic) -> TransactionValidity {
    let info = xt.get_dispatch_info();
    let checked = xt.check(&IdentityLookup::default())?;
    checked.validate::<Test>(TransactionSource::External, &info, 200)
}

fn apply(xt: Extrinsic) -> ApplyExtrinsicResult {
    let info = xt.get_dispatch_info();
    let checked = xt.check(&IdentityLookup::default())?;
    Ok(checked.apply::<Test>(&info, 200)?.map(|_| ()).map_err(|failed| failed.error))
}

fn invalid(reason: InvalidTransaction) -> TransactionValidityError {
    TransactionValidityError::Invalid(reason)
}

#[test]
fn an_account_that_owns_nothing_registers_without_a_fee() {
    build_and_execute(|| {
        let account = who(1);
        assert_eq!(System::account(&account), Default::default());
        let nonce = mine(Role::Provider, &account, 0);
        assert_eq!(apply(extrinsic(Role::Provider, &account, 0, nonce)), Ok(Ok(())));
        assert!(MinedIdentity::is_mined(Role::Provider, &account));
        assert!(!MinedIdentity::is_mined(Role::Publisher, &account));
        assert_eq!(
            Identities::<Test>::get(Role::Provider, &account),
            Some(IdentityRecord { registered_at: 1, difficulty: PROVIDER_START })
        );
        assert!(!frame_system::Account::<Test>::contains_key(&account));
        System::assert_has_event(
            Event::Registered { role: Role::Provider, account, difficulty: PROVIDER_START }.into(),
        );
    });
}

#[test]
fn the_two_roles_of_one_account_are_separate() {
    build_and_execute(|| {
        register_mined(Role::Publisher, &who(1), 0);
        register_mined(Role::Provider, &who(1), 0);
        assert!(MinedIdentity::is_mined(Role::Publisher, &who(1)));
        assert!(MinedIdentity::is_mined(Role::Provider, &who(1)));
    });
}

#[test]
fn only_an_authorized_transaction_registers() {
    build_and_execute(|| {
        let nonce = mine(Role::Publisher, &who(1), 0);
        for origin in [RuntimeOrigin::none(), RuntimeOrigin::root(), RuntimeOrigin::signed(who(1))]
        {
            assert_noop!(
                MinedIdentity::register(origin, Role::Publisher, who(1), 0, nonce),
                DispatchError::BadOrigin
            );
        }
        let bare = Extrinsic::new_bare(
            Call::register { role: Role::Publisher, account: who(1), anchor_number: 0, nonce }
                .into(),
        );
        assert!(validate(bare).is_err());
    });
}

#[test]
fn a_registered_account_cannot_register_again() {
    build_and_execute(|| {
        register_mined(Role::Publisher, &who(1), 0);
        let nonce = mine(Role::Publisher, &who(1), 0);
        assert_noop!(
            register(Role::Publisher, &who(1), 0, nonce),
            Error::<Test>::AlreadyRegistered
        );
        let again = validate(extrinsic(Role::Publisher, &who(1), 0, nonce));
        assert_eq!(again, Err(invalid(InvalidTransaction::Stale)));
    });
}

#[test]
fn an_anchor_that_is_not_past_is_refused() {
    build_and_execute(|| {
        run_to(3);
        for anchor in [3, 4, u64::MAX] {
            assert_noop!(register(Role::Publisher, &who(1), anchor, 0), Error::<Test>::AnchorAhead);
            let pooled = validate(extrinsic(Role::Publisher, &who(1), anchor, 0));
            assert_eq!(pooled, Err(invalid(InvalidTransaction::Future)));
        }
    });
}

#[test]
fn an_anchor_expires_after_its_window() {
    build_and_execute(|| {
        let nonce = mine(Role::Publisher, &who(1), 0);
        run_to(AnchorWindow::get());
        assert_ok!(validate(extrinsic(Role::Publisher, &who(1), 0, nonce)));
        run_to(AnchorWindow::get() + 1);
        assert_noop!(register(Role::Publisher, &who(1), 0, nonce), Error::<Test>::AnchorExpired);
        let pooled = validate(extrinsic(Role::Publisher, &who(1), 0, nonce));
        assert_eq!(pooled, Err(invalid(InvalidTransaction::AncientBirthBlock)));
    });
}

#[test]
fn work_below_the_difficulty_is_refused() {
    build_and_execute(|| {
        let nonce = fail_to_mine(Role::Provider, &who(1), 0);
        assert_noop!(register(Role::Provider, &who(1), 0, nonce), Error::<Test>::WorkInsufficient);
        let pooled = validate(extrinsic(Role::Provider, &who(1), 0, nonce));
        assert_eq!(pooled, Err(invalid(InvalidTransaction::BadProof)));
    });
}

#[test]
fn the_cheapest_rule_refuses_first() {
    build_and_execute(|| {
        run_to(AnchorWindow::get() + 2);
        register_mined(Role::Publisher, &who(1), 5);
        let refusal = |anchor| {
            let nonce = fail_to_mine(Role::Publisher, &who(1), 5);
            validate(extrinsic(Role::Publisher, &who(1), anchor, nonce))
        };
        // Without work and registered already: neither is looked at before the anchor, which needs
        // no more than the number of the block; the hash comes last.
        assert_eq!(refusal(u64::MAX), Err(invalid(InvalidTransaction::Future)));
        assert_eq!(refusal(0), Err(invalid(InvalidTransaction::AncientBirthBlock)));
        assert_eq!(refusal(5), Err(invalid(InvalidTransaction::Stale)));
    });
}

#[test]
fn work_for_another_account_or_role_or_anchor_is_refused() {
    build_and_execute(|| {
        run_to(2);
        // A difficulty at which no nonce passes by chance.
        Difficulties::<Test>::insert(Role::Publisher, 1 << 16);
        Difficulties::<Test>::insert(Role::Provider, 1 << 16);
        let nonce = mine(Role::Publisher, &who(1), 0);
        let refused = Error::<Test>::WorkInsufficient;
        assert_noop!(register(Role::Publisher, &who(2), 0, nonce), refused);
        assert_noop!(register(Role::Provider, &who(1), 0, nonce), Error::<Test>::WorkInsufficient);
        assert_noop!(register(Role::Publisher, &who(1), 1, nonce), Error::<Test>::WorkInsufficient);
        assert_ok!(register(Role::Publisher, &who(1), 0, nonce));
    });
}

#[test]
fn a_block_takes_in_a_bounded_number_and_the_rest_waits() {
    build_and_execute(|| {
        for n in 1..=MaxPerBlock::get() as u8 {
            register_mined(Role::Publisher, &who(n), 0);
        }
        let nonce = mine(Role::Publisher, &who(9), 0);
        assert_noop!(register(Role::Publisher, &who(9), 0, nonce), Error::<Test>::BlockFull);
        let xt = extrinsic(Role::Publisher, &who(9), 0, nonce);
        assert_eq!(apply(xt.clone()), Err(invalid(InvalidTransaction::ExhaustsResources)));
        MinedIdentity::do_try_state().unwrap();
        run_to(2);
        assert_eq!(apply(xt), Ok(Ok(())));
    });
}

#[test]
fn the_pool_holds_one_registration_of_an_account_and_role_while_its_anchor_is_good() {
    build_and_execute(|| {
        run_to(3);
        let tags = |role, account: &AccountId, anchor| {
            let nonce = mine(role, account, anchor);
            let valid = validate(extrinsic(role, account, anchor, nonce)).unwrap();
            assert_eq!(valid.priority, 0);
            assert!(valid.propagate);
            assert!(valid.requires.is_empty());
            // The pool counts from the block below the one in which it validates.
            assert_eq!(2 + valid.longevity, anchor + AnchorWindow::get());
            assert_eq!(valid.provides.len(), 1);
            valid.provides
        };
        let first = tags(Role::Publisher, &who(1), 0);
        assert_eq!(first, tags(Role::Publisher, &who(1), 2));
        assert_ne!(first, tags(Role::Provider, &who(1), 0));
        assert_ne!(first, tags(Role::Publisher, &who(2), 0));
    });
}

#[test]
fn an_epoch_with_too_many_registrations_raises_its_role_alone() {
    build_and_execute(|| {
        for n in 0..(2 * WantedPerEpoch::get()) {
            run_to(u64::from(n) + 2);
            register_mined(Role::Publisher, &who(n as u8), u64::from(n));
        }
        run_to(EpochLength::get());
        assert_eq!(Difficulties::<Test>::get(Role::Publisher), 2 * PUBLISHER_START);
        assert_eq!(Difficulties::<Test>::get(Role::Provider), PROVIDER_START / 4);
        for role in ROLES {
            let begun = Epoch { began: EpochLength::get(), registered: 0 };
            assert_eq!(Epochs::<Test>::get(role), begun);
        }
        System::assert_has_event(
            Event::Retargeted {
                role: Role::Publisher,
                old: PUBLISHER_START,
                new: 2 * PUBLISHER_START,
            }
            .into(),
        );
    });
}

#[test]
fn four_times_the_registrations_wanted_end_an_epoch_early() {
    build_and_execute(|| {
        let most = pow::MAX_CHANGE * WantedPerEpoch::get();
        for n in 0..most {
            run_to(1 + u64::from(n / MaxPerBlock::get()));
            assert_eq!(Difficulties::<Test>::get(Role::Publisher), PUBLISHER_START);
            register_mined(Role::Publisher, &who(n as u8), 0);
        }
        let early = System::block_number();
        assert!(early < EpochLength::get());
        assert_eq!(Difficulties::<Test>::get(Role::Publisher), 4 * PUBLISHER_START);
        assert_eq!(Difficulties::<Test>::get(Role::Provider), PROVIDER_START);
        assert_eq!(Epochs::<Test>::get(Role::Publisher), Epoch { began: early, registered: 0 });
        // One more, in the same block, belongs to the next epoch.
        register_mined(Role::Publisher, &who(200), 0);
        MinedIdentity::do_try_state().unwrap();
        // The new epoch has its whole time, whenever that of the other role ends.
        run_to(early + EpochLength::get() - 1);
        assert_eq!(Difficulties::<Test>::get(Role::Publisher), 4 * PUBLISHER_START);
        run_to(early + EpochLength::get());
        assert_eq!(Difficulties::<Test>::get(Role::Publisher), PUBLISHER_START);
    });
}

#[test]
fn quiet_epochs_lower_the_difficulty_to_the_minimum_and_no_further() {
    build_and_execute(|| {
        run_to(6 * EpochLength::get());
        for role in ROLES {
            assert_eq!(Difficulties::<Test>::get(role), MinDifficulty::get());
        }
    });
}

#[test]
fn an_epoch_as_wanted_keeps_the_difficulty_and_says_nothing() {
    build_and_execute(|| {
        for n in 0..WantedPerEpoch::get() {
            run_to(u64::from(n) + 2);
            register_mined(Role::Publisher, &who(n as u8), 0);
        }
        run_to(EpochLength::get() - 1);
        System::reset_events();
        run_to(EpochLength::get());
        assert_eq!(Difficulties::<Test>::get(Role::Publisher), PUBLISHER_START);
        assert!(!System::events().iter().any(|e| matches!(
            e.event,
            RuntimeEvent::MinedIdentity(Event::Retargeted { role: Role::Publisher, .. })
        )));
    });
}

#[test]
#[should_panic(expected = "below the minimum")]
fn genesis_below_the_minimum_is_refused() {
    new_test_ext().execute_with(|| {
        GenesisConfig::<Test> { publisher_difficulty: 1, ..Default::default() }.build();
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_pool_accepts_the_block_accepts(
        steps in proptest::collection::vec(
            (0u8..6, any::<bool>(), 0u64..12, any::<bool>(), 0u64..4),
            1..40,
        )
    ) {
        build_and_execute(|| {
            for (account, provider, age, honest, advance) in steps {
                let now = System::block_number() + advance;
                run_to(now);
                let role = if provider { Role::Provider } else { Role::Publisher };
                let anchor = now.saturating_sub(age);
                let nonce = if honest {
                    mine(role, &who(account), anchor)
                } else {
                    fail_to_mine(role, &who(account), anchor)
                };
                let was = MinedIdentity::is_mined(role, &who(account));
                let xt = extrinsic(role, &who(account), anchor, nonce);
                let pooled = validate(xt.clone()).is_ok();
                let applied = apply(xt) == Ok(Ok(()));
                assert_eq!(pooled, applied);
                let fresh = anchor < now && now - anchor <= AnchorWindow::get();
                if applied {
                    assert!(honest && fresh && !was);
                }
                assert_eq!(MinedIdentity::is_mined(role, &who(account)), was || applied);
                MinedIdentity::do_try_state().unwrap();
            }
        });
    }
}
