/** Errors that senders hear of. */
import { z } from 'zod';

/** Packets that did not arrive, as far as somebody has said so. */
export const returnedSchema = z.array(
  z.object({
    /** The name of the error, as `EMSGSIZE` (too big), `EHOSTUNREACH`, `ECONNREFUSED` (no such port). */
    error: z.string(),
    /** Who says so: the sender's own kernel, or a message from `from`. `send`: the call failed. */
    origin: z.enum(['local', 'icmp', 'icmp6', 'send']),
    type: z.number(),
    code: z.number(),
    /** What would have passed, with `EMSGSIZE`; otherwise 0. */
    mtu: z.number(),
    from: z.string(),
    count: z.number(),
  }),
);

/** One kind of them. */
export type ReturnedErrors = z.infer<typeof returnedSchema>;

/** Whether packets may be cut: yes; no, whatever is known of the path (as ping -M probe); or no, and
 *  what the path is known not to carry is refused by the sender's kernel (as TCP does). */
export type Fragments = 'allowed' | 'never' | 'path';

/** How packets are addressed, whatever is in them. */
export interface Addressing {
  readonly to: string;
  /** Address to send from. */
  readonly source?: string;
  /** Link to send through. */
  readonly link?: string;
  readonly ttl?: number;
  readonly fragments?: Fragments;
}

/** An addressing as options of the traffic program. */
export function addressing({ to, source, link, ttl, fragments }: Addressing): {
  readonly [name: string]: string | number | undefined;
} {
  return { to, source, link, ttl, fragments };
}
