use super::*;

#[test]
fn the_provider_closes_with_its_last_voucher_and_the_rest_returns_at_once() {
    build_and_execute(|| {
        let channel = open();
        let last = voucher(channel, 300);
        assert_ok!(Channels::close(signed(PROVIDER), channel, Some(last)));
        assert_settled(channel, 300, 700);
        assert_eq!(free(PROVIDER), ENDOWMENT + 300);
        assert_eq!(free(PUBLISHER), ENDOWMENT - 300);
        assert_eq!(locked(PUBLISHER), 0);
        let claimed = Event::Claimed { channel, cumulative: 300, usage_hash: usage(), paid: 300 };
        System::assert_has_event(claimed.into());
    });
}

#[test]
fn a_close_survives_that_someone_claimed_its_voucher_first() {
    build_and_execute(|| {
        let channel = open();
        let last = voucher(channel, 300);
        assert_ok!(Channels::claim(signed(WATCHTOWER), channel, last.clone()));
        assert_ok!(Channels::close(signed(PROVIDER), channel, Some(last)));
        assert_settled(channel, 300, 700);
    });
}

#[test]
fn a_close_with_a_bad_voucher_is_refused() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        let close = |voucher| Channels::close(signed(PROVIDER), channel, Some(voucher));
        assert_noop!(close(voucher(channel, 99)), Error::<Test>::StaleVoucher);
        assert_noop!(close(voucher(channel, DEPOSIT + 1)), Error::<Test>::AboveDeposit);
        let forged = voucher_in(&context(channel), PROVIDER, 200);
        assert_noop!(close(forged), Error::<Test>::BadVoucherSignature);
    });
}

#[test]
fn a_close_with_a_voucher_of_another_channel_or_chain_is_refused() {
    build_and_execute(|| {
        let (channel, other) = (open(), open());
        for context in [context(other), on_another_chain(channel)] {
            let elsewhere = voucher_in(&context, SESSION, 100);
            assert_noop!(
                Channels::close(signed(PROVIDER), channel, Some(elsewhere)),
                Error::<Test>::BadVoucherSignature
            );
        }
    });
}

#[test]
fn a_close_without_a_voucher_keeps_what_was_claimed() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(WATCHTOWER), channel, voucher(channel, 300)));
        assert_ok!(Channels::close(signed(PROVIDER), channel, None));
        assert_settled(channel, 300, 700);
    });
}

#[test]
fn only_the_provider_closes() {
    build_and_execute(|| {
        let channel = open();
        for other in [PUBLISHER, WATCHTOWER] {
            assert_noop!(
                Channels::close(signed(other), channel, Some(voucher(channel, 100))),
                Error::<Test>::NotProvider
            );
        }
    });
}

#[test]
fn after_the_end_the_provider_closes_only_without_a_voucher() {
    build_and_execute(|| {
        let channel = open();
        go_to(EXPIRY);
        assert_noop!(
            Channels::close(signed(PROVIDER), channel, Some(voucher(channel, 100))),
            Error::<Test>::Ended
        );
        assert_ok!(Channels::close(signed(PROVIDER), channel, None));
        assert_settled(channel, 0, DEPOSIT);
    });
}

#[test]
fn the_provider_answers_a_request_to_close_until_the_challenge_has_passed() {
    build_and_execute(|| {
        let (first, second) = (open(), open());
        for channel in [first, second] {
            assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        }
        go_to(CHALLENGE);
        assert_ok!(Channels::close(signed(PROVIDER), first, Some(voucher(first, 300))));
        assert_settled(first, 300, 700);
        go_to(CHALLENGE + 1);
        assert_noop!(
            Channels::close(signed(PROVIDER), second, Some(voucher(second, 300))),
            Error::<Test>::Ended
        );
    });
}

#[test]
fn nothing_can_be_done_with_a_settled_channel() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::close(signed(PROVIDER), channel, Some(voucher(channel, 300))));
        let gone: DispatchError = Error::<Test>::NotFound.into();
        let later = voucher(channel, 400);
        assert_noop!(Channels::top_up(signed(PUBLISHER), channel, 500), gone);
        assert_noop!(Channels::extend(signed(PUBLISHER), channel, EXPIRY + 1), gone);
        assert_noop!(Channels::claim(signed(PROVIDER), channel, later.clone()), gone);
        assert_noop!(Channels::close(signed(PROVIDER), channel, Some(later)), gone);
        assert_noop!(close_together(PROVIDER, channel, 400), gone);
        assert_noop!(Channels::request_close(signed(PUBLISHER), channel), gone);
        assert_noop!(Channels::finalize(signed(PUBLISHER), channel), gone);
    });
}

#[test]
fn a_request_to_close_starts_the_challenge() {
    build_and_execute(|| {
        let channel = open();
        go_to(7);
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        System::assert_last_event(
            Event::CloseRequested { channel, closing_at: 7 + CHALLENGE }.into(),
        );
        go_to(6 + CHALLENGE);
        assert_noop!(Channels::finalize(signed(PUBLISHER), channel), Error::<Test>::NotEnded);
        go_to(7 + CHALLENGE);
        assert_ok!(Channels::finalize(signed(PUBLISHER), channel));
        assert_settled(channel, 0, DEPOSIT);
    });
}

#[test]
fn a_late_request_to_close_does_not_move_the_expiry() {
    build_and_execute(|| {
        let channel = open();
        go_to(EXPIRY - 1);
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        go_to(EXPIRY);
        assert_ok!(Channels::finalize(signed(WATCHTOWER), channel));
    });
}

#[test]
fn anyone_finalizes_from_the_expiry_on() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
        go_to(EXPIRY);
        assert_ok!(Channels::finalize(signed(WATCHTOWER), channel));
        assert_settled(channel, 100, 900);
        assert_noop!(Channels::finalize(signed(WATCHTOWER), channel), Error::<Test>::NotFound);
    });
}

#[test]
fn a_publisher_that_owns_nothing_else_hinders_no_end_and_gets_its_rest() {
    for rest in [0, 1, DEPOSIT] {
        let paid = DEPOSIT - rest;
        let close = |channel| outcome(Channels::close(signed(PROVIDER), channel, None));
        let ends: [&dyn Fn(ChannelId) -> DispatchResult; 3] =
            [&close, &|channel| close_together(PROVIDER, channel, paid), &|channel| {
                Channels::finalize(signed(WATCHTOWER), channel)
            }];
        for end in ends {
            build_and_execute(|| {
                let channel = open();
                empty_the_publisher();
                if paid > 0 {
                    let last = voucher(channel, paid);
                    assert_ok!(Channels::claim(signed(PROVIDER), channel, last));
                }
                go_to(EXPIRY);
                assert_ok!(end(channel));
                assert_settled(channel, paid, rest);
                assert_eq!(free(PROVIDER), ENDOWMENT + paid);
                assert_eq!((free(PUBLISHER), locked(PUBLISHER)), (rest + RECORD_DEPOSIT, 0));
            });
        }
    }
}

#[test]
fn what_returns_for_a_record_is_what_was_held_for_it() {
    build_and_execute(|| {
        let channel = open();
        // As if a later program asked for less now.
        let more = 7;
        assert_ok!(<Deposits as DepositLedger>::lock(&account(PUBLISHER), more));
        Map::<Test>::mutate(channel, |record| {
            record.as_mut().unwrap().record_deposit = RECORD_DEPOSIT + more;
        });
        Channels::do_try_state().unwrap();
        assert_ok!(Channels::close(signed(PROVIDER), channel, None));
        assert_eq!(free(PUBLISHER), ENDOWMENT);
    });
}
