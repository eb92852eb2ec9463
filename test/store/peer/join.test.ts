/** Joining: by a token over the network, by two files, and by nothing else. */
import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { FairleadError } from '../../../lib/errors.ts';
import { joinRequestsMax } from '../../../lib/limits.ts';
import {
  issueCertificate,
  keyFingerprint,
  makeAuthority,
  makeKeyPair,
  type KeyPair,
} from '../../../lib/store/peer/authority.ts';
import { frameHead, frameTypes } from '../../../lib/store/peer/frame.ts';
import { requestJoin, type JoinOptions } from '../../../lib/store/peer/join-client.ts';
import {
  makeJoinAcceptFile,
  makeJoinRequestFile,
  readJoinAcceptFile,
  readJoinRequestFile,
} from '../../../lib/store/peer/join-file.ts';
import type { JoinGrant } from '../../../lib/store/peer/join-grant.ts';
import {
  isSealedFor,
  makeCertificateRequest,
  sealJoinRequest,
  type JoinRequest,
} from '../../../lib/store/peer/join-request.ts';
import type { JoinApplication } from '../../../lib/store/peer/join-server.ts';
import { makeSealKey, seal, unseal } from '../../../lib/store/peer/sealed.ts';
import type { PeerAddress } from '../../../lib/store/peer/secure.ts';
import { joinSecretHash, makeJoinSecret, type JoinToken } from '../../../lib/store/peer/token.ts';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import {
  addressOf,
  authority,
  clusterId,
  connect,
  credentialsOf,
  isConnected,
  memberId,
  startMember,
} from './cluster.ts';
import { frame, secure } from './strangers.ts';

const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) server.close();
  servers.clear();
});

const pin = keyFingerprint(authority.certificate);

function tokenFor(...addresses: readonly PeerAddress[]): JoinToken {
  const secret = makeJoinSecret();
  return { clusterId, pin, secret, expiresMs: 0, role: 'voter', addresses };
}

/** What a cluster grants for a key. */
function grantFor(publicKey: string, id = memberId('2')): JoinGrant {
  const certificate = issueCertificate(authority, {
    clusterId,
    memberId: id,
    publicKey,
    wallMs: Date.UTC(2027, 0, 1),
  });
  return { clusterId, certificate, authorities: [authority.certificate], welcome: { epoch: 1 } };
}

const oneCredentials = credentialsOf(memberId('1'));
const joinFrame = (request: JoinRequest) =>
  frame(frameTypes.joinRequest, Buffer.from(JSON.stringify(request)));

function join(token: JoinToken, options: Partial<JoinOptions> = {}) {
  return requestJoin({
    token,
    keys: makeKeyPair(),
    facts: { name: 'host-2' },
    clock: systemClock,
    timeoutMs: 0,
    signal: new AbortController().signal,
    ...options,
  });
}

describe('a host with a token', () => {
  it('gets a certificate with which it is let in', async () => {
    const applications: JoinApplication[] = [];
    const one = await startMember('1', {
      onJoin: async (application) => {
        applications.push(application);
        return grantFor(application.publicKey);
      },
    });
    const token = tokenFor(addressOf(one));
    const keys = makeKeyPair();
    const joined = await join(token, { keys });
    expect(joined).toMatchObject({ clusterId, memberId: memberId('2'), welcome: { epoch: 1 } });
    expect(applications).toEqual([
      {
        secretHash: joinSecretHash(token.secret),
        publicKey: keys.publicKey,
        facts: { name: 'host-2' },
      },
    ]);
    const { certificate, authorities } = joined;
    const { privateKey } = keys;
    const two = await startMember('2', {
      credentials: { privateKey, certificate, authorities, enforceDates: false },
    });
    await connect(two, one);
    expect(isConnected(one, two)).toBe(true);
  });

  it.each(['TOKEN_USED', 'TOKEN_EXPIRED', 'TOKEN_UNKNOWN', 'MEMBER_EXISTS'] as const)(
    'is told %s as the cluster says it, and does not ask again',
    async (code) => {
      let asked = 0;
      const one = await startMember('1', {
        onJoin: () => {
          asked += 1;
          return Promise.reject(new FairleadError(code, 'so it is'));
        },
      });
      const address = addressOf(one);
      const joining = join(tokenFor(address, address), { timeoutMs: 60_000 });
      await expect(joining).rejects.toMatchObject({ code, message: 'so it is' });
      expect(asked).toBe(1);
    },
  );

  it('asks on, at each address, while nobody can let it in just now', async () => {
    let asked = 0;
    const keysSeen = new Set<string>();
    const one = await startMember('1', {
      onJoin: async ({ publicKey }) => {
        asked += 1;
        keysSeen.add(publicKey);
        if (asked < 3) throw new FairleadError('QUORUM_LOST', 'there is no leader');
        return grantFor(publicKey);
      },
    });
    const nobody = { host: '127.0.0.1', port: await freePort() };
    const joined = await join(tokenFor(nobody, addressOf(one)), { timeoutMs: 60_000 });
    expect([asked, keysSeen.size, joined.memberId]).toEqual([3, 1, memberId('2')]);
  });

  it('is told when nobody answers at all', async () => {
    const nobody = { host: '127.0.0.1', port: await freePort() };
    await expect(join(tokenFor(nobody))).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    const signal = AbortSignal.abort('enough');
    await expect(join(tokenFor(nobody), { signal })).rejects.toBe('enough');
  });

  it('believes no answer that is not for its key, its cluster, its authority', async () => {
    const stranger = makeAuthority(clusterId, 0);
    const wrong: readonly ((publicKey: string) => JoinGrant)[] = [
      () => grantFor(makeKeyPair().publicKey),
      (publicKey) => ({ ...grantFor(publicKey), clusterId: 'c2'.repeat(16) }),
      (publicKey) => ({ ...grantFor(publicKey), authorities: [stranger.certificate] }),
      (publicKey) => ({ ...grantFor(publicKey), certificate: 'none' }),
    ];
    let next = wrong[0];
    const one = await startMember('1', {
      onJoin: async ({ publicKey }) => next?.(publicKey) ?? grantFor(publicKey),
    });
    const codes: unknown[] = [];
    for (const each of wrong) {
      next = each;
      const failure: unknown = await join(tokenFor(addressOf(one))).catch((thrown) => thrown);
      codes.push(failure instanceof FairleadError ? failure.code : failure);
    }
    expect(codes).toEqual(['PEER_CERTIFICATE', 'CLUSTER_OTHER', 'TOKEN_PIN', 'PEER_CERTIFICATE']);
  });
});

