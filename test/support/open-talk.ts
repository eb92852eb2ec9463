/** Conversations that are open while something changes: do they go on, and if not, how soon do they end. */
import type { Instrument } from '../lab/traffic/instrument.ts';
import { startPings, type Pings } from '../lab/traffic/pings.ts';
import { startTcp, type TcpClient } from '../lab/traffic/tcp.ts';
import { addressOf, type PolicySite, type Talk } from './policy-site.ts';
import { until } from './until.ts';

/** A message goes and comes back each so many ms. */
const everyMs = 10;
/** So many messages later it has gone on. */
const enough = 20;
/** What nothing comes of for so long is silent. */
const silenceMs = 1_200;

/** How many messages have come back. */
type Counted = () => Promise<number>;

/** A conversation at work, TCP with an echo or pings. */
export class OpenTalk {
  readonly talk: Talk;
  readonly #count: Counted;
  readonly #stop: () => Promise<unknown>;

  private constructor(talk: Talk, count: Counted, stop: () => Promise<unknown>) {
    this.talk = talk;
    this.#count = count;
    this.#stop = stop;
  }

  /** Opens one, and waits until it goes. */
  static async open(site: PolicySite, talk: Talk): Promise<OpenTalk> {
    const { client, server, family, protocol, port } = talk;
    const plan = { to: addressOf(server, family), port, sizes: [64], everyMs };
    const [count, stop] =
      protocol === 'tcp'
        ? tcp(await startTcp(site.at(client), { ...plan, mode: 'exchange', durationMs: 600_000 }))
        : icmp(await startPings(site.at(client), { to: plan.to, everyMs, waitMs: 100 }));
    const open = new OpenTalk(talk, count, stop);
    await open.goesOn();
    return open;
  }

  /** Resolves when more messages have come back than before. */
  async goesOn(): Promise<void> {
    const before = await this.#count();
    const what = `${this.talk.protocol} of IPv${this.talk.family} goes on`;
    await until(what, async () => (await this.#count()) >= before + enough, { timeoutMs: 8_000 });
  }

  /** Resolves when nothing comes back any more, with how long it took at most from now on, ms. */
  async ends(): Promise<number> {
    const before = await this.#count();
    let last = before;
    let movedMs = performance.now();
    await until(
      `${this.talk.protocol} of IPv${this.talk.family} ends`,
      async () => {
        const now = await this.#count();
        if (now !== last) movedMs = performance.now();
        last = now;
        return performance.now() - movedMs > silenceMs;
      },
      { timeoutMs: 8_000 },
    );
    return (last - before) * everyMs;
  }

  /** Ends it. */
  async close(): Promise<void> {
    await this.#stop();
  }
}

const tcp = (client: Instrument<TcpClient>) =>
  [async () => (await client.ask()).exchanges, () => client.stop()] as const;

const icmp = (pings: Instrument<Pings>) =>
  [async () => (await pings.ask()).received, () => pings.stop()] as const;
