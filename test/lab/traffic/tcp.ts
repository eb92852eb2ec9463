/** TCP: bulk in either direction and messages that come back, every byte checked, every silence measured. */
import { z } from 'zod';
import { Instrument, type Vantage } from './instrument.ts';

const flowSchema = z.object({
  peer: z.string(),
  received: z.number(),
  sent: z.number(),
  /** A byte was not what was sent. */
  damaged: z.boolean(),
  us: z.number(),
  /** The longest time in which nothing moved, and when it began after the start. */
  silenceUs: z.number(),
  silenceFromUs: z.number(),
  isOver: z.boolean(),
  /** The name of the error it ended by; empty without one. */
  error: z.string(),
  /** Segments sent again, of all that were sent. */
  retransmitted: z.number(),
  segmentMax: z.number(),
  bucketUs: z.number(),
  /** Bytes that moved in each `bucketUs`. */
  buckets: z.array(z.number()),
});

const serverSchema = z.object({
  /** How many connections there were in all. */
  taken: z.number(),
  connections: z.array(z.object({ flow: flowSchema }).transform(({ flow }) => flow)),
});

const clientSchema = z.object({
  flow: flowSchema,
  /** The sink has said how many bytes it had: `confirmed`. */
  isConfirmed: z.boolean(),
  confirmed: z.number(),
  /** From the first byte to the sink's word. */
  confirmedUs: z.number(),
  exchanges: z.number(),
  /** From a message's first byte out to its last byte back. */
  exchangeUs: z.object({ min: z.number(), max: z.number() }).optional(),
  isLast: z.boolean(),
});

/** One side of a connection. */
export type TcpFlow = z.infer<typeof flowSchema>;
/** What a server has seen. */
export type TcpServed = z.infer<typeof serverSchema>;
/** What a client has seen. */
export type TcpClient = z.infer<typeof clientSchema>;

/** What a server does: takes bytes and says how many, sends them back, or sends its own. */
export type TcpService = 'sink' | 'echo' | 'source';

/** Listens on all addresses of both families; `ask` and `stop` give the connections so far, of very many the last 256. */
export function serveTcp(
  at: Vantage,
  plan: { readonly port: number; readonly mode?: TcpService },
): Promise<Instrument<TcpServed>> {
  return Instrument.start(at, { command: 'tcp-serve', options: { ...plan }, answer: serverSchema });
}

/** How to call. */
export interface TcpPlan {
  readonly to: string;
  readonly port: number;
  /** `send` to a sink, `receive` from a source, `exchange` messages with an echo. */
  readonly mode?: 'send' | 'receive' | 'exchange';
  readonly source?: string;
  readonly link?: string;
  /** Ends after this time, or this many bytes; otherwise when it is stopped. */
  readonly durationMs?: number;
  readonly bytes?: number;
  /** Not faster than this. */
  readonly kilobitsPerSecond?: number;
  /** Messages of an exchange, one after another; each once, or in turn for `durationMs`. */
  readonly sizes?: readonly number[];
  readonly everyMs?: number;
  readonly connectMs?: number;
  /** How long to wait for the sink's word, for all messages of an exchange, or for the last once it is stopped. */
  readonly waitMs?: number;
}

/** Begins; `ask` tells how it goes, of silence since the last `anew` that it was asked with; `stop` ends it in order. */
export function startTcp(at: Vantage, plan: TcpPlan): Promise<Instrument<TcpClient>> {
  const options = {
    to: plan.to,
    port: plan.port,
    mode: plan.mode,
    source: plan.source,
    link: plan.link,
    ms: plan.durationMs,
    bytes: plan.bytes,
    kbits: plan.kilobitsPerSecond,
    sizes: plan.sizes?.join(','),
    'every-us': plan.everyMs === undefined ? undefined : plan.everyMs * 1_000,
    'connect-ms': plan.connectMs,
    'wait-ms': plan.waitMs,
  };
  return Instrument.start(at, { command: 'tcp-client', options, answer: clientSchema });
}

/** Calls, and gives what came of it. The plan says when it ends. */
export async function callTcp(at: Vantage, plan: TcpPlan): Promise<TcpClient> {
  const patienceMs = (plan.durationMs ?? 0) + (plan.connectMs ?? 5_000) + (plan.waitMs ?? 10_000);
  return (await startTcp(at, plan)).done(patienceMs + 60_000);
}

/** Megabits in a second of what arrived at the other side, by its word, or of what arrived here. */
export function megabitsPerSecond({
  flow,
  isConfirmed,
  confirmed,
  confirmedUs,
}: TcpClient): number {
  const [bytes, us] = isConfirmed ? [confirmed, confirmedUs] : [flow.received, flow.us];
  return (bytes * 8) / Math.max(1, us);
}
