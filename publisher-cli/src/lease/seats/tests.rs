//! Who gets a seat, and when.

use super::*;

fn provider(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

fn bid(lease: u64, provider: u8, per_hour: Balance) -> Bid {
    Bid { lease, provider: self::provider(provider), per_hour }
}

#[test]
fn of_what_is_quoted_in_time_the_cheapest_get_the_seats() {
    let seats = Seats::new(2, None).choosing_within(BEAT * 2);
    beats(&seats, 50);
    let quotes = [bid(1, 1, 900), bid(2, 2, 100), bid(3, 3, 500), bid(4, 2, 1)];
    quotes.iter().for_each(|quote| assert_eq!(seats.bid(quote), Take::Wait));
    beats(&seats, 2);
    assert_eq!(seats.bid(&quotes[3]), Take::Wait, "the time is not over");
    beats(&seats, 1);
    assert_eq!(seats.bid(&quotes[0]), Take::Wait);
    assert_eq!(seats.bid(&quotes[2]), Take::Seat(2));
    assert_eq!(seats.bid(&quotes[3]), Take::Seat(1), "one provider has one of them");
    assert_eq!(seats.bid(&quotes[1]), Take::Wait);
}

#[test]
fn without_time_to_choose_who_comes_first_has_the_seat() {
    let seats = Seats::new(1, None).choosing_within(Duration::ZERO);
    assert_eq!(seats.bid(&bid(1, 1, 900)), Take::Seat(1));
    assert_eq!(seats.bid(&bid(2, 2, 1)), Take::Wait);
}

#[test]
fn the_seat_of_a_chosen_lease_that_ended_goes_to_another() {
    let seats = Seats::new(1, None).choosing_within(BEAT);
    for quote in [bid(1, 1, 5), bid(2, 2, 6), bid(3, 3, 4)] {
        assert_eq!(seats.bid(&quote), Take::Wait);
    }
    // One ends before the choice, and one before it takes what it got.
    seats.withdraw(3);
    beats(&seats, 2);
    seats.withdraw(1);
    assert_eq!(seats.bid(&bid(2, 2, 6)), Take::Seat(1));
}

fn beats(seats: &Seats, count: u32) {
    (0..count).for_each(|_| seats.grow());
}

#[test]
fn a_seat_of_an_earlier_run_is_taken_by_no_other_until_its_machine_fails() {
    let seats = Seats::new(3, Some(2));
    assert_eq!(number(&name(3)), Some(3));
    seats.hold(1, &provider(1), true);
    seats.hold(3, &provider(2), false);
    // No seat of this order.
    seats.hold(9, &provider(2), false);
    assert_eq!((seats.count_ready(), seats.outlook().free), (1, 1));
    assert_eq!(seats.take(&provider(1)), Take::Seat(2));
    assert_eq!(seats.take(&provider(3)), Take::Wait);
    seats.release(1);
    seats.release(3);
    assert_eq!(seats.take(&provider(3)), Take::Seat(3));
}

#[tokio::test]
async fn whoever_waits_for_a_free_seat_hears_of_it() {
    let seats = Seats::new(2, None);
    seats.hold(1, &provider(1), true);
    seats.hold(2, &provider(2), false);
    let waiting = tokio::spawn({
        let seats = seats.clone();
        async move { seats.any_free().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    seats.release(2);
    assert_eq!(waiting.await.unwrap(), 1);
}

#[test]
fn an_order_gets_no_more_than_it_wants() {
    let seats = Seats::new(2, None);
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    assert_eq!(seats.take(&provider(2)), Take::Seat(2));
    assert_eq!(seats.take(&provider(3)), Take::Wait);
    seats.ready(1);
    assert_eq!(seats.take(&provider(3)), Take::Wait);
    seats.ready(2);
    assert_eq!(seats.take(&provider(3)), Take::Never);
    assert_eq!(seats.count_ready(), 2);
}

#[test]
fn three_machines_go_to_three_providers_though_one_would_take_all() {
    let seats = Seats::new(3, None);
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    let _eager = seats.wait();
    assert_eq!(seats.take(&provider(1)), Take::Wait);
    beats(&seats, QUIET_BEATS - 1);
    assert_eq!(seats.take(&provider(2)), Take::Seat(2));
    assert_eq!(seats.take(&provider(1)), Take::Wait, "a new one came: the count begins anew");
    beats(&seats, QUIET_BEATS);
    assert_eq!(seats.take(&provider(1)), Take::Wait);
    assert_eq!(seats.take(&provider(3)), Take::Seat(3));
}

#[test]
fn when_nobody_new_comes_the_providers_fill_the_order_in_equal_parts() {
    let seats = Seats::new(10, None);
    let providers = [provider(1), provider(2)];
    for provider in &providers {
        assert!(matches!(seats.take(provider), Take::Seat(_)));
        assert_eq!(seats.take(provider), Take::Wait);
    }
    let mut waiting = seats.wait();
    beats(&seats, QUIET_BEATS + 1);
    assert!(waiting.changes.has_changed().unwrap());
    waiting.changes.mark_unchanged();
    for provider in &providers {
        (0..4).for_each(|_| assert!(matches!(seats.take(provider), Take::Seat(_))));
    }
    assert_eq!(seats.outlook(), Outlook { free: 0, signing: 10, waiting: 1 });
}

#[test]
fn where_some_have_no_more_room_the_others_may_hold_twice_as_many_each_time() {
    let seats = Seats::new(8, None);
    (1..=4).for_each(|n| assert!(matches!(seats.take(&provider(n)), Take::Seat(_))));
    let _waiting = seats.wait();
    beats(&seats, QUIET_BEATS + 1);
    assert!(matches!(seats.take(&provider(1)), Take::Seat(_)));
    assert_eq!(seats.take(&provider(1)), Take::Wait, "an equal part is two");
    beats(&seats, GROWTH_BEATS);
    (0..2).for_each(|_| assert!(matches!(seats.take(&provider(1)), Take::Seat(_))));
    assert_eq!(seats.take(&provider(1)), Take::Wait, "four by now");
}

#[test]
fn nobody_gets_more_while_nobody_waits() {
    let seats = Seats::new(2, None);
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    beats(&seats, 100);
    assert_eq!(seats.take(&provider(1)), Take::Wait);
    let _waiting = seats.wait();
    beats(&seats, 1);
    assert_eq!(seats.take(&provider(1)), Take::Seat(2), "it was quiet for long enough");
}

#[test]
fn a_seat_is_kept_for_a_provider_that_has_the_volume_also_when_its_machine_fails() {
    let seats = Seats::new(2, Some(1));
    seats.keep_for([provider(7)]);
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    assert_eq!(seats.take(&provider(2)), Take::Wait);
    assert_eq!(seats.take(&provider(7)), Take::Seat(2));
    // Its machine failed before it was ready: it may come again, and nobody else has the seat.
    seats.release(2);
    assert_eq!(seats.take(&provider(2)), Take::Wait);
    seats.release(1);
    assert_eq!(seats.take(&provider(2)), Take::Seat(1));
    assert_eq!(seats.take(&provider(7)), Take::Seat(2));
    assert_eq!(seats.take(&provider(7)), Take::Never, "one seat is kept for it, not all");
}

#[test]
fn a_number_that_the_user_set_never_grows() {
    let seats = Seats::new(9, Some(2));
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    assert_eq!(seats.take(&provider(1)), Take::Seat(2));
    assert_eq!(seats.take(&provider(1)), Take::Never);
    let _waiting = seats.wait();
    beats(&seats, 100);
    assert_eq!(seats.take(&provider(1)), Take::Never);
    assert_eq!(seats.take(&provider(2)), Take::Seat(3));
}

#[test]
fn the_seat_of_a_machine_that_failed_goes_to_another_and_a_ready_one_does_not() {
    let seats = Seats::new(1, None);
    assert_eq!(seats.take(&provider(1)), Take::Seat(1));
    let waiting = seats.wait();
    seats.signed(1);
    assert_eq!(seats.outlook(), Outlook { free: 0, signing: 0, waiting: 1 });
    seats.release(1);
    assert!(waiting.changes.has_changed().unwrap());
    drop(waiting);
    assert_eq!(seats.outlook(), Outlook { free: 1, signing: 0, waiting: 0 });
    assert_eq!(seats.take(&provider(2)), Take::Seat(1));
    seats.ready(1);
    seats.release(1);
    assert_eq!(seats.take(&provider(3)), Take::Never);
}
