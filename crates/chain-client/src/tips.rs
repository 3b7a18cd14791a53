//! Tips of transactions that must get into a block in time.
//!
//! Blocks take the transactions with the highest tips first. Whoever gains from keeping another's
//! transaction out, such as a publisher whose channel is about to end, could fill the blocks until then
//! with transactions that tip a little. So one that waits is signed again with an ever higher tip. The
//! highest is a part of what the transaction brings; to keep it out still, every other transaction of
//! every block would have to tip as much.

use std::time::Duration;

use zennet_primitives::amount::Balance;

/// How long a transaction with one tip is waited for: two or three blocks. Tests have none.
pub(crate) const WAIT: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });

/// How often a tip is raised.
const STEPS: u32 = 6;

/// How much higher each tip is than the one before.
const FACTOR: Balance = 8;

/// The tips after none, up to the highest.
pub(crate) fn rising_to(most: Balance) -> impl Iterator<Item = Balance> {
    (0..STEPS).rev().map(move |left| most / FACTOR.pow(left)).filter(|tip| *tip > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tips_rise_to_the_highest_and_no_further() {
        let tips = |most| rising_to(most).collect::<Vec<_>>();
        assert_eq!(tips(1 << 15), [1, 8, 64, 512, 4096, 1 << 15]);
        assert_eq!(tips(100), [1, 12, 100]);
        assert_eq!(tips(1), [1]);
        assert!(tips(0).is_empty());
        let highest = tips(Balance::MAX);
        assert!(highest.is_sorted() && highest.last() == Some(&Balance::MAX));
    }
}
