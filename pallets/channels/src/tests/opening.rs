use super::*;

#[test]
fn a_deposit_is_held_on_the_publishers_own_account() {
    build_and_execute(|| {
        let channel = open_with(PROVIDER, app(10));
        assert_eq!(locked(PUBLISHER), DEPOSIT + RECORD_DEPOSIT);
        assert_eq!(Balances::total_balance(&account(PUBLISHER)), ENDOWMENT);
        let expected = ChannelRecord {
            publisher: account(PUBLISHER),
            provider: account(PROVIDER),
            contract: contract(),
            session_key: pair(SESSION).public(),
            deposit: DEPOSIT,
            paid: 0,
            record_deposit: RECORD_DEPOSIT,
            expires_at: EXPIRY,
            challenge: CHALLENGE,
            closing_at: None,
            app: app(10),
        };
        assert_eq!(record(channel), expected);
        let opened = Event::Opened {
            channel,
            publisher: account(PUBLISHER),
            provider: account(PROVIDER),
            contract: contract(),
            deposit: DEPOSIT,
            expires_at: EXPIRY,
            nonce: 0,
        };
        System::assert_last_event(opened.into());
    });
}

#[test]
fn a_channel_id_is_never_used_again() {
    build_and_execute(|| {
        let first = open();
        assert_ok!(Channels::close(signed(PROVIDER), first, None));
        let second = open();
        assert_ne!(first, second);
        assert_eq!(NextNonce::<Test>::get(account(PUBLISHER)), 2);
        NextNonce::<Test>::insert(account(PUBLISHER), 1);
        assert_noop!(try_open(PROVIDER, DEPOSIT, EXPIRY, CHALLENGE, None), Error::<Test>::Exists);
    });
}

#[test]
fn a_channel_to_oneself_is_refused() {
    build_and_execute(|| {
        assert_noop!(
            try_open(PUBLISHER, DEPOSIT, EXPIRY, CHALLENGE, None),
            Error::<Test>::SameParty
        );
    });
}

#[test]
fn a_deposit_below_the_existential_deposit_is_refused() {
    build_and_execute(|| {
        assert_noop!(
            try_open(PROVIDER, EXISTENTIAL_DEPOSIT - 1, EXPIRY, CHALLENGE, None),
            Error::<Test>::DepositTooSmall
        );
    });
}

#[test]
fn a_publisher_needs_the_deposit_that_of_the_record_and_the_existential_deposit() {
    build_and_execute(|| {
        let most = ENDOWMENT - RECORD_DEPOSIT - EXISTENTIAL_DEPOSIT;
        assert_noop!(
            try_open(PROVIDER, most + 1, EXPIRY, CHALLENGE, None),
            pallet_deposits::Error::<Test>::NotEnoughFree
        );
        assert_ok!(try_open(PROVIDER, most, EXPIRY, CHALLENGE, None));
        assert_eq!(free(PUBLISHER), EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn a_deposit_that_overflows_with_that_of_the_record_is_an_error() {
    build_and_execute(|| {
        assert_noop!(
            try_open(PROVIDER, Balance::MAX, EXPIRY, CHALLENGE, None),
            ArithmeticError::Overflow
        );
    });
}

#[test]
fn a_challenge_out_of_bounds_is_refused() {
    build_and_execute(|| {
        for challenge in [0, MIN_CHALLENGE - 1, MAX_CHALLENGE + 1, u64::MAX] {
            assert_noop!(
                try_open(PROVIDER, DEPOSIT, EXPIRY, challenge, None),
                Error::<Test>::BadChallenge
            );
        }
    });
}

#[test]
fn an_expiry_in_the_past_or_too_far_away_is_refused() {
    build_and_execute(|| {
        for expires_at in [0, 1, 2 + MAX_LIFETIME, u64::MAX] {
            assert_noop!(
                try_open(PROVIDER, DEPOSIT, expires_at, CHALLENGE, None),
                Error::<Test>::BadExpiry
            );
        }
    });
}

#[test]
fn a_developer_without_an_account_is_refused() {
    build_and_execute(|| {
        let app = Some(AppShare { developer: account(42), share: Perbill::from_percent(10) });
        assert_noop!(
            try_open(PROVIDER, DEPOSIT, EXPIRY, CHALLENGE, app),
            Error::<Test>::DeveloperCannotBePaid
        );
    });
}

#[test]
fn a_nonce_that_would_overflow_is_an_error() {
    build_and_execute(|| {
        NextNonce::<Test>::insert(account(PUBLISHER), u64::MAX);
        assert_noop!(
            try_open(PROVIDER, DEPOSIT, EXPIRY, CHALLENGE, None),
            ArithmeticError::Overflow
        );
        NextNonce::<Test>::remove(account(PUBLISHER));
    });
}
