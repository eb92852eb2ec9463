/** Conversations that are open while something changes: do they go on without a silence, and if not, how soon do they end. */
import type { Vantage } from '../lab/traffic/instrument.ts';
import { startPings } from '../lab/traffic/pings.ts';
import { startTcp, type TcpClient } from '../lab/traffic/tcp.ts';
import { startUdp } from '../lab/traffic/udp.ts';
import { addressOf } from './policy-cast.ts';
import type { PolicySite } from './policy-site.ts';
import { textOf, type Speech, type Talk } from './policy-words.ts';
import { until } from './until.ts';

/** A message goes and comes back each so many ms. */
const everyMs = 10;
/** So many messages later it has gone on: what ends has ended by then. */
const enough = 50;
/** What nothing comes of for so long is silent. */
const silenceMs = 1_200;

/** How many messages have come back, and the longest silence since it was last asked with `anew`. */
interface Heard {
  readonly answers: number;
  readonly silenceUs: number;
}
type Ask = (line?: 'anew') => Promise<Heard>;

/** Longer than any test. */
const longestMs = 600_000;

/** Somebody who is spoken to, by an address. */
export interface Callee extends Speech {
  readonly to: string;
  /** What it is called when it comes out wrong. */
  readonly what: string;
}

/** A conversation at work: TCP and UDP with an echo, or pings. */
export class OpenTalk {
  readonly what: string;
  readonly #ask: Ask;
  readonly #stop: () => Promise<unknown>;

  private constructor(what: string, ask: Ask, stop: () => Promise<unknown>) {
    this.what = what;
    this.#ask = ask;
    this.#stop = stop;
  }

  /** Opens one at a site of policies, and waits until it goes. */
  static open(site: PolicySite, talk: Talk): Promise<OpenTalk> {
    const { client, server, family, protocol, port } = talk;
    const callee = { to: addressOf(server, family), protocol, port, what: textOf(talk) };
    return OpenTalk.with(site.at(client), callee);
  }

  /** Opens one with whoever has an address, and waits until it goes. */
  static async with(at: Vantage, { to, protocol, port, what }: Callee): Promise<OpenTalk> {
    const plan = { to, port, sizes: [64], everyMs };
    const open = new OpenTalk(what, ...(await begin[protocol](at, plan)));
    try {
      await open.resumes();
    } catch (thrown) {
      await open.close();
      throw thrown;
    }
    return open;
  }

  /** Resolves when more messages have come back than before, with the longest silence since it was last seen to, ms. */
  async silence(): Promise<number> {
    await this.#moves();
    return Math.round((await this.#ask('anew')).silenceUs / 1_000);
  }

  /** The longest silence since it was last seen to, ms. */
  async longestSilence(): Promise<number> {
    return Math.round((await this.#ask()).silenceUs / 1_000);
  }

  /** Resolves when more messages have come back than before, however long it was silent. */
  async resumes(): Promise<void> {
    await this.#moves();
    await this.countsAnew();
  }

  /** Its silence counts from now on. */
  async countsAnew(): Promise<void> {
    await this.#ask('anew');
  }

  async #moves(): Promise<void> {
    const before = (await this.#ask()).answers;
    await until(
      `${this.what} goes on`,
      async () => (await this.#ask()).answers >= before + enough,
      {
        timeoutMs: 8_000,
      },
    );
  }

  /** Resolves when nothing comes back any more, with how long it took at most from now on, ms. */
  async ends(): Promise<number> {
    const before = (await this.#ask()).answers;
    let last = before;
    let movedMs = performance.now();
    await until(
      `${this.what} ends`,
      async () => {
        const now = (await this.#ask()).answers;
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

type Begun = readonly [Ask, () => Promise<unknown>];

/** Each protocol's way to speak on and on. */
const begin = {
  async tcp(at: Vantage, plan: TalkPlan): Promise<Begun> {
    const client = await startTcp(at, {
      ...{ ...plan, mode: 'exchange', durationMs: longestMs, waitMs: 100 },
    });
    let last: TcpClient | undefined;
    // a connection that was refused to go on has said its last word
    const ask: Ask = async (line) => {
      if (last?.isLast !== true) last = await client.ask(line);
      return { answers: last.exchanges, silenceUs: last.flow.silenceUs };
    };
    const stop = async () => {
      if (last?.isLast !== true) await client.stop();
    };
    return [ask, stop];
  },
  async udp(at: Vantage, plan: TalkPlan): Promise<Begun> {
    const count = longestMs / everyMs;
    const sender = await startUdp(at, { ...plan, count, echo: true, waitMs: 100 });
    const ask: Ask = async (line) => {
      const { answered, silenceUs } = await sender.ask(line);
      return { answers: answered, silenceUs };
    };
    return [ask, () => sender.stop()];
  },
  async icmp(at: Vantage, { to }: TalkPlan): Promise<Begun> {
    const pings = await startPings(at, { to, everyMs, waitMs: 100 });
    const ask: Ask = async (line) => {
      const { received, silenceUs } = await pings.ask(line);
      return { answers: received, silenceUs };
    };
    return [ask, () => pings.stop()];
  },
} as const;
