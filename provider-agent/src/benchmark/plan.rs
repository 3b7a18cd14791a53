//! Which mixes are run: each task alone, then mixes at random.

use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use zennet_suite::{Mix, Task, WHOLE};

/// Tasks of a random mix, from and to.
const TASKS: (usize, usize) = (2, 4);

/// A mix that is to be run, with its name in reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) mix: Mix,
}

/// `count` mixes of these tasks, or as many as there are tasks. They follow from the seed.
///
/// `like` says on how many threads and with what they run.
pub(crate) fn plan(seed: u64, like: &Mix, tasks: &[Task], count: usize) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let alone = tasks.iter().map(|task| (task.name().to_owned(), vec![(*task, WHOLE)]));
    let mut deck = Deck { tasks, left: vec![] };
    let mixed = (1..=count.saturating_sub(tasks.len()))
        .map(|number| (format!("mix-{number:02}"), deck.parts(&mut random)));
    let planned = alone.chain(mixed).filter_map(|(name, parts)| {
        let mut mix = like.with_parts(&parts).ok()?;
        mix.seed = seed;
        Some(Planned { name, mix })
    });
    planned.collect()
}

/// Tasks in random order, all of them before any comes again: so each has its part in as many mixes.
struct Deck<'a> {
    tasks: &'a [Task],
    left: Vec<Task>,
}

impl Deck<'_> {
    fn draw(&mut self, random: &mut StdRng) -> Option<Task> {
        if self.left.is_empty() {
            self.left = self.tasks.to_vec();
            self.left.shuffle(random);
        }
        self.left.pop()
    }

    /// Some different tasks.
    fn hand(&mut self, random: &mut StdRng, count: usize) -> Vec<Task> {
        let mut hand = Vec::new();
        while hand.len() < count.min(self.tasks.len()) {
            match self.draw(random) {
                Some(task) if !hand.contains(&task) => hand.push(task),
                Some(_) => (),
                None => break,
            }
        }
        hand
    }

    /// A few tasks with parts that are as likely to be one as the other: lengths between the points
    /// of a Poisson process, brought to a whole.
    fn parts(&mut self, random: &mut StdRng) -> Vec<(Task, u32)> {
        let count = random.gen_range(TASKS.0..=TASKS.1);
        let chosen = self.hand(random, count);
        let lengths: Vec<f64> =
            chosen.iter().map(|_| -random.gen_range(f64::MIN_POSITIVE..1.0).ln()).collect();
        let sum: f64 = lengths.iter().sum();
        let mut parts: Vec<(Task, u32)> = chosen
            .into_iter()
            .zip(lengths)
            .map(|(task, length)| (task, (length / sum * f64::from(WHOLE)) as u32))
            .collect();
        // What rounding down has left.
        let rest = WHOLE - parts.iter().map(|(_, part)| part).sum::<u32>();
        if let Some((_, first)) = parts.first_mut() {
            *first += rest;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like() -> Mix {
        let mut mix = Mix::pure(2, Task::Sha256);
        mix.hold_mib = 100;
        mix
    }

    #[test]
    fn a_plan_follows_from_its_seed_and_begins_with_each_task_alone() {
        let tasks = [Task::Sha256, Task::Chase, Task::Hold, Task::Fork];
        let planned = plan(7, &like(), &tasks, 30);
        assert_eq!(planned, plan(7, &like(), &tasks, 30));
        assert_ne!(planned, plan(8, &like(), &tasks, 30));
        assert_eq!(planned.len(), 30);
        for (planned, task) in planned.iter().zip(tasks) {
            assert_eq!((planned.name.as_str(), planned.mix.part(task)), (task.name(), WHOLE));
        }
        let random = &planned[tasks.len()..];
        for task in tasks {
            let with = random.iter().filter(|planned| planned.mix.part(task) > 0).count();
            // 26 mixes of two tasks or more, of four.
            assert!(with >= 10, "{task} is in {with}");
        }
        for planned in random {
            assert!((1..=4).contains(&planned.mix.parts().count()), "{}", planned.mix);
            assert!(planned.mix.parts().all(|(task, _)| tasks.contains(&task)));
            assert_eq!((planned.mix.hold_mib, planned.mix.threads), (100, 2));
        }
    }
}
