/** What a host tells the others of its containers: whose names they are, and what services choose by. Plans, pure. */
import {
  containerAliasesMax,
  containerLabelsMax,
  dnsNameCharactersMax,
  serviceSelectorCharactersMax,
} from '../limits.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { siteEndpointKey } from '../model/site-keys.ts';
import { siteEndpointSchema, type SiteContainer, type SiteNetworkName } from '../model/site.ts';
import { asRead, type Plan } from '../store/plan.ts';
import { sameValue } from './same-value.ts';

/** The labels of a container that are told: as many, and as long, as services may ask for. */
export function toldLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const told = Object.entries(labels)
    .filter(([key, value]) => key.length + value.length < serviceSelectorCharactersMax)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .slice(0, containerLabelsMax);
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

/** Says whose an attachment is, if it is there and does not say so already. Answers whether something was new. */
export function* planTellContainer(
  { network, endpointId }: { readonly network: SiteNetworkName; readonly endpointId: string },
  container: SiteContainer,
): Plan<boolean> {
  const key = siteEndpointKey(network, endpointId);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return { txn: undefined, answer: false };
  const { value } = decodeRecord(siteEndpointSchema, row);
  if (sameValue(value.container, container)) return { txn: undefined, answer: false };
  const put = { op: 'put', key, value: encodeRecord({ ...value, container }) } as const;
  return { txn: { compare: [asRead(key, row)], then: [put] }, answer: true };
}
