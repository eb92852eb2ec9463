/** Which containers are behind a service, and how it is with each. Changes nothing. Pure. */
import { tenantSiteEndpointRange, tenantSiteNetworkRange } from '../../model/site-keys.ts';
import { siteNetworkSchema } from '../../model/site.ts';
import { decodeRecord } from '../../model/record.ts';
import { answeringFrom, isAnswering } from '../../services/answering.ts';
import { chooseBackends, stateFor, type Candidate } from '../../services/backends.ts';
import { readService } from '../../services/service.ts';
import type { Step } from '../../store/plan.ts';
import { attachmentIn, EndpointLook, type Attachment, type EndpointOper } from './endpoint-oper.ts';
import { readEach, typed } from './object-rows.ts';
import type { ShownObject } from './show.ts';

type AttachedCandidate = Candidate & Attachment;

/**
 * The containers behind a service as Contiv shows attachments, and what Contiv did not know: `ready`, `failing` or
 * `stopping` in `providerState`. `waiting` is one that is ready behind more than may get new connections.
 */
export function* serviceProviders(shown: ShownObject): Step<readonly EndpointOper[]> {
  const [tenant = '', name = ''] = shown.name.parts;
  const spec = readService(typed('serviceLB', shown.config));
  const networks = new Map(
    yield* readEach(tenantSiteNetworkRange(tenant), (row) => {
      const network = decodeRecord(siteNetworkSchema, row).value;
      return [network.name, network] as const;
    }),
  );
  const own = networks.get(spec.network);
  const answering = new Map(
    [...networks.values()].map((one) => [one.name, answeringFrom(own, one)] as const),
  );
  const { address, address6 } = shown.row;
  const has = { has4: address !== undefined, has6: address6 !== undefined };
  const candidates: AttachedCandidate[] = [];
  yield* readEach(tenantSiteEndpointRange(tenant), (row) => {
    const { network, endpoint } = attachmentIn(row);
    const answers = answering.get(network);
    const { id: endpointId, container } = endpoint;
    // who is not told of, or of no network, is behind nothing
    if (answers === undefined || container === undefined) return;
    const state = stateFor(container, { name, check: spec.check });
    candidates.push({
      endpointId,
      network,
      endpoint,
      isAnswering: isAnswering(answers(endpoint), has),
      container: { ...container, state },
    });
  });
  const chosen = chooseBackends(spec, candidates).filter(({ isMember }) => isMember);
  const shapes = yield* new EndpointLook(tenant).show(chosen.map(({ candidate }) => candidate));
  return chosen.map(({ candidate: { container }, isReady }, at) => ({
    ...shapes[at]?.oper,
    providerState: isReady || container?.state !== 'ready' ? container?.state : 'waiting',
  }));
}
