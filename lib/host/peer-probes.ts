/**
 * Asks every other host, through the tunnel, with a small packet and with one as large as networks may send;
 * says who does not answer, and to whom only small packets get through. The first question also makes the
 * switch learn the way, so that no container's first packet is lost to that.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { Change, OpenFlowConnection } from '../datapath/openflow/connection.ts';
import { reservedPort } from '../datapath/openflow/codec/flow.ts';
import { cookieKinds, readCookie } from '../datapath/pipeline/fields.ts';
import { probeActions, probeFrame, readProbe, type Probe } from '../datapath/pipeline/probe.ts';
import { probeIntervalMs, probeRepeatMs, probesMissedMax } from '../limits.ts';
import type { Peer } from '../network/world.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';

/** Small enough for every path (RFC 791 section 3.1: what every link carries). */
const smallBytes = 68;

/** What is known of the way to a host: questions since the last answer. */
interface Way {
  readonly small: number;
  readonly large: number;
}

/** A question to a host. */
interface Question {
  readonly peer: Peer;
  readonly probe: Probe;
}

const isOpen = (missed: number): boolean => missed > 0 && missed <= probesMissedMax;

/** What came of questions to all hosts. Pure. */
export class PeerWays {
  readonly #ways = new Map<number, Way>();
  /** Size of the last large question, bytes. */
  #mtu = smallBytes;

  /** The questions of a round: two for each host. */
  round(peers: Iterable<Peer>, mtu: number): readonly Question[] {
    if (mtu !== this.#mtu) this.#ways.clear();
    this.#mtu = mtu;
    const asked = [...peers];
    const numbers = new Set(asked.map(({ number }) => number));
    for (const number of this.#ways.keys()) if (!numbers.has(number)) this.#ways.delete(number);
    return this.#ask(asked);
  }

  /** The questions between two rounds: to hosts that are new, and, when the others had time to answer, to
   *  those of which it is not known yet what their silence means. */
  repeat(peers: Iterable<Peer>, mtu: number, hadTime: boolean): readonly Question[] {
    if (mtu !== this.#mtu) return this.round(peers, mtu);
    return this.#ask(
      [...peers].filter(({ number }) => {
        const way = this.#ways.get(number);
        return way === undefined || (hadTime && (isOpen(way.small) || isOpen(way.large)));
      }),
    );
  }

  #ask(peers: readonly Peer[]): readonly Question[] {
    const mtu = this.#mtu;
    return peers.flatMap((peer) => {
      const { small, large } = this.#ways.get(peer.number) ?? { small: 0, large: 0 };
      this.#ways.set(peer.number, { small: small + 1, large: large + 1 });
      return [smallBytes, mtu].map((bytes) => ({ peer, probe: { peer: peer.number, mtu: bytes } }));
    });
  }

  /** An answer came. */
  answered({ peer, mtu }: Probe): void {
    const way = this.#ways.get(peer);
    if (way === undefined) return;
    if (mtu === smallBytes) this.#ways.set(peer, { ...way, small: 0 });
    if (mtu === this.#mtu) this.#ways.set(peer, { small: 0, large: 0 });
  }

  /** Hosts that answer nothing. */
  get silent(): readonly number[] {
    return [...this.#ways].filter(([, { small }]) => small > probesMissedMax).map(([peer]) => peer);
  }

  /** Hosts that answer small questions only. */
  get narrow(): readonly number[] {
    return [...this.#ways]
      .filter(([, { small, large }]) => small <= 1 && large > probesMissedMax)
      .map(([peer]) => peer);
  }
}

/** What the ways to other hosts are shown as. */
const pathConditions = ['PEER_UNREACHABLE', 'PATH_MTU_SMALL'] as const;

/** What the loop is made of. */
export interface PeerProbeParts {
  readonly connection: OpenFlowConnection;
  readonly peers: () => Iterable<Peer>;
  /** OpenFlow port of the tunnel. */
  readonly tunnelPort: () => number;
  /** Largest packet of the networks that travel in VXLAN, bytes; undefined without any. */
  readonly largestMtu: () => number | undefined;
  readonly clock: Clock;
  readonly conditions: Conditions;
  /** Told now and then which hosts answer nothing, by name. */
  readonly onSilent: (hosts: ReadonlySet<string>) => void;
}

/** Starts the loop. */
export function startPeerProbes(parts: PeerProbeParts): Loop {
  const { connection, clock } = parts;
  const ways = new PeerWays();
  const stop = connection.onNews((news) => {
    if (news.kind !== 'packetIn' || readCookie(news.cookie)?.kind !== cookieKinds.probe) return;
    const probe = readProbe(news.data);
    if (probe !== undefined) ways.answered(probe);
  });
  let nextRoundMs = 0;
  let askedMs = 0;
  const loop = startLoop({
    clock,
    pace: { ...reconcilePace, intervalMs: probeIntervalMs },
    run: async () => {
      const mtu = parts.largestMtu();
      if (mtu === undefined) {
        for (const code of pathConditions) parts.conditions.clear(code);
        parts.onSilent(new Set());
        return undefined;
      }
      if (connection.state() !== 'ready') return undefined;
      showWays(parts, ways, mtu);
      const nowMs = clock.monotonicMs();
      const isRound = nowMs >= nextRoundMs;
      if (isRound) nextRoundMs = nowMs + probeIntervalMs;
      const hadTime = nowMs - askedMs >= probeRepeatMs;
      const asked = isRound
        ? ways.round(parts.peers(), mtu)
        : ways.repeat(parts.peers(), mtu, hadTime);
      const questions = asked.map(({ peer, probe }): Change => ({
        kind: 'packetOut',
        inPort: reservedPort.controller,
        actions: probeActions(peer, parts.tunnelPort()),
        data: probeFrame(probe),
      }));
      if (questions.length === 0) return nextRoundMs - nowMs;
      askedMs = nowMs;
      await connection.apply(questions);
      return probeRepeatMs;
    },
    // without a switch nobody is asked, and its own condition says so
    onError: () => undefined,
  });
  return {
    kick: () => loop.kick(),
    settled: (signal) => loop.settled(signal),
    async close() {
      stop();
      await loop.close();
    },
  };
}

function showWays(
  { peers, conditions, onSilent }: PeerProbeParts,
  ways: PeerWays,
  mtu: number,
): void {
  const { silent, narrow } = ways;
  const nameOf = (number: number): string =>
    [...peers()].find((peer) => peer.number === number)?.name ?? String(number);
  onSilent(new Set(silent.map(nameOf)));
  conditions.set(
    'PEER_UNREACHABLE',
    sentence(silent.map(nameOf), 'does not answer through the tunnel'),
  );
  conditions.set(
    'PATH_MTU_SMALL',
    sentence(narrow.map(nameOf), `is not reached by packets of ${mtu} bytes, only by small ones`),
  );
}

function sentence(names: readonly string[], what: string): string | undefined {
  if (names.length === 0) return undefined;
  const [first] = names;
  return names.length === 1
    ? `host ${first} ${what}`
    : `host ${first} and ${names.length - 1} more: ${what}`;
}
