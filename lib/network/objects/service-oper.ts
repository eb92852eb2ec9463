/** Which containers are behind a service, and how it is with each. Changes nothing. Pure. */
import { networkSiteEndpointRange, siteNetworkRange } from '../../model/site-keys.ts';
import { siteEndpointSchema, siteNetworkSchema } from '../../model/site.ts';
import { decodeRecord } from '../../model/record.ts';
import { answeringFrom, isAnswering } from '../../services/answering.ts';
import { chooseBackends, stateFor, type Candidate } from '../../services/backends.ts';
import { readService } from '../../services/service.ts';
import { prefixRange } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { networkEndpoints, type EndpointOper } from './endpoint-oper.ts';
import { readLabelled } from './labelled.ts';
import { readAll, typed } from './object-rows.ts';
import type { ShownObject } from './show.ts';

/**
 * The containers behind a service as Contiv shows attachments, and what Contiv did not know: `ready`, `failing` or
 * `stopping` in `providerState`. `waiting` is one that is ready behind more than may get new connections.
 */
export function* serviceProviders(shown: ShownObject): Step<readonly EndpointOper[]> {
  const [tenant = '', name = ''] = shown.name.parts;
  const spec = readService(typed('serviceLB', shown.config));
  const candidates: Candidate[] = [];
  const rows = yield* readAll(prefixRange(`${siteNetworkRange.start}${tenant}/`));
  const networks = rows.map((row) => decodeRecord(siteNetworkSchema, row).value);
  const own = networks.find((one) => one.name === spec.network);
  const { address, address6 } = shown.row;
  const has = { has4: address !== undefined, has6: address6 !== undefined };
  for (const one of networks) {
    const network = one.name;
    const answering = answeringFrom(own, one);
    for (const each of yield* readAll(networkSiteEndpointRange({ tenant, network }))) {
      const endpoint = decodeRecord(siteEndpointSchema, each).value;
      const { id: endpointId, container } = endpoint;
      candidates.push({
        endpointId,
        network,
        isAnswering: isAnswering(answering(endpoint), has),
        container: container && {
          ...container,
          state: stateFor(container, { name, check: spec.check }),
        },
      });
    }
  }
  const chosen = chooseBackends(spec, candidates).filter(({ isMember }) => isMember);
  const shapes = new Map<unknown, EndpointOper>();
  const labelled = yield* readLabelled(tenant);
  for (const network of new Set(chosen.map(({ candidate }) => candidate.network))) {
    for (const shape of yield* networkEndpoints({ tenant, network }, labelled)) {
      shapes.set(shape['endpointID'], shape);
    }
  }
  return chosen.map(({ candidate: { endpointId, container }, isReady }) => ({
    ...shapes.get(endpointId),
    providerState: isReady || container?.state !== 'ready' ? container?.state : 'waiting',
  }));
}
