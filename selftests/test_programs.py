#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Programs that people run, on a layer, with the results they have natively."""
import sqlite3

from see_test import *

CLEAN = {'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'HOME': '/nonexistent',
         'GIT_CONFIG_NOSYSTEM': '1', 'GIT_AUTHOR_NAME': 'a',
         'GIT_AUTHOR_EMAIL': 'a@b', 'GIT_COMMITTER_NAME': 'a',
         'GIT_COMMITTER_EMAIL': 'a@b', 'GIT_CONFIG_COUNT': '2',
         'GIT_CONFIG_KEY_0': 'safe.directory', 'GIT_CONFIG_VALUE_0': '*',
         'GIT_CONFIG_KEY_1': 'init.defaultBranch', 'GIT_CONFIG_VALUE_1': 'main'}
OUTPUT = ('type', 'mode', 'uid', 'gid', 'rdev', 'content', 'names', 'xattrs')


def sh(where, script, **kwargs):
    """A shell script with where (a Tree or a path) as working directory."""
    cwd = where.root if isinstance(where, Tree) else where
    return run('sh', '-ec', script, cwd=cwd,
               env=CLEAN | kwargs.pop('env', {}), **kwargs)


# ---- archives and copies ---------------------------------------------------

@test(smoke=True)
def tar_reads_the_view(s):
    "an archive of the layer, unpacked natively, is the layer"
    need('tar')
    s.see.append('file', 'more\n')
    s.see.rename('dir/sub', 'sub')
    s.see.link('exec', 'dir/exec2')
    s.see.unlink('dir/a')
    sh(s.see, f'tar --xattrs --acls -cf {s.dir}/t.tar .')
    s.plain.mkdir('out')
    sh(s.plain.path('out'), f'tar --xattrs --acls --xattrs-include="*" -xpf '
       f'{s.dir}/t.tar')
    want = s.see.fingerprint(OUTPUT)
    got = s.plain.fingerprint(OUTPUT, 'out')
    want.pop('./sock')                      # tar leaves sockets out
    same_tree(got, want, 'unpacked')


@test(smoke=True)
def tar_writes_into_the_view(s):
    "an archive unpacked over the layer gives what it gives natively"
    need('tar')
    source = s.plain
    for name in ('in', 'in/dir', 'in/deep', 'in/deep/er'):
        source.mkdir(name)
    for i in range(50):
        source.write(f'in/deep/er/f{i}', bytes([i]) * i * 100)
        source.link(f'in/deep/er/f{i}', f'in/deep/l{i}')
    source.write('in/file', 'from the archive\n')
    source.write('in/dir/a', 'from the archive\n')
    source.symlink('er', 'in/deep/s')
    sh(source.path('in'), f'tar -cf {s.dir}/t.tar .')
    run('cp', '-a', s.host.root, source.path('native'))
    sh(source.path('native'), f'tar -xpf {s.dir}/t.tar')
    sh(s.see, f'tar -xpf {s.dir}/t.tar')
    want = source.fingerprint(OUTPUT, 'native')
    for stage in s.stages():
        same_tree(s.see.fingerprint(OUTPUT), want, f'unpacked {stage}')
    sh(s.see, f'tar --compare -f {s.dir}/t.tar')


@test()
def copies(s):
    "cp -a, mv, install, ln -sf, sed -i, mktemp, rm -r, touch"
    sh(s.see, '''
        cp -a dir copy
        cp --reflink=auto big big2
        cmp big big2
        mv dir/a empty_dir/
        mv copy dir/copy
        install -m 750 -o 1000 file exec dir/
        ln -sf exec sym
        sed -i 's/file/edited/' file
        t=$(mktemp -d ./tmp.XXXXXX)
        echo x > "$t/y"
        rm -r "$t" shared
        touch -d 2001-02-03T04:05:06 empty
        cp -l link1 link9
        truncate -s 1M big2
        dd if=/dev/zero of=big bs=1k seek=10 count=3 conv=notrunc 2>/dev/null
    ''')
    for _ in s.stages():
        s.see.holds('file', 'edited\n')
        s.see.holds('dir/file', 'file\n')
        s.see.lists('dir/copy', 'a b link3 sub')
        eq(s.see.readlink('sym'), 'exec', 'sym')
        eq(s.see.stat('big2').st_size, 1 << 20, 'size of big2')
        eq(s.see.stat('link9').st_nlink, 4, 'links of link9')
        eq(s.see.read('big')[10240:13312], bytes(3072), 'big')
        s.see.absent('shared', 'dir/a')
        ok(not [n for n in s.see.ls() if n.startswith('tmp.')], 'tmp')


