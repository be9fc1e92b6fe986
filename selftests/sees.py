# SPDX-License-Identifier: GPL-2.0
"""What the tests of seed and seectl share.

Cases are those of see_test.py (@test, Failed, eq, ok, raises, run...), but each
gets a Host: the guest's own root file system, with a directory of its own to
play in.  seed runs in the host's mount name space, so nothing is unshared.

After each case there must be no SEE, no process in one, no mount of seefs and
nothing in the store that was not there before.
"""
import grp
import json
import pty
import shlex
import socket

from see_test import *

STORE, CGROUP = '/var/lib/see', '/sys/fs/cgroup/see'
# What "everything" means where the host is compared before and after.
PLACES = ('/etc', '/usr/local/bin', '/usr/sbin', '/root', '/home', '/srv', '/opt', '/boot',
          '/var/lib/dpkg', '/var/cache/apt', '/var/spool')
MEMBER, STRANGER = 2001, 2002
QUIET = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}


class Done:
    """What came of a program: status, stdout, stderr."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f'status {self.status}, output {short(self.out)}, errors {short(self.err)}'


def seectl(*args, uid=0, gids=(), stdin='', status=0, cwd=None, env=None):
    """Run seectl; another exit status than status fails (None: any)."""
    def become():
        if uid:
            os.setgroups(gids)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    done = subprocess.run(['seectl', *args], input=stdin.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, preexec_fn=become, cwd=cwd or '/', env=env)
    done = Done(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))
    if status is not None and done.status != status:
        fail(f'seectl {shlex.join(args)}: {done}, expected status {status}')
    return done


def as_member():
    """What makes seectl() run as the member of the group."""
    return {'uid': MEMBER, 'gids': [MEMBER, grp.getgrnam('see').gr_gid]}


def listing(**kwargs):
    return json.loads(seectl('list', '--json', **kwargs).out)['sees']


def state(name):
    return {see['name']: see['state'] for see in listing()}.get(name)


def changes(name, *args):
    """{path: change} as inspect --json has it."""
    top = json.loads(seectl('inspect', name, *args, '--json').out)
    eq((top['version'], top['name']), (1, name), 'head of the JSON')
    return {c['path']: c for c in top['changes']}


def wait_for(what, truth, seconds=60):
    end = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > end:
            fail(f'waited {seconds} s for {what}')
        time.sleep(0.02)


def seefs_mounts():
    with open('/proc/self/mountinfo') as f:
        return [line.split()[4] for line in f if ' - seefs ' in line]


def see_processes(id):
    try:
        with open(f'{CGROUP}/{id}/cgroup.procs') as f:
            return f.read().split()
    except OSError:
        return []


@contextlib.contextmanager
def something_runs(h, script='echo up; sleep 1000', name='x'):
    """A shell script in the SEE, which has said up; yields its process, ended in the end."""
    child = subprocess.Popen(['seectl', 'run', name, '--keep', '--', 'sh', '-c', script], cwd=h.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        eq(child.stdout.readline(), 'up\n', 'start')
        yield child
    finally:
        child.terminate()
        child.communicate()


@contextlib.contextmanager
def our_seed(fault=None):
    """In place of the system's, a child of ours, with the fault if any; killed at the end."""
    run('systemctl', 'stop', 'seed')
    faults = fault or 'SEE_GUARD_OFF' in os.environ
    program = 'seed-faults' if faults else 'seed'
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind('')                      # a name that nobody has
    ready.settimeout(60)
    env = {**os.environ, 'NOTIFY_SOCKET': '@' + ready.getsockname()[1:].decode()}
    if fault:
        env['SEE_FAULT'] = fault
    seed = subprocess.Popen([f'{os.environ["ALCATRAZ"]}/bin/{program}'], env=env, **QUIET)
    try:
        with ready:
            ok(b'READY=1' in ready.recv(4096), 'seed is ready')
        yield seed
    finally:
        with contextlib.suppress(ProcessLookupError):
            seed.kill()
        seed.wait()


