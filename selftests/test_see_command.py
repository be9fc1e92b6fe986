#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""By which command something was changed first: inspect says so, and nothing depends on it."""
import hashlib

from sees import *

OBJECT, NAME, BORN = 6, 7, 1
HEAD = struct.Struct('<BBH')


def commands(name):
    """{name of a file: command} of a SEE."""
    return {os.path.basename(path): c['command'] for path, c in changes(name).items()}


def used():
    """How many hold the module: seed's descriptor, and each layer that is loaded."""
    with open('/sys/module/seefs/refcnt') as f:
        return int(f.read())


def idle(name):
    """Where a SEE keeps them, once its layers are gone."""
    wait_for('the layers to go', lambda: state(name) == 'idle' and used() == 1)
    return f'{STORE}/{next(see["id"] for see in listing() if see["name"] == name)}/0/commands'


def from_disk(name):
    idle(name)
    return commands(name)


def put(name, what):
    """Instead of the file: bytes, or a function that makes something of its path."""
    path = idle(name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if not isinstance(what, bytes):
        return what(path)
    with open(path, 'wb') as f:
        f.write(what)


def records(raw):
    """[(kind, flags, command, text)] of a whole file."""
    out = []
    while raw:
        kind, flags, length = HEAD.unpack_from(raw)
        ok(20 < length <= len(raw), f'a record of {length} bytes')
        out.append((kind, flags, raw[4:20], raw[20:length]))
        raw = raw[length:]
    return out


def record(kind, flags, command, text):
    return HEAD.pack(kind, flags, 20 + len(text)) + command.ljust(16, b'\0') + text


def read(path):
    with open(path, 'rb') as f:
        return f.read()


@contextlib.contextmanager
def in_use(h, name, *command):
    """A command in the SEE that says up, and waits for a line."""
    child = subprocess.Popen(['seectl', 'run', name, '--keep', '--', *command], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, cwd=h.dir)
    try:
        eq(child.stdout.readline(), 'up\n', 'start')
        yield
    finally:
        child.communicate('\n')


def some_changes(h, name='x'):
    """A SEE with a change of every kind; what should be said of them."""
    for file in 'data', 'attr', 'both', 'removed', 'moved', 'replaced':
        h.tree.write(file, f'{file}\n')
    os.mkdir(h.path('dir'))
    h.tree.write('dir/in', 'x')
    h.tree.write('linked', 'x')
    seectl('run', name, '--', 'sh', '-c', '''set -e
        echo 1 >>data; chmod 600 attr; chmod 600 both; echo 1 >>both; rm removed; mv moved new
        cp attr fresh; ln linked again; rm replaced; touch replaced; mkdir born
        touch born/file; mv dir/in born/; chmod 700 dir''', cwd=h.dir)
    return {'data': 'sh', 'attr': 'chmod', 'both': 'chmod', 'removed': 'rm', 'moved': 'mv',
            'new': 'mv', 'fresh': 'cp', 'again': 'ln', 'replaced': 'rm', 'born': 'mkdir',
            'file': None, 'in': 'mv', 'dir': 'chmod'}


@test(smoke=True)
def who_was_it(h):
    "of each kind of change, live and from the disk; the first one stays"
    want = some_changes(h)
    for _ in range(3):
        eq(commands('x'), want, 'of a run')
        eq(changes('x')[h.path('dir/in')]['command'], 'mv', 'the old name')
        idle('x')
    lines = seectl('inspect', 'x').out.splitlines()
    for file, word in ('removed', 'rm'), ('born', 'mkdir'), ('born/file', '-'):
        line = [line for line in lines if line.endswith(f' {h.dir}/{file}')]
        eq(line[0].split()[-2], word, f'{file} as text')
    script = """import os
for name in 'data', 'both', 'attr', 'removed', 'late':
    open(name, 'a').write('x')
os.unlink('fresh')
open('fresh', 'w')
print('up', flush=True)
input()"""
    want.update(fresh='python3', late='python3')
    with in_use(h, 'x', 'python3', '-c', script):
        eq(commands('x'), want, 'while another runs')
    eq(from_disk('x'), want, 'after another')
    seectl('abort', 'x')


@test()
def any_name(h):
    "a process may call itself anything: quoted as text, kept in JSON; a thread is its process"
    words = {b'\x1b[31mred': r'\033[31mred', b'\xff\xfe\n\x80': r'\377\376\012\200',
             b'123456789012345': '123456789012345', b'a b': r'a\040b', b'back\\lash': r'back\\lash',
             'größe'.encode(): 'größe', '\u202ex'.encode(): r'\342\200\256x', b'(by me)': r'(by\040me)'}
    seectl('run', 'x', '--', 'python3', '-c', r"""
import ctypes, sys, threading
def make(file, name):
    ctypes.CDLL(None).prctl(15, ctypes.c_char_p(name), 0, 0, 0)
    open(file, 'w').close()
for i, name in enumerate(eval(sys.argv[1])):
    make(f'f{i}', name)
make('empty', b'')
make('first', b'first')
t = threading.Thread(target=make, args=('thread', b'worker'))
t.start()
t.join()
""", repr(list(words)), cwd=h.dir)
    want = {f'f{i}': word for i, word in enumerate(words.values())}
    want.update(empty='-', first='first', thread='first')
    for _ in range(2):
        out = seectl('inspect', 'x').out
        ok('\x1b' not in out and '\u202e' not in out, f'{out!r}')
        eq({line.split('/')[-1]: line.split()[-2] for line in out.splitlines()}, want, 'as text')
        got = changes('x')
        for i, name in enumerate(words):
            c = got[h.path(f'f{i}')]
            eq(bytes.fromhex(c['command_hex']) if 'command_hex' in c else c['command'].encode(),
               name, 'in JSON')
        eq(got[h.path('empty')]['command'], None, 'in JSON')
        idle('x')
    seectl('abort', 'x')


@test()
def damage(h):
    "whatever is in place of the file: the SEE opens, and its changes are the same"
    want = some_changes(h)
    nothing = dict.fromkeys(want)
    log = idle('x')
    eq(os.stat(log).st_mode, stat.S_IFREG | 0o600, 'mode')
    good = read(log)
    eq(b''.join(record(*r) for r in records(good)), good, 'the format')

    seen = 0
    for cut in (0, 3, 4, 20, *range(30, len(good), 211 if SMOKE else 53), len(good)):
        put('x', good[:cut])
        got = commands('x')
        known = sum(map(bool, got.values()))
        ok(set(got) == set(want) and known >= seen and
           all(got[name] in (None, want[name]) for name in want), f'cut at {cut}: {got}')
        seen = known
    eq(got, want, 'all of it')

    key = next(text for kind, flags, _, text in records(good) if kind == OBJECT and not flags)
    for i, odd in enumerate((
            record(OBJECT, 0x80, b'evil', key) + record(NAME, 0, b'evil', b'data'),
            record(OBJECT, BORN, b'evil', key) + record(NAME, 0, b'evil', b'removed'),
            record(OBJECT, 0, b'evil', key) + record(NAME, 1, b'evil', b'removed'),
            record(OBJECT, 0, b'evil', b'01-' + b'00' * 12) + record(NAME, 0, b'evil', b'removed'),
            record(OBJECT, 0, b'evil', b'01-00'), record(OBJECT, BORN, b'evil', b'no key'),
            record(OBJECT, 0, b'evil', b''), record(OBJECT, 0, b'evil', b'x' * 60000),
            record(NAME, 0, b'evil', b'removed'), record(NAME, 0, b'evil', b''),
            record(OBJECT, 0, b'evil', key) + record(NAME, 0, b'evil', b'y' * 3000),
            record(OBJECT, 0, b'evil', key) + record(NAME, 0, b'evil', b'none'),
            HEAD.pack(OBJECT, 0, 4), HEAD.pack(NAME, 0, 19) + bytes(15),
            record(200, 3, b'evil', b'what a newer one says'),
            (HEAD.pack(200, 0, 0xffff) + bytes(0xfffb)) * 3)):
        put('x', odd + good)
        eq(commands('x'), want, f'strange record {i} before')
        put('x', good + odd)
        eq(set(commands('x')), set(want), f'strange record {i} behind')
    put('x', b''.join(record(kind, flags, command[:1] and b'\xff' * 16, text)
                      for kind, flags, command, text in records(good)))
    ok({'\ufffd' * 15, None} >= set(commands('x').values()), 'without a NUL')

    for size in 10, 300, 5000, 200000:
        put('x', hashlib.shake_128(str(size).encode()).digest(size))
        eq(set(commands('x')), set(want), f'{size} random bytes')
    h.tree.write('secret', 'secret')

    def full(path):
        os.makedirs(f'{path}/d')
        os.mkfifo(f'{path}/d/f')

    def sparse(path):
        with open(path, 'w') as f:
            f.truncate(1 << 40)
    for what in (os.mkdir, full, os.mkfifo, sparse, lambda path: os.symlink(h.path('secret'), path),
                 bytes(100000), b''):
        put('x', what)
        eq(commands('x'), nothing, 'something else')
        ok(not os.path.lexists(idle('x')), 'it is gone')
    eq(h.tree.read('secret'), b'secret', 'the file that it led to')
    seectl('run', 'x', '--', 'touch', 'next', cwd=h.dir)
    eq(from_disk('x'), dict(nothing, next='touch'), 'from then on')
    seectl('abort', 'x')


@test()
def absent_after_a_crash(h):
    "while a SEE is in use nothing is on disk that could be wrong later; unknown stays unknown"
    want = some_changes(h)
    log = idle('x')
    with in_use(h, 'x', 'sh', '-c', 'echo up; read x'):
        ok(not os.path.exists(log), 'it is there')
    idle('x')
    os.unlink(log)
    eq(commands('x'), dict.fromkeys(want), 'without it')
    seectl('run', 'x', '--', 'sh', '-c', 'echo 2 >>data; chmod 666 attr; touch removed; touch late',
           cwd=h.dir)
    eq(from_disk('x'), dict(dict.fromkeys(want), late='touch'), 'later')
    seectl('abort', 'x')


@test()
def revert_and_commit(h):
    "the rest is known after a revert and a refused commit; nothing is left after a commit"
    want = some_changes(h)
    seectl('revert', 'x', h.path('data'), h.path('fresh'))
    del want['data'], want['fresh']
    for _ in range(2):
        eq(from_disk('x'), want, 'after a revert')
    h.tree.write('removed', 'the host wrote\n')
    seectl('commit', 'x', '--criterion', 'writes', status=3)
    eq(from_disk('x'), want, 'after a refused commit')
    seectl('commit', 'x', '--criterion', 'force')
    eq(from_disk('x'), {}, 'after a commit')
    ok(not os.path.exists(idle('x')), 'the file is still there')
    seectl('abort', 'x')


@test()
def let_go_under_limits(h):
    "who lets go of a SEE may be forbidden to write files; many names"
    seectl('run', 'x', '--', 'sh', '-c', 'i=0; while [ $((i += 1)) -le 3000 ]; do : >f$i; done',
           cwd=h.dir)
    for _ in range(3):
        log = idle('x')
        eq(len(records(read(log))), 3001, 'records')
        run('prlimit', '--fsize=0', 'seectl', 'status', 'x')
    eq(list(from_disk('x').values()), ['sh'] * 3000, 'commands')
    seectl('abort', 'x')


@test(smoke=True)
def let_go_by_the_dying(h):
    "whoever has the last mount may be about to die, and have no root directory any more"
    h.tree.write('f', 'x')
    with tempfile.TemporaryDirectory(dir='/srv') as private:
        for i in range(3):
            subprocess.run(['unshare', '-m', 'sh', '-c', f'''set -e
                mount -t seefs -o lower={h.dir},private={private} none /mnt
                echo x >>/mnt/f; : >/mnt/new{i}
                {"kill -9 $$" if i else ":"}'''])
            wait_for('the layer to go', lambda: used() == 1)
            # in no order
            eq(sorted((command.rstrip(b'\0'), text) for kind, _, command, text in
                      records(read(f'{private}/commands')) if kind == NAME),
               [(b'sh', f'new{j}'.encode()) for j in range(i + 1)], 'names')


main()
