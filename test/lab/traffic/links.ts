/** Links of a place, and a router that announces itself on one. */
import { z } from 'zod';
import { runOk } from '../run.ts';
import { routerAdvertisement, type RouterPlan } from './frames.ts';
import type { Vantage } from './instrument.ts';
import { Injector } from './inject.ts';

const linksSchema = z
  .array(
    z.object({
      ifname: z.string(),
      address: z.string(),
      mtu: z.number(),
      operstate: z.string(),
      addr_info: z.array(z.object({ local: z.string(), scope: z.string() })),
    }),
  )
  .min(1);

/** A link as its kernel sees it. */
export interface LinkState {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly addresses: readonly string[];
  /** Its IPv6 address of the link, where it has one. */
  readonly linkLocal: string | undefined;
}

/**
 * The state of one link.
 * @throws {Error} when there is no such link
 */
export async function linkOf(at: Vantage, name = 'eth0'): Promise<LinkState> {
  const show = ['ip', '-json', 'address', 'show', 'dev', name];
  const text = await runOk(['nsenter', `--net=${at.net}`, ...show]);
  const [link] = linksSchema.parse(JSON.parse(text));
  if (link === undefined) throw new Error(`${at.name} has no link ${name}`);
  const addresses = link.addr_info.map(({ local }) => local);
  return {
    name: link.ifname,
    mac: link.address,
    mtu: link.mtu,
    isUp: link.operstate !== 'DOWN',
    addresses,
    linkLocal: link.addr_info.find(
      ({ local, scope }) => scope === 'link' && local.startsWith('fe80:'),
    )?.local,
  };
}

/** Announces a router on a link, once and then every `everyMs`; the answer ends it. */
export async function announceRouter(
  at: Vantage,
  link: string,
  plan: Omit<RouterPlan, 'source'> & { readonly everyMs?: number },
): Promise<() => Promise<void>> {
  const { mac, linkLocal } = await linkOf(at, link);
  if (linkLocal === undefined) throw new Error(`${link} of ${at.name} has no address of the link`);
  const head = { from: mac, to: '33:33:00:00:00:01' };
  const frame = routerAdvertisement(head, { ...plan, source: linkLocal });
  const injector = await Injector.open(at, link);
  await injector.send(frame);
  const sending = injector.send(frame, { count: 1_000_000, everyMs: plan.everyMs ?? 1_000 });
  // it is cut short by its end
  sending.catch(() => {});
  return () => injector.close();
}
