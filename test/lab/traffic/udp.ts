/** UDP: datagrams with numbers and checksums of their own, to one, to a group, to all. */
import { z } from 'zod';
import { Instrument, type Vantage } from './instrument.ts';
import { addressing, returnedSchema, type Addressing } from './returned-errors.ts';

/** How many datagrams there were of each size, in bytes after the UDP header. */
const sizesSchema = z.record(z.string(), z.number());

const heardSchema = z.object({
  senders: z.array(
    z.object({
      from: z.string(),
      /** Number of the call that sent them; 0 for those that are too small (under 16 bytes) to say. */
      run: z.number(),
      received: z.number(),
      damaged: z.number(),
      doubled: z.number(),
      /** Came after one with a higher number. */
      late: z.number(),
      sizes: sizesSchema,
    }),
  ),
});

const sentSchema = z.object({
  run: z.number(),
  sent: z.number(),
  /** The sender's own kernel did not take them. */
  refused: z.number(),
  answered: z.number(),
  damaged: z.number(),
  /** The longest time without an answer, and when it began after the start; without an echo it is all the time. */
  silenceUs: z.number(),
  silenceFromUs: z.number(),
  sizes: sizesSchema,
  answeredSizes: sizesSchema,
  errors: returnedSchema,
});

/** What a listener has heard. */
export type UdpHeard = z.infer<typeof heardSchema>;
/** What a sender knows. */
export type UdpSent = z.infer<typeof sentSchema>;

/** Listens on all addresses of both families; `ask` and `stop` give what it heard so far. */
export function listenUdp(
  at: Vantage,
  plan: {
    readonly port: number;
    /** Sends everything back. */
    readonly echo?: boolean;
    /** Groups to be in, on `link`. */
    readonly groups?: readonly string[];
    readonly link?: string;
  },
): Promise<Instrument<UdpHeard>> {
  const { port, echo = false, groups, link } = plan;
  const options = { port, echo: echo ? 1 : 0, join: groups?.join(','), link };
  return Instrument.start(at, { command: 'udp-serve', options, answer: heardSchema });
}

/** How to send. `to` may be a group or a broadcast address; then `link` says where. */
export interface UdpPlan extends Addressing {
  readonly port: number;
  /** Bytes after the UDP header; each size in turn, `count` times. */
  readonly sizes: readonly number[];
  readonly count?: number;
  readonly everyMs?: number;
  /** The listener sends them back: waits for that. */
  readonly echo?: boolean;
  /** How long to wait for answers, or for errors. */
  readonly waitMs?: number;
}

/** Begins to send; `ask` tells how it goes, of silence since the last `anew`, `stop` ends it and gives what came of it. */
export function startUdp(at: Vantage, plan: UdpPlan): Promise<Instrument<UdpSent>> {
  const options = {
    ...addressing(plan),
    port: plan.port,
    sizes: plan.sizes.join(','),
    count: plan.count,
    'every-us': plan.everyMs === undefined ? undefined : Math.round(plan.everyMs * 1_000),
    echo: plan.echo === true ? 1 : 0,
    'wait-ms': plan.waitMs,
  };
  return Instrument.start(at, { command: 'udp-send', options, answer: sentSchema });
}

/** Sends, and gives what came of it. */
export async function sendUdp(at: Vantage, plan: UdpPlan): Promise<UdpSent> {
  const count = (plan.count ?? 1) * plan.sizes.length;
  const patienceMs = count * (plan.everyMs ?? 1) + (plan.waitMs ?? 1_000) + 30_000;
  return (await startUdp(at, plan)).done(patienceMs);
}

/** All that a listener has heard of one sender, whatever the sizes. */
export function heardFrom(heard: UdpHeard, from: string): UdpHeard['senders'][number] {
  const sum = { from, run: 0, received: 0, damaged: 0, doubled: 0, late: 0, sizes: {} };
  return heard.senders
    .filter((each) => each.from === from)
    .reduce(
      (all, each) => ({
        from,
        run: Math.max(all.run, each.run),
        received: all.received + each.received,
        damaged: all.damaged + each.damaged,
        doubled: all.doubled + each.doubled,
        late: all.late + each.late,
        sizes: { ...all.sizes, ...each.sizes },
      }),
      sum,
    );
}