describe('the secret', () => {
  it('is not told to a host of another authority, and the person is told both fingerprints', async () => {
    const stranger = makeAuthority(clusterId, 0);
    const listener = await startListener(
      stranger.certificate,
      credentialsOf(memberId('1'), { by: stranger }),
    );
    const failure: unknown = await join(tokenFor(listener.address)).catch((thrown) => thrown);
    const shown = keyFingerprint(stranger.certificate);
    expect(failure).toMatchObject({
      code: 'TOKEN_PIN',
      message: expect.stringMatching(new RegExp(`${pin}.*${shown}`)),
    });
    await until('it has ended', () => listener.ended());
    expect(listener.received()).toBe(0);
  });

  it('is not told to who shows the right authority without a certificate of it', async () => {
    const stranger = makeAuthority(clusterId, 0);
    const others = [
      credentialsOf(memberId('1'), { by: stranger }),
      // of the same authority for another cluster
      credentialsOf(memberId('1'), { cluster: 'c2'.repeat(16) }),
    ];
    for (const each of others) {
      const listener = await startListener(authority.certificate, each);
      await expect(join(tokenFor(listener.address))).rejects.toMatchObject({
        code: expect.stringMatching(/PEER_CERTIFICATE|CLUSTER_OTHER/),
      });
      await until('it has ended', () => listener.ended());
      expect(listener.received()).toBe(0);
    }
  });

  it('is sealed for one certificate', () => {
    const request = makeCertificateRequest(makeKeyPair(), { a: 1 });
    const [shown, other] = [Buffer.from('one'), Buffer.from('other')];
    const sealed = sealJoinRequest(request, makeJoinSecret(), shown);
    expect(isSealedFor(sealed, shown)).toBe(true);
    expect(isSealedFor(sealed, other)).toBe(false);
    expect(isSealedFor({ ...sealed, facts: '{}' }, shown)).toBe(false);
    expect(isSealedFor({ ...sealed, publicKey: makeKeyPair().publicKey }, shown)).toBe(false);
    expect(isSealedFor({ ...sealed, secret: makeJoinSecret() }, shown)).toBe(false);
  });
});

describe('a listener', () => {
  it('that lets nobody join says so', async () => {
    const one = await startMember('1');
    await expect(join(tokenFor(addressOf(one)))).rejects.toMatchObject({ code: 'PEER_REFUSED' });
  });

  it('takes no request that was meant for another host, nor more than one', async () => {
    let asked = 0;
    const one = await startMember('1', {
      onJoin: () => {
        asked += 1;
        return new Promise(() => undefined);
      },
    });
    const request = makeCertificateRequest(makeKeyPair(), null);
    const elsewhere = sealJoinRequest(request, makeJoinSecret(), Buffer.from('another'));
    const relayed = secure(addressOf(one), {}, joinFrame(elsewhere));
    await until('it is refused', () => relayed.ended);
    expect(relayed.received.toString()).toContain('PEER_REFUSED');
    expect(asked).toBe(0);
    const { raw: shown } = new X509Certificate(oneCredentials.certificate);
    one.peers.rotate(oneCredentials);
    const right = sealJoinRequest(request, makeJoinSecret(), shown);
    const flood = secure(addressOf(one), {}, joinFrame(right));
    await until('it is asked', () => asked === 1);
    // memory for it would be taken while the cluster decides
    flood.send(Buffer.alloc(100_000));
    await until('it is cut', () => flood.ended);
  });

  it('decides on a bounded number of hosts at a time, and the others ask again', async () => {
    const open: (() => void)[] = [];
    let most = 0;
    let joined = 0;
    const one = await startMember('1', {
      onJoin: async ({ publicKey }) => {
        await new Promise<void>((resolve) => {
          open.push(resolve);
          most = Math.max(most, open.length);
        });
        return grantFor(publicKey);
      },
    });
    const hosts = Array.from({ length: joinRequestsMax + 8 }, async () => {
      await join(tokenFor(addressOf(one)), { timeoutMs: 60_000 });
      joined += 1;
    });
    await until('as many as may', () => open.length === joinRequestsMax);
    await until('all have joined', () => {
      for (const decide of open.splice(0)) decide();
      return joined === hosts.length;
    });
    await Promise.all(hosts);
    expect(most).toBe(joinRequestsMax);
  });
});

