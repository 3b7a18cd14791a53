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
    let mixed = (1..=count.saturating_sub(tasks.len()))
        .map(|number| (format!("mix-{number:02}"), parts(&mut random, tasks)));
    let planned = alone.chain(mixed).filter_map(|(name, parts)| {
        let mut mix = like.with_parts(&parts).ok()?;
        mix.seed = seed;
        Some(Planned { name, mix })
    });
    planned.collect()
}

/// A few tasks with parts that are as likely to be one as the other: lengths between the points
/// of a Poisson process, brought to a whole.
fn parts(random: &mut StdRng, tasks: &[Task]) -> Vec<(Task, u32)> {
    let count = random.gen_range(TASKS.0..=TASKS.1).min(tasks.len());
    let chosen: Vec<Task> = tasks.choose_multiple(random, count).copied().collect();
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
    parts[0].1 += rest;
    parts
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
        for planned in &planned[tasks.len()..] {
            assert!((1..=4).contains(&planned.mix.parts().count()), "{}", planned.mix);
            assert!(planned.mix.parts().all(|(task, _)| tasks.contains(&task)));
            assert_eq!((planned.mix.hold_mib, planned.mix.threads), (100, 2));
        }
    }
}
