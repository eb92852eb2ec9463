/** Conversations that are open while something changes: do they go on, and if not, how soon do they end. */
import type { Vantage } from '../lab/traffic/instrument.ts';
import { startPings } from '../lab/traffic/pings.ts';
import { startTcp } from '../lab/traffic/tcp.ts';
import { startUdp } from '../lab/traffic/udp.ts';
import { addressOf } from './policy-cast.ts';
import type { PolicySite } from './policy-site.ts';
import type { Talk } from './policy-words.ts';
import { until } from './until.ts';

/** A message goes and comes back each so many ms. */
const everyMs = 10;
/** So many messages later it has gone on. */
const enough = 20;
/** What nothing comes of for so long is silent. */
const silenceMs = 1_200;

/** How many messages have come back. */
type Counted = () => Promise<number>;

/** Longer than any test. */
const longestMs = 600_000;

/** A conversation at work: TCP and UDP with an echo, or pings. */
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
    const at = site.at(client);
    const open = new OpenTalk(talk, ...(await begin[protocol](at, plan)));
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

interface TalkPlan {
  readonly to: string;
  readonly port: number;
  readonly sizes: readonly number[];
  readonly everyMs: number;
}

type Begun = readonly [Counted, () => Promise<unknown>];

/** Each protocol's way to speak on and on. */
const begin = {
  async tcp(at: Vantage, plan: TalkPlan): Promise<Begun> {
    const client = await startTcp(at, { ...plan, mode: 'exchange', durationMs: longestMs });
    return [async () => (await client.ask()).exchanges, () => client.stop()];
  },
  async udp(at: Vantage, plan: TalkPlan): Promise<Begun> {
    const count = longestMs / everyMs;
    const sender = await startUdp(at, { ...plan, count, echo: true, waitMs: 100 });
    return [async () => (await sender.ask()).answered, () => sender.stop()];
  },
  async icmp(at: Vantage, { to }: TalkPlan): Promise<Begun> {
    const pings = await startPings(at, { to, everyMs, waitMs: 100 });
    return [async () => (await pings.ask()).received, () => pings.stop()];
  },
} as const;
