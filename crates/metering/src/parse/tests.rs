use proptest::prelude::*;

use super::*;

const NET_DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9147377   20224    0    0    0     0          0         0  9147377   20224    0    0    0     0       0          0
  eth0: 940549785   38359    0    0    0     0          0         0  2168625   23404    0    0    0     0       0          0
 eth1:1:       5       1    0    0    0     0          0         0      526       5    0    4    0     0       0          0
";

#[test]
fn cpu_stat_of_v2_is_read_by_key() {
    let text = "usage_usec 2369753326\nuser_usec 2089426714\nsystem_usec 280326611\nnice_usec 0\n";
    let keys = ["user_usec", "usage_usec", "nr_periods"];
    assert_eq!(keyed(text, keys), Ok([Some(2_089_426_714), Some(2_369_753_326), None]));
    assert_eq!(keyed("usage_usec_more 3\n", ["usage_usec"]), Ok([None]));
    assert!(keyed("usage_usec\n", ["usage_usec"]).is_err());
    assert!(keyed("usage_usec -3\n", ["usage_usec"]).is_err());
    assert!(keyed("usage_usec 99999999999999999999\n", ["usage_usec"]).is_err());
}

#[test]
fn a_single_number_may_end_its_line_and_no_more() {
    assert_eq!(single("2381045676637\n"), Ok(2_381_045_676_637));
    assert!(single("").is_err());
    assert!(single("max\n").is_err());
    assert!(single("1 2\n").is_err());
}

#[test]
fn v1_memory_texts_are_read_by_key() {
    let stat = "cache 9736192\npgfault 45022\ntotal_cache 7047868416\ntotal_pgfault 61910970\n";
    assert_eq!(keyed(stat, ["total_pgfault", "pgfault"]), Ok([Some(61_910_970), Some(45_022)]));
    let oom = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!(keyed(oom, ["oom_kill"]), Ok([Some(3)]));
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn io_stat_sums_devices() {
    let text = "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n\
                7:0 rbytes=1 wbytes=2 rios=1 wios=2 dbytes=9 dios=9\n\
                8:16 \n";
    assert_eq!(io_stat(text, all), Ok(Transfer { input: 4097, output: 8194 }));
    assert_eq!(io_stat(text, |device| device != "7:0"), Ok(Transfer { input: 4096, output: 8192 }));
    assert_eq!(io_stat("", all), Ok(Transfer::default()));
    assert!(io_stat("254:0 rbytes=x\n", all).is_err());
    assert!(io_stat("1:0 rbytes=18446744073709551615\n2:0 rbytes=1\n", all).is_err());
}

#[test]
fn io_stat_counts_a_device_on_the_line_of_others() {
    let text = "7:1 7:0 254:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n";
    assert_eq!(io_stat(text, |device| device == "254:0"), Ok(Transfer { input: 5, output: 6 }));
}

#[test]
fn blkio_without_devices_is_absent() {
    assert_eq!(blkio("Total 0\n", all), Ok(None));
    assert_eq!(blkio("", all), Ok(None));
    let idle = "254:0 Read 0\n254:0 Write 0\n254:0 Total 0\nTotal 0\n";
    assert_eq!(blkio(idle, all), Ok(Some(Transfer::default())));
    let text = "254:0 Read 4096\n254:0 Write 100\n254:0 Sync 1\n254:0 Async 2\n254:0 Discard 0\n\
                254:0 Total 4196\n7:0 Read 4\n7:0 Write 0\nTotal 4200\n";
    assert_eq!(blkio(text, all), Ok(Some(Transfer { input: 4100, output: 100 })));
    let lower = blkio(text, |device| device != "7:0");
    assert_eq!(lower, Ok(Some(Transfer { input: 4096, output: 100 })));
    assert_eq!(blkio("7:0 Read 4\n7:0 Write 0\nTotal 4\n", |_| false), Ok(None));
    assert!(blkio("254:0 Read many\n", all).is_err());
    assert!(blkio("sda Read 1\n", all).is_err());
}

#[test]
fn net_dev_sums_interfaces_without_loopback() {
    assert_eq!(net_dev(NET_DEV), Ok(Transfer { input: 940_549_790, output: 2_169_151 }));
    let only_lo: Vec<_> = NET_DEV.lines().take(3).collect();
    assert_eq!(net_dev(&only_lo.join("\n")), Ok(Transfer::default()));
}

#[test]
fn net_dev_follows_the_column_names() {
    let text = "Inter-| Receive | Transmit\n face |packets bytes|errs bytes\n eth0: 1 20 3 40\n";
    assert_eq!(net_dev(text), Ok(Transfer { input: 20, output: 40 }));
    assert!(net_dev("").is_err());
    assert!(net_dev("a\nb\n eth0: 1 2\n").is_err());
    assert!(net_dev(&NET_DEV.replace("2168625", "")).is_ok(), "a column less still has the ninth");
    let short = "Inter-| Receive | Transmit\n face |bytes|bytes\n eth0: 1\n";
    assert!(net_dev(short).is_err());
    let nameless = "Inter-| Receive | Transmit\n face |bytes|bytes\n eth0 1 2\n";
    assert!(net_dev(nameless).is_err());
}

#[test]
fn boot_ids_are_sixteen_bytes() {
    let id = boot_id("4d055b30-48bd-4f93-a5ed-a8994e474d46\n").expect("parses");
    assert_eq!((id[0], id[15]), (0x4d, 0x46));
    assert!(boot_id("4d055b30\n").is_err());
    assert!(boot_id("zd055b30-48bd-4f93-a5ed-a8994e474d46").is_err());
}

#[test]
fn memberships_keep_colons_in_paths() {
    let text = "9:name=systemd:/\n2:cpu,cpuacct:/a:b\n0::/user.slice\n";
    let found = memberships(text).expect("parses");
    assert_eq!(found[1].controllers, ["cpu", "cpuacct"]);
    assert_eq!(found[1].path, "/a:b");
    assert!(found[2].controllers.is_empty());
    assert!(memberships("0:/x\n").is_err());
    assert!(memberships("x::/\n").is_err());
    assert!(memberships("0::relative\n").is_err());
}

#[test]
fn mounts_with_blanks_and_optional_fields_are_read() {
    let text = "24 1 254:0 / / rw - ext4 /dev/vda rw\n\
                33 31 0:30 / /mnt/my\\040cg\\134x rw shared:1 master:2 - cgroup cgroup rw,memory\n\
                34 31 0:31 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let found = mounts(text).expect("parses");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].point, PathBuf::from("/mnt/my cg\\x"));
    assert!(found[0].v1.as_ref().expect("v1").contains(&String::from("memory")));
    assert_eq!((found[1].v1.clone(), found[1].root.as_str()), (None, "/a"));
    assert!(mounts("no separator\n").is_err());
    assert!(mounts("33 31 0:30 - cgroup cgroup rw,memory\n").is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[ -~\\n\\\\é]{0,300}") {
        let _ = single(&text);
        let _ = keyed(&text, ["a"]);
        let _ = io_stat(&text, all);
        let _ = blkio(&text, all);
        let _ = net_dev(&text);
        let _ = boot_id(&text);
        let _ = memberships(&text);
        let _ = mounts(&text);
        let _ = mounts(&format!("33 31 0:30 / {text} - cgroup cgroup rw"));
    }
}
