/** The rows that the view of a site (`site-view.ts`) is made of. */
import { endpointRange, networkRange } from '../model/keys.ts';
import { networkSchema } from '../model/network.ts';
import { objectRange } from '../model/objects/object-keys.ts';
import { decodeRecord } from '../model/record.ts';
import {
  nodeRange,
  parseSeenKey,
  siteEndpointRange,
  siteNetworkRange,
  tenantRange,
} from '../model/site-keys.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';

/** The rows that a view wants: to be listed first and watched from there. Other rows do no harm. */
export const siteViewRanges: readonly Required<KeyRange>[] = [
  networkRange,
  endpointRange,
  tenantRange,
  siteNetworkRange,
  nodeRange,
  // before who chooses among them
  objectRange('endpointGroup', []),
  siteEndpointRange,
  objectRange('rule', []),
  objectRange('netprofile', []),
];

/** Of all rows those of networks that are this host's own. */
export function withoutShared(rows: readonly KeyValue[]): readonly KeyValue[] {
  return rows.filter((row) => {
    const seen = parseSeenKey(row.key);
    if (seen?.kind === 'host-endpoint') return true;
    if (seen?.kind !== 'host-network') return false;
    return decodeRecord(networkSchema, row).value.site === undefined;
  });
}
