//! Against the real engine of this machine.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use zennet_primitives::contract::Resources;

use super::*;
use crate::{
    hostkey::{HostKey, LeaseFolder},
    ssh::Door,
};

pub(crate) const IMAGE: &str = "zennet-busybox:latest";

/// An engine whose containers and network belong to one test.
pub(crate) struct TestEngine {
    pub(crate) engine: Arc<Engine>,
    pub(crate) owner: String,
    network: String,
    config: config::Config,
    disks: tempfile::TempDir,
}

impl TestEngine {
    pub(crate) async fn connect() -> TestEngine {
        Self::connect_to(default_host()).await
    }

    pub(crate) async fn connect_to(host: String) -> TestEngine {
        Self::changed(host, |_| ()).await.unwrap()
    }

    /// With another configuration of isolation than the shipped one.
    async fn changed(
        host: String,
        change: impl FnOnce(&mut config::Isolation),
    ) -> Result<TestEngine, EngineError> {
        let tag = format!("{:08x}", rand::random::<u32>());
        let (owner, network) = (format!("test-{tag}"), format!("zennet-test-{tag}"));
        let text =
            config::DEFAULT.replace("network = \"zennet\"", &format!("network = \"{network}\""));
        let mut config = config::Config::parse(&text, Path::new("/x/provider.toml")).unwrap();
        let disks = tempfile::tempdir().unwrap();
        config.docker.host = Some(host);
        config.isolation.disk_dir = Some(disks.path().into());
        change(&mut config.isolation);
        let engine = Engine::connect(&config.docker, &config.isolation, owner.clone()).await?;
        let network = engine.network.clone();
        Ok(TestEngine { engine: Arc::new(engine), owner, network, config, disks })
    }

    pub(crate) fn kill_all(&self) {
        for id in self.containers() {
            docker(&["kill", &id]);
        }
    }

    /// What the engine says of each container, like `running`.
    pub(crate) fn states(&self) -> Vec<String> {
        let state = |id: &String| docker(&["inspect", "-f", "{{.State.Status}}", id]);
        self.containers().iter().map(state).map(|text| text.trim().to_owned()).collect()
    }

    /// What a command in a container writes.
    pub(crate) fn exec(&self, name: &str, command: &str) -> String {
        docker(&["exec", name, "sh", "-c", command])
    }

    fn containers(&self) -> Vec<String> {
        let filter = format!("label={PROVIDER}={}", self.owner);
        let ids = docker(&["ps", "-aq", "--filter", &filter]);
        ids.split_whitespace().map(String::from).collect()
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        // A test that failed leaves nothing either, nor one whose way to the engine was cut.
        let (mut docker, mut isolation) =
            (self.config.docker.clone(), self.config.isolation.clone());
        docker.host = None;
        (isolation.disk_quota, isolation.require_firewall) = (false, false);
        let owner = self.owner.clone();
        let clean = async move {
            let engine = Engine::connect(&docker, &isolation, owner).await.unwrap();
            engine.sweep(&HashSet::new()).await.unwrap();
            engine.remove_network().await;
        };
        let cleaning = std::thread::spawn(|| {
            tokio::runtime::Runtime::new().unwrap().block_on(clean);
        });
        // A panic while another one unwinds would hide both.
        let _ = cleaning.join();
    }
}

