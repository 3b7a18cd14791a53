"""Runs inside a machine, as its tenant, root there: attacks.py NAME [ARGUMENT...].

Exits 0 when the attempt was refused or contained, 1 when it got through; says what it saw.
"""
import ctypes
import errno
import mmap
import os
import random
import resource
import signal
import socket
import stat
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
# Numbers of system calls; the second is that of most other architectures.
CALLS = {
    "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "init_module": (175, 105),
    "finit_module": (313, 273), "ptrace": (101, 117), "reboot": (169, 142), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "io_uring_setup": (425, 425), "open_by_handle_at": (304, 265),
    "clock_settime": (227, 112), "sethostname": (170, 161), "pivot_root": (155, 41),
    "fsopen": (430, 430), "open_tree": (428, 428), "syslog": (103, 116), "swapon": (167, 224),
    "kexec_load": (246, 104), "iopl": (172, None), "acct": (163, 89), "quotactl": (179, 60),
}


def call(name, *arguments):
    """The error of a system call, or None when it succeeded."""
    number = CALLS[name][0 if X86 else 1]
    if number is None:
        return "ENOSYS"
    ctypes.set_errno(0)
    if LIBC.syscall(number, *arguments) >= 0:
        return None
    return errno.errorcode[ctypes.get_errno()]


class Through(Exception):
    """What was attempted succeeded."""


def refused(what, error, allowed=("EPERM", "EACCES", "ENOSYS")):
    print(f"{what}: {error}")
    if error not in allowed:
        raise Through(what)


def error_of(action):
    try:
        action()
    except OSError as failure:
        return errno.errorcode.get(failure.errno, str(failure))
    return None


# ---- the kernel ----

def raw_sockets():
    kinds = [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_RAW, 255),
             (socket.AF_PACKET, socket.SOCK_RAW, 0x300), (socket.AF_PACKET, socket.SOCK_DGRAM, 0x300)]
    for kind in kinds:
        refused(f"socket{kind}", error_of(lambda: socket.socket(*kind).close()))


def sockets_past_the_network():
    for family in (40, 38):
        refused(f"socket family {family}", error_of(lambda: socket.socket(family, socket.SOCK_STREAM).close()))


def namespaces():
    for name, bit in [("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000), ("pid", 0x20000000),
                      ("cgroup", 0x02000000), ("uts", 0x04000000), ("ipc", 0x08000000), ("time", 0x80)]:
        child = os.fork()
        if child == 0:
            os._exit(0 if call("unshare", bit) in ("EPERM", "ENOSYS", "EINVAL") else 1)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            raise Through(f"unshare {name}")
    refused("setns", call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))


def mounts():
    tmp = b"/tmp"
    refused("mount tmpfs", call("mount", b"none", tmp, b"tmpfs", 0, None))
    refused("mount proc", call("mount", b"proc", tmp, b"proc", 0, None))
    refused("bind /", call("mount", b"/", tmp, None, 4096, None))
    refused("remount /sys", call("mount", b"none", b"/sys", None, 32, None))
    refused("fsopen", call("fsopen", b"tmpfs", 0))
    refused("open_tree", call("open_tree", -100, b"/", 1))
    refused("pivot_root", call("pivot_root", tmp, tmp))


def modules():
    refused("init_module", call("init_module", b"x", 1, b""))
    refused("finit_module", call("finit_module", 0, b"", 0))
    refused("kexec_load", call("kexec_load", 0, 0, None, 0))


def privileged_calls():
    refused("bpf", call("bpf", 0, None, 0))
    refused("perf_event_open", call("perf_event_open", None, 0, -1, -1, 0))
    refused("userfaultfd", call("userfaultfd", 0))
    refused("keyctl", call("keyctl", 0, 0))
    refused("add_key", call("add_key", b"user", b"x", b"y", 1, -1))
    refused("io_uring", call("io_uring_setup", 1, None))
    refused("open_by_handle_at", call("open_by_handle_at", 0, None, 0))
    refused("syslog", call("syslog", 3, None, 0))
    refused("swapon", call("swapon", b"/tmp/x", 0))
    refused("iopl", call("iopl", 3))
    refused("acct", call("acct", b"/tmp/x"))
    refused("quotactl", call("quotactl", 0, None, 0, None))
    refused("reboot", call("reboot", 0xFEE1DEAD, 672274793, 0, 0))
    refused("clock_settime", call("clock_settime", 0, ctypes.create_string_buffer(16)))
    refused("sethostname", call("sethostname", b"x", 1))