def on_terminal(command, talk):
    """Run a command on a terminal of its own; talk: [(wait for, then type)].

    What is typed may be a function that gives it.
    """
    pid, fd = pty.fork()
    if not pid:
        os.chdir('/')
        os.execvp(command[0], command)
    seen = ''
    for waited, typed in talk:
        while waited not in seen:
            ready, _, _ = select.select([fd], [], [], 120)
            if not ready:
                fail(f'waited for {waited!r}, saw {seen!r}')
            try:
                seen += os.read(fd, 4096).decode(errors='replace')
            except OSError:
                fail(f'waited for {waited!r}, saw the end: {seen!r}')
        seen = seen.split(waited, 1)[1]
        os.write(fd, (typed() if callable(typed) else typed).encode())
    with contextlib.suppress(OSError):
        while chunk := os.read(fd, 4096):
            seen += chunk.decode(errors='replace')
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), seen


class Host:
    """A directory on the host, and looks at all of it."""

    def __init__(self, number):
        self.dir = f'/srv/case{number}'
        self.stage = ''
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.tree = Tree(self.dir)

    def path(self, name):
        return f'{self.dir}/{name}'

    def look(self, places=PLACES):
        """The host as it is: everything but access times."""
        out = {}
        for place in places:
            if os.path.exists(place):
                for name, what in fingerprint(place, LOOKS + ('ino',)).items():
                    out[f'{place}/{name}'] = what
        return out

    @contextlib.contextmanager
    def unchanged(self, places=PLACES):
        before = self.look(places)
        yield
        same_tree(self.look(places), before, 'the host was changed')

    def inside(self, script, *args, status=0, **kwargs):
        """A shell script in a new SEE, which is aborted; its output."""
        return seectl('run', '--abort', *args, '--', 'sh', '-c', script, status=status,
                      cwd=self.dir, **kwargs)


@contextlib.contextmanager
def file_system(h, where, size):
    """An ext4 of that size, on an image in the case's directory, mounted there."""
    image = h.path('image')
    with open(image, 'wb') as f:
        f.truncate(size)
    run('mkfs.ext4', '-q', image)
    os.mkdir(where)
    run('mount', '-o', 'loop', image, where)
    try:
        yield
    finally:
        umount(where, MNT_DETACH)


def clean_up():
    """Remove what a case left; says what that was."""
    left = []
    run('systemctl', 'start', 'seed')
    for where in reversed(seefs_mounts()):
        left.append(f'mount {where}')
        with contextlib.suppress(OSError):      # below another that is dead
            umount(where, MNT_DETACH)
    for see in listing():
        left.append(f'SEE {see["name"]}')
        seectl('abort', see['name'], status=None)
    # of commits by force
    shutil.rmtree(f'{STORE}/kept', ignore_errors=True)
    return left


def leftovers():
    wait_for('the trash to be emptied', lambda: set(os.listdir(STORE)) <= {'next'}, 300)
    if os.path.isdir(CGROUP):
        eq([n for n in os.listdir(CGROUP) if n.isdigit()], [], 'control groups')


def run_case(case, number):
    try:
        h = Host(number)
    except OSError as e:
        return 'failed', f'no fixture: {e}'
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        os.close(reader)
        try:
            answer = outcome(case, h)
            with os.fdopen(writer, 'wb') as f:
                pickle.dump(answer, f)
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with os.fdopen(reader, 'rb') as f:
        raw = f.read()
    status, text = pickle.loads(raw) if raw else ('failed', 'the case died or timed out')
    left = clean_up()
    try:
        if left and status == 'ok':
            fail(f'left behind: {", ".join(left)}')
        leftovers()
    except Failed as e:
        status, text = 'failed', f'{text}\n{e}'
    shutil.rmtree(h.dir, ignore_errors=True)
    return status, text


def main():
    cases = selected()
    print(f'TAP version 13\n1..{len(cases)}', flush=True)
    if not shutil.which('seectl') or not os.path.exists('/dev/see'):
        print('Bail out! seectl and /dev/see are needed')
        sys.exit(1)
    call('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o022)
    os.makedirs('/srv', exist_ok=True)
    for name, uid in (('member', MEMBER), ('stranger', STRANGER)):
        subprocess.run(['useradd', '-m', '-u', str(uid), name], stderr=subprocess.DEVNULL)
    run('usermod', '-aG', 'see', 'member')
    failures = 0
    for number, case in enumerate(cases, 1):
        start = time.monotonic()
        status, text = run_case(case, number)
        failures += status == 'failed'
        report(number, case, status, text, start)
    sys.exit(1 if failures else 0)


__all__ = [name for name, value in list(globals().items()) if not name.startswith('_')]
