use super::*;

/// A split that is signed and submitted by another provider.
fn close_together_by_the_poor(channel: ChannelId, to_provider: Balance) -> DispatchResult {
    let split = Split { to_provider };
    let publisher = sign_split(PUBLISHER, channel, split);
    let provider = sign_split(POOR_PROVIDER, channel, split);
    Channels::close_together(signed(POOR_PROVIDER), channel, split, publisher, provider)
}

#[test]
fn either_party_submits_a_split_that_both_signed() {
    build_and_execute(|| {
        for by in [PUBLISHER, PROVIDER] {
            let before = free(PROVIDER);
            let channel = open();
            assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
            assert_ok!(close_together(by, channel, 400));
            assert_settled(channel, 400, 600);
            assert_eq!(free(PROVIDER), before + 400);
        }
    });
}

#[test]
fn a_split_may_pay_nothing_more_or_everything_even_after_the_end() {
    build_and_execute(|| {
        let (first, second) = (open(), open());
        go_to(EXPIRY);
        assert_ok!(close_together(PUBLISHER, first, 0));
        assert_settled(first, 0, DEPOSIT);
        assert_ok!(close_together(PROVIDER, second, DEPOSIT));
        assert_settled(second, DEPOSIT, 0);
    });
}

#[test]
fn a_split_below_what_was_paid_or_above_the_deposit_is_refused() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        assert_noop!(close_together(PUBLISHER, channel, 99), Error::<Test>::BelowPaid);
        assert_noop!(close_together(PROVIDER, channel, DEPOSIT + 1), Error::<Test>::AboveDeposit);
    });
}

#[test]
fn a_split_needs_both_account_signatures_for_this_channel() {
    build_and_execute(|| {
        let (channel, other) = (open(), open());
        let split = Split { to_provider: 400 };
        let publisher = sign_split(PUBLISHER, channel, split);
        let provider = sign_split(PROVIDER, channel, split);
        let close = |p, q| Channels::close_together(signed(PROVIDER), channel, split, p, q);
        assert_noop!(close(provider, provider), Error::<Test>::BadPublisherSignature);
        assert_noop!(close(publisher, publisher), Error::<Test>::BadProviderSignature);
        let session = sign_split(SESSION, channel, split);
        assert_noop!(close(session, provider), Error::<Test>::BadPublisherSignature);
        let elsewhere = |seed| sign_split(seed, other, split);
        assert_noop!(close(elsewhere(PUBLISHER), provider), Error::<Test>::BadPublisherSignature);
        assert_noop!(close(publisher, elsewhere(PROVIDER)), Error::<Test>::BadProviderSignature);
    });
}

#[test]
fn only_the_parties_submit_a_split() {
    build_and_execute(|| {
        let channel = open();
        assert_noop!(close_together(WATCHTOWER, channel, 400), Error::<Test>::NotParty);
    });
}

#[test]
fn a_split_signed_for_another_chain_is_refused() {
    build_and_execute(|| {
        let channel = open();
        let split = Split { to_provider: 400 };
        let bytes = split.signing_bytes(&on_another_chain(channel));
        let elsewhere = |seed| pair(seed).sign(&bytes);
        let here = |seed| sign_split(seed, channel, split);
        let close = |p, q| Channels::close_together(signed(PROVIDER), channel, split, p, q);
        assert_noop!(
            close(elsewhere(PUBLISHER), here(PROVIDER)),
            Error::<Test>::BadPublisherSignature
        );
        assert_noop!(
            close(here(PUBLISHER), elsewhere(PROVIDER)),
            Error::<Test>::BadProviderSignature
        );
        assert_ok!(close(here(PUBLISHER), here(PROVIDER)));
    });
}