def rank():
    refused("nice -5", error_of(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)))
    refused("realtime", error_of(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    more = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    try:
        more()
        raise Through("more open files")
    except (ValueError, PermissionError) as refusal:
        print("more open files:", refusal)


# ---- files of the kernel ----

def opened_for_writing(root, skipped=()):
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if os.path.join(folder, f) not in skipped]
        for name in files:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISREG(os.lstat(path).st_mode):
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                    found.append(path)
            except OSError:
                pass
    return found


def nothing_opens(root, skipped=()):
    found = opened_for_writing(root, skipped)
    print(f"{root}: {len(found)} files open for writing: {found[:5]}")
    if found:
        raise Through(root)


def proc_writes():
    nothing_opens("/proc/sys")
    for path in ("/proc/sysrq-trigger", "/proc/kcore", "/proc/irq/default_smp_affinity", "/proc/mtrr",
                 "/proc/timer_list", "/proc/keys", "/proc/bus/pci/devices"):
        if os.path.exists(path):
            # A path that is hidden behind /dev/null takes what is written, to no effect.
            hidden = os.path.exists("/dev/null") and os.stat(path).st_rdev == os.stat("/dev/null").st_rdev
            error = "hidden" if hidden else error_of(lambda: os.close(os.open(path, os.O_WRONLY)))
            refused(path, error, ("hidden", "EROFS", "EACCES", "EPERM", "EIO", "EISDIR"))


def sys_writes():
    nothing_opens("/sys", ("/sys/fs/cgroup",))


def cgroup_writes():
    nothing_opens("/sys/fs/cgroup")
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):
        for name in folders:
            path = os.path.join(folder, name, "escape")
            refused(path, error_of(lambda: os.mkdir(path)), ("EROFS", "EACCES", "EPERM"))
        break


def device_nodes():
    for kind, device in [(stat.S_IFBLK, (254, 0)), (stat.S_IFBLK, (8, 0)), (stat.S_IFBLK, (7, 0)),
                         (stat.S_IFCHR, (1, 1)), (stat.S_IFCHR, (10, 229))]:
        error = error_of(lambda: os.mknod("/root/node", kind | 0o600, os.makedev(*device)))
        refused(f"mknod {device}", error)
    usual = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "fd", "stdin",
             "stdout", "stderr", "core", "pts", "shm", "mqueue"}
    more = set(os.listdir("/dev")) - usual
    if more:
        raise Through(f"more devices: {more}")


# ---- processes ----

def host_processes():
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    names = []
    for pid in pids:
        try:
            names.append(open(f"/proc/{pid}/comm").read().strip())
        except OSError:
            pass
    print("processes:", " ".join(sorted(set(names))))
    for foreign in ("dockerd", "containerd", "provider-agent", "zennet-node", "systemd", "kthreadd"):
        if foreign in names:
            raise Through(foreign)
    # One that is not in this namespace cannot be attached to, whatever its number.
    for pid in random.sample(range(max(pids) + 10_000, 4_000_000), 50):
        if call("ptrace", 16, pid, 0, 0) not in ("ESRCH", "EPERM"):
            raise Through(f"ptrace {pid}")
        if error_of(lambda: os.kill(pid, 0)) not in ("ESRCH", "EPERM"):
            raise Through(f"kill {pid}")
    error = error_of(lambda: os.listdir("/proc/1/root/proc/1/root"))
    inside = os.stat("/proc/1/root/").st_ino == os.stat("/").st_ino if error is None else True
    if not inside:
        raise Through("/proc/1/root")


