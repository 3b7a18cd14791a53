use super::*;

#[test]
fn a_top_up_raises_what_vouchers_can_pay() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::top_up(signed(PUBLISHER), channel, 500));
        System::assert_last_event(Event::ToppedUp { channel, deposit: DEPOSIT + 500 }.into());
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 1500)));
    });
}

#[test]
fn a_top_up_of_nothing_of_too_much_or_past_the_largest_amount_is_refused() {
    build_and_execute(|| {
        let channel = open();
        let top_up = |amount| Channels::top_up(signed(PUBLISHER), channel, amount);
        assert_noop!(top_up(0), Error::<Test>::NothingToAdd);
        assert_noop!(top_up(ENDOWMENT), pallet_deposits::Error::<Test>::NotEnoughFree);
        assert_noop!(top_up(Balance::MAX), ArithmeticError::Overflow);
    });
}

#[test]
fn an_extension_lets_vouchers_be_shown_later() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::extend(signed(PUBLISHER), channel, EXPIRY + 10));
        System::assert_last_event(Event::Extended { channel, expires_at: EXPIRY + 10 }.into());
        go_to(EXPIRY + 9);
        assert_ok!(Channels::claim(signed(PROVIDER), channel, voucher(channel, 100)));
    });
}

#[test]
fn an_expiry_only_moves_later_and_not_too_far() {
    build_and_execute(|| {
        let channel = open();
        let extend = |expires_at| Channels::extend(signed(PUBLISHER), channel, expires_at);
        assert_noop!(extend(EXPIRY), Error::<Test>::NotLater);
        assert_noop!(extend(EXPIRY - 1), Error::<Test>::NotLater);
        assert_noop!(extend(2 + MAX_LIFETIME), Error::<Test>::BadExpiry);
        assert_ok!(extend(1 + MAX_LIFETIME));
    });
}

#[test]
fn only_the_publisher_changes_a_channel() {
    build_and_execute(|| {
        let channel = open();
        for other in [PROVIDER, WATCHTOWER] {
            let not: DispatchError = Error::<Test>::NotPublisher.into();
            assert_noop!(Channels::top_up(signed(other), channel, 500), not);
            assert_noop!(Channels::extend(signed(other), channel, EXPIRY + 1), not);
            assert_noop!(Channels::request_close(signed(other), channel), not);
        }
    });
}

#[test]
fn nothing_changes_while_closing() {
    build_and_execute(|| {
        let channel = open();
        assert_ok!(Channels::request_close(signed(PUBLISHER), channel));
        let closing: DispatchError = Error::<Test>::AlreadyClosing.into();
        assert_noop!(Channels::top_up(signed(PUBLISHER), channel, 500), closing);
        assert_noop!(Channels::extend(signed(PUBLISHER), channel, EXPIRY + 1), closing);
        assert_noop!(Channels::request_close(signed(PUBLISHER), channel), closing);
    });
}

#[test]
fn nothing_changes_after_the_end() {
    build_and_execute(|| {
        let channel = open();
        go_to(EXPIRY);
        let ended: DispatchError = Error::<Test>::Ended.into();
        assert_noop!(Channels::top_up(signed(PUBLISHER), channel, 500), ended);
        assert_noop!(Channels::extend(signed(PUBLISHER), channel, EXPIRY + 1), ended);
        assert_noop!(Channels::request_close(signed(PUBLISHER), channel), ended);
    });
}
