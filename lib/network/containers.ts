/** What a host tells the others of its containers: whose names they are, and what services choose by. Plans, pure. */
import {
  containerAliasesMax,
  containerLabelsMax,
  dnsNameCharactersMax,
  serviceSelectorCharactersMax,
} from '../limits.ts';
import { swarmServiceLabel } from '../model/labels.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { siteEndpointKey } from '../model/site-keys.ts';
import { siteEndpointSchema, type SiteContainer, type SiteNetworkName } from '../model/site.ts';
import { asRead, type Plan } from '../store/plan.ts';
import { sameValue } from './same-value.ts';

/**
 * The labels of a container that are told: as many, and as long, as services may ask for, and beside them of which
 * service of a swarm it is a task.
 */
export function toldLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const all = Object.entries(labels)
    .filter(([key, value]) => key.length + value.length < serviceSelectorCharactersMax)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const told = all.filter(([key], at) => at < containerLabelsMax || key === swarmServiceLabel);
  return Object.fromEntries(told);
}

/** The other names of a container that are told: what its own name and the short form of its id are not already. */
export function toldAliases(
  aliases: readonly string[],
  { id, name }: { readonly id: string; readonly name: string },
): readonly string[] {
  const known = new Set([name.replace(/^\//, ''), id, shortId(id)]);
  return [...new Set(aliases)]
    .filter((alias) => alias !== '' && alias.length <= dnsNameCharactersMax && !known.has(alias))
    .toSorted()
    .slice(0, containerAliasesMax);
}

/** The first twelve digits of a container's id, by which Docker's own name server knows it, too. */
export const shortId = (id: string): string => id.slice(0, 12);

/** What the engine says of a container. */
export type EngineContainer = Omit<SiteContainer, 'failed'>;

/** An attachment of this host. */
interface Told {
  readonly network: SiteNetworkName;
  readonly endpointId: string;
}

/** Says whose an attachment is, if it is there and does not say so already. Answers whether something was new. */
export const planTellContainer = (of: Told, container: EngineContainer): Plan<boolean> =>
  planTell(of, (before) => {
    const failed = before?.id === container.id ? before.failed : undefined;
    return failed === undefined ? container : { ...container, failed };
  });

/**
 * The same by an agent that sees the attachment for the first time: what an agent before it heard of the container's being
 * stopped is true as long as the attachment is there, since with each start it has another. Answers whether it is being
 * stopped.
 */
export function* planTellAnew(of: Told, container: EngineContainer): Plan<boolean> {
  let isStopping = container.state === 'stopping';
  const { txn } = yield* planTell(of, (before) => {
    if (before?.id !== container.id) return container;
    isStopping ||= before.state === 'stopping';
    const { failed } = before;
    return {
      ...container,
      ...(isStopping ? { state: 'stopping' } : {}),
      ...(failed === undefined ? {} : { failed }),
    };
  });
  return { txn, answer: isStopping };
}

/**
 * Says which checks of services the container of an attachment fails, by name in order, if it is there and does not
 * say so already. Of an attachment of which it is not told yet whose it is nothing is said.
 */
export const planTellFailed = (of: Told, failed: readonly string[]): Plan<boolean> =>
  planTell(of, (before) => {
    if (before === undefined) return undefined;
    const { failed: _before, ...container } = before;
    return failed.length === 0 ? container : { ...container, failed: [...failed] };
  });

function* planTell(
  { network, endpointId }: Told,
  wish: (before: SiteContainer | undefined) => SiteContainer | undefined,
): Plan<boolean> {
  const key = siteEndpointKey(network, endpointId);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return { txn: undefined, answer: false };
  const { value } = decodeRecord(siteEndpointSchema, row);
  const container = wish(value.container);
  if (container === undefined || sameValue(value.container, container)) {
    return { txn: undefined, answer: false };
  }
  const put = { op: 'put', key, value: encodeRecord({ ...value, container }) } as const;
  return { txn: { compare: [asRead(key, row)], then: [put] }, answer: true };
}
