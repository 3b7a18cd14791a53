//! What most machines answer, and who differs from it.

use std::collections::BTreeMap;

/// What a command came to on one machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    let mut counts = BTreeMap::new();
    for answer in answers.iter().filter_map(|(_, answer)| *answer) {
        *counts.entry(answer).or_insert(0usize) += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    let Some((common, agreed)) = most.filter(|(_, count)| 2 * count > answers.len()) else {
        return Verdict::default();
    };
    let differs = |answer: &Option<Answer>| answer.is_some_and(|answer| answer != common);
    let odd = answers.iter().filter(|(_, answer)| differs(answer));
    Verdict { agreed, odd: odd.map(|(lease, _)| *lease).collect() }
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
