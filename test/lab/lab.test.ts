import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesInGroup } from './cgroups.ts';
import { answersPing } from './engine.ts';
import type { LabHost } from './host.ts';
import { openLab } from './lab.ts';
import { outsideAddress } from './namespaces.ts';
import { isAlive, recordedProcess } from './processes.ts';
import { remainsOf } from './remains.ts';
import { run, runOk } from './run.ts';
import { waitFor } from './wait.ts';

async function dockerOk(host: LabHost, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.docker(args);
  expect(stderr, `docker ${args.join(' ')}`).toBe('');
  expect(code).toBe(0);
  return stdout.trim();
}

describe('one host', () => {
  const lab = openLab();
  let host: LabHost;

  beforeAll(async () => {
    await lab.up(1);
    host = lab.host(1);
    await host.image();
  });

  afterAll(async () => {
    await lab.down();
  });

  test('a container on the default bridge reaches the outside', async () => {
    const ping = ['ping', '-c', '1', '-w', '5', outsideAddress];
    const output = await dockerOk(host, ['run', '--rm', await host.image(), ...ping]);
    expect(output).toContain('1 packets received');
  });

  test('a published port answers the outside on the address of the host', async () => {
    const serve = ['sh', '-c', 'echo hello >/tmp/index.html; exec httpd -f -h /tmp'];
    await dockerOk(host, ['run', '-d', '--name', 'web', '-p', '80:80', 'fairlead/box', ...serve]);
    // without -T: the static busybox of Debian 12 crashes on it
    const fetch = ['busybox', 'wget', '-q', '-O', '-', `http://${host.address}/index.html`];
    const answer = await waitFor(
      { what: 'answer of the container', timeoutMs: 10_000 },
      async () => {
        const { code, stdout } = await lab.execOutside(fetch);
        return code === 0 && stdout;
      },
    );
    expect(answer).toBe('hello\n');
    await dockerOk(host, ['rm', '-f', 'web']);
  });

  test('the engine finds a plugin that listens outside of its mount namespace', async () => {
    const requests: string[] = [];
    const server = createServer((socket) => {
      socket.on('data', (chunk) => {
        requests.push(chunk.toString('latin1').split(' HTTP/')[0] ?? '');
        const body = '{"Err":"not today"}';
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(join(host.pluginDirectory, 'stranger.sock'), resolve);
    });
    try {
      const { code } = await host.docker(['network', 'create', '-d', 'stranger', 'strange']);
      expect(code).not.toBe(0);
      expect(requests[0]).toBe('POST /Plugin.Activate');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('killing dockerd leaves containers running, and it comes back', async () => {
    // dockerd ends what it finds when it comes back, and waits for it as long as it may take
    const sleeper = ['--stop-timeout', '1', 'fairlead/box', 'sleep', '1000'];
    await dockerOk(host, ['run', '-d', '--name', 'sleeper', ...sleeper]);
    const before = processesInGroup(host.place.group);
    expect(before).toHaveLength(1);
    await host.killDocker();
    expect(host.daemon('dockerd')).toBeUndefined();
    expect(await answersPing(host.dockerSocket)).toBe(false);
    expect(before.every(isAlive)).toBe(true);
    await host.startDocker();
    expect(await dockerOk(host, ['ps', '-a', '--format', '{{.Names}}'])).toBe('sleeper');
    await dockerOk(host, ['rm', '-f', 'sleeper']);
    expect(before.some(isAlive)).toBe(false);
  });

  test('stopping dockerd in order and starting it again keeps what it knew', async () => {
    await dockerOk(host, ['network', 'create', 'kept']);
    await host.stopDocker();
    await host.startDocker();
    expect(await dockerOk(host, ['network', 'ls', '--format', '{{.Name}}'])).toContain('kept');
    await dockerOk(host, ['network', 'rm', 'kept']);
  });

  test.for(['vswitchd', 'ovsdb', 'both'] as const)(
    'Open vSwitch comes back with its bridges after a kill of %s',
    async (part) => {
      await host.ovsVsctl([
        '--may-exist',
        'add-br',
        'br0',
        '--',
        'set',
        'bridge',
        'br0',
        'datapath_type=netdev',
      ]);
      await host.killOvs(part);
      await host.startOvs(part);
      expect((await host.ovsVsctl(['list-br'])).stdout).toBe('br0\n');
      const link = await host.exec(['ip', 'link', 'show', 'br0']);
      expect(link.code).toBe(0);
      expect((await host.ovsVsctl(['del-br', 'br0'])).code).toBe(0);
    },
  );

  test('a process left running in the host is logged, stopped and found again', async () => {
    const script = 'echo $WORD; ip -o link show eth0; exec sleep 1000';
    const started = await host.spawnInHost('sh', ['-c', script], {
      env: { WORD: 'ahoy' },
      name: 'x',
    });
    await waitFor({ what: 'words of the process', timeoutMs: 5_000 }, () =>
      readFileSync(started.logFile, 'utf8').includes('eth0'),
    );
    expect(readFileSync(started.logFile, 'utf8')).toMatch(/^ahoy\n/);
    await expect(host.spawnInHost('true', [], { name: 'x' })).rejects.toThrow('already');
    await started.stop();
    expect(started.isAlive()).toBe(false);
  });

  test('a daemon that does not come up is explained by the end of its log', async () => {
    await host.killDocker();
    await expect(host.startDocker(['--no-such-flag'])).rejects.toThrow(/no-such-flag/);
    await host.startDocker();
  });

  test('down leaves nothing, whatever still runs, and may be repeated', async () => {
    await dockerOk(host, ['run', '-d', '--privileged=false', 'fairlead/box', 'sleep', '1000']);
    await dockerOk(host, [
      'run',
      '-d',
      '--cgroup-parent',
      `/flab-${lab.prefix}/else`,
      'fairlead/box',
      'sleep',
      '1000',
    ]);
    await host.spawnInHost('sleep', ['1000']);
    // a child that nobody recorded
    await host.exec(['sh', '-c', `sleep 1000 "$1" >/dev/null 2>&1 & true`, 'sh', '1']);
    const containerd = recordedProcess(join(host.place.records, 'h1-containerd'));
    expect(remainsOf(lab).length).toBeGreaterThan(5);
    // another process would do it from what it finds in the directory
    await openLab({ prefix: lab.prefix }).down();
    expect(remainsOf(lab)).toEqual([]);
    expect(isAlive(containerd)).toBe(false);
    await lab.down();
    expect(remainsOf(lab)).toEqual([]);
  });
});

describe('several labs and broken ones', () => {
  const prefix = `s${process.pid.toString(36)}`;
  const cli = [join(import.meta.dirname, 'cli.ts'), '--prefix', prefix];

  afterAll(async () => {
    await openLab({ prefix }).down();
  });

  test('labs do not see each other, and one goes without the others', async () => {
    const labs = [openLab(), openLab(), openLab()];
    try {
      await Promise.all(labs.map((lab) => lab.up(1)));
      const [gone, ...others] = labs;
      for (const lab of labs) {
        await lab.host('h1').image();
        await dockerOk(lab.host('h1'), [
          'run',
          '-d',
          '--name',
          'same',
          'fairlead/box',
          'sleep',
          '1000',
        ]);
      }
      await gone?.down();
      for (const lab of others) {
        const output = await dockerOk(lab.host('h1'), [
          'exec',
          'same',
          'ping',
          '-c1',
          outsideAddress,
        ]);
        expect(output).toContain('1 packets received');
      }
    } finally {
      for (const lab of labs) await lab.down();
    }
    expect(labs.flatMap(remainsOf)).toEqual([]);
  });

  test('an interrupted start cleans up behind itself', async () => {
    const lab = openLab({ prefix });
    const child = spawn(process.execPath, [...cli, 'up', '3'], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await waitFor({ what: 'first daemon of the lab', timeoutMs: 30_000 }, () =>
      existsSync(join(lab.directory, 'processes', 'h1-ovsdb')),
    );
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(remainsOf(lab)).toEqual([]);
  });

  test('down removes the half that a killed start has left, in another process', async () => {
    const lab = openLab({ prefix });
    const child = spawn(process.execPath, [...cli, 'up', '2'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await waitFor({ what: 'first container daemon', timeoutMs: 30_000 }, () =>
      existsSync(join(lab.directory, 'processes', 'h1-containerd')),
    );
    child.kill('SIGKILL');
    await ended;
    expect(remainsOf(lab)).not.toEqual([]);
    const refused = await run([process.execPath, ...cli, 'up', '1']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('take it down first');
    expect(remainsOf(lab)).not.toEqual([]);
    await runOk([process.execPath, ...cli, 'down']);
    expect(remainsOf(lab)).toEqual([]);
  });

  test('a directory that is not of a lab is never removed', async () => {
    const lab = openLab({ prefix });
    mkdirSync(join(lab.directory, 'mine'), { recursive: true });
    await expect(lab.down()).rejects.toThrow('not the directory of a lab');
    expect(existsSync(join(lab.directory, 'mine'))).toBe(true);
    await runOk(['rmdir', join(lab.directory, 'mine'), lab.directory]);
  });

  test('names and paths that cannot work are refused at once', () => {
    expect(() => openLab({ prefix: 'a-b' })).toThrow('1 to 12');
    expect(() => openLab({ prefix: 'a', directory: `/tmp/${'x'.repeat(70)}` })).toThrow('longer');
  });
});