describe('two files', () => {
  const keys = makeKeyPair();
  const { publicKey } = keys;
  const request = makeJoinRequestFile(keys, { name: 'host-2' });
  const accept = makeJoinAcceptFile(authority, grantFor(publicKey));

  it('bring a host in without a network', () => {
    expect(readJoinRequestFile(request)).toEqual({ publicKey, facts: { name: 'host-2' } });
    for (const expected of [{ publicKey }, { publicKey, pin }]) {
      expect(readJoinAcceptFile(accept, expected)).toMatchObject({
        memberId: memberId('2'),
        clusterId,
        welcome: { epoch: 1 },
      });
    }
  });

  it('hold no private key', () => {
    expect(request + accept).not.toContain('PRIVATE');
  });

  it('are not believed for another key, another authority, or after a change', () => {
    expect(() => readJoinAcceptFile(accept, makeKeyPair())).toThrow(
      expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
    );
    const other = keyFingerprint(makeAuthority(clusterId, 0).certificate);
    expect(() => readJoinAcceptFile(accept, { publicKey, pin: other })).toThrow(
      expect.objectContaining({ code: 'TOKEN_PIN' }),
    );
    const changed = accept.replace(String.raw`\"epoch\":1`, String.raw`\"epoch\":2`);
    expect(changed).not.toBe(accept);
    expect(() => readJoinAcceptFile(changed, { publicKey })).toThrow(
      expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
    );
    const named = request.replace('host-2', 'host-3');
    expect(() => readJoinRequestFile(named)).toThrow(
      expect.objectContaining({ code: 'PEER_CERTIFICATE' }),
    );
  });

  it('are read without any other error, whatever is in them', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constant('x'.repeat(2_000_000)),
      fc.tuple(fc.constantFrom(request, accept), fc.nat(), fc.string()).map(([text, at, more]) => {
        const cut = at % text.length;
        return text.slice(0, cut) + more + text.slice(cut);
      }),
    );
    const read = [readJoinRequestFile, (text: string) => readJoinAcceptFile(text, { publicKey })];
    fc.assert(
      fc.property(texts, fc.constantFrom(...read), (text, reader) => {
        try {
          reader(text);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FairleadError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

it('what is sealed opens with its key, in its place, unchanged, and not otherwise', () => {
  const key = makeSealKey();
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(), (place, text, at) => {
      const sealed = seal(key, place, text);
      expect(unseal(key, place, sealed)).toBe(text);
      expect(seal(key, place, text)).not.toBe(sealed);
      const bytes = Buffer.from(sealed, 'base64');
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1;
      for (const attempt of [
        () => unseal(makeSealKey(), place, sealed),
        () => unseal(key, `${place}x`, sealed),
        () => unseal(key, place, bytes.toString('base64')),
        () => unseal(key, place, sealed.slice(0, 20)),
      ]) {
        expect(attempt).toThrow(expect.objectContaining({ code: 'PEER_CERTIFICATE' }));
      }
    }),
    { numRuns: 50 },
  );
});

/** A listener that shows one certificate and offers an authority, and counts what it is told. */
async function startListener(
  offered: string,
  { privateKey, certificate }: KeyPairAndCertificate,
): Promise<{ address: PeerAddress; received(): number; ended(): boolean }> {
  let received = 0;
  let ended = false;
  const secureContext = createSecureContext({ key: privateKey, cert: certificate });
  const server = createServer((raw) => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext, requestCert: true });
    socket.on('data', (data) => (received += data.length));
    socket.on('error', () => (ended = true));
    socket.on('close', () => (ended = true));
    socket.once('secure', () => {
      const payload = Buffer.from(JSON.stringify({ authorities: [offered] }));
      socket.write(Buffer.concat([frameHead(frameTypes.joinOffer, payload.length), payload]));
    });
  });
  servers.add(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    address: { host: '127.0.0.1', port },
    received: () => received,
    ended: () => ended,
  };
}

type KeyPairAndCertificate = Pick<KeyPair, 'privateKey'> & { readonly certificate: string };
