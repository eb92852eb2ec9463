/**
 * What this host's switch does for a profile or an endpoint, beside what Contiv showed of them. Only the host that
 * an endpoint is on can say it.
 */
import { asFairleadError } from '../../errors.ts';
import type { EndpointBandwidth } from '../../host/bandwidth.ts';
import { keyText, type ObjectName } from '../../model/objects/object-keys.ts';

/** Asks the switch. */
export type ReadBandwidth = () => Promise<readonly EndpointBandwidth[]>;

/** What there is to add to what a profile shows; nothing where no endpoint of this host has it. */
export function profileEnforced(name: ObjectName, read: ReadBandwidth): Promise<object> {
  return orWhyNot(async () => {
    const here = (await read()).filter(({ netprofile }) => netprofile === keyText(name));
    return here.length === 0 ? {} : { Oper: { enforced: here } };
  });
}

/** The same of an endpoint, found by its id. */
export function endpointEnforced(endpointId: unknown, read: ReadBandwidth): Promise<object> {
  return orWhyNot(async () => {
    const bandwidth = (await read()).find((one) => one.endpointId === endpointId);
    return bandwidth === undefined ? {} : { bandwidth };
  });
}

/** The objects are shown whether or not the switch answers. */
async function orWhyNot(look: () => Promise<object>): Promise<object> {
  try {
    return await look();
  } catch (thrown) {
    return { bandwidthError: asFairleadError(thrown).message };
  }
}
