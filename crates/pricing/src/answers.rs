//! The same work done by several providers, and whose answer stands alone.

/// What answers to the same question show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answers {
    /// All are the same.
    Agreed,
    /// More than half are the same; these, by place, are not.
    Odd(Vec<usize>),
    /// No answer has more than half, or there are fewer than two: nothing can be said.
    Undecided,
}

/// Compares the answers of k providers, such as digests of their results, in k² steps.
///
/// It takes three providers to tell which of them is wrong, and the answer of the majority is wrong
/// where the majority is in league.
pub fn compare<T: Eq>(answers: &[T]) -> Answers {
    let same = |answer: &&T| answers.iter().filter(|other| other == answer).count();
    let Some(majority) = answers.iter().find(|answer| 2 * same(answer) > answers.len()) else {
        return Answers::Undecided;
    };
    let odd: Vec<usize> = (0..answers.len()).filter(|k| answers[*k] != *majority).collect();
    match (answers.len(), odd.is_empty()) {
        (0 | 1, _) => Answers::Undecided,
        (_, true) => Answers::Agreed,
        (_, false) => Answers::Odd(odd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_that_stands_alone_is_named() {
        assert_eq!(compare(&["a", "a", "a"]), Answers::Agreed);
        assert_eq!(compare(&["a", "b", "a"]), Answers::Odd(vec![1]));
        assert_eq!(compare(&["a", "b", "a", "c", "a"]), Answers::Odd(vec![1, 3]));
    }

    #[test]
    fn without_a_majority_nobody_is_accused() {
        assert_eq!(compare(&["a", "b"]), Answers::Undecided);
        assert_eq!(compare(&["a", "b", "c"]), Answers::Undecided);
        assert_eq!(compare(&["a", "a", "b", "b"]), Answers::Undecided);
        assert_eq!(compare(&["a"]), Answers::Undecided);
        assert_eq!(compare::<u8>(&[]), Answers::Undecided);
    }
}
