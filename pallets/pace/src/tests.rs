use frame_support::{derive_impl, parameter_types, traits::Get};
use sp_runtime::BuildStorage;

use crate::{self as pallet_pace, Jail, Lengths, Pace, Session, VoteLock};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        PaceOfTest: pallet_pace,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlock<Test>;
}

const MAIN: Pace<u64> = Pace {
    session: 300,
    jail: 43_200,
    prepare: 3_600,
    decision: 302_400,
    confirm: 43_201,
    enactment: 43_202,
    vote_lock: 302_401,
};

parameter_types! {
    pub const MainChain: Pace<u64> = MAIN;
}

impl pallet_pace::Config for Test {
    type MainChain = MainChain;
}

fn state_of(lengths: Pace<u64>) -> sp_io::TestExternalities {
    let pace_of_test = pallet_pace::GenesisConfig { lengths };
    RuntimeGenesisConfig { pace_of_test, ..Default::default() }.build_storage().unwrap().into()
}

#[test]
fn a_genesis_that_says_nothing_has_the_pace_of_the_main_chain() {
    let storage = RuntimeGenesisConfig::default().build_storage().unwrap();
    sp_io::TestExternalities::from(storage)
        .execute_with(|| assert_eq!(Lengths::<Test>::get(), MAIN));
}

#[test]
fn each_length_of_the_genesis_is_offered_by_its_name() {
    let lengths = Pace {
        session: 1,
        jail: 2,
        prepare: 3,
        decision: 4,
        confirm: 5,
        enactment: 6,
        vote_lock: 7,
    };
    state_of(lengths.clone()).execute_with(|| {
        assert_eq!(Lengths::<Test>::get(), lengths);
        assert_eq!(Session::<Test>::get(), 1);
        assert_eq!(Jail::<Test>::get(), 2);
        assert_eq!(VoteLock::<Test>::get(), 7);
    });
}

#[test]
fn a_length_of_zero_is_refused_whichever_it_is() {
    let zeroed: [fn(&mut Pace<u64>); 7] = [
        |lengths| lengths.session = 0,
        |lengths| lengths.jail = 0,
        |lengths| lengths.prepare = 0,
        |lengths| lengths.decision = 0,
        |lengths| lengths.confirm = 0,
        |lengths| lengths.enactment = 0,
        |lengths| lengths.vote_lock = 0,
    ];
    for zero in zeroed {
        let mut lengths = MAIN;
        zero(&mut lengths);
        assert!(lengths.check().is_err(), "{lengths:?} was taken");
    }
}

#[test]
fn a_vote_lock_that_ends_before_the_enactment_is_refused() {
    let short = Pace { vote_lock: MAIN.enactment - 1, ..MAIN };
    assert!(short.check().is_err());
    assert!(Pace { vote_lock: MAIN.enactment, ..MAIN }.check().is_ok());
}

#[test]
#[should_panic(expected = "a length is zero")]
fn a_chain_does_not_start_with_a_length_of_zero() {
    state_of(Pace { session: 0, ..MAIN });
}

#[test]
fn a_genesis_names_the_lengths_in_camel_case_and_knows_no_others() {
    let json = serde_json::to_value(MAIN).unwrap();
    assert_eq!(json["voteLock"], 302_401);
    assert_eq!(serde_json::from_value::<Pace<u64>>(json.clone()).unwrap(), MAIN);
    let mut misspelt = json;
    misspelt["sesion"] = 1.into();
    assert!(serde_json::from_value::<Pace<u64>>(misspelt).is_err());
}
