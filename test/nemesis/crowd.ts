/**
 * Many observers in one process, that keep nothing: each joins with the token by itself, connects to one
 * voter, asks to be fed and says that it has what it got.
 *
 *     crowd.ts TOKEN COUNT NAME
 *
 * Says `joined N`, `fed N` and `conflict N` (a join that had to be tried again) on standard output as they come.
 */
import { writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../lib/clock.ts';
import { hasCode } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { PeerMessage } from '../../lib/store/driver/messages.ts';
import { makeKeyPair } from '../../lib/store/peer/authority.ts';
import { parseAddress } from '../../lib/store/peer/address.ts';
import { requestJoin } from '../../lib/store/peer/join-client.ts';
import { openPeers, type Peers } from '../../lib/store/peer/peers.ts';
import { parseJoinToken } from '../../lib/store/peer/token.ts';
import type { MemberId, Position } from '../../lib/store/raft/entry.ts';
import { positionStart } from '../../lib/store/raft/entry.ts';
import { welcomeSchema } from '../../lib/store/replicated/admission.ts';

const [line = '', count = '0', name = 'crowd'] = process.argv.slice(2);
const token = parseJoinToken(line);
const joinMs = 240_000;
/** Where they say that they listen. */
const nowhere = '192.0.2.1:1';
const subscribeMs = 1_000;
const tally = { joined: 0, fed: 0, conflict: 0 };

function say(what: keyof typeof tally): void {
  tally[what] += 1;
  writeSync(1, `${what} ${tally[what]}\n`);
}

/** Does again what others came in between of, as the error says. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!hasCode(thrown, 'STORE_CONFLICT')) throw thrown;
      say('conflict');
    }
  }
}

/** One that keeps only where it stands. */
class Observer {
  readonly #name: string;
  readonly #dataId = randomBytes(16).toString('hex');
  #at: Position = positionStart;
  #peers: Peers | undefined;
  #source = '';

  constructor(own: string) {
    this.#name = own;
  }

  async live(): Promise<void> {
    const keys = makeKeyPair();
    const facts = {
      name: this.#name,
      dataId: this.#dataId,
      addresses: [nowhere],
      version: 'under test',
    };
    const around = { clock: systemClock, timeoutMs: joinMs, signal: new AbortController().signal };
    const joined = await insist(() => requestJoin({ token, keys, facts, ...around }));
    say('joined');
    const { clusterId, memberId, certificate, authorities } = joined;
    const { epoch, seeds: all } = welcomeSchema.parse(joined.welcome);
    const seeds = all.filter(({ addresses }) => !addresses.includes(nowhere));
    const seed = seeds[Number.parseInt(memberId.slice(0, 4), 16) % seeds.length];
    if (seed === undefined) throw new Error('nobody to be fed by');
    this.#source = seed.id;
    this.#peers = await openPeers({
      clock: systemClock,
      log: silentLogger(),
      credentials: { privateKey: keys.privateKey, certificate, authorities, enforceDates: false },
      members: [{ id: seed.id, addresses: seed.addresses.map(parseAddress), dial: true }],
      hello: () => ({
        ...{ clusterId, epoch, memberId, dataId: this.#dataId, featureLevel: 1 },
        ...{ version: 'under test', host: this.#name },
        position: { term: this.#at.term, last: this.#at, applied: this.#at.index },
      }),
      judge: () => undefined,
      onMessage: (from, message) => this.#hear(from, message),
      onRequest: () => Promise.resolve(null),
      onUnreachable: () => {},
      onRefused: () => {},
    });
    setInterval(
      () => this.#peers?.send(this.#source, { kind: 'subscribe', at: this.#at }),
      subscribeMs,
    );
  }

  #hear(from: MemberId, message: PeerMessage): void {
    if (message.kind === 'feed') {
      const refused = message.previous.index > this.#at.index;
      const last = message.entries.at(-1);
      if (!refused && last !== undefined && last.index > this.#at.index) this.#move(last);
      this.#peers?.send(from, { kind: 'feedReply', at: this.#at, refused });
    } else if (message.kind === 'snapshotChunk') {
      const { term, transfer, number, base, head } = message;
      const outcome = head === undefined ? 'next' : 'installed';
      if (head !== undefined) this.#move(base.at);
      this.#peers?.send(from, { kind: 'snapshotReply', term, transfer, number, outcome });
    }
  }

  #move({ index, term }: Position): void {
    if (this.#at.index === 0) say('fed');
    this.#at = { index, term };
  }
}

await Promise.all(
  Array.from({ length: Number(count) }, (_, at) => new Observer(`${name}-${at}`).live()),
);