# ---- git -------------------------------------------------------------------

def repository(s):
    s.host.mkdir('repo')
    with s.host.together():
        sh(s.host.path('repo'), '''
            git init -q
            mkdir src; for i in $(seq 40); do echo $i > src/f$i; done
            ln -s src/f1 link; echo '#!/bin/sh' > run; chmod +x run
            git add -A; git commit -qm first
        ''')


@test()
def git_sees_no_false_changes(s):
    "in a repository of the host; not after changes, commits, eviction either"
    need('git')
    repository(s)
    status = (lambda: sh(s.see.path('repo'), 'git status --porcelain'))
    for stage in s.stages():
        eq(status(), '', f'git status {stage}')
    s.see.chmod('repo/src/f1', 0o600)       # not a change to git
    s.see.append('repo/src/f2', 'x')
    eq(status(), ' M src/f2\n', 'git status after a change')
    sh(s.see.path('repo'), '''
        git rm -q src/f3; git mv src/f4 src/g4; echo new > new; git add -A
        git commit -qm second; git checkout -qb b; echo b > b; git add b
        git commit -qm third; git checkout -q main; git merge -q b
        git gc -q; git fsck --strict; git stash list
    ''')
    for stage in s.stages():
        eq(status(), '', f'git status after commits {stage}')
        eq(sh(s.see.path('repo'), 'git log --oneline | wc -l').strip(), '3',
           f'commits {stage}')


@test()
def git_init_and_clone(s):
    "a new repository, and one cloned from the host's with links"
    need('git')
    repository(s)
    sh(s.see, '''
        git clone -q --local repo clone
        git init -q fresh; cd fresh; cp -r ../repo/src .; git add -A
        git commit -qm x; git reset -q --hard; git clean -qfdx; git fsck
        cd ../clone; git fsck; git worktree add -q ../tree -b t; git status
    ''')
    for _ in s.stages():
        for name in ('clone', 'fresh', 'tree'):
            eq(sh(s.see.path(name), 'git status --porcelain'), '', name)


# ---- building --------------------------------------------------------------

PROJECT = {
    'Makefile': 'CFLAGS = -O1\nprog: main.o part.o\n\t$(CC) -o $@ $^\n'
                'main.o part.o: part.h\nclean:\n\trm -f prog *.o\n',
    'main.c': '#include <stdio.h>\n#include "part.h"\n'
              'int main(void) { printf("%d\\n", part() + N); return 0; }\n',
    'part.c': '#include "part.h"\nint part(void) { return N * 10; }\n',
    'part.h': '#define N 4\nint part(void);\n',
}


@test()
def make_and_gcc(s):
    "builds, runs, is up to date, and builds again what is newer"
    need('make', 'gcc')
    s.host.mkdir('p')
    for name, text in PROJECT.items():
        s.host.write(f'p/{name}', text)
        s.host.utime(f'p/{name}', 10 ** 18, 10 ** 18)
    where = s.see.path('p')
    sh(where, 'make')
    for stage in s.stages():
        eq(sh(where, './prog'), '44\n', f'output {stage}')
        ok('up to date' in sh(where, 'make'), f'make is not content {stage}')
    if not NATIVE:
        s.host.write('p/part.h', PROJECT['part.h'].replace('4', '5'))
        sh(where, 'make')
        eq(sh(where, './prog'), '55\n', 'output after the host changed a header')
    sh(where, 'ar rcs lib.a part.o; gcc -shared -fPIC -o lib.so part.c; '
       'gcc -g main.c -L. -l:lib.a -o two; strip two; ./two')
    sh(where, 'make clean')
    s.see.absent('p/prog', 'p/main.o')


