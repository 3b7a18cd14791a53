use std::time::Duration;

use zennet_primitives::{
    announcement::{Announcement, LeaseRange, Needs},
    close::CloseReason,
    contract::{Quote, Resources},
};

use super::{list::OfferState, *};
use crate::{driver::Ended, market::profit::Profit};

const PART: Resources = Resources { cpu_millis: 100, memory_mib: 64, disk_mib: 0, volume_mib: 0 };

fn record(task: u64) -> AnnouncementRecord<u32> {
    AnnouncementRecord {
        publisher: AccountId::new([2; 32]),
        body: Announcement {
            task,
            machines: 3,
            images: Default::default(),
            needs: Needs::default(),
            lease: LeaseRange { min_secs: 60, max_secs: 3600 },
            interval_ms: 2000,
            max_rates: None,
            proposal_secs: 30,
            asks: 1,
            info_url: Default::default(),
            endpoint: Default::default(),
        },
        stamp: 0,
        expires_at: 100,
        deposit: 0,
    }
}

fn worth(profit: Profit) -> Worth {
    Worth { hour: 1, profit }
}

fn priced(profit: Profit) -> Verdict {
    let quote = Quote {
        rates: Default::default(),
        basis: None,
        tick_ms: 2000,
        grace_ms: 2000,
        max_exposure: 1,
        prepay: 0,
        lease_secs: 3600,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        resources: PART,
        image: Default::default(),
        image_digest: [0; 32],
        host_key: [0; 32],
    };
    let endpoint = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    Ok(Priced { admitted: Admitted { endpoint, quote }, worth: worth(profit) })
}

/// Puts announcements with their profits into a book.
pub(crate) fn fill(book: &mut Book, offers: &[(Hash, Profit)]) {
    for (id, profit) in offers {
        book.insert(*id, record(1), |_| priced(*profit), Instant::now());
    }
}

fn id(byte: u8) -> Hash {
    Hash::repeat_byte(byte)
}

/// A book, and what is searched in it.
struct Ground {
    book: Book,
    orders: Orders,
    shunned: HashMap<AccountId, (Instant, String)>,
    vain: Vain,
    now: Instant,
}

impl Ground {
    fn new(offers: &[(Hash, Profit)]) -> Self {
        let mut book = Book::new(100);
        fill(&mut book, offers);
        let (shunned, vain) = (HashMap::new(), Vain::default());
        Ground { book, orders: Orders::default(), shunned, vain, now: Instant::now() }
    }

    fn candidates(&mut self, manual: bool, at: u32) -> Vec<Candidate> {
        let (orders, shunned, vain) = (&self.orders, &self.shunned, &self.vain);
        let search = Search { orders, shunned, vain, manual, per_order: 2, at, now: self.now };
        self.book.candidates(&search).0
    }

    fn speak(&mut self, name: &str, accept: bool) -> Result<(), WordError> {
        let (_, words) = self.book.words_with(&[name.into()], accept)?;
        self.book.set_words(words);
        Ok(())
    }

    fn states(&self) -> Vec<OfferState> {
        self.book.list(99).offers.iter().map(|offer| offer.state).collect()
    }

    fn reason(&self, byte: u8) -> String {
        self.book.status(&id(byte)).unwrap().reason.unwrap_or_default()
    }
}

#[test]
fn a_candidate_has_the_machines_that_are_still_wanted() {
    let mut ground = Ground::new(&[(id(1), 5)]);
    let first = ground.candidates(false, 1);
    let expected = Candidate { id: id(1), part: PART, machines: 2, profit: 5, word: Word::Unsaid };
    assert_eq!(first, [expected]);
    ground.orders.begin(id(1), 2, ground.now).unwrap();
    assert_eq!(ground.candidates(false, 1)[0].machines, 1);
    ground.orders.begin(id(1), 2, ground.now).unwrap();
    assert_eq!(ground.candidates(false, 1), []);
    assert_eq!(ground.states(), [OfferState::Answered]);
    assert_eq!(ground.book.status(&id(1)).unwrap().leases, 2);
}

#[test]
fn in_manual_mode_only_what_was_accepted_is_a_candidate() {
    let mut ground = Ground::new(&[(id(0xaa), 5), (id(0xbb), 9)]);
    assert_eq!(ground.candidates(true, 1), []);
    assert_eq!(ground.reason(0xaa), "nobody accepted it");
    ground.speak("aaaa", true).unwrap();
    let ids: Vec<_> = ground.candidates(true, 1).iter().map(|c| (c.id, c.word)).collect();
    assert_eq!(ids, [(id(0xaa), Word::Accepted(0))]);
    assert_eq!(ground.states(), [OfferState::Accepted, OfferState::Waiting]);
}

