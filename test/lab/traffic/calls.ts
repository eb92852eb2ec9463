/** TCP connections one after the other, as many in a second as come about. */
import { z } from 'zod';
import { Instrument, type Vantage } from './instrument.ts';

const takenSchema = z.object({ taken: z.number() });
const callsSchema = z.object({
  made: z.number(),
  failed: z.number(),
  /** The last error of those that failed; empty without one. */
  error: z.string(),
  us: z.number(),
  /** From the call until the connection was there. */
  medianUs: z.number(),
});

/** What came of calls. */
export type Calls = z.infer<typeof callsSchema>;

/** Takes connections, at all addresses of both families, and ends each at once. */
export function takeCalls(
  at: Vantage,
  plan: { readonly port: number },
): Promise<Instrument<z.infer<typeof takenSchema>>> {
  const options = { ...plan };
  return Instrument.start(at, { command: 'calls-serve', options, answer: takenSchema });
}

/** How to call. */
export interface CallsPlan {
  readonly to: string;
  readonly port: number;
  readonly durationMs: number;
  /** Connections at a time, at most 64. */
  readonly atOnce?: number;
}

/** Opens connections, and ends each as soon as it is there, by a reset. */
export async function makeCalls(at: Vantage, plan: CallsPlan): Promise<Calls> {
  const { to, port, durationMs: ms, atOnce = 1 } = plan;
  const options = { to, port, ms, 'at-once': atOnce };
  const started = await Instrument.start(at, { command: 'calls', options, answer: callsSchema });
  return started.done(ms + 60_000);
}

/** Connections in a second. */
export const callsPerSecond = ({ made, us }: Calls): number => (made * 1_000_000) / us;