#[test]
fn a_split_of_another_amount_than_was_signed_is_refused() {
    build_and_execute(|| {
        let channel = open();
        let (small, large) = (Split { to_provider: 400 }, Split { to_provider: 401 });
        let publisher = |split| sign_split(PUBLISHER, channel, split);
        let provider = |split| sign_split(PROVIDER, channel, split);
        let close = |p, q| Channels::close_together(signed(PROVIDER), channel, large, p, q);
        assert_noop!(
            close(publisher(small), provider(large)),
            Error::<Test>::BadPublisherSignature
        );
        assert_noop!(close(publisher(large), provider(small)), Error::<Test>::BadProviderSignature);
    });
}

#[test]
fn a_split_settles_one_channel_once() {
    build_and_execute(|| {
        let first = open();
        let split = Split { to_provider: 400 };
        let publisher = sign_split(PUBLISHER, first, split);
        let provider = sign_split(PROVIDER, first, split);
        let close = |channel| {
            Channels::close_together(signed(PROVIDER), channel, split, publisher, provider)
        };
        assert_ok!(close(first));
        assert_noop!(close(first), Error::<Test>::NotFound);
        let under_the_same_contract = open();
        assert_noop!(close(under_the_same_contract), Error::<Test>::BadPublisherSignature);
    });
}

#[test]
fn a_voucher_is_no_split_and_a_split_no_voucher_under_one_key() {
    build_and_execute(|| {
        let own_key = pair(PUBLISHER).public();
        assert_ok!(Channels::open(
            signed(PUBLISHER),
            account(PROVIDER),
            contract(),
            own_key,
            DEPOSIT,
            EXPIRY,
            CHALLENGE,
            None,
        ));
        let (publisher, provider) = (account(PUBLISHER), account(PROVIDER));
        let channel = channel_id(Channels::genesis(), &publisher, &provider, contract(), 0);
        let split = Split { to_provider: 400 };
        let provider = sign_split(PROVIDER, channel, split);
        let voucher = voucher_in(&context(channel), PUBLISHER, 400);
        assert_noop!(
            Channels::close_together(signed(PROVIDER), channel, split, voucher.signature, provider),
            Error::<Test>::BadPublisherSignature
        );
        let signature = sign_split(PUBLISHER, channel, split);
        let forged = Unverified { signature, ..voucher.clone() };
        assert_noop!(
            Channels::claim(signed(PROVIDER), channel, forged),
            Error::<Test>::BadVoucherSignature
        );
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher));
    });
}

#[test]
fn a_split_settles_during_the_challenge() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        assert_ok!(close_together(PROVIDER, channel, 400));
        assert_settled(channel, 400, 600);
    });
}

#[test]
fn a_split_pays_the_developer_its_part() {
    build_and_execute(|| {
        let channel = open_with(PROVIDER, app(10));
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        assert_ok!(close_together(PROVIDER, channel, 400));
        assert_settled(channel, 400, 600);
        assert_eq!(free(DEVELOPER), ENDOWMENT + 40);
        assert_eq!(free(PROVIDER), ENDOWMENT + 360);
    });
}

#[test]
fn a_split_under_the_existential_deposit_is_refused_and_stays_good() {
    build_and_execute(|| {
        let channel = open_with(POOR_PROVIDER, None);
        let close = || close_together_by_the_poor(channel, EXISTENTIAL_DEPOSIT - 1);
        assert_noop!(close(), Error::<Test>::PayoutTooSmall);
        let gift = EXISTENTIAL_DEPOSIT;
        let poor = account(POOR_PROVIDER);
        assert_ok!(Balances::transfer_allow_death(signed(WATCHTOWER), poor, gift));
        assert_ok!(close());
        assert_eq!(free(POOR_PROVIDER), 2 * EXISTENTIAL_DEPOSIT - 1);
        assert_eq!(locked(PUBLISHER), 0);
    });
}

#[test]
fn a_split_makes_the_account_of_a_provider_or_leaves_it_without_one() {
    build_and_execute(|| {
        for to_provider in [0, EXISTENTIAL_DEPOSIT] {
            let channel = open_with(POOR_PROVIDER, None);
            assert_ok!(close_together_by_the_poor(channel, to_provider));
            assert_eq!(free(POOR_PROVIDER), to_provider);
            assert_eq!(locked(PUBLISHER), 0);
        }
    });
}