#[test]
fn what_was_refused_stays_so_until_it_is_gone() {
    let mut ground = Ground::new(&[(id(0xaa), 5)]);
    ground.speak("0xAAAA", false).unwrap();
    assert_eq!(ground.candidates(false, 1), []);
    assert_eq!(ground.states(), [OfferState::Refused]);
    fill(&mut ground.book, &[(id(0xaa), 5)]);
    assert_eq!(ground.candidates(false, 1), [], "read once more");
    ground.book.remove(&id(0xaa));
    fill(&mut ground.book, &[(id(0xaa), 5)]);
    assert_eq!(ground.candidates(false, 1).len(), 1, "announced anew");
}

#[test]
fn accepting_takes_a_refusal_back_and_keeps_the_order() {
    let mut ground = Ground::new(&[(id(0xaa), 5), (id(0xbb), 9)]);
    ground.speak("bbbb", true).unwrap();
    ground.speak("aaaa", false).unwrap();
    ground.speak("aaaa", true).unwrap();
    ground.speak("bbbb", true).unwrap();
    let words: Vec<_> = ground.candidates(false, 1).iter().map(|c| c.word).collect();
    assert_eq!(words, [Word::Accepted(1), Word::Accepted(0)]);
    let stored = Words::of(&ground.book.words);
    let mut again = Book::new(9);
    again.restore_words(stored.clone());
    assert_eq!(Words::of(&again.words), stored);
    assert_eq!(again.words[&id(0xbb)], Word::Accepted(0));
}

#[test]
fn a_word_on_what_is_not_read_yet_outlives_one_on_another_offer() {
    let mut before = Ground::new(&[(id(0xaa), 5)]);
    before.speak("aaaa", false).unwrap();
    let mut ground = Ground::new(&[(id(0xbb), 5)]);
    ground.book.restore_words(Words::of(&before.book.words));
    ground.speak("bbbb", true).unwrap();
    fill(&mut ground.book, &[(id(0xaa), 9)]);
    let ids: Vec<_> = ground.candidates(false, 1).iter().map(|c| c.id).collect();
    assert_eq!(ids, [id(0xbb)], "the other is still refused");
    let (_, words) = ground.book.words_with(&["bbbb".into()], false).unwrap();
    ground.book.remove(&id(0xaa));
    ground.book.set_words(words);
    assert!(!ground.book.words.contains_key(&id(0xaa)), "it is gone meanwhile");
}

#[test]
fn a_name_must_mean_one_offer_that_the_filter_lets_pass() {
    let mut ground = Ground::new(&[(id(0xaa), 5)]);
    let mut close = id(0xaa);
    close.0[31] = 0;
    fill(&mut ground.book, &[(close, 5)]);
    ground.book.insert(id(0xcc), record(1), |_| Err(Refusal::Relayed), ground.now);
    let error = |ground: &mut Ground, name: &str| ground.speak(name, true).unwrap_err();
    assert!(matches!(error(&mut ground, "aaaa"), WordError::Ambiguous { found: 2, .. }));
    assert!(matches!(error(&mut ground, "dddd"), WordError::Unknown(_)));
    for bad in ["", "aaa", "0x", "wxyz", &"a".repeat(65), "\u{1b}[2J"] {
        assert!(matches!(error(&mut ground, bad), WordError::NotAnId(_)), "{bad:?}");
    }
    let filtered = error(&mut ground, "cccc").to_string();
    assert!(filtered.contains("cccccccccccc") && filtered.contains("allow_relayed"), "{filtered}");
    ground.speak(&"aa".repeat(32), true).unwrap();
    ground.speak("cccc", false).unwrap();
}

#[test]
fn only_so_many_words_are_kept() {
    let mut ground = Ground::new(&[]);
    ground.book.most = 2 * MOST_WORDS;
    let ids: Vec<Hash> = (0..=MOST_WORDS as u64).map(Hash::from_low_u64_be).collect();
    let offers: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
    fill(&mut ground.book, &offers);
    let mut names: Vec<String> = ids.iter().map(|id| hex::encode(id.0)).collect();
    assert!(matches!(ground.book.words_with(&names, false), Err(WordError::TooMany)));
    names.pop();
    assert!(ground.book.words_with(&names, false).is_ok());
}

