/** What a host tells the others of its containers, which services choose by. Plans, pure. */
import { containerLabelsMax, serviceSelectorCharactersMax } from '../limits.ts';
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
