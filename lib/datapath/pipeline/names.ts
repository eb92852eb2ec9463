/**
 * Questions to name servers, on their way from a container: table `names`. While the agent says so, they go to it
 * first; it answers those for names of ours and lets the others go on as they were (`lib/host/name-answers.ts`). It
 * says so by a flow that ends by itself within seconds and is not among those that a bridge should have: without an
 * agent all questions go their way. Of TCP it sees what carries data; hands are shaken with the server that was meant.
 * Only networks of the site are looked at: of those of one host Docker knows all names.
 */
import { domainNumberMax, nameLampSeconds } from '../../limits.ts';
import { wholePacket } from '../openflow/codec/action-codes.ts';
import { reservedPort, type Action, type Flow, type Match } from '../openflow/codec/flow.ts';
import { cookieOf, flags, meters, raise, registers, tables } from './fields.ts';
import { bothFamilies } from './packets.ts';
import type { FlowWriter } from './unit.ts';

/** Where name servers listen (RFC 1035 section 4.2). */
export const namePort = 53;
/** TCP's flag for what is to be read at once (RFC 9293 section 3.1). */
const push = 0x08;
/** Tenants of the site have the lower numbers, networks of one host those above. */
const ofSite: Match = { [registers.domain]: { value: 0, mask: domainNumberMax + 1 } };
const notAsked = flags({ fromPeer: false, fromUplink: false, named: false });

/** Questions of containers of this host come by the table; without a lamp they go on. */
export function namesBase(flow: FlowWriter): void {
  const at = { table: tables.neighbours, priority: 10 };
  for (const family of bothFamilies) {
    for (const question of [
      { ipProto: 17, udpDst: namePort },
      { ipProto: 6, tcpDst: namePort },
    ]) {
      flow.add(at, [notAsked, ofSite, family, question], { goto: tables.names });
    }
    // asked here and not above, where all of TCP would be told apart by its flags: a fourth less throughput
    const withoutData = { ipProto: 6, tcpFlags: { value: 0, mask: push } };
    flow.add({ table: tables.names, priority: 200 }, [family, withoutData], { goto: tables.split });
  }
  flow.add({ table: tables.names, priority: 0 }, {}, { goto: tables.split });
}

/** The flow by which the agent says that it answers. */
export const nameLamp: Flow = {
  table: tables.names,
  priority: 100,
  cookie: cookieOf('nameQuery'),
  match: {},
  hardTimeoutS: nameLampSeconds,
  meter: meters.names,
  apply: [{ kind: 'output', port: reservedPort.controller, maxLength: wholePacket }],
};

/** What lets a packet that the agent has looked at go on, as if it came from its container just now. */
export const letGo: readonly Action[] = [
  raise('named'),
  { kind: 'resubmit', table: tables.classify },
];