fn docker(arguments: &[&str]) -> String {
    output("docker", arguments)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A machine that runs, with what it needs to go on running.
struct Running {
    test: TestEngine,
    container: Container,
    pid: u32,
    _parent: tempfile::TempDir,
    _folder: LeaseFolder,
    _door: Door,
}

impl Running {
    async fn of(test: TestEngine, image: &str) -> Running {
        let digest = test.engine.image(image).await.unwrap();
        let parent = tempfile::tempdir().unwrap();
        let folder =
            LeaseFolder::create(parent.path(), "x", &HostKey::generate(), &[1; 32]).unwrap();
        let door = Door::open(folder.path()).unwrap();
        let container = test.engine.create(&spec(folder.path(), digest)).await.unwrap();
        let pid = container.start().await.unwrap();
        timeout(Duration::from_secs(30), door.guest_is_up()).await.unwrap().unwrap();
        Running { test, container, pid, _parent: parent, _folder: folder, _door: door }
    }

    fn run(&self, command: &[&str]) -> String {
        docker(&[&["exec", self.container.id()], command].concat())
    }

    fn root_mib(&self) -> u64 {
        let stat = rustix::fs::statvfs(format!("/proc/{}/root", self.pid)).unwrap();
        (stat.f_blocks * stat.f_frsize) >> 20
    }
}

fn spec(folder: &Path, image_digest: [u8; 32]) -> Spec {
    Spec {
        name: format!("zennet-test-{:08x}", rand::random::<u32>()),
        hostname: "zn-test".into(),
        lease: "0x01".into(),
        image_digest,
        resources: Resources { cpu_millis: 500, memory_mib: 64, disk_mib: 64, volume_mib: 0 },
        folder: folder.into(),
        volume: None,
        read_only: false,
        program: OF_A_LEASE,
    }
}

fn status_of(pid: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    line.split_whitespace().last().unwrap().to_owned()
}

/// The soft and the hard limit of a process.
fn limit_of(pid: u32, name: &str) -> [String; 2] {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut words = rest.split_whitespace().map(String::from);
    [words.next().unwrap(), words.next().unwrap()]
}

#[tokio::test]
async fn a_machine_is_hardened_limited_and_removed_without_a_trace() {
    let test = TestEngine::connect().await;
    let digest = test.engine.image(IMAGE).await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let key = HostKey::generate();
    let folder = LeaseFolder::create(parent.path(), "x", &key, &[1; 32]).unwrap();
    let door = Door::open(folder.path()).unwrap();
    let spec = spec(folder.path(), digest);
    let container = test.engine.create(&spec).await.unwrap();
    let pid = container.start().await.unwrap();
    timeout(Duration::from_secs(30), door.guest_is_up()).await.unwrap().unwrap();

    assert_eq!(status_of(pid, "NoNewPrivs"), "1");
    assert_eq!(status_of(pid, "Seccomp:"), "2");
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SYS_CHROOT 18.
    assert_eq!(status_of(pid, "CapBnd"), format!("{:016x}", 0x400fb));
    let show = |format: &str| docker(&["inspect", "-f", format, container.id()]).trim().to_owned();
    assert_eq!(show("{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"), "67108864 67108864");
    let time = "{{.HostConfig.CpuPeriod}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuShares}}";
    assert_eq!(show(time), "10000 5000 512");
    assert!(show("{{json .HostConfig.SecurityOpt}}").contains("seccomp={"));
    assert!(show("{{json .HostConfig.Sysctls}}").contains("all.disable_ipv6\":\"1\""));
    assert_eq!(limit_of(pid, "Max open files"), ["16384", "16384"]);
    assert_eq!(limit_of(pid, "Max core file size"), ["1", "1"]);
    assert_eq!(limit_of(pid, "Max pending signals"), ["4096", "4096"]);
    assert_eq!(limit_of(pid, "Max realtime priority"), ["0", "0"]);
    assert_eq!(show("{{.HostConfig.PidsLimit}} {{.HostConfig.CgroupnsMode}}"), "1024 private");
    assert_eq!(show("{{.HostConfig.RestartPolicy.Name}}"), "no");
    assert!(show("{{json .Config.Labels}}").contains(&test.owner));
    assert!(show("{{json .Mounts}}").matches("\"RW\":false").count() == 2);
    let icc = "{{index .Options \"com.docker.network.bridge.enable_icc\"}}";
    assert_eq!(docker(&["network", "inspect", "-f", icc, &test.network]).trim(), "false");

    container.freeze().await.unwrap();
    container.freeze().await.unwrap();
    assert_eq!(show("{{.State.Status}}"), "paused");
    container.thaw().await.unwrap();
    container.thaw().await.unwrap();
    assert_eq!(show("{{.State.Status}}"), "running");
    container.freeze().await.unwrap();
    container.remove().await.unwrap();
    container.remove().await.unwrap();
    test.engine.remove_network().await;
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &format!("name={}", test.network)]), "");
    assert_eq!(fs::read_dir(test.disks.path()).unwrap().count(), 0, "its disk is left");
    let bridge = test.engine.host.firewall.bridge();
    assert!(!output("iptables-save", &[]).contains(bridge.trim_start_matches("zn-")));
}