def setuid_gain():
    path = "/root/gain"
    os.chmod("/root", 0o755)
    with open(path, "wb") as copy, open(os.path.realpath("/usr/bin/id"), "rb") as program:
        copy.write(program.read())
    os.chown(path, 0, 0)
    os.chmod(path, 0o6755)
    ended = subprocess.run([path, "-u"], user=65534, group=65534, extra_groups=[], capture_output=True, text=True)
    print("effective user of a setuid program:", ended.stdout.strip(), ended.stderr.strip())
    os.chmod("/root", 0o700)
    if ended.stdout.strip() != "65534":
        raise Through("setuid")


def meter_tampering():
    for path in ("/run/zennet/x", "/run/zennet/host_key", "/run/zennet/authorized_keys", "/.zennet/x", "/.zennet/guest"):
        refused(f"write {path}", error_of(lambda: open(path, "ab").close()), ("EROFS", "ETXTBSY"))
    refused("remove the socket", error_of(lambda: os.unlink("/run/zennet/agent.sock")), ("EROFS", "EBUSY"))
    refused("remove the guest", error_of(lambda: os.unlink("/.zennet/guest")), ("EROFS", "EBUSY"))
    for number in (signal.SIGKILL, signal.SIGSTOP):
        os.kill(1, number)
    time.sleep(0.3)
    state = open("/proc/1/stat").read().rsplit(")", 1)[1].split()[0]
    print("process 1 after SIGKILL and SIGSTOP:", state)
    if state in "TZX":
        raise Through("process 1")


def posing_as_the_guest():
    """Knocks at the agent's socket as the guest does, and answers with noise."""
    held = []
    for _ in range(40):
        knock = socket.socket(socket.AF_UNIX)
        knock.settimeout(0.2)
        try:
            knock.connect("/run/zennet/agent.sock")
            held.append(knock)
        except OSError as failure:
            print("knocking:", failure)
            break
    print(len(held), "connections to the agent")
    for knock in held:
        try:
            knock.sendall(os.urandom(4096))
            knock.recv(64)
        except OSError:
            pass
        knock.close()


# ---- the network ----

def connects(address, port):
    try:
        socket.create_connection((address, int(port)), timeout=2).close()
        return True
    except OSError as failure:
        print(f"{address}:{port}: {failure}")
        return False


def cannot_connect(port, *addresses):
    for address in addresses:
        if connects(address, port):
            raise Through(f"{address}:{port}")
        # Without a connection, too: what answers shows itself.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.settimeout(0.5)
            try:
                knock.connect((address, int(port)))
                knock.send(b"?")
                if knock.recv(16):
                    raise Through(f"{address}:{port} by UDP")
            except OSError:
                pass


def can_connect(port, *addresses):
    for address in addresses:
        if not connects(address, port):
            raise Through(f"no way to {address}:{port}")


def no_ipv6():
    addresses = open("/proc/net/if_inet6").read() if os.path.exists("/proc/net/if_inet6") else ""
    print("addresses:", addresses.split("\n"))
    if addresses.strip():
        raise Through("IPv6")
    error = error_of(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("fe80::1", 9, 0, 2)))
    refused("connect", error, ("EADDRNOTAVAIL", "ENETUNREACH", "EAFNOSUPPORT", "EACCES", "EPERM", "ENODEV", "EINVAL"))


def docker_socket():
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"):
        refused(path, error_of(lambda: os.stat(path)), ("ENOENT",))
    abstract = [line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:] if "@" in line]
    print("abstract sockets:", abstract)
    if any("containerd" in name or "docker" in name for name in abstract):
        raise Through("abstract socket")


# ---- resources ----

def fork_bomb():
    """Forks until it is refused; every child waits, so that all are counted."""
    read, write = os.pipe()
    children = []
    error = None
    for _ in range(20_000):
        try:
            child = os.fork()
        except OSError as failure:
            error = errno.errorcode[failure.errno]
            break
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        children.append(child)
    print(len(children), "processes, then", error)
    os.close(write)
    for child in children:
        os.waitpid(child, 0)
    if error is None or len(children) > 1024:
        raise Through("processes")


