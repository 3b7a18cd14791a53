//! Against the real engine of this machine.

use std::{path::Path, process::Command, sync::Arc};

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
}

impl TestEngine {
    pub(crate) async fn connect() -> TestEngine {
        Self::connect_to(default_host()).await
    }

    pub(crate) async fn connect_to(host: String) -> TestEngine {
        let tag = format!("{:08x}", rand::random::<u32>());
        let (owner, network) = (format!("test-{tag}"), format!("zennet-test-{tag}"));
        let text =
            config::DEFAULT.replace("network = \"zennet\"", &format!("network = \"{network}\""));
        let config = config::Config::parse(&text, Path::new("/x/provider.toml")).unwrap();
        let docker = config::Docker { host: Some(host), ..config.docker };
        let engine = Engine::connect(&docker, owner.clone()).await.unwrap();
        let network = engine.network.clone();
        TestEngine { engine: Arc::new(engine), owner, network }
    }

    pub(crate) fn kill_all(&self) {
        for id in self.containers() {
            docker(&["kill", &id]);
        }
    }

    fn containers(&self) -> Vec<String> {
        let filter = format!("label={PROVIDER}={}", self.owner);
        let ids = docker(&["ps", "-aq", "--filter", &filter]);
        ids.split_whitespace().map(String::from).collect()
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        // A test that failed leaves nothing either.
        for id in self.containers() {
            docker(&["rm", "-f", &id]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn spec(folder: &Path, image_digest: [u8; 32]) -> Spec {
    Spec {
        name: format!("zennet-test-{:08x}", rand::random::<u32>()),
        hostname: "zn-test".into(),
        lease: "0x01".into(),
        image_digest,
        resources: Resources { cpu_millis: 500, memory_mib: 64, disk_mib: 64 },
        folder: folder.into(),
    }
}

fn status_of(pid: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    line.split_whitespace().last().unwrap().to_owned()
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
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}}";
    assert_eq!(show(limits), "67108864 67108864 500000000");
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
    assert_eq!(one.engine.sweep().await.unwrap(), 1);
    assert_eq!(one.engine.sweep().await.unwrap(), 0);
    assert_ne!(docker(&["ps", "-aq", "--no-trunc", "--filter", &format!("id={}", kept.id())]), "");
    assert_eq!(other.engine.sweep().await.unwrap(), 1);
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
    let Err(error) = Engine::connect(&config, "x".into()).await else { panic!("it connected") };
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
