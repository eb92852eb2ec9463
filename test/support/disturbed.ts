/** Traffic between two places while something happens to what carries it, and what it suffered. */
import { systemClock } from '../../lib/clock.ts';
import type { Instrument, Vantage } from '../lab/traffic/instrument.ts';
import { lostOf, startPings, type Pings } from '../lab/traffic/pings.ts';
import { serveTcp, startTcp, type TcpClient, type TcpServed } from '../lab/traffic/tcp.ts';

/** One end of a pair. */
export interface End {
  readonly at: Vantage;
  readonly address: string;
}

/** Two ends; pings go from the first. */
export type Pair = readonly [from: End, to: End];

/** What pings and streams of a pair suffered. */
export interface Suffered {
  readonly sent: number;
  readonly lost: number;
  /** Longest time without an answer to a ping, ms. */
  readonly gapMs: number;
  /** Longest time in which a stream stood still, at its receiver, of either direction, ms. */
  readonly stallMs: number;
  /** Whether all bytes that were sent arrived, unchanged. */
  readonly isWhole: boolean;
}

const everyMs = 10;
/** As a file copy that leaves room for others on the processor. */
const kilobitsPerSecond = 8_000;
let port = 5100;

interface Watched {
  readonly pings: Instrument<Pings>;
  readonly streams: readonly {
    readonly client: Instrument<TcpClient>;
    readonly server: Instrument<TcpServed>;
  }[];
}

/** A stream in one direction: who sends, who receives. */
async function stream(from: End, to: End) {
  const number = port++;
  const server = await serveTcp(to.at, { port: number });
  const call = { to: to.address, port: number, kilobitsPerSecond, waitMs: 30_000 };
  return { server, client: await startTcp(from.at, call) };
}

async function watch([from, to]: Pair): Promise<Watched> {
  const streams = [await stream(from, to), await stream(to, from)];
  const pings = await startPings(from.at, { to: to.address, everyMs, waitMs: 5_000 });
  return { pings, streams };
}

async function end({ pings, streams }: Watched): Promise<Suffered> {
  const result = await pings.stop();
  const flows = await Promise.all(
    streams.map(async ({ client, server }) => {
      const sent = await client.stop();
      const [arrived] = (await server.stop()).connections;
      const isWhole =
        sent.isConfirmed && sent.confirmed === sent.flow.sent && arrived?.damaged === false;
      return { silenceUs: arrived?.silenceUs ?? Number.NaN, isWhole };
    }),
  );
  return {
    sent: result.sent,
    lost: lostOf(result),
    gapMs: result.silenceUs / 1_000,
    stallMs: Math.max(...flows.map(({ silenceUs }) => silenceUs)) / 1_000,
    isWhole: flows.every(({ isWhole }) => isWhole),
  };
}

/** Runs traffic of all pairs while `event` happens, from before it to `afterMs` later. */
export async function disturb(
  pairs: readonly Pair[],
  event: () => Promise<void>,
  { beforeMs = 1_500, afterMs }: { readonly beforeMs?: number; readonly afterMs: number },
): Promise<readonly Suffered[]> {
  const watched = await Promise.all(pairs.map((pair) => watch(pair)));
  // the traffic itself is what is waited for
  await systemClock.sleep(beforeMs);
  await event();
  await systemClock.sleep(afterMs);
  return Promise.all(watched.map((each) => end(each)));
}