def memory_bomb(agreed_mib):
    """Touches three times what was agreed on; whoever does is killed, and nobody else."""
    child = os.fork()
    if child == 0:
        size = 3 * int(agreed_mib) << 20
        block = mmap.mmap(-1, size)
        for offset in range(0, size, 4096):
            block[offset] = 1
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("whoever took it ended with", status)
    if status == 0:
        raise Through("memory")


def disk_filling(agreed_mib):
    """Fills the disk by each way that there is to it."""
    block, written, paths = bytes(1 << 20), 0, []
    for path in ("/root/fill", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/var/tmp/fill"):
        before = os.path.getsize(path) if os.path.exists(path) else 0
        try:
            with open(path, "ab", buffering=0) as file:
                while written <= 4 * int(agreed_mib):
                    file.write(block)
                    written += 1
        except OSError as failure:
            print(path, errno.errorcode[failure.errno], "after", written, "MiB")
        paths.append((path, before))
    for path, before in paths:
        if os.path.exists(path):
            os.truncate(path, before)
    if written > int(agreed_mib):
        raise Through(f"{written} MiB")


def inode_filling(agreed_mib):
    """Makes empty files until it is refused."""
    most, made = int(agreed_mib) * 512, 0
    os.makedirs("/root/inodes", exist_ok=True)
    try:
        for made in range(most):
            if made % 5000 == 0:
                os.makedirs(f"/root/inodes/{made // 5000}", exist_ok=True)
            os.close(os.open(f"/root/inodes/{made // 5000}/{made}", os.O_CREAT | os.O_WRONLY))
        error = None
    except OSError as failure:
        error = errno.errorcode[failure.errno]
    print(made, "files, then", error)
    subprocess.run(["rm", "-rf", "/root/inodes"], check=True)
    if error != "ENOSPC":
        raise Through("inodes")


def log_flood():
    """Writes to process 1's output, which the engine keeps."""
    line = b"x" * 1000 + b"\n"
    with open("/proc/1/fd/1", "wb", buffering=0) as out:
        for _ in range(60_000):
            out.write(line)
    print("60 MB written")


def storm(seconds):
    """Everything at once, until the time is over."""
    until = time.monotonic() + float(seconds)
    line = b"x" * 1000 + b"\n"

    def forks():
        while time.monotonic() < until:
            children = []
            try:
                while len(children) < 900 and time.monotonic() < until:
                    child = os.fork()
                    if child == 0:
                        while time.monotonic() < until:
                            pass
                        os._exit(0)
                    children.append(child)
            except OSError:
                time.sleep(0.01)
            for child in children:
                os.waitpid(child, 0)

    def memory():
        while time.monotonic() < until:
            child = os.fork()
            if child == 0:
                size = 4 << 30
                block = mmap.mmap(-1, size)
                for offset in range(0, size, 4096):
                    block[offset] = 1
                os._exit(0)
            os.waitpid(child, 0)

    def disk():
        block = os.urandom(1 << 20)
        while time.monotonic() < until:
            try:
                with open("/root/storm", "wb", buffering=0) as file:
                    while time.monotonic() < until:
                        file.write(block)
                        os.fsync(file.fileno())
            except OSError:
                pass
        os.unlink("/root/storm")

    def log():
        while time.monotonic() < until:
            with open("/proc/1/fd/1", "wb", buffering=0) as out:
                out.write(line)

    def files():
        number = 0
        os.makedirs("/root/files", exist_ok=True)
        while time.monotonic() < until:
            path = f"/root/files/{number % 1000}"
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.unlink(path)
            number += 1

    started = []
    for work in (memory, disk, log, files, forks):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        started.append(child)
    for child in started:
        os.waitpid(child, 0)


def main():
    name, arguments = sys.argv[1], sys.argv[2:]
    try:
        globals()[name](*arguments)
    except Through as through:
        print("THROUGH:", through)
        sys.exit(1)


main()