@test()
def python_imports_and_compiles(s):
    "a package of the host; byte code is written in the SEE"
    s.host.mkdir('pkg')
    s.host.write('pkg/__init__.py', 'from .part import value\n')
    s.host.write('pkg/part.py', 'value = 42\n')
    command = f'{sys.executable} -c "import pkg; print(pkg.value)"'
    for _ in s.stages():
        eq(sh(s.see, command), '42\n', 'import')
    ok(s.see.exists('pkg/__pycache__'), 'no byte code')
    sh(s.see, f'{sys.executable} -m compileall -q -f pkg')
    s.see.write('pkg/part.py', 'value = 4242\n')
    eq(sh(s.see, command), '4242\n', 'import after a change')


# ---- sqlite ----------------------------------------------------------------

def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        eq(db.execute('pragma integrity_check').fetchone(), ('ok',), 'integrity')
        return db.execute('select count(*), sum(x) from t').fetchone()


@test(smoke=True, over=('delete', 'truncate', 'wal'))
def sqlite_in_a_host_database(s, journal):
    "transactions, roll-back, two connections, a second process, vacuum"
    with s.host.together(), \
            contextlib.closing(sqlite3.connect(s.host.path('db'))) as db:
        db.execute('create table t (x integer, y blob)')
        db.executemany('insert into t values (?, randomblob(200))',
                       [(i,) for i in range(2000)])
        db.commit()
    path = s.see.path('db')
    total = sum(range(2000))
    eq(rows(path), (2000, total), 'rows of the host')
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as db, \
            contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
        db.execute(f'pragma journal_mode={journal}')
        db.execute('insert into t values (1, null)')
        try:
            other.execute('insert into t values (2, null)')
            fail('two writers at a time')
        except sqlite3.OperationalError as e:
            ok('locked' in str(e), str(e))
        db.commit()
        other.execute('delete from t where x >= 1000')
        other.rollback()
        other.execute('update t set y = randomblob(300) where x % 2 = 0')
        other.commit()
        eq(Child(rows, path).result(), (2001, total + 1), 'from another process')
        db.execute('vacuum')
    for stage in s.stages():
        eq(rows(path), (2001, total + 1), f'rows {stage}')
    if journal != 'wal':
        shutil.copy(s.host.path('db'), f'{s.dir}/db')
        eq(rows(f'{s.dir}/db'), (2000, total), 'rows on the host')


# ---- dpkg ------------------------------------------------------------------

def build_deb(s, version):
    """A package with what packages have; its file name."""
    d = f'{s.dir}/deb{version}'
    os.makedirs(f'{d}/DEBIAN')
    for sub in ('usr/bin', 'usr/share/see-demo/sub', 'etc/see-demo'):
        os.makedirs(f'{d}/{sub}')

    def put(name, text, mode=0o644):
        with open(f'{d}/{name}', 'w') as f:
            f.write(text)
        os.chmod(f'{d}/{name}', mode)
    put('DEBIAN/control', f'Package: see-demo\nVersion: {version}\n'
        'Architecture: all\nMaintainer: A <a@b>\nDescription: test\n')
    put('DEBIAN/conffiles', '/etc/see-demo/one.conf\n/etc/see-demo/two.conf\n')
    for script in ('preinst', 'postinst', 'prerm', 'postrm'):
        put(f'DEBIAN/{script}', f'#!/bin/sh\nset -e\n'
            f'echo "{version} {script} $*" >> /var/see-demo.log\n', 0o755)
    put('usr/bin/see-demo', f'#!/bin/sh\necho {version}\n', 0o755)
    os.chmod(f'{d}/usr/bin/see-demo', 0o4755)
    put('etc/see-demo/one.conf', f'one {version}\n')
    put('etc/see-demo/two.conf', f'two {version}\n')
    for i in range(20):
        put(f'usr/share/see-demo/sub/f{i}', f'{version} {i}\n' * 50)
    os.link(f'{d}/usr/share/see-demo/sub/f1', f'{d}/usr/share/see-demo/linked')
    os.symlink('sub/f2', f'{d}/usr/share/see-demo/symlink')
    if version == '1':
        put('usr/share/see-demo/only-in-1', 'x')
    out = f'{s.dir}/see-demo_{version}.deb'
    run('dpkg-deb', '--root-owner-group', '-b', d, out)
    return out


