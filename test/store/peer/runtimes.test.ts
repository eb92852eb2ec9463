/** Connections between members on Node, Bun and Deno, each with each. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { peerWindowBytesMax } from '../../../lib/limits.ts';
import { keyFingerprint, makeAuthority } from '../../../lib/store/peer/authority.ts';
import type { PeerCredentials } from '../../../lib/store/peer/secure.ts';
import { makeJoinSecret } from '../../../lib/store/peer/token.ts';
import { until } from '../../support/until.ts';
import { authority, clusterId, credentialsOf } from './cluster.ts';
import {
  MemberProcess,
  RemoteMember,
  runtimes,
  untilConnected,
  type RemoteOptions,
  type Runtime,
} from './processes.ts';
import { forgedKey, frame, hello, raw, secure } from './strangers.ts';

const processes = new Map<Runtime, MemberProcess>();
beforeAll(() => {
  for (const runtime of runtimes) processes.set(runtime, new MemberProcess(runtime));
});
afterAll(() => {
  for (const process of processes.values()) process.kill();
});

let made = 0;
/** A member with an id of its own, for a process has many in its time. */
async function start(runtime: Runtime, options: RemoteOptions = {}, id = nextId()) {
  return RemoteMember.open(processOf(runtime), id, options);
}

function processOf(runtime: Runtime): MemberProcess {
  const process = processes.get(runtime);
  if (process === undefined) throw new Error('not started');
  return process;
}

function nextId(): string {
  made += 1;
  return made.toString(16).padStart(16, '0');
}

const pairs = runtimes.flatMap((dialler) =>
  runtimes.map((listener) => [dialler, listener] as const),
);

describe.each(pairs)('%s dials %s', (dialler, listener) => {
  it('connects, asks both ways, and sends a snapshot of many windows in order', async () => {
    const [one, two] = [await start(dialler), await start(listener)];
    await one.dial(two);
    await untilConnected(one, two);
    const ask = (from: RemoteMember, to: RemoteMember) =>
      from.process.tell({ do: 'request', id: from.id, to: to.id, payload: { text: 'ü' } });
    expect(await ask(one, two)).toEqual({ from: one.id, request: { text: 'ü' } });
    expect(await ask(two, one)).toEqual({ from: two.id, request: { text: 'ü' } });
    const count = 48;
    const bytes = (3 * peerWindowBytesMax) / count;
    await one.process.tell({ do: 'parts', id: one.id, to: two.id, count, bytes });
    await until('all parts', async () => (await two.report()).parts === count);
    const { characters, disorder } = await two.report();
    expect([characters, disorder]).toEqual([count * bytes, 0]);
    expect((await one.report()).unreachable).toBe(0);
    await one.close();
    await until('it is gone', async () => (await two.state(one.id))?.connected !== true);
    await two.close();
  });

  it('refuses, and is refused, for what is wrong with either of them', async () => {
    const stranger = makeAuthority(clusterId, 0);
    const late = Date.UTC(2060, 0, 1);
    const strict = (id: string) => ({ ...credentialsOf(id), enforceDates: true });
    const cases: readonly (readonly [
      code: string,
      diallerOptions: (id: string) => RemoteOptions,
      listenerOptions: (id: string, other: string) => RemoteOptions,
    ])[] = [
      ['MEMBER_REMOVED', () => ({}), (_, other) => ({ refuse: { [other]: 'MEMBER_REMOVED' } })],
      ['CLUSTER_EPOCH', () => ({}), () => ({ epoch: 2 })],
      [
        'PEER_CERTIFICATE',
        (id) => ({ credentials: credentialsOf(id, { by: stranger }) }),
        () => ({}),
      ],
      ['PEER_CERTIFICATE', () => ({}), (id) => ({ credentials: strict(id), wallMs: late })],
      ['PEER_CERTIFICATE', (id) => ({ credentials: strict(id), wallMs: late }), () => ({})],
    ];
    for (const [code, diallerOptions, listenerOptions] of cases) {
      const [id, otherId] = [nextId(), nextId()];
      const one = await start(dialler, diallerOptions(id), id);
      const two = await start(listener, listenerOptions(otherId, id), otherId);
      await one.dial(two);
      await until(code, async () => (await one.state(two.id))?.error === code);
      expect((await two.state(one.id))?.connected ?? false).toBe(false);
      await Promise.all([one.close(), two.close()]);
    }
    // what else is wrong is wrong for one side alone: another member at the address
    const [one, two, three] = [await start(dialler), await start(listener), await start(listener)];
    await one.dial(two, (await three.report()).port);
    await until('another member', async () => (await one.state(two.id))?.error);
    expect((await one.state(two.id))?.error).toBe('PEER_CERTIFICATE');
    await Promise.all([one.close(), two.close(), three.close()]);
  });

  it('shows new certificates of a new authority without a break, then refuses the old', async () => {
    const next = makeAuthority(clusterId, 0);
    const authorities = [authority.certificate, next.certificate];
    const [one, two] = [await start(dialler), await start(listener)];
    await one.dial(two);
    await untilConnected(one, two);
    const rotate = (member: RemoteMember, credentials: ReturnType<typeof credentialsOf>) =>
      member.process.tell({ do: 'rotate', id: member.id, credentials });
    const before = (await one.state(two.id))?.fingerprint;
    for (const each of [one, two]) {
      expect(
        await rotate(each, { ...credentialsOf(each.id, { by: next }), authorities }),
      ).toBeNull();
    }
    expect((await one.state(two.id))?.fingerprint).toBe(before);
    const id = two.id;
    await two.process.tell({ do: 'disconnect', id, from: one.id, code: 'BUSY' });
    await until('another certificate', async () => {
      const state = await one.state(two.id);
      return state?.connected === true && state.fingerprint !== before;
    });
    await until('both', async () => (await two.state(one.id))?.connected === true);
    const old = await start(dialler);
    await old.dial(two);
    await until('connected by the old', async () => (await old.state(two.id))?.error);
    expect((await old.state(two.id))?.error).toBe('PEER_CERTIFICATE');
    await Promise.all([one.close(), two.close(), old.close()]);
  });

  it('joins with a token, and is let in with what it got', async () => {
    const two = await start(listener, { authority });
    const addresses = [{ host: '127.0.0.1', port: (await two.report()).port }];
    const pin = keyFingerprint(authority.certificate);
    const secret = makeJoinSecret();
    const token = { clusterId, pin, secret, expiresMs: 0, role: 'voter' as const, addresses };
    const process = processOf(dialler);
    const wrong = { ...token, pin: 'ab'.repeat(32) };
    const id = nextId();
    expect(await process.tell({ do: 'join', token: wrong, as: id })).toBe('TOKEN_PIN');
    const got = (await process.tell({ do: 'join', token, as: id })) as PeerCredentials;
    const one = await start(dialler, { credentials: got }, id);
    await one.dial(two);
    await untilConnected(one, two);
    await Promise.all([one.close(), two.close()]);
  });
});

