"""The attempts of an attacker, as code for `hostile_code`. Names in braces are filled in by the tests."""

import platform

FILES = {
    "read a file of the system": "open('/etc/passwd')",
    "read the source of the service": "open({source!r})",
    "read a secret": "open({secret!r})",
    "read the environment of the worker": "open('/proc/{pid}/environ')",
    "read the memory of the worker": "open('/proc/{pid}/mem', 'rb')",
    "find the descriptors of the worker": "os.listdir('/proc/{pid}/fd')",
    "read its own environment through /proc": "open('/proc/self/environ')",
    "list a folder": "os.listdir('/')",
    "find out whether a file exists": "os.stat('/etc/passwd')",
    "read a link": "os.readlink('/proc/{pid}/exe')",
    "change the folder": "os.chdir('/')",
    "delete a file": "os.unlink({secret!r})",
    "rename a file": "os.rename({secret!r}, {secret!r} + '.old')",
    "link a file": "os.link({secret!r}, {secret!r} + '.link')",
    "make a symbolic link": "os.symlink('/etc/passwd', {secret!r} + '.symbolic')",
    "overwrite a file": "open({secret!r}, 'w')",
    "shorten a file": "os.truncate({secret!r}, 0)",
    "create a file": "open({secret!r} + '.new', 'x')",
    "create a folder": "os.mkdir({secret!r} + '.folder')",
    "create a pipe": "os.mkfifo({secret!r} + '.pipe')",
    "change rights": "os.chmod({secret!r}, 0o777)",
    "watch files": "check(LIBC.inotify_init1(0))",
    "read random numbers from a device": "open('/dev/urandom', 'rb')",
    "make a file in memory": "os.memfd_create('x')",
}
"""Every process may do this, at least with its own files."""

NETWORK = {
    "connect to a TCP port": "socket.socket().connect(('127.0.0.1', {port}))",
    "connect to a Unix socket": "socket.socket(socket.AF_UNIX).connect({unix!r})",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect({abstract!r})",
    "send a datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "listen": "socket.socket().listen()",
    "make a pair of sockets": "socket.socketpair()",
    "ask the kernel about the network": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "make a pipe": "os.pipe()",
}
PROCESSES = {
    "fork": "os.fork() or os._exit(0)",
    "start a program": "subprocess.run(['/bin/true'], check=True)",
    "spawn a program": "os.posix_spawn('/bin/true', ['true'], {{}})",
    "become another program": "os.execv('/bin/true', ['true'])",
    "kill the worker": "os.kill({pid}, signal.SIGCONT)",
    "signal a thread of the worker": "call({tgkill}, {pid}, {pid}, 0)",
    "hold the worker": "os.pidfd_open({pid})",
    "limit the files of the worker": "resource.prlimit({pid}, resource.RLIMIT_NOFILE)",
    "slow the worker down": "os.setpriority(os.PRIO_PROCESS, {pid}, 19)",
    "tie the worker to a core": "os.sched_setaffinity({pid}, [0])",
    "send signals through a pipe": "import fcntl; fcntl.fcntl(1, fcntl.F_GETFL)",
    "allow itself more time": "check(LIBC.setrlimit(0, struct.pack('qq', 100, -1)))",
    "wake up by a timer": "signal.setitimer(signal.ITIMER_REAL, 1000)",
    "become inspectable": "call({prctl}, 4, 1)",
    "outlive the worker": "call({prctl}, 1, 0)",
    "run code from memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "control a device": "import fcntl; fcntl.ioctl(1, 0x541B, b'    ')",
}
PRIVILEGED = {
    "trace the worker": "check(LIBC.ptrace(16, {pid}, 0, 0))",
    "read the memory of the worker directly": "call({process_vm_readv}, {pid}, 0, 0, 0, 0, 0)",
    "open a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "become another user": "os.setuid(12345)",
    "change the root": "os.chroot('/')",
    "mount": "call({mount}, 0, 0, 0, 0, 0)",
    "make namespaces": "call({unshare}, 0x10000000)",
    "use keys of the kernel": "call({keyctl}, 0, -3, 0)",
    "load a program into the kernel": "call({bpf}, 0, 0, 0)",
    "measure others": "call({perf_event_open}, 0, 0, -1, -1, 0)",
    "use io_uring": "call(425, 1, 0)",
    "handle page faults": "call({userfaultfd}, 1)",
    "start a program without a file": "call({execveat}, 1, 0, 0, 0, 0x1000)",
    "choose where core dumps go": "open('/proc/sys/kernel/core_pattern', 'w')",
    "raise a hard limit": "check(LIBC.setrlimit(7, struct.pack('qq', 1000, 1000)))",
    "load a module": "call({init_module}, 0, 0, 0)",
    "change its personality": "call({personality}, 0x0400000)",
    "get capabilities": "call({capset}, 0, 0)",
}
"""An ordinary process may be refused this without our walls, too."""

NUMBERS = {
    "x86_64": {
        "process_vm_readv": 310,
        "mount": 165,
        "unshare": 272,
        "keyctl": 250,
        "bpf": 321,
        "perf_event_open": 298,
        "userfaultfd": 323,
        "execveat": 322,
        "init_module": 175,
        "personality": 135,
        "capset": 126,
        "tgkill": 234,
        "prctl": 157,
    },
    "aarch64": {
        "process_vm_readv": 270,
        "mount": 40,
        "unshare": 97,
        "keyctl": 219,
        "bpf": 280,
        "perf_event_open": 241,
        "userfaultfd": 282,
        "execveat": 281,
        "init_module": 105,
        "personality": 92,
        "capset": 91,
        "tgkill": 131,
        "prctl": 167,
    },
}[platform.machine()]

ORDINARY = FILES | NETWORK | PROCESSES
ALL = ORDINARY | PRIVILEGED
