use super::*;

#[test]
fn a_watchtower_may_claim_for_the_provider() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(WATCHTOWER), channel, voucher(channel, 100)));
        assert_ok!(Channels::claim(signed(WATCHTOWER), channel, voucher(channel, 250)));
        let claimed = Event::Claimed { channel, cumulative: 250, usage_hash: usage(), paid: 150 };
        System::assert_last_event(claimed.into());
        assert_eq!(free(PROVIDER), ENDOWMENT + 250);
        assert_eq!(locked(PUBLISHER), DEPOSIT - 250 + RECORD_DEPOSIT);
        assert_eq!(record(channel).paid, 250);
    });
}

#[test]
fn a_voucher_above_the_deposit_is_refused() {
    build_and_execute(|| {
        let channel = open();
        for cumulative in [DEPOSIT + 1, Balance::MAX] {
            assert_noop!(
                Channels::claim(signed(PROVIDER), channel, voucher(channel, cumulative)),
                Error::<Test>::AboveDeposit
            );
        }
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, DEPOSIT)));
        // What the record costs pays nobody.
        assert_eq!(locked(PUBLISHER), RECORD_DEPOSIT);
    });
}

#[test]
fn a_voucher_that_adds_nothing_is_refused() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        for cumulative in [0, 99, 100] {
            assert_noop!(
                Channels::claim(signed(PROVIDER), channel, voucher(channel, cumulative)),
                Error::<Test>::StaleVoucher
            );
        }
    });
}

#[test]
fn only_the_session_key_signs_vouchers() {
    build_and_execute(|| {
        let channel = open();
        for key in [PUBLISHER, PROVIDER, WATCHTOWER] {
            assert_noop!(
                Channels::claim(signed(PROVIDER), channel, voucher_in(&context(channel), key, 100)),
                Error::<Test>::BadVoucherSignature
            );
        }
        let mut raised = voucher(channel, 100);
        raised.payload.cumulative = 101;
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, raised),
            Error::<Test>::BadVoucherSignature
        );
    });
}

#[test]
fn a_voucher_of_another_chain_is_refused() {
    build_and_execute(|| {
        let channel = open();
        let other = on_another_chain(channel);
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, voucher_in(&other, SESSION, 100)),
            Error::<Test>::BadVoucherSignature
        );
    });
}

#[test]
fn one_voucher_does_not_pay_two_leases() {
    build_and_execute(|| {
        let (first, second) = (open(), open());
        let voucher = voucher(first, 100);
        assert_ok!(Channels::claim(signed(PROVIDER), first, voucher.clone()));
        assert_noop!(
            Channels::claim(signed(PROVIDER), second, voucher),
            Error::<Test>::BadVoucherSignature
        );
    });
}

#[test]
fn a_voucher_does_not_pay_from_a_later_channel_under_the_same_contract() {
    build_and_execute(|| {
        let first = open();
        let voucher = voucher(first, 100);
        assert_ok!(Channels::close(signed(PROVIDER), first, Some(voucher.clone())));
        assert_noop!(
            Channels::claim(signed(PROVIDER), first, voucher.clone()),
            Error::<Test>::NotFound
        );
        let second = open();
        assert_noop!(
            Channels::claim(signed(PROVIDER), second, voucher),
            Error::<Test>::BadVoucherSignature
        );
    });
}

#[test]
fn a_censored_claim_still_pays_in_the_last_block_before_the_expiry() {
    build_and_execute(|| {
        let channel = open();
        go_to(EXPIRY - 1);
        assert_noop!(Channels::finalize(signed(PUBLISHER), channel), Error::<Test>::NotEnded);
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        go_to(EXPIRY);
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, voucher(channel, 200)),
            Error::<Test>::Ended
        );
    });
}

#[test]
fn a_censored_claim_still_pays_in_the_last_block_of_the_challenge() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        go_to(CHALLENGE);
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        go_to(CHALLENGE + 1);
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, voucher(channel, 200)),
            Error::<Test>::Ended
        );
    });
}

#[test]
fn a_challenge_that_outlasts_the_expiry_gives_no_more_time_to_claim() {
    build_and_execute(|| {
        let channel = open();
        go_to(EXPIRY - 1);
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        assert_eq!(record(channel).closing_at, Some(EXPIRY - 1 + CHALLENGE));
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        go_to(EXPIRY);
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, voucher(channel, 200)),
            Error::<Test>::Ended
        );
    });
}

#[test]
fn a_payout_under_the_existential_deposit_waits_for_a_larger_voucher() {
    build_and_execute(|| {
        let channel = open_with(POOR_PROVIDER, None);
        let small = voucher(channel, EXISTENTIAL_DEPOSIT - 1);
        assert_noop!(
            Channels::claim(signed(WATCHTOWER), channel, small.clone()),
            Error::<Test>::PayoutTooSmall
        );
        assert_noop!(
            Channels::close(signed(POOR_PROVIDER), channel, Some(small)),
            Error::<Test>::PayoutTooSmall
        );
        let enough = voucher(channel, EXISTENTIAL_DEPOSIT);
        assert_ok!(Channels::claim(signed(WATCHTOWER), channel, enough));
        assert_eq!(free(POOR_PROVIDER), EXISTENTIAL_DEPOSIT);
    });
}

#[test]
fn a_provider_that_cannot_be_paid_may_close_without_its_voucher() {
    build_and_execute(|| {
        let channel = open_with(POOR_PROVIDER, None);
        assert_ok!(Channels::close(signed(POOR_PROVIDER), channel, None));
        assert_eq!(free(PUBLISHER), ENDOWMENT);
    });
}

#[test]
fn a_freeze_on_the_publisher_does_not_stop_a_claim() {
    build_and_execute(|| {
        let channel = open();
        let who = account(PUBLISHER);
        Balances::set_lock(*b"frozen  ", &who, ENDOWMENT, WithdrawReasons::all());
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, DEPOSIT)));
    });
}

#[test]
fn many_small_claims_pay_the_developer_as_much_as_one() {
    build_and_execute(|| {
        let (first, second) = (open_with(PROVIDER, app(33)), open_with(PROVIDER, app(33)));
        for cumulative in 1..=100 {
            assert_ok!(Channels::claim(signed(PROVIDER), first, voucher(first, cumulative)));
        }
        assert_eq!(free(DEVELOPER), ENDOWMENT + 33);
        assert_ok!(Channels::claim(signed(PROVIDER), second, voucher(second, 100)));
        assert_eq!(free(DEVELOPER), ENDOWMENT + 66);
        assert_eq!(free(PROVIDER), ENDOWMENT + 134);
    });
}

#[test]
fn a_part_that_its_developer_cannot_take_goes_to_the_provider() {
    build_and_execute(|| {
        let channel = open_with(PROVIDER, app(5));
        let all = free(DEVELOPER);
        assert_ok!(Balances::transfer_allow_death(signed(DEVELOPER), account(WATCHTOWER), all));
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        assert_eq!(free(PROVIDER), ENDOWMENT + 100);
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 300)));
        assert_eq!(free(PROVIDER), ENDOWMENT + 290);
        assert_eq!(free(DEVELOPER), 10);
    });
}

#[test]
fn a_provider_that_is_the_developer_gets_one_payment() {
    build_and_execute(|| {
        let app = Some(AppShare { developer: account(PROVIDER), share: Perbill::from_percent(50) });
        let channel = open_with(PROVIDER, app);
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 101)));
        assert_eq!(free(PROVIDER), ENDOWMENT + 101);
    });
}