def small_root(s):
    """lower/root: a shell, what it needs, and an empty dpkg database."""
    for d in ('bin', 'var/lib/dpkg/updates', 'var/lib/dpkg/info', 'etc', 'tmp',
              'var/log', 'usr/bin', 'usr/share'):
        s.host.makedirs(f'root/{d}')
    shell = os.path.realpath('/bin/sh')
    libs = [w for w in run('ldd', shell).split() if w.startswith('/')]
    for source, target in [(shell, '/bin/sh')] + [(x, x) for x in libs]:
        s.host.makedirs(f'root{os.path.dirname(target)}')
        shutil.copy2(source, s.host.path(f'root{target}'))
    for name in ('bin', 'share'):       # or dpkg removes them when empty
        s.host.write(f'root/usr/{name}/keep', '')
    for name in ('status', 'available'):
        s.host.write(f'root/var/lib/dpkg/{name}', '')


def dpkg(root, *args):
    return run('dpkg', f'--root={root}', '--log=/dev/null', '--force-depends',
               '--force-confold',
               *args, env=CLEAN | {'DEBIAN_FRONTEND': 'noninteractive',
                                   'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})


@test(smoke=True, over=('SEE', 'host'))
def dpkg_life_of_a_package(s, first):
    "installed by the SEE or the host; upgraded, removed and purged in the SEE"
    need('dpkg', 'dpkg-deb')
    one, two = build_deb(s, '1'), build_deb(s, '2')
    small_root(s)
    if first == 'host':
        with s.host.together():
            dpkg(s.host.path('root'), '-i', one)
    root = s.see.path('root')
    if first == 'SEE':
        before = s.see.fingerprint(SHAPE, 'root/usr')
        dpkg(root, '-i', one)
    s.see.write('root/etc/see-demo/one.conf', 'edited\n')
    for stage in s.stages():
        eq(run(f'{root}/usr/bin/see-demo'), '1\n', f'output {stage}')
        eq(s.see.mode('root/usr/bin/see-demo'), 0o4755, 'mode')
        dpkg(root, '--audit')
    dpkg(root, '-i', two)
    for stage in s.stages():
        eq(run(f'{root}/usr/bin/see-demo'), '2\n', f'output {stage}')
        s.see.holds('root/etc/see-demo/one.conf', 'edited\n')
        s.see.holds('root/etc/see-demo/one.conf.dpkg-dist', 'one 2\n')
        s.see.holds('root/etc/see-demo/two.conf', 'two 2\n')
        s.see.absent('root/usr/share/see-demo/only-in-1')
        eq(s.see.ino('root/usr/share/see-demo/linked'),
           s.see.ino('root/usr/share/see-demo/sub/f1'), 'hard link')
        ok('install ok installed' in dpkg(root, '-s', 'see-demo'), 'status')
        eq(dpkg(root, '--verify', 'see-demo').split(),
           ['??5??????', 'c', '/etc/see-demo/one.conf'], 'dpkg --verify')
    dpkg(root, '-r', 'see-demo')
    s.see.absent('root/usr/bin/see-demo', 'root/usr/share/see-demo')
    s.see.holds('root/etc/see-demo/one.conf', 'edited\n')
    dpkg(root, '-P', 'see-demo')
    for _ in s.stages():
        s.see.absent('root/etc/see-demo')
        if first == 'SEE':
            same_tree(s.see.fingerprint(SHAPE, 'root/usr'), before, 'root/usr')
        log = s.see.read('root/var/see-demo.log').decode().splitlines()
        eq([line.split()[:2] for line in log],
           [x.split() for x in ('1 preinst', '1 postinst', '1 prerm',
                                '2 preinst', '1 postrm', '2 postinst', '2 prerm',
                                '2 postrm', '2 postrm')], 'maintainer scripts')


@test(layer=True)
def dpkg_upgrades_on_the_host(s):
    "a package of which the SEE has files changed, removed, renamed and open"
    need('dpkg', 'dpkg-deb')
    one, two = build_deb(s, '1'), build_deb(s, '2')
    small_root(s)
    with s.host.together():
        dpkg(s.host.path('root'), '-i', one)
    root, sub = s.see.path('root'), 'root/usr/share/see-demo/sub'

    def text(version, i):
        return f'{version} {i}\n' * 50
    s.see.append('root/etc/see-demo/one.conf', 'SEE\n')
    s.see.chmod(f'{sub}/f3', 0o600)
    s.see.unlink(f'{sub}/f4')
    s.see.rename(f'{sub}/f5', f'{sub}/mine')
    s.see.append(f'{sub}/f7', 'SEE\n')
    s.see.write(f'{sub}/born', 'born\n')
    with s.see.opened(f'{sub}/f6') as fd:
        with s.host.together():
            dpkg(s.host.path('root'), '-i', two)
        eq(os.read(fd, 10000).decode(), text('1', 6), 'descriptor')
    for stage in s.stages():
        eq(run(f'{root}/usr/bin/see-demo'), '2\n', f'output {stage}')
        eq(s.see.mode('root/usr/bin/see-demo'), 0o4755, 'mode')
        s.see.holds('root/etc/see-demo/two.conf', 'two 2\n')
        s.see.holds('root/etc/see-demo/one.conf', 'one 1\nSEE\n')
        s.see.holds(f'{sub}/f2', text('2', 2))
        s.see.holds(f'{sub}/f3', text('1', 3))
        eq(s.see.mode(f'{sub}/f3'), 0o600, 'mode of f3')
        s.see.holds(f'{sub}/mine', text('1', 5))
        s.see.holds(f'{sub}/f6', text('2', 6))
        s.see.holds(f'{sub}/f7', text('1', 7) + 'SEE\n')
        s.see.lists(sub, {f'f{i}' for i in range(20) if i not in (4, 5)} | {'mine', 'born'})
        s.see.absent('root/usr/share/see-demo/only-in-1')
        eq(s.see.ino('root/usr/share/see-demo/linked'), s.see.ino(f'{sub}/f1'), 'hard link')
        ok('\nVersion: 2\n' in dpkg(root, '-s', 'see-demo'), 'status')
        eq([line.split('/')[-1] for line in dpkg(root, '--verify', 'see-demo').splitlines()],
           ['one.conf', 'f3', 'f4', 'f5', 'f7'], 'dpkg --verify')
    dpkg(root, '-i', two)
    for stage in s.stages():
        eq([line.split('/')[-1] for line in dpkg(root, '--verify', 'see-demo').splitlines()],
           ['one.conf'], f'dpkg --verify, installed again {stage}')
        s.see.holds(f'{sub}/f5', text('2', 5))
        s.see.holds(f'{sub}/born', 'born\n')


@test(layer=True)
def dpkg_over_the_root(s):
    "a layer over /, chroot, dpkg -i, remount, upgrade, remove; the host as before"
    need('dpkg', 'dpkg-deb')
    one, two = build_deb(s, '1'), build_deb(s, '2')
    keep = ('type', 'mode', 'uid', 'gid', 'size', 'mtime', 'ctime', 'ino',
            'content')
    look = (lambda: {n: fingerprint(n, keep) for n in
                     ('/etc', '/usr/local', '/usr/bin', '/var/lib/dpkg')})
    before = look()
    s.lower, s.private = '/', tempfile.mkdtemp(dir='/var/tmp', prefix='see-')

    def inside(*command):
        binds = [f'{s.mnt}/{n}' for n in ('proc', 'dev', 'mnt')]
        for source, target in zip(('/proc', '/dev', s.dir), binds):
            mount(source, target, None, MS_BIND)
        try:
            return run('chroot', s.mnt, *command, env=CLEAN | {
                'DEBIAN_FRONTEND': 'noninteractive',
                'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})
        finally:
            for target in binds:
                umount(target)
    try:
        s.mount()
        inside('dpkg', '-i', f'/mnt/{os.path.basename(one)}')
        for _ in s.stages():
            eq(inside('see-demo'), '1\n', 'output')
        inside('dpkg', '-i', f'/mnt/{os.path.basename(two)}')
        for _ in s.stages():
            eq(inside('see-demo'), '2\n', 'output')
            eq(inside('dpkg', '--verify', 'see-demo'), '', 'dpkg --verify')
        inside('dpkg', '-P', 'see-demo')
        s.see.absent('usr/share/see-demo', 'etc/see-demo', 'usr/bin/see-demo')
        eq(inside('dpkg', '--audit'), '', 'dpkg --audit')
        s.umount()
    finally:
        shutil.rmtree(s.private)
    for name, tree in look().items():
        same_tree(tree, before[name], f'{name} of the host')


main()
