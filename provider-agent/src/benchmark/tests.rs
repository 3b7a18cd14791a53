use zennet_primitives::usage::Counter;

use super::*;
use crate::config;

fn config_in(folder: &std::path::Path, memory: &str) -> Config {
    let text = config::DEFAULT.replace("memory_mib = 2048", memory);
    let text = text.replace("disk_mib = 8192", "disk_mib = 1024");
    Config::parse(&text, &folder.join("provider.toml")).unwrap()
}

#[test]
fn what_is_too_small_for_a_benchmark_says_what_it_needs() {
    let small = config_in("/x".as_ref(), "memory_mib = 512");
    assert_eq!(like(&small).unwrap().hold_mib, 512 - 2 * THREAD_MIB - SPARE_MIB);
    let mut less = small;
    less.capacity.memory_mib = 128;
    let error = like(&less).unwrap_err().to_string();
    assert!(error.contains("is 128") && error.contains("needs 480"), "{error}");
}

#[test]
fn a_hosts_work_is_all_of_its_time_but_that_without_any() {
    let stat = "cpu  10 1 5 1000 200 2 3 4 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
    assert_eq!(rig::busy(stat), Some(25 * 10_000));
    assert_eq!((rig::busy("intr 5\n"), rig::busy("cpu  x\n")), (None, None));
}

/// Against the real engine of this machine.
#[tokio::test]
async fn a_machine_of_the_providers_own_does_metered_work_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_in(folder.path(), "memory_mib = 512");
    let owner = format!("test-{:08x}", rand::random::<u32>());
    let folders = config.data_dir.join(MACHINES);
    let mut rig =
        Rig::start(&config, folders.clone(), &owner, "zennet-busybox:latest").await.unwrap();

    let peer = rig.peer(100_000).await.unwrap();
    let parts = [(Task::Sha256, 300), (Task::DirectWrite, 300), (Task::Send, 400)];
    let mut mix = Mix::new(2, &parts).unwrap();
    mix.peer = Some(peer);
    let run = rig.measure(&mix, Duration::from_millis(600)).await.unwrap();
    let used = |counter| run.usage.get(&counter).copied().unwrap_or_default();
    assert!(run.millis >= 600 && run.worked_millis >= run.millis, "{run:?}");
    assert_eq!(run.units.len(), 3, "{run:?}");
    assert!(
        used(Counter::CpuMicros) > 10_000 && used(Counter::DiskWriteBytes) > 1 << 20,
        "{run:?}"
    );
    // 100 Mbit a second, and no more.
    let sent = used(Counter::NetTxBytes) * 8 / run.millis;
    assert!((1_000..130_000).contains(&sent), "{sent} kbit/s");

    let mut output = Vec::new();
    let words = ["sh", "-c", "echo said; echo wrong >&2; exit 3"].map(OsString::from).to_vec();
    let recorded = rig.record(words, &mut output).await.unwrap();
    assert_eq!((recorded.status, &output[..]), (3, &b"said\nwrong\n"[..]));
    let missing = rig.record(vec!["no-such-program".into()], &mut output).await.unwrap_err();
    assert!(matches!(&missing, RigError::Failed(why) if why.contains("no-such-program")));
    let mut unknown = Mix::pure(1, Task::Send);
    unknown.peer = Some("127.0.0.1:1".parse().unwrap());
    let refused = rig.measure(&unknown, Duration::from_millis(1)).await.unwrap_err();
    assert!(refused.to_string().contains("send: the peer"), "{refused}");

    rig.end().await;
    assert_eq!(std::fs::read_dir(&folders).unwrap().count(), 0);
    let listed = std::process::Command::new("docker")
        .args(["ps", "-aq", "--filter", &format!("label=zennet.provider={owner}")])
        .output()
        .unwrap();
    assert!(listed.stdout.is_empty(), "a container is left");
}

#[tokio::test]
async fn a_benchmark_disturbs_no_lease_unless_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_in(folder.path(), "memory_mib = 512");
    assert!(claim(&config, false).await.unwrap().is_some());
    {
        let store = open_store(&config.data_dir).await.unwrap();
        store.save(zennet_primitives::Hash::repeat_byte(7), vec![1]).await.unwrap();
    }
    let refused = claim(&config, false).await.err().unwrap();
    assert!(matches!(refused, BenchmarkError::Leases(1)), "{refused}");
    assert!(claim(&config, true).await.unwrap().is_some());
}