#[tokio::test]
async fn a_full_disk_is_the_machines_own_and_what_it_writes_is_on_it() {
    let machine = Running::of(TestEngine::connect().await, IMAGE).await;
    // 64 MiB were agreed on.
    assert!((32..=64).contains(&machine.root_mib()), "{} MiB", machine.root_mib());
    let file = |path: &str| format!("/proc/{}/root{path}", machine.pid);
    let device = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).unwrap().dev()
    };
    let disk = machine.test.disks.path().join(machine.container.name()).join("mnt");
    for path in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        assert_eq!(device(&file(path)), device(disk.to_str().unwrap()), "{path}");
    }
    assert_eq!(fs::read_to_string(file("/etc/hostname")).unwrap(), "zn-test\n");
    let servers = fs::read_to_string(file("/etc/resolv.conf")).unwrap();
    assert_eq!(servers, "nameserver 9.9.9.9\nnameserver 1.1.1.1\n");
    machine.run(&["sh", "-c", "dd if=/dev/zero of=/big bs=1M count=100"]);
    let written = fs::metadata(file("/big")).unwrap().len() >> 20;
    assert!((16..64).contains(&written), "{written} MiB");
}

#[tokio::test]
async fn a_machine_that_starts_again_has_its_disk_again() {
    let machine = Running::of(TestEngine::connect().await, IMAGE).await;
    machine.run(&["sh", "-c", "echo kept >/kept"]);
    docker(&["kill", machine.container.id()]);
    // As a failure of power does.
    let layer = machine.container.layer().await.unwrap().unwrap();
    disk::detach(&layer).await;
    disk::detach(&machine.test.disks.path().join(machine.container.name()).join("mnt")).await;
    let pid = machine.container.start().await.unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/root/kept")).unwrap(), "kept\n");
}

#[tokio::test]
async fn volumes_that_an_image_declares_are_on_the_machines_disk() {
    let image = format!("zennet-test-volume:{:08x}", rand::random::<u32>());
    let made = docker(&["create", IMAGE, "sh"]);
    docker(&["commit", "--change", "VOLUME /usr", made.trim(), &image]);
    docker(&["rm", made.trim()]);
    let machine = Running::of(TestEngine::connect().await, &image).await;
    let stat = rustix::fs::statvfs(format!("/proc/{}/root/usr", machine.pid)).unwrap();
    assert!((stat.f_blocks * stat.f_frsize) >> 20 <= 64);
    let filled = machine.run(&["sh", "-c", "ls /usr | head -n 1; touch /usr/x && echo written"]);
    assert!(filled.ends_with("written\n"), "{filled}");
    machine.container.remove().await.unwrap();
    assert_eq!(fs::read_dir(machine.test.disks.path()).unwrap().count(), 0);
    docker(&["rmi", &image]);
}

#[tokio::test]
async fn the_kernel_has_the_rules_before_the_rules_of_others() {
    let machine = Running::of(TestEngine::connect().await, IMAGE).await;
    let firewall = &machine.test.engine.host.firewall;
    let bridge = firewall.bridge();
    let first = |chain: &str| {
        let listing = output("iptables", &["-S", chain]);
        let foreign = |line: &&str| {
            line.starts_with("-A") && (line.contains(bridge) || !line.contains("ZENNET-"))
        };
        listing.lines().find(foreign).unwrap_or_default().to_owned()
    };
    let tag = bridge.trim_start_matches("zn-");
    assert_eq!(first("INPUT"), format!("-A INPUT -i {bridge} -j ZENNET-IN-{tag}"));
    assert_eq!(first("DOCKER-USER"), format!("-A DOCKER-USER -i {bridge} -j ZENNET-FWD-{tag}"));
    output("iptables", &["-I", "INPUT", "1", "-i", bridge, "-j", "ACCEPT"]);
    output("iptables", &["-F", &format!("ZENNET-FWD-{tag}")]);
    firewall.ensure().await.unwrap();
    assert_eq!(first("INPUT"), format!("-A INPUT -i {bridge} -j ZENNET-IN-{tag}"));
    let refused = output("iptables", &["-S", &format!("ZENNET-FWD-{tag}")]);
    assert!(refused.contains("-d 10.0.0.0/8 -j REJECT"), "{refused}");
    output("iptables", &["-D", "INPUT", "-i", bridge, "-j", "ACCEPT"]);
}

