/** What other hosts see of the published ports of an attachment. Parts of plans, pure. */
import type { Endpoint } from '../model/endpoint.ts';
import type { Network } from '../model/network.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { siteEndpointKey } from '../model/site-keys.ts';
import { siteEndpointSchema } from '../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import { readNetwork } from './networks.ts';

/** The attachment without its ports; adds that others see none any more. */
export function* withoutPublished(draft: TxnDraft, endpoint: Endpoint): Step<Endpoint> {
  const { published, ...rest } = endpoint;
  if (published === undefined) return endpoint;
  const network = yield* readNetwork(endpoint.networkId);
  if (network !== undefined) yield* showPublished(draft, network.value, rest);
  return rest;
}

/** Lets the other hosts see the ports of an attachment to a shared network. */
export function* showPublished(draft: TxnDraft, network: Network, endpoint: Endpoint): Step<void> {
  if (network.site === undefined) return;
  const key = siteEndpointKey(network.site, endpoint.id);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return;
  const { published: _before, ...shown } = decodeRecord(siteEndpointSchema, row).value;
  const { published } = endpoint;
  const value = encodeRecord(published === undefined ? shown : { ...shown, published });
  draft.compare.push(asRead(key, row));
  draft.then.push({ op: 'put', key, value });
}
