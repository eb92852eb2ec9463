/**
 * What is said from this host to a container behind services by itself. The answers look like those of the services: so
 * both are remembered in one zone, and of two conversations that would be one the later gets another port of its
 * client. That is what a translation to no address asks for (ovs-actions(7), "ct", all-zero SNAT).
 */
import type { IpAddress } from '../../ip/ip.ts';
import type { ServicePort } from '../../services/service.ts';
import type { Ct } from '../openflow/codec/flow.ts';
import { fromAddress, toAddress } from './addresses.ts';
import { ctState } from './ct-state.ts';
import { ofContainer, ofDomain, raise, tables, zones } from './fields.ts';
import { fromPort, isUncut, toPort } from './packets.ts';
import type { FlowWriter } from './unit.ts';

/** Not said to a service. */
const isNotChosen = { ctState: { value: 0, mask: ctState.target } };

/**
 * To the ports of a container that services lead to. What comes from one of another's is taken for an answer; pieces of
 * packets show no ports, and of SCTP a switch in user space knows none: those are not remembered.
 */
export function directFlows(
  flow: FlowWriter,
  {
    domain,
    address,
    listened,
  }: {
    readonly domain: number;
    readonly address: IpAddress;
    readonly listened: readonly Pick<ServicePort, 'protocol' | 'target'>[];
  },
): void {
  const here = [ofDomain(domain), ofContainer];
  const zone = zones.services(domain);
  // no range: a switch drops one of zeros, and says the flow without it when it is asked
  const nat: Ct['nat'] = { side: 'source' };
  const remember: Ct = { kind: 'ct', commit: true, zone, nat, table: tables.admission };
  for (const { protocol, target } of listened) {
    if (protocol === 'sctp') continue;
    const answer = { ...fromAddress(address), ...fromPort(protocol, target) };
    flow.add({ table: tables.direct, priority: 130 }, [...here, answer], {
      goto: tables.admission,
    });
    const there = { ...toAddress(address), ...toPort(protocol, target) };
    flow.add({ table: tables.direct, priority: 120 }, [...here, there, isUncut, isNotChosen], {
      apply: [raise('direct'), remember],
    });
  }
}