#[tokio::test]
async fn the_rate_of_a_machines_network_is_limited_each_way_and_its_port_isolated() {
    let limited =
        TestEngine::changed(default_host(), |i| i.bandwidth_kbit_per_sec = Some(8000)).await;
    let machine = Running::of(limited.unwrap(), IMAGE).await;
    let network = format!("--net=/proc/{}/ns/net", machine.pid);
    let inside = output("nsenter", &[&network, "tc", "qdisc", "show", "dev", "eth0"]);
    assert!(inside.contains("tbf") && inside.contains("8Mbit"), "{inside}");
    let bridge = machine.test.engine.host.firewall.bridge();
    let ports = fs::read_dir(format!("/sys/class/net/{bridge}/brif")).unwrap();
    let ports: Vec<_> = ports.map(|port| port.unwrap()).collect();
    let [port] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!(fs::read_to_string(port.path().join("isolated")).unwrap().trim(), "1");
    let outside = output("tc", &["qdisc", "show", "dev", port.file_name().to_str().unwrap()]);
    assert!(outside.contains("tbf") && outside.contains("8Mbit"), "{outside}");
}

#[tokio::test]
async fn the_filter_of_system_calls_refuses_what_reaches_the_host_and_spares_the_rest() {
    let machine = Running::of(TestEngine::connect().await, "zennet-os:latest").await;
    let program = "
import ctypes, errno, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    return 0 if libc.syscall(*arguments) >= 0 else ctypes.get_errno()
def family(number):
    try:
        socket.socket(number, socket.SOCK_STREAM).close()
    except OSError as error:
        return error.errno
print(family(40), family(38), family(socket.AF_INET), family(socket.AF_UNIX), family(39) != errno.EPERM)
machine = os.uname().machine
unshare, io_uring = (272, 425) if machine == 'x86_64' else (97, 425)
print(call(unshare, 0x10000000), call(io_uring, 1, None))
threading.Thread(target=print, args=('thread',)).start()
print(subprocess.run(['true']).returncode)
";
    let said = machine.run(&["python3", "-c", program]);
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0", "1 1 None None True", "1 38", "thread"], "{said}");
}

