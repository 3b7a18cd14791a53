//! What most machines answer, and who differs from it.

use zennet_pricing::answers::{compare, Answers};

/// What a command came to on one machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// What it exited with.
    pub(crate) exit_code: u32,
    /// SHA-256 of all that it wrote to standard output.
    pub(crate) stdout_sha256: [u8; 32],
}

/// What the answers of all machines come to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    /// Machines that gave the answer of the majority; none where there is no majority.
    pub(crate) agreed: usize,
    /// Leases whose machines gave another one.
    pub(crate) odd: Vec<u64>,
}

/// Judges answers by strict majority: more than half of all machines, those without an answer
/// included, must have given the same one. Without a majority nobody is odd.
pub(crate) fn judge(answers: &[(u64, Option<Answer>)]) -> Verdict {
    let given: Vec<_> = answers.iter().map(|(_, answer)| *answer).collect();
    let others = match compare(&given) {
        Answers::Agreed => Vec::new(),
        Answers::Odd(places) => places,
        Answers::Undecided => return Verdict::default(),
    };
    let is_common = |place: &usize| !others.contains(place);
    if (0..given.len()).find(is_common).is_none_or(|place| given[place].is_none()) {
        // Most gave no answer at all.
        return Verdict::default();
    }
    let odd = others.iter().filter(|place| given[**place].is_some());
    Verdict {
        agreed: given.len() - others.len(),
        odd: odd.map(|place| answers[*place].0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(byte: u8) -> Option<Answer> {
        Some(Answer { exit_code: 0, stdout_sha256: [byte; 32] })
    }

    #[test]
    fn who_differs_from_the_majority_is_odd() {
        let verdict = judge(&[(1, answer(1)), (2, answer(9)), (3, answer(1))]);
        assert_eq!(verdict, Verdict { agreed: 2, odd: vec![2] });
        let failed = Some(Answer { exit_code: 1, ..answer(1).unwrap() });
        let verdict = judge(&[(1, answer(1)), (2, answer(1)), (3, failed)]);
        assert_eq!(verdict.odd, [3], "the exit code is part of the answer");
        assert_eq!(judge(&[(1, answer(1)), (2, answer(1))]).odd, Vec::<u64>::new());
    }

    #[test]
    fn without_a_majority_nobody_is_odd() {
        for answers in [
            vec![(1, answer(1)), (2, answer(2))],
            vec![(1, answer(1)), (2, answer(2)), (3, answer(3))],
            vec![(1, answer(1)), (2, None)],
            vec![(1, None)],
            vec![(1, None), (2, answer(1)), (3, None)],
            vec![(1, None), (2, None)],
            vec![],
        ] {
            assert_eq!(judge(&answers), Verdict::default(), "{answers:?}");
        }
    }

    #[test]
    fn who_gave_no_answer_is_not_odd_but_counts() {
        let verdict = judge(&[(1, answer(1)), (2, None), (3, answer(1))]);
        assert_eq!(verdict, Verdict { agreed: 2, odd: vec![] });
    }
}