#[test]
fn what_bars_an_offer_is_told() {
    let mut ground = Ground::new(&[(id(1), -5), (id(2), 5)]);
    assert_eq!(ground.candidates(false, 1).len(), 1);
    assert!(ground.reason(1).contains("cost more"), "{}", ground.reason(1));
    assert!(ground.reason(2).contains("no room"), "{}", ground.reason(2));
    assert_eq!(ground.candidates(false, 100), []);
    assert!(ground.reason(2).contains("over"), "{}", ground.reason(2));
    let until = (ground.now, "it is a stranger".to_owned());
    ground.shunned.insert(AccountId::new([2; 32]), until);
    assert_eq!(ground.candidates(false, 1), []);
    assert_eq!(ground.reason(2), "it is a stranger");
    ground.shunned.clear();
    let (slot, _) = ground.orders.begin(id(2), 2, ground.now).unwrap();
    ground.orders.end(id(2), slot, None, ground.now);
    assert_eq!(ground.candidates(false, 1), []);
    assert!(ground.reason(2).contains("tried again"), "{}", ground.reason(2));
    ground.now += Duration::from_secs(64);
    assert_eq!(ground.candidates(false, 1).len(), 1);
}

#[test]
fn each_answer_in_vain_halves_what_is_expected_of_a_publishers_offers() {
    let mut ground = Ground::new(&[(id(1), 100), (id(2), 60), (id(3), -8)]);
    let silent = Ok(Ended { reason: CloseReason::TimedOut, contracted: false });
    let mut profits = |more| {
        for _ in 0..more {
            ground.vain.count(AccountId::new([2; 32]), Some(&silent));
        }
        let found = ground.candidates(false, 1);
        found.iter().map(|candidate| candidate.profit).collect::<Vec<_>>()
    };
    assert_eq!(profits(0), [100, 60]);
    assert_eq!(profits(2), [25, 15]);
    assert_eq!(profits(200), [0, 0]);
}

#[test]
fn a_full_book_drops_what_the_filter_refuses_and_then_the_least_profitable() {
    let mut ground = Ground::new(&[]);
    let number = Hash::from_low_u64_be;
    ground.book.begin_reading();
    for n in 0..50 {
        ground.book.insert(number(n), record(n), |_| Err(Refusal::Relayed), ground.now);
    }
    fill(&mut ground.book, &[(number(1000), -9)]);
    ground.speak(&hex::encode(number(1000).0), false).unwrap();
    for n in 0..200 {
        fill(&mut ground.book, &[(number(2000 + n), n.into())]);
        assert!(ground.book.len() <= 112);
    }
    ground.book.end_reading();
    let kept = |n| ground.book.stands(&number(n));
    assert!(kept(1000), "the operator spoke of it");
    assert!(!kept(0) && !kept(49) && !kept(2000) && kept(2150) && kept(2199));
    assert!(!ground.book.lacks_some(), "there is no room for others");
    for n in 0..200 {
        ground.book.remove(&number(2000 + n));
    }
    assert!(ground.book.lacks_some());
    ground.book.begin_reading();
    ground.book.end_reading();
    assert!(!ground.book.lacks_some() && ground.book.len() == 0);
}

#[test]
fn what_is_read_again_is_priced_once_and_what_is_not_read_is_gone() {
    let mut ground = Ground::new(&[(id(1), 5), (id(2), 6)]);
    ground.book.begin_reading();
    ground.book.insert(id(1), record(1), |_| panic!("it is known"), ground.now);
    ground.book.end_reading();
    assert!(ground.book.stands(&id(1)) && !ground.book.stands(&id(2)));
    ground.book.insert(id(1), record(2), |_| priced(9), ground.now);
    assert_eq!(ground.candidates(false, 1)[0].profit, 9, "it was announced anew");
}

#[test]
fn a_publisher_whose_record_changed_has_its_offers_priced_anew() {
    let mut ground = Ground::new(&[(id(1), 5)]);
    ground.book.reprice(&AccountId::new([9; 32]), |_, _| Some(worth(1)));
    assert_eq!(ground.candidates(false, 1)[0].profit, 5);
    ground.book.reprice(&AccountId::new([2; 32]), |_, _| Some(worth(1)));
    assert_eq!(ground.candidates(false, 1)[0].profit, 1);
}
