/** Pings at a steady pace, with what is lost, when, and for how long nothing came. */
import { z } from 'zod';
import { waitFor } from '../wait.ts';
import { Instrument, type Vantage } from './instrument.ts';
import { addressing, returnedSchema, type Addressing } from './returned-errors.ts';

const pingsSchema = z.object({
  sent: z.number(),
  received: z.number(),
  duplicates: z.number(),
  /** Answers with other bytes than were sent. */
  damaged: z.number(),
  /** The longest time without an answer, and when it began after the start. */
  silenceUs: z.number(),
  silenceFromUs: z.number(),
  rttUs: z
    .object({ min: z.number(), median: z.number(), p99: z.number(), max: z.number() })
    .optional(),
  /** Hops that answers had left. */
  ttl: z.object({ min: z.number(), max: z.number() }).optional(),
  /** Runs of packets without an answer, and when the first of each was sent after the start. */
  lost: z.array(z.object({ first: z.number(), count: z.number(), atUs: z.number() })),
  errors: returnedSchema,
});

/** What came of pings. */
export type Pings = z.infer<typeof pingsSchema>;

/** How to ping. */
export interface PingPlan extends Addressing {
  /** Without it until they are stopped. */
  readonly count?: number;
  /** Ends with the last of so many answers. */
  readonly answers?: number;
  readonly everyMs?: number;
  /** Bytes after the ICMP header. */
  readonly size?: number;
  /** How long to wait for the last answers. */
  readonly waitMs?: number;
}

/** Begins; `ask` tells how it goes, of silence since the last `anew` that it was asked with, `stop` what came of it. */
export function startPings(at: Vantage, plan: PingPlan): Promise<Instrument<Pings>> {
  const options = {
    ...addressing(plan),
    count: plan.count,
    answers: plan.answers,
    'every-us': plan.everyMs === undefined ? 10_000 : Math.round(plan.everyMs * 1_000),
    size: plan.size,
    'wait-ms': plan.waitMs,
  };
  return Instrument.start(at, { command: 'ping', options, answer: pingsSchema });
}

/** Pings a few times (3, 10 ms apart) and gives what came of it. */
export async function ping(at: Vantage, plan: PingPlan): Promise<Pings> {
  return (await startPings(at, { count: 3, ...plan })).done();
}

/** How many were lost. */
export const lostOf = (pings: Pings): number => pings.sent - pings.received;

/** True when one of three pings is answered. Who is too far or too slow for a second is as good as away. */
export async function reaches(from: Vantage, to: string): Promise<boolean> {
  return (await ping(from, { to, count: 3, answers: 1, waitMs: 1_000 })).received > 0;
}

/** Waits until a ping is answered: what comes back after a fault needs a moment to be found. */
export async function untilReaches(from: Vantage, to: string, timeoutMs = 15_000): Promise<void> {
  await waitFor({ what: `${to} answers ${from.name}`, timeoutMs }, async () => {
    const { received } = await ping(from, { to, count: 1, waitMs: 200 });
    return received === 1;
  });
}