#[tokio::test]
async fn an_engine_elsewhere_is_used_only_where_no_firewall_is_asked_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut relayed = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            relayed.spawn(async move {
                let mut far = tokio::net::UnixStream::connect("/var/run/docker.sock").await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    let refused = TestEngine::changed(host.clone(), |_| ()).await.err().unwrap();
    assert!(matches!(refused, EngineError::NoFirewall(_)), "{refused}");
    let used = TestEngine::changed(host, |isolation| isolation.require_firewall = false).await;
    assert!(!used.unwrap().engine.host.disks.usable);
}

#[tokio::test]
async fn a_machine_keeps_to_the_processors_that_are_left_for_it() {
    let pinned = |list: &str, spread: bool| {
        let list = list.to_owned();
        TestEngine::changed(default_host(), move |isolation| {
            isolation.pin_cpus = Some(list);
            isolation.spread_cpus = spread;
        })
    };
    let count = processors::online().len();
    let all = format!("0-{}", count - 1);
    let test = pinned(&all, true).await.unwrap();
    let spread = Running::of(test, IMAGE).await;
    // Half a processor was agreed on.
    assert!(allowed(spread.pid).parse::<u16>().is_ok(), "{}", allowed(spread.pid));
    let every = Running::of(pinned(&all, false).await.unwrap(), IMAGE).await;
    assert_eq!(allowed(every.pid), if count > 1 { all } else { "0".into() });
}

/// Processors that a process may run on.
fn allowed(pid: u32) -> String {
    status_of(pid, "Cpus_allowed_list")
}

#[tokio::test]
async fn an_oci_runtime_that_the_engine_has_not_is_named() {
    let runtime = |i: &mut config::Isolation| i.runtime = Some("no-such-runtime".into());
    let refused = TestEngine::changed(default_host(), runtime).await.err().unwrap();
    assert!(
        matches!(&refused, EngineError::NoRuntime { wanted, .. } if wanted == "no-such-runtime")
    );
    let listed = TestEngine::changed(default_host(), |i| i.runtime = Some("runc".into())).await;
    assert!(listed.unwrap().engine.runtimes().contains(&"runc".into()));
}

#[tokio::test]
async fn a_machine_that_ends_by_itself_is_noticed() {
    let test = TestEngine::connect().await;
    let digest = test.engine.image(IMAGE).await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let key = HostKey::generate();
    let folder = LeaseFolder::create(parent.path(), "x", &key, &[1; 32]).unwrap();
    let container = test.engine.create(&spec(folder.path(), digest)).await.unwrap();
    container.start().await.unwrap();
    docker(&["kill", container.id()]);
    let cause = timeout(Duration::from_secs(30), container.ended()).await.unwrap();
    assert!(cause.contains("137"), "{cause}");
}

#[tokio::test]
async fn a_sweep_removes_the_own_containers_and_no_others() {
    let (one, other) = (TestEngine::connect().await, TestEngine::connect().await);
    let digest = one.engine.image(IMAGE).await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    one.engine.create(&spec(parent.path(), digest)).await.unwrap();
    let kept = other.engine.create(&spec(parent.path(), digest)).await.unwrap();
    assert_eq!(one.engine.sweep(&HashSet::new()).await.unwrap(), 1);
    assert_eq!(one.engine.sweep(&HashSet::new()).await.unwrap(), 0);
    assert_ne!(docker(&["ps", "-aq", "--no-trunc", "--filter", &format!("id={}", kept.id())]), "");
    assert_eq!(other.engine.sweep(&HashSet::new()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_name_that_is_taken_by_a_leftover_is_taken_over() {
    let test = TestEngine::connect().await;
    let digest = test.engine.image(IMAGE).await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let spec = spec(parent.path(), digest);
    let first = test.engine.create(&spec).await.unwrap();
    let second = test.engine.create(&spec).await.unwrap();
    assert_ne!(first.id(), second.id());
}

#[tokio::test]
async fn a_missing_image_is_named_and_not_pulled_without_a_registry() {
    let test = TestEngine::connect().await;
    let error = test.engine.image("no-such-image:latest").await.unwrap_err();
    assert!(matches!(&error, EngineError::ImageMissing(name) if name == "no-such-image:latest"));
}

#[tokio::test]
async fn an_image_that_its_registry_does_not_give_is_a_bounded_error() {
    let test = TestEngine::connect().await;
    let name = "127.0.0.1:9/no/such:image";
    let error = test.engine.image(name).await.unwrap_err();
    assert!(matches!(&error, EngineError::Pull { image, .. } if image == name), "{error}");
}

#[tokio::test]
async fn an_absent_engine_is_named_with_what_to_do() {
    let config = config::Docker {
        host: Some("unix:///nonexistent/docker.sock".into()),
        ..Default::default()
    };
    let isolation = config::Isolation::default();
    let Err(error) = Engine::connect(&config, &isolation, "x".into()).await else {
        panic!("it connected")
    };
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/docker.sock"), "{error}");
}

#[test]
fn only_names_with_a_registry_or_a_user_are_pulled() {
    assert!(names_registry("registry.example/app") && names_registry("user/app:1"));
    assert!(!names_registry("zennet-os:latest") && !names_registry("/etc/passwd"));
    assert_eq!(with_tag("host:5000/app"), "host:5000/app:latest");
    assert_eq!(with_tag("host:5000/app:2"), "host:5000/app:2");
}
