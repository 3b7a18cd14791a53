//! A machine made by hand with docker, and an agent of threads that serves it.

use std::{
    env,
    fs::{self, Permissions},
    io::{self, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The thin image, and the one with nothing but a static busybox.
pub(crate) const IMAGES: [&str; 2] = ["zennet-os", "zennet-busybox"];
const CAPABILITIES: [&str; 7] =
    ["SETUID", "SETGID", "SYS_CHROOT", "CHOWN", "FOWNER", "DAC_OVERRIDE", "KILL"];
const PATIENCE: Duration = Duration::from_secs(60);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running machine; it and all that was started for it end when this is dropped.
pub(crate) struct Machine {
    pub(crate) name: String,
    dir: TempDir,
    /// Where the agent listens; closed when the agent is gone.
    agent: Option<Arc<UnixListener>>,
}

impl Machine {
    /// Starts a machine and its agent.
    pub(crate) fn start(image: &str, guest_args: &[&str], docker_args: &[&str]) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("zennet-guest-test-{}-{number}", std::process::id());
        let dir = tempfile::tempdir().expect("a folder");
        let mut machine = Machine { name, dir, agent: None };
        let lease = machine.lease();
        fs::create_dir(&lease).expect("the lease's folder");
        fs::set_permissions(&lease, Permissions::from_mode(0o755)).expect("its mode");
        for key in [machine.dir.path().join("id"), lease.join("host_key")] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key)
                .status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        fs::copy(machine.dir.path().join("id.pub"), lease.join("authorized_keys")).expect("a copy");
        machine.serve();

        let mut run = Command::new("docker");
        run.args(["run", "-d", "--name", &machine.name, "--user", "0:0", "--cgroupns", "private"])
            .args(["--network", "none", "--memory", "256m", "--pids-limit", "512"])
            .args(["--security-opt", "no-new-privileges", "--cap-drop", "ALL"])
            .args(["--entrypoint", "/.zennet/guest", "-e", "FROM_IMAGE=a b"])
            .args(CAPABILITIES.map(|name| format!("--cap-add={name}")))
            .args(["-v", &format!("{}:/.zennet:ro", bundle().display())])
            .args(["-v", &format!("{}:/run/zennet:ro", lease.display())])
            .args(docker_args)
            .args([image, "run"])
            .args(guest_args);
        let out = run.output().expect("docker runs");
        assert!(out.status.success(), "docker run: {}", String::from_utf8_lossy(&out.stderr));
        machine
    }

    fn lease(&self) -> PathBuf {
        self.dir.path().join("lease")
    }

    /// Ends the agent of before and starts one that listens for the guest and for ssh clients.
    pub(crate) fn serve(&mut self) {
        self.agent = None;
        let path = self.lease().join("agent.sock");
        let _ = fs::remove_file(&path);
        let guests = Arc::new(UnixListener::bind(&path).expect("the agent's socket"));
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("its mode");
        let clients = TcpListener::bind("127.0.0.1:0").expect("a port");
        self.write_config(clients.local_addr().expect("bound").port());
        let held = Arc::downgrade(&guests);
        self.agent = Some(guests);
        thread::spawn(move || {
            for client in clients.incoming().map_while(Result::ok) {
                let Some(Ok((mut guest, _))) = held.upgrade().map(|guests| guests.accept()) else {
                    return;
                };
                if guest.write_all(&[1]).is_ok() {
                    splice(client, guest);
                }
            }
        });
    }

    /// Ends the agent.
    pub(crate) fn leave(&mut self) {
        self.agent = None;
    }

    fn write_config(&self, port: u16) {
        let dir = self.dir.path();
        let key = fs::read_to_string(self.lease().join("host_key.pub")).expect("the host key");
        fs::write(dir.join("known"), format!("[127.0.0.1]:{port} {key}")).expect("known hosts");
        let config = format!(
            "Host *\n HostName 127.0.0.1\n Port {port}\n User root\n IdentityFile {id}\n \
             IdentitiesOnly yes\n UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n \
             BatchMode yes\n ConnectTimeout 60\n",
            id = dir.join("id").display(),
            known = dir.join("known").display(),
        );
        fs::write(self.config(), config).expect("the configuration");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The stock client with a command for the machine.
    pub(crate) fn ssh(&self, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.config()).arg("machine").arg(command).stdin(Stdio::null());
        ssh
    }

    /// What a command in the machine prints; it must succeed without a word on stderr.
    pub(crate) fn says(&self, command: &str) -> String {
        let out = self.ssh(command).output().expect("ssh runs");
        let warned = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && warned.is_empty(), "{command}: {}: {warned}", out.status);
        String::from_utf8(out.stdout).expect("text").trim_end().to_owned()
    }

    /// Waits until `count` processes of the machine have `sign` in their command line.
    pub(crate) fn wait_for_processes(&self, sign: &str, count: usize) {
        let mut found = Vec::new();
        wait_until(&format!("{count} processes of {sign}"), || {
            found = self.processes();
            found.iter().filter(|line| line.contains(sign)).count() == count
        });
    }

    /// Command lines of the machine's processes, as the host sees them.
    pub(crate) fn processes(&self) -> Vec<String> {
        let out = docker(&["top", &self.name, "-eo", "pid,args"]);
        String::from_utf8_lossy(&out.stdout).lines().skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            let logs = docker(&["logs", &self.name]);
            eprintln!("{}: {}", self.name, String::from_utf8_lossy(&logs.stderr));
        }
        docker(&["rm", "-f", &self.name]);
    }
}

pub(crate) fn docker(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("docker runs; scripts/setup installs it")
}

/// Polls until it holds; panics when it does not in time.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn bundle() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set"));
    let cache = env::var_os("ZENNET_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        env::var_os("XDG_CACHE_HOME")
            .map_or_else(|| home().join(".cache"), PathBuf::from)
            .join("zennet")
    });
    let bundle = cache.join("bundle");
    assert!(bundle.join("guest").exists(), "no guest in {}; run scripts/test", bundle.display());
    bundle
}

fn splice(client: TcpStream, guest: UnixStream) {
    let _ = client.set_nodelay(true);
    let (Ok(client2), Ok(guest2)) = (client.try_clone(), guest.try_clone()) else { return };
    thread::spawn(move || {
        let (mut from, mut to) = (&client, &guest);
        let _ = io::copy(&mut from, &mut to);
        let _ = guest.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let (mut from, mut to) = (&guest2, &client2);
        let _ = io::copy(&mut from, &mut to);
        let _ = client2.shutdown(Shutdown::Both);
        let _ = guest2.shutdown(Shutdown::Both);
    });
}
