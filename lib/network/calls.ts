/** Docker's network calls by whose the network is: this host's own, or one that hosts share. */
import type { Network } from '../model/network.ts';
import type { Plan } from '../store/plan.ts';
import {
  planCreateNetwork,
  planDeleteNetwork,
  readNetwork,
  type NetworkRequest,
} from './networks.ts';
import { planCreatePart, planDeletePart, type RemovalProgress } from './shared-part.ts';
import { namedByModel } from './named-by-model.ts';
import { planCreateSwarmPart } from './swarm-networks.ts';
import { askedNetwork } from './site-options.ts';

/** CreateNetwork on `host`; refuses as `planCreateNetwork` and `planCreatePart`. */
export function* planNetworkCreation(request: NetworkRequest, host: string): Plan<Network> {
  if (request.ofSwarm === true) return yield* planCreateSwarmPart(request, host);
  const asked = askedNetwork(yield* namedByModel(request.options));
  return asked === undefined
    ? yield* planCreateNetwork(request)
    : yield* planCreatePart({ ...request, host }, asked);
}

/**
 * DeleteNetwork on `host`: plan and run it until it answers something else than `more`. `expected` limits it
 * to the network as it was seen at that revision.
 */
export function* planNetworkRemoval(
  networkId: string,
  host: string,
  expected?: { readonly modRevision: number },
): Plan<RemovalProgress> {
  const network = yield* readNetwork(networkId);
  const site = network?.value.site;
  if (network === undefined || site === undefined) {
    const { txn, answer } = yield* planDeleteNetwork(networkId, expected);
    return { txn, answer: answer ? 'done' : 'absent' };
  }
  if (expected !== undefined && network.modRevision !== expected.modRevision) {
    return { txn: undefined, answer: 'absent' };
  }
  return yield* planDeletePart(network, site, host);
}