describe.each(runtimes)('a listener on %s', (runtime) => {
  it('cuts strangers of every kind, and serves members all the while', async () => {
    const [one, two] = [await start(runtime), await start('node')];
    const to = { host: '127.0.0.1', port: (await one.report()).port };
    await two.dial(one);
    await untilConnected(one, two);
    const victim = credentialsOf(nextId());
    const { certificate } = victim;
    const stolen = { certificate, privateKey: forgedKey(victim.privateKey) };
    const strangers = [
      raw(to, 'GET / HTTP/1.1\r\n\r\n'),
      raw(to, Buffer.alloc(1_000, 0xff)),
      secure(to, { maxVersion: 'TLSv1.2' }),
      secure(to, {}),
      secure(to, stolen, hello(nextId())),
      secure(to, credentialsOf(nextId()), frame(99)),
      secure(to, credentialsOf(nextId()), Buffer.from('ffffffff', 'hex')),
      ...Array.from({ length: 60 }, () => secure(to, victim, hello(nextId()))),
    ];
    const drip = raw(to, Buffer.from('16030100c8010000c40303', 'hex'));
    await until('all are cut', () => strangers.every(({ ended }) => ended));
    expect(drip.ended).toBe(false);
    const ask = { do: 'request', id: two.id, to: one.id, payload: 1 } as const;
    expect(await two.process.tell(ask)).toEqual({ from: two.id, request: 1 });
    const { states, unreachable } = await one.report();
    expect([states.length, unreachable]).toEqual([1, 0]);
    await Promise.all([one.close(), two.close()]);
  });

  it('is left alone when it hangs with its connections open, and found again', async () => {
    const one = await start(runtime);
    // of another process than the one that is stopped
    const two = await start(runtime === 'node' ? 'bun' : 'node');
    await two.dial(one);
    await untilConnected(one, two);
    one.process.freeze();
    await until('it is noticed', async () => (await two.state(one.id))?.connected === false);
    expect((await two.report()).unreachable).toBe(1);
    one.process.thaw();
    await untilConnected(one, two);
    await Promise.all([one.close(), two.close()]);
  });
});

/** What makes a process find a kernel without IPv6. */
const withoutIpv6 = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int socket(int domain, int type, int protocol) {
  int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
  if (domain != AF_INET6) return real(domain, type, protocol);
  errno = EAFNOSUPPORT;
  return -1;
}
`;

it('listens on every address of both families, or of the one that the kernel has', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-peer-'));
  const started: MemberProcess[] = [];
  try {
    const [source, shim] = [join(folder, 'shim.c'), join(folder, 'shim.so')];
    writeFileSync(source, withoutIpv6);
    execFileSync('gcc', ['-shared', '-fPIC', '-o', shim, source, '-ldl']);
    for (const runtime of runtimes) {
      for (const environment of [{}, { LD_PRELOAD: shim }]) {
        const process = new MemberProcess(runtime, environment);
        started.push(process);
        const one = await RemoteMember.open(process, nextId(), { host: '::' });
        const two = await start('node');
        await two.dial(one);
        await untilConnected(one, two);
        await Promise.all([one.close(), two.close()]);
      }
    }
  } finally {
    for (const process of started) process.kill();
    rmSync(folder, { recursive: true });
  }
});

it('warns of a certificate that is out of date, and connects (hazard 21)', async () => {
  const wallMs = Date.UTC(2060, 0, 1);
  for (const runtime of runtimes) {
    const [one, two] = [await start(runtime, { wallMs }), await start('node', { wallMs: 0 })];
    await one.dial(two);
    await untilConnected(one, two);
    expect((await one.state(two.id))?.outOfDate).toBe(true);
    expect((await two.state(one.id))?.outOfDate).toBe(false);
    await Promise.all([one.close(), two.close()]);
  }
});
